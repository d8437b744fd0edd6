/* AVX2 + FMA: 6 rows by 2 vectors of 8 lanes, 12 of the 16 registers accumulate. */
#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

#define ISA_NAME avx2
#define WIDE 8
#define MR 6
#define ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6)

typedef __m256 V;
typedef __m256i Mask;

#define v_zero() _mm256_setzero_ps()
#define v_set1(x) _mm256_set1_ps(x)
#define v_load(p) _mm256_loadu_ps(p)
#define v_store(p, v) _mm256_storeu_ps(p, v)
#define v_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define mask_make(lanes) _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define v_load_mask(p, mask) _mm256_maskload_ps(p, mask)
#define v_store_mask(p, v, mask) _mm256_maskstore_ps(p, mask, v)

#include "kernels/gemm_f32.inc"
#endif
