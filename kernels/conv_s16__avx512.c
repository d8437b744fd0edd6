#ifdef __AVX512BW__
#define ISA_NAME avx512
#include "kernels/conv_s16.inc"
#endif
