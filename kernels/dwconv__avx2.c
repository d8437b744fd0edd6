#ifdef __AVX2__
#define ISA_NAME avx2
#define WIDEST 8
#include "kernels/dwconv.inc"
#endif
