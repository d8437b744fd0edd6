/* Any CPU: 4 rows by 2 vectors of 4 lanes in the compiler's vector type; multiply and add round separately. */
#define ISA_NAME ref
#define WIDE 4
#define MR 4
#define ROWS(X) X(1) X(2) X(3) X(4)

#include <string.h>

typedef float V __attribute__((vector_size(16)));
typedef int Mask;

#define v_zero() ((V){0, 0, 0, 0})
#define v_set1(x) v_splat(x)
#define v_fma(a, b, c) ((a) * (b) + (c))
#define mask_make(lanes) (lanes)

static inline V v_splat(float x) { return (V){x, x, x, x}; }

static inline V v_load(const float *p)
{
    V v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void v_store(float *p, V v) { memcpy(p, &v, sizeof v); }

static inline V v_load_mask(const float *p, int lanes)
{
    return (V){p[0], lanes > 1 ? p[1] : 0, lanes > 2 ? p[2] : 0, 0};
}

static inline void v_store_mask(float *p, V v, int lanes)
{
    p[0] = v[0];
    if (lanes > 1) p[1] = v[1];
    if (lanes > 2) p[2] = v[2];
}

#include "kernels/gemm_f32.inc"
