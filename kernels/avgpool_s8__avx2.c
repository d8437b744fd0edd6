#ifdef __AVX2__
#define ISA_NAME avx2
#include "kernels/avgpool_s8.inc"
#endif
