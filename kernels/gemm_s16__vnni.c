/* vpdpwssd is vpmaddwd and the addition in one (it does not saturate). */
#ifdef __AVX512VNNI__
#define ISA_NAME vnni
#define v_dot(acc, a, b) _mm512_dpwssd_epi32(acc, a, b)
#include "kernels/gemm_s16_512.inc"
#endif
