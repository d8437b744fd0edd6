#ifdef __AVX512F__
#define ISA_NAME avx512
#include "kernels/elementwise.inc"
#endif
