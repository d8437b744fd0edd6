/* AVX2: vpmaddwd and an addition, 6 rows by one panel. */
#ifdef __AVX2__
#include <immintrin.h>
#include <string.h>

#define ISA_NAME avx2
#define LANES 8
#define MR 6
#define ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6)

typedef __m256i V;
typedef __m256i Mask;

static inline V v_pair(const void *p)
{
    int pair;
    memcpy(&pair, p, sizeof pair);
    return _mm256_set1_epi32(pair);
}

#define v_zero() _mm256_setzero_si256()
#define v_load(p) _mm256_loadu_si256((const __m256i *)(p))
#define v_dot(acc, a, b) _mm256_add_epi32(acc, _mm256_madd_epi16(a, b))
#define mask_make(lanes) _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define v_store(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define v_store_mask(p, v, mask) _mm256_maskstore_epi32(p, mask, v)

#include "kernels/gemm_s16.inc"
#endif
