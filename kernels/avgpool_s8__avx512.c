#ifdef __AVX512F__
#define ISA_NAME avx512
#include "kernels/avgpool_s8.inc"
#endif
