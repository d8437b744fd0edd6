#ifdef __AVX512BW__
#define ISA_NAME avx512
#define v_dot(acc, a, b) _mm512_add_epi32(acc, _mm512_madd_epi16(a, b))
#include "kernels/gemm_s16_512.inc"
#endif
