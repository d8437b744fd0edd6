#ifdef __AVX512F__
#define ISA_NAME avx512
#define CODES 64

#include "kernels/isa.h"
#include "kernels/requant_512.h"

INLINE void float_codes(const RequantRows *r, const int32_t *acc, int at, int8_t *y)
{
    const __m512 high = _mm512_set1_ps((float)(r->hi - r->zero_point));
    __m512i v[4];
    for (int k = 0; k < 4; k++) {
        const __m512i sum =
            _mm512_add_epi32(_mm512_loadu_si512(acc + 16 * k), _mm512_loadu_si512(r->bias + at + 16 * k));
        v[k] = scaled_512(sum, _mm512_loadu_ps(r->f + at + 16 * k), high);
    }
    /* The packs work within 128 bits: dword 4 k + l of the result holds codes 16 l + 4 k .. of v[l]. */
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i codes = narrowed_512(v, _mm512_set1_epi16((short)r->zero_point), _mm512_set1_epi8((char)r->lo));
    _mm512_storeu_si512(y, _mm512_permutexvar_epi32(order, codes));
}

#include "kernels/requantize.inc"
#endif
