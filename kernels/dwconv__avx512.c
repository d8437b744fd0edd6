#ifdef __AVX512F__
#define ISA_NAME avx512
#define WIDEST 16
#include "kernels/dwconv.inc"
#endif
