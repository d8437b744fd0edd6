/* requant() of the rounding xnnpack on 64 sums; for files compiled with AVX-512.
 *
 * The upper bound is applied before the rounding, as in requant().  The lower one needs no float: what is too small
 * converts to INT32_MIN or saturates on its way to 8 bits. */
#ifndef BITFOLD_KERNELS_REQUANT_512_H
#define BITFOLD_KERNELS_REQUANT_512_H

#include <immintrin.h>

/* rne(min(sum * f, high)); high = hi - zero point. */
static inline __m512i scaled_512(__m512i sum, __m512 f, __m512 high)
{
    return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), f), high));
}

/* Lane by lane of 128 bits: the 4 values of v[0], of v[1], of v[2], of v[3] as codes. */
static inline __m512i narrowed_512(const __m512i v[4], __m512i zero_point, __m512i lo)
{
    const __m512i a = _mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), zero_point);
    const __m512i b = _mm512_adds_epi16(_mm512_packs_epi32(v[2], v[3]), zero_point);
    return _mm512_max_epi8(_mm512_packs_epi16(a, b), lo);
}

#endif
