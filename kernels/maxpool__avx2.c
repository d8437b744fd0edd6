#ifdef __AVX2__
#define ISA_NAME avx2
#define LANES 8
#include "kernels/maxpool.inc"
#endif
