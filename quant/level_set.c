#include "quant/level_set.h"

#include <math.h>
#include <string.h>

#include "base/status.h"

static const float SMALLEST_ALPHA = 1e-6f;

/* ---- sets -------------------------------------------------------------------------------------------------------- */

void level_set_take(Quantizer *q, int count, const int *level)
{
    QuantParams *qp = &q->qp;
    int bits = QUANT_MIN_BITS;
    while (level[0] < -(1 << (bits - 1)) || level[count - 1] >= 1 << (bits - 1)) bits++;
    ASSERT(count > 0 && bits <= QUANT_MAX_BITS);
    qp->bits = bits;
    qp->qmin = level[0], qp->qmax = level[count - 1];
    qp->levels = count;
    for (int i = 0; i < count; i++) qp->level[i] = (int8_t)level[i];
}

void level_set_make(Quantizer *q, Arena *arena, int count, const int *level)
{
    q->qp.level = arena_alloc(arena, (size_t)count);
    level_set_take(q, count, level);
}

void level_set_mirror(Quantizer *q, Arena *arena, int count, const int *magnitude)
{
    enum { MOST = 64 };
    int level[2 * MOST + 1];
    ASSERT(count <= MOST);
    for (int i = 0; i < count; i++) level[count - 1 - i] = -magnitude[i], level[count + 1 + i] = magnitude[i];
    level[count] = 0;
    level_set_make(q, arena, 2 * count + 1, level);
}

int level_nearest(const QuantParams *qp, float v)
{
    const int8_t *level = qp->level;
    int below = 0, above = qp->levels - 1; /* of the levels next to v */
    if (!(v > (float)level[0])) return 0;
    while (above - below > 1) {
        const int middle = (below + above) / 2;
        if ((float)level[middle] < v)
            below = middle;
        else
            above = middle;
    }
    const double twice = 2.0 * (double)v, middle = level[below] + level[above];
    if (twice != middle) return twice < middle ? below : above;
    return middle < 0.0 ? above : below;
}

/* As many as there are bounds between two levels below v; a bound itself belongs to the level of smaller magnitude. */
void level_nearest_block(const QuantParams *qp, float scale, size_t n, const float *x, float *v, int *index)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) v[i] = x[i] / scale, index[i] = 0;
    for (int k = 0; k + 1 < qp->levels; k++) {
        const int twice = qp->level[k] + qp->level[k + 1];
        const float middle = 0.5f * (float)twice, bound = twice < 0 ? nextafterf(middle, -INFINITY) : middle;
#pragma omp simd
        for (size_t i = 0; i < n; i++) index[i] += v[i] > bound;
    }
}

void level_set_pass(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy, float *dx)
{
    (void)q, (void)run, (void)x;
    if (dx != dy) memcpy(dx, dy, sizeof *dx * n);
}

double level_set_pass_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                                double x)
{
    (void)q, (void)param;
    return x + (double)run->scale * residual;
}

/* ---- a set times a learned step ---------------------------------------------------------------------------------- */

/* The largest magnitude of a level, which is alpha. */
static float top(const Quantizer *q) { return (float)(q->qp.qmax > -q->qp.qmin ? q->qp.qmax : -q->qp.qmin); }

bool scaled_levels_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    const ParamRule rule = {.lr_factor = 1.0, .least = SMALLEST_ALPHA};
    return quantizer_param(q, params, arena, "alpha", q->qp.n, rule) != NULL;
}

static double squared_error(const Quantizer *q, float alpha, size_t n, const float *x)
{
    const float s = alpha / top(q);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double e = (double)x[i] - (double)s * q->qp.level[level_nearest(&q->qp, x[i] / s)];
        sum += e * e;
    }
    return sum;
}

/* Of 56 parts of the largest magnitude the one of least squared error; all zero: 1. */
static float best_alpha(const Quantizer *q, size_t n, const float *x)
{
    enum { FIRST = 8, PARTS = 64 };
    float largest = 0.0f, best = 1.0f;
    for (size_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(x[i]));
    if (largest < SMALLEST_ALPHA) return best;
    double least = HUGE_VAL;
    for (int k = FIRST; k <= PARTS; k++) {
        const float alpha = fmaxf(largest * ((float)k / PARTS), SMALLEST_ALPHA);
        const double e = squared_error(q, alpha, n, x);
        if (e < least) least = e, best = alpha;
    }
    return best;
}

void scaled_levels_prepare(Quantizer *q, const WeightView *w)
{
    (void)w;
    for (int c = 0; c < q->qp.n; c++) q->qp.scale[c] = fmaxf(q->param[0]->x[c], SMALLEST_ALPHA) / top(q);
}

void scaled_levels_start(Quantizer *q, const QuantizerStart *from)
{
    if (q->ready) return; /* from here on alpha is the optimizer's */
    Arena *arena = arena_create();
    float *values = arena_alloc(arena, sizeof(float) * (size_t)from->weights->by.n);
    for (int c = 0; c < q->qp.n; c++)
        q->param[0]->x[c] = best_alpha(q, weight_gather(from->weights, &q->qp, c, values), values);
    arena_destroy(arena);
    scaled_levels_prepare(q, NULL);
    q->ready = true;
}

void scaled_levels_quantize(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, int8_t *codes)
{
    float v[LEVEL_BLOCK];
    int index[LEVEL_BLOCK];
    for (size_t at = 0; at < n; at += LEVEL_BLOCK) {
        const size_t count = n - at < LEVEL_BLOCK ? n - at : LEVEL_BLOCK;
        level_nearest_block(&q->qp, run->scale, count, x + at, v, index);
        for (size_t i = 0; i < count; i++) codes[at + i] = q->qp.level[index[i]];
    }
}

void scaled_levels_backward(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                            float *dx)
{
    const float lo = (float)q->qp.qmin, hi = (float)q->qp.qmax;
    for (size_t i = 0; i < n; i++) {
        const float v = x[i] / run->scale;
        dx[i] = v >= lo && v <= hi ? dy[i] : 0.0f;
    }
}

void scaled_levels_backward_params(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x,
                                   const float *dy, double *sum)
{
    const float lo = (float)q->qp.qmin, hi = (float)q->qp.qmax, most = top(q);
    float v[LEVEL_BLOCK];
    int index[LEVEL_BLOCK];
    for (size_t at = 0; at < n; at += LEVEL_BLOCK) {
        const size_t count = n - at < LEVEL_BLOCK ? n - at : LEVEL_BLOCK;
        level_nearest_block(&q->qp, run->scale, count, x + at, v, index);
        for (size_t i = 0; i < count; i++) {
            const float of_step = v[i] > hi ? hi : v[i] < lo ? lo : (float)q->qp.level[index[i]] - v[i];
            sum[0] += (double)dy[at + i] * (double)(of_step / most);
        }
    }
}

void scaled_levels_backward_scale(const Quantizer *q, const QuantizerRun *run, double d_scale, double *sum)
{
    (void)run;
    sum[0] += d_scale / (double)top(q);
}

double scaled_levels_gradient_scale(const Quantizer *q, const QuantizerRun *run, int k)
{
    (void)k;
    return sqrt(0.5 * (q->qp.levels - 1) / (double)run->count);
}

void scaled_levels_finish(Quantizer *q, const QuantizerRun *run, const double *sum)
{
    q->param[0]->dx[run->channel] += (float)(sum[0] * scaled_levels_gradient_scale(q, run, 0));
}

double scaled_levels_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                               double x)
{
    (void)run;
    const double s = param[0] / (double)top(q);
    return s * (fmin(fmax(x / s, q->qp.qmin), q->qp.qmax) + residual);
}
