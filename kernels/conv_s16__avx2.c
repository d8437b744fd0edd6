#ifdef __AVX2__
#define ISA_NAME avx2
#include "kernels/conv_s16.inc"
#endif
