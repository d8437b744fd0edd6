#include "compress/tensor_scheme.h"

#include <math.h>

#include "quant/quantizer.h"

const char *const tensor_scheme_names[] = {
    [SCHEME_SYMMETRIC] = "symmetric", [SCHEME_AFFINE] = "affine",     [SCHEME_ABSMAX] = "absmax",
    [SCHEME_ZEROPOINT] = "zeropoint", [SCHEME_CODEBOOK] = "codebook", NULL};

#define MAX_ZERO_POINT 0x1p24f /* beyond it float32 has no integer of its own for each */

/* The grid of value i: along an axis the index on it. */
typedef struct {
    int64_t inner, length;
} Axis;

static int64_t grid_of(const Axis *axis, int64_t i) { return i / axis->inner % axis->length; }

static Status check_finite(Arena *arena, int rank, const int64_t *dim, int64_t n, const float *x)
{
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(x[i])) continue;
        const char *at = "";
        for (int64_t k = rank, rest = i; k-- > 0; rest /= dim[k])
            at = arena_printf(arena, "%lld%s%s", (long long)(rest % dim[k]), at[0] == '\0' ? "" : ",", at);
        return status_fail(STATUS_NUMERIC, "value %g at [%s]; must be finite", (double)x[i], at);
    }
    return STATUS_OK;
}

/* The step, factor and zero point of grid k, whose values reach from lo to hi. */
static Status make_scale(const TensorGridConfig *config, TensorGrid *g, int64_t k, float lo, float hi)
{
    const float m = fmaxf(fabsf(lo), fabsf(hi)), all = (float)(g->qmax - g->qmin);
    QuantParams qp = {.bits = config->bits,
                      .is_signed = true,
                      .qmin = g->qmin,
                      .qmax = g->qmax,
                      .axis = -1,
                      .n = 1,
                      .scale = &g->scale[k]};
    switch (config->scheme) {
    case SCHEME_SYMMETRIC:
        grid_symmetric(lo, hi, &qp, 0);
        break;
    case SCHEME_AFFINE:
        grid_asymmetric(lo, hi, &qp);
        break;
    case SCHEME_ABSMAX:
        g->factor[k] = m == 0.0f ? 1.0f : (float)g->qmax / m;
        break;
    case SCHEME_CODEBOOK:
        g->factor[k] = 1.0f;
        break;
    case SCHEME_ZEROPOINT:
        g->factor[k] = all / (hi == lo ? 1.0f : hi - lo);
        if (fabsf(g->factor[k] * lo) > MAX_ZERO_POINT)
            return status_fail(STATUS_NUMERIC,
                               "values from %g to %g; must not lie further from 0 than 2^24 steps of their range",
                               (double)lo, (double)hi);
        qp.zero_point = (int32_t)rintf(-g->factor[k] * lo + (float)g->qmin);
        break;
    }
    g->zero_point[k] = qp.zero_point;
    if (config->scheme == SCHEME_SYMMETRIC || config->scheme == SCHEME_AFFINE)
        g->factor[k] = 1.0f / g->scale[k];
    else
        g->scale[k] = 1.0f / g->factor[k];
    return STATUS_OK;
}

/* The entries lie in order: the first whose midpoint to the next one x does not pass. */
static int nearest_entry(const TensorGridConfig *config, float x)
{
    int q = 0;
    while (q + 1 < config->entries && (double)x > ((double)config->entry[q] + (double)config->entry[q + 1]) / 2) q++;
    return q;
}

static void make_code(const TensorGridConfig *config, TensorGrid *g, int64_t k, int64_t i, float x)
{
    const int z = g->zero_point[k];
    const bool by_step = config->scheme == SCHEME_SYMMETRIC || config->scheme == SCHEME_AFFINE;
    int q;
    if (config->scheme == SCHEME_CODEBOOK) {
        q = nearest_entry(config, x);
        g->codes[i] = (int8_t)q;
        g->restored[i] = config->entry[q];
        g->count[q]++;
        return;
    }
    if (by_step) {
        q = quantize_value(x, g->scale[k], z, g->qmin, g->qmax);
    } else {
        const float v = rintf(g->factor[k] * x + (float)z);
        q = (int)fminf(fmaxf(v, (float)g->qmin), (float)g->qmax);
    }
    g->codes[i] = (int8_t)q;
    g->restored[i] = by_step ? g->scale[k] * (float)(q - z) : (float)(q - z) / g->factor[k];
    g->count[q - g->qmin]++;
}

static void measure(TensorGrid *g, const float *x)
{
    double signal = 0, noise = 0, sum = 0;
    for (int64_t i = 0; i < g->n; i++) {
        const double e = (double)g->restored[i] - (double)x[i];
        signal += (double)x[i] * (double)x[i];
        noise += e * e;
        sum += fabs(e);
        if (fabs(e) > g->largest_error) g->largest_error = fabs(e), g->largest_at = i;
    }
    g->mean_error = sum / (double)g->n;
    g->sqnr_db = noise == 0.0 ? (double)INFINITY : 10.0 * log10(signal / noise);
    for (int q = 0; q <= g->qmax - g->qmin; q++) g->unused += g->count[q] == 0;
}

Status tensor_grid_make(Arena *arena, const TensorGridConfig *config, int rank, const int64_t *dim, const float *x,
                        TensorGrid *g)
{
    Axis axis = {.inner = 1, .length = 1};
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= dim[i];
    ASSERT(n > 0 && config->axis < rank);
    if (config->axis >= 0) {
        axis.length = dim[config->axis];
        for (int i = config->axis + 1; i < rank; i++) axis.inner *= dim[i];
    } else {
        axis.inner = n;
    }
    TRY(check_finite(arena, rank, dim, n, x));
    *g = (TensorGrid){.n = n, .grids = axis.length, .min = x[0], .max = x[0]};
    const bool narrow = config->scheme == SCHEME_SYMMETRIC || config->scheme == SCHEME_ABSMAX;
    if (config->scheme == SCHEME_CODEBOOK)
        g->qmin = 0, g->qmax = config->entries - 1;
    else
        grid_range(config->bits, true, narrow, &g->qmin, &g->qmax);
    g->codes = arena_alloc(arena, (size_t)n);
    g->restored = arena_alloc(arena, sizeof(float) * (size_t)n);
    float *grids = arena_alloc(arena, sizeof(float) * 4 * (size_t)g->grids);
    float *lo = grids, *hi = grids + g->grids;
    g->scale = hi + g->grids, g->factor = g->scale + g->grids;
    g->zero_point = arena_alloc(arena, sizeof(int32_t) * (size_t)g->grids);
    for (int64_t k = 0; k < g->grids; k++) lo[k] = INFINITY, hi[k] = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = grid_of(&axis, i);
        lo[k] = fminf(lo[k], x[i]), hi[k] = fmaxf(hi[k], x[i]);
        g->min = fminf(g->min, x[i]), g->max = fmaxf(g->max, x[i]);
    }
    if (!isfinite(g->max - g->min) && config->scheme != SCHEME_CODEBOOK)
        return status_fail(STATUS_NUMERIC, "values from %g to %g; their range must be a float32", (double)g->min,
                           (double)g->max);
    for (int64_t k = 0; k < g->grids; k++) TRY(make_scale(config, g, k, lo[k], hi[k]));
    for (int64_t i = 0; i < n; i++) make_code(config, g, grid_of(&axis, i), i, x[i]);
    measure(g, x);
    return STATUS_OK;
}
