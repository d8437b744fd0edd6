/* What the two 512-bit variants of gemm_s16 share: 12 rows by two panels; the file defines v_dot. */
#include <immintrin.h>
#include <string.h>

#define LANES 16
#define MR 12
#define ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)

typedef __m512i V;
typedef __mmask16 Mask;

static inline V v_pair(const void *p)
{
    int pair;
    memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32(pair);
}

#define v_zero() _mm512_setzero_si512()
#define v_load(p) _mm512_loadu_si512(p)
#define mask_make(lanes) ((__mmask16)((1u << (lanes)) - 1))
#define v_store(p, v) _mm512_storeu_si512(p, v)
#define v_store_mask(p, v, mask) _mm512_mask_storeu_epi32(p, mask, v)

#include "kernels/gemm_s16.inc.h"
