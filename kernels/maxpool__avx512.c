#ifdef __AVX512F__
#define ISA_NAME avx512
#define LANES 16
#include "kernels/maxpool.inc"
#endif
