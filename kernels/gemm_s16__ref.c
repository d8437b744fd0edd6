/* Any CPU: 4 rows by 2 vectors of 4 lanes in the compiler's vector type. */
#define ISA_NAME ref
#define LANES 4
#define MR 4
#define ROWS(X) X(1) X(2) X(3) X(4)

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__ /* every x86-64; without it the compiler has to make up 32-bit products */
#include <emmintrin.h>
#endif

typedef int32_t V __attribute__((vector_size(16)));
typedef int Mask;

#define v_zero() ((V){0, 0, 0, 0})
#define mask_make(lanes) (lanes)

static inline V v_pair(const int16_t *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return (V){pair, pair, pair, pair};
}

static inline V v_load(const int16_t *p)
{
    V v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline V v_dot(V acc, V a, V b)
{
#ifdef __SSE2__
    return acc + (V)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    typedef uint32_t U __attribute__((vector_size(16)));
    return acc + ((V)((U)a << 16) >> 16) * ((V)((U)b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}

static inline void v_store(int32_t *p, V v) { memcpy(p, &v, sizeof v); }

static inline void v_store_mask(int32_t *p, V v, int lanes)
{
    for (int i = 0; i < lanes; i++) p[i] = v[i];
}

#include "kernels/gemm_s16.inc"
