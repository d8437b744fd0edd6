#ifdef __AVX2__
#define ISA_NAME avx2
#define CODES 32

#include <immintrin.h>

#include "kernels/isa.h"

/* As kernels/requant_512.h, on half as many. */
INLINE void float_codes(const RequantRows *r, const int32_t *acc, int at, int8_t *y)
{
    const __m256 high = _mm256_set1_ps((float)(r->hi - r->zero_point));
    const __m256i zero_point = _mm256_set1_epi16((short)r->zero_point);
    __m256i v[4];
    for (int k = 0; k < 4; k++) {
        const __m256i sum = _mm256_add_epi32(_mm256_loadu_si256((const __m256i *)(acc + 8 * k)),
                                             _mm256_loadu_si256((const __m256i *)(r->bias + at + 8 * k)));
        const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_loadu_ps(r->f + at + 8 * k));
        v[k] = _mm256_cvtps_epi32(_mm256_min_ps(scaled, high));
    }
    const __m256i a = _mm256_adds_epi16(_mm256_packs_epi32(v[0], v[1]), zero_point);
    const __m256i b = _mm256_adds_epi16(_mm256_packs_epi32(v[2], v[3]), zero_point);
    const __m256i codes = _mm256_max_epi8(_mm256_packs_epi16(a, b), _mm256_set1_epi8((char)r->lo));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256((__m256i *)y, _mm256_permutevar8x32_epi32(codes, order));
}

#include "kernels/requantize.inc"
#endif
