/* AVX-512: 12 rows by 2 vectors of 16 lanes, 24 of the 32 registers accumulate. */
#ifdef __AVX512F__
#include <immintrin.h>

#define ISA_NAME avx512
#define LANES 16
#define MR 12
#define ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)

typedef __m512 V;
typedef __mmask16 Mask;

#define v_zero() _mm512_setzero_ps()
#define v_set1(x) _mm512_set1_ps(x)
#define v_load(p) _mm512_loadu_ps(p)
#define v_store(p, v) _mm512_storeu_ps(p, v)
#define v_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define mask_make(lanes) ((__mmask16)((1u << (lanes)) - 1))
#define v_load_mask(p, mask) _mm512_maskz_loadu_ps(mask, p)
#define v_store_mask(p, v, mask) _mm512_mask_storeu_ps(p, mask, v)

#include "kernels/gemm_f32.inc"
#endif
