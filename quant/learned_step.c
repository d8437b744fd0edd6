#include "quant/learned_step.h"

#include <math.h>

#include "kernels/kernels.h"
#include "quant/split_weights.h"

static const float SMALLEST_STEP = 1e-8f;

bool learned_step_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    const ParamRule rule = {.lr_factor = 1.0, .least = SMALLEST_STEP}; /* a step of 0 or less is no grid */
    return quantizer_param(q, params, arena, "step", q->qp.n, rule) != NULL;
}

/* A group of zeros has the largest step of its output. */
static void fill_groups(Quantizer *q)
{
    float *step = q->param[0]->x;
    for (int at = 0; at < q->qp.n; at += q->qp.groups) {
        float most = 0.0f;
        for (int g = at; g < at + q->qp.groups; g++) most = fmaxf(most, step[g]);
        for (int g = at; g < at + q->qp.groups; g++)
            if (!(step[g] > 0.0f)) step[g] = most > 0.0f ? most : 1.0f;
    }
}

static bool all_zero(const float *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (w[i] != 0.0f) return false;
    return true;
}

void learned_step_start_weights(Quantizer *q, const WeightView *w,
                                float (*first)(const Quantizer *q, const float *w, size_t n))
{
    Arena *arena = arena_create();
    float *values = arena_alloc(arena, sizeof(float) * (size_t)w->by.n);
    for (int c = 0; c < q->qp.n; c++) {
        const size_t n = weight_gather(w, &q->qp, c, values);
        q->param[0]->x[c] = q->qp.group > 0 && all_zero(values, n) ? 0.0f : first(q, values, n);
    }
    arena_destroy(arena);
    if (q->qp.group > 0) fill_groups(q);
}

float three_deviations(const float *w, size_t n)
{
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)w[i];
    const double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += ((double)w[i] - mean) * ((double)w[i] - mean);
    return (float)(fabs(mean) + 3.0 * sqrt(squares / (double)n));
}

static float first_step(const Quantizer *q, const float *w, size_t n) { return lsq_initial_step(w, n, q->qp.qmax); }

void learned_step_adopt(Quantizer *q) { q->param[0]->x[0] = q->qp.scale[0]; }

void learned_step_start(Quantizer *q, const QuantizerStart *from)
{
    if (q->ready) return; /* from here on the step is the optimizer's */
    q->ready = true;
    if (from->weights != NULL) {
        learned_step_start_weights(q, from->weights, first_step);
        return;
    }
    grid_symmetric(from->lo, from->hi, &q->qp, 0);
    learned_step_adopt(q);
}

void learned_step_prepare(Quantizer *q, const WeightView *w)
{
    (void)w;
    for (int c = 0; c < q->qp.n; c++) q->qp.scale[c] = fmaxf(q->param[0]->x[c], SMALLEST_STEP);
    if (grid_is_split(&q->qp)) split_scales_settle(&q->qp, false);
}

/* Of weights the sum is taken in their order, in float32, with the factor inside. */
void learned_step_backward_params(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x,
                                  const float *dy, double *sum)
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

void learned_step_backward_scale(const Quantizer *q, const QuantizerRun *run, double d_scale, double *sum)
{
    (void)q;
    sum[0] += d_scale / sqrt((double)run->count * (double)run->gate.hi);
}

/* The largest code counts from the middle of a signed grid, which an offset does not change. */
static double root(const Quantizer *q, const QuantizerRun *run)
{
    return sqrt((double)run->count * (double)(q->qp.is_signed ? q->qp.qmax : q->qp.qmax - q->qp.qmin));
}

/* What the scale of a group is of its parameter, which is rounded to multiples of a step; else 1. */
static double settled(const Quantizer *q, const QuantizerRun *run)
{
    return q->qp.multiple == NULL ? 1.0 : (double)run->scale / (double)q->param[0]->x[run->channel];
}

void learned_step_finish(Quantizer *q, const QuantizerRun *run, const double *sum)
{
    const double of_weights = sum[0] * settled(q, run);
    q->param[0]->dx[run->channel] += (float)(q->is_weight ? of_weights : sum[0] / root(q, run));
}

double learned_step_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                              double x)
{
    const double lo = q->qp.qmin - q->qp.zero_point, hi = q->qp.qmax - q->qp.zero_point;
    const double s = param[0] * settled(q, run);
    return s * (fmin(fmax(x / s, lo), hi) + residual);
}

double learned_step_gradient_scale(const Quantizer *q, const QuantizerRun *run, int k)
{
    (void)k;
    return 1.0 / root(q, run);
}
