/* Learned step size quantization (Esser 2020, 1902.08153): the scale is a parameter trained with the weights.
 *   v = x / s;  xq = s * rne(clip(v, n, p));  d xq / d s = rne(v) - v inside, n or p outside,
 * times 1 / sqrt(values that share the step * largest code). */
#include <math.h>

#include "kernels/kernels.h"
#include "quant/quantizer_type.h"

static const float SMALLEST_STEP = 1e-8f;

static bool lsq_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    const ParamRule rule = {.lr_factor = 1.0, .least = SMALLEST_STEP}; /* a step of 0 or less is no grid */
    return quantizer_param(q, params, arena, "step", q->qp.n, rule) != NULL;
}

static void start_weights(Quantizer *q, const WeightView *w)
{
    Arena *arena = arena_create();
    float *values = arena_alloc(arena, sizeof(float) * (size_t)w->by.n);
    for (int c = 0; c < q->qp.n; c++)
        q->param[0]->x[c] = lsq_initial_step(values, weight_gather(w, q->qp.n, c, values), q->qp.qmax);
    arena_destroy(arena);
}

static void lsq_adopt(Quantizer *q) { q->param[0]->x[0] = q->qp.scale[0]; }

static void lsq_start(Quantizer *q, const QuantizerStart *from)
{
    if (q->ready) return; /* from here on the step is the optimizer's */
    q->ready = true;
    if (from->weights != NULL) {
        start_weights(q, from->weights);
        return;
    }
    grid_symmetric(from->lo, from->hi, &q->qp, 0);
    lsq_adopt(q);
}

static void lsq_prepare(Quantizer *q, const WeightView *w)
{
    (void)w;
    for (int c = 0; c < q->qp.n; c++) q->qp.scale[c] = fmaxf(q->param[0]->x[c], SMALLEST_STEP);
}

/* Of weights the sum is taken in their order, in float32, with the factor inside. */
static void lsq_backward_params(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                                double *sum)
{
    const Gate p = run->gate;
    if (!q->is_weight) {
        const StepGate gate = {.step = run->scale, .lo = p.lo, .hi = p.hi, .above = p.above};
        sum[0] += kernels()->step_gradient(n, x, dy, &gate);
        return;
    }
    const float factor = 1.0f / sqrtf((float)run->count * p.hi);
    float total = 0.0f;
    for (size_t i = 0; i < n; i++) total += factor * dy[i] * lsq_step_gradient(x[i] / run->scale, p.lo, p.hi);
    sum[0] += (double)total;
}

static double root(const Quantizer *q, const QuantizerRun *run)
{
    return sqrt((double)run->count * (double)(q->qp.qmax - q->qp.zero_point));
}

static void lsq_finish(Quantizer *q, const QuantizerRun *run, const double *sum)
{
    q->param[0]->dx[run->channel] += (float)(q->is_weight ? sum[0] : sum[0] / root(q, run));
}

static double lsq_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual, double x)
{
    (void)run;
    const double lo = q->qp.qmin - q->qp.zero_point, hi = q->qp.qmax - q->qp.zero_point;
    return param[0] * (fmin(fmax(x / param[0], lo), hi) + residual);
}

static double lsq_gradient_scale(const Quantizer *q, const QuantizerRun *run, int k)
{
    (void)k;
    return 1.0 / root(q, run);
}

const QuantizerType quantizer_lsq = {
    .name = "lsq",
    .doc = "learned step size (Esser 2020): the scale is trained with the weights; 2 bits need it",
    .uses = QUANTIZES_ALL,
    .learns = true,
    .centred = true,
    .create = lsq_create,
    .start = lsq_start,
    .prepare = lsq_prepare,
    .adopt = lsq_adopt,
    .backward_params = lsq_backward_params,
    .finish = lsq_finish,
    .surrogate = lsq_surrogate,
    .gradient_scale = lsq_gradient_scale,
};
