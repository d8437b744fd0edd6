/* IR-Net (Qin 2020, 1909.10788).  Weights, for each scale: with m and d the mean and the standard deviation of its
 * weights, v = (w - m) / d,
 *   y = s * sign(v),   s = 2^rne(log2 mean |w - m|);   dy/dw = s / d * k t (1 - tanh^2(t v)),   k = max(1 / t, 1),
 * the error decay estimator, whose t rises from 0.1 to 10 in the course of training: t = 10^(2 p - 1), p the share of
 * the steps that are done.  m, d and s are taken as constants.  Balanced signs carry the most information.
 * Outputs: y = sign(x), with the same estimator of x. */
#include <math.h>

#include "quant/sign_levels.h"

typedef struct {
    double sum, squares, magnitude;
    float mean, deviation;
} IrnetScale;

static bool irnet_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    const bool created = sign_levels_create(q, params, arena);
    q->state = ARENA_ARRAY(arena, IrnetScale, q->qp.n);
    return created;
}

static void irnet_prepare(Quantizer *q, const WeightView *w)
{
    IrnetScale *of = q->state;
    const int n = q->qp.n;
    if (w == NULL) return;
    const double count = (double)w->by.n / n;
    for (int c = 0; c < n; c++) of[c] = (IrnetScale){0};
    for (long i = 0; i < w->by.n; i++) of[n == 1 ? 0 : channel_at(&w->by, i)].sum += (double)weight_signed(w, i);
    for (int c = 0; c < n; c++) of[c].mean = (float)(of[c].sum / count);
    for (long i = 0; i < w->by.n; i++) {
        IrnetScale *s = &of[n == 1 ? 0 : channel_at(&w->by, i)];
        const double v = (double)(weight_signed(w, i) - s->mean);
        s->squares += v * v, s->magnitude += fabs(v);
    }
    for (int c = 0; c < n; c++) {
        const double magnitude = fmax(of[c].magnitude / count, 0x1p-60);
        of[c].deviation = (float)fmax(sqrt(of[c].squares / count), 0x1p-60);
        q->qp.scale[c] = (float)exp2(rint(log2(magnitude)));
    }
}

static void irnet_start(Quantizer *q, const QuantizerStart *from)
{
    irnet_prepare(q, from->weights);
    q->ready = true;
}

static void irnet_quantize(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, int8_t *codes)
{
    const float mean = ((const IrnetScale *)q->state)[run->channel].mean;
    for (size_t i = 0; i < n; i++) codes[i] = x[i] < mean ? -1 : 1;
}

/* What values are standardised by: outputs are in units of their scale. */
static IrnetScale standard(const Quantizer *q, const QuantizerRun *run)
{
    if (q->is_weight) return ((const IrnetScale *)q->state)[run->channel];
    return (IrnetScale){.mean = 0.0f, .deviation = run->scale};
}

static double steepness(const Quantizer *q) { return pow(10.0, 2.0 * q->progress - 1.0); }

static void irnet_backward(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                           float *dx)
{
    const IrnetScale of = standard(q, run);
    const float t = (float)steepness(q), k = fmaxf(1.0f / t, 1.0f), factor = run->scale / of.deviation * k * t;
    for (size_t i = 0; i < n; i++) {
        const float h = tanhf(t * ((x[i] - of.mean) / of.deviation));
        dx[i] = dy[i] * factor * (1.0f - h * h);
    }
}

static double irnet_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                              double x)
{
    (void)param;
    const IrnetScale of = standard(q, run);
    const double t = steepness(q), k = fmax(1.0 / t, 1.0);
    return (double)run->scale * (k * tanh(t * ((x - (double)of.mean) / (double)of.deviation)) + residual);
}

const QuantizerType quantizer_irnet = {
    .name = "irnet",
    .doc = "weights -1 and 1 of balanced signs times a power of two, outputs -1 and 1, a gradient that sharpens (Qin "
           "2020); 1 bit",
    SIGN_LEVELS,
    .uses = QUANTIZES_WEIGHTS | QUANTIZES_SIGNED,
    .create = irnet_create,
    .start = irnet_start,
    .prepare = irnet_prepare,
    .quantize = irnet_quantize,
    .backward = irnet_backward,
    .surrogate = irnet_surrogate,
};
