#ifdef __AVX2__
#define ISA_NAME avx2
#include "kernels/elementwise.inc"
#endif
