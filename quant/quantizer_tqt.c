/* Trained quantization thresholds (Jain 2019, 1903.08066): the logarithm t of the largest value is a parameter, and steps
 * are powers of two.
 *   s = 2^(ceil(t) - bits), of signed grids 2^(ceil(t) - bits + 1);  y = s rne(clip(x / s, n, p));
 *   dy/dt = s ln 2 (rne(x / s) - x / s) inside, s ln 2 n or s ln 2 p outside: ceil is passed straight through.
 * Weights start at a threshold of three standard deviations. */
#include <math.h>

#include "quant/learned_step.h"

/* Of t: steps from 2^-28 on, and none whose squares leave float32. */
static const float LEAST = -20.0f, MOST = 40.0f;

static bool tqt_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    const ParamRule rule = {.lr_factor = 1.0, .least = LEAST};
    return quantizer_param(q, params, arena, "log2_threshold", q->qp.n, rule) != NULL;
}

/* log2 of the codes up to the threshold: a whole number, so that s is a power of two. */
static int log2_codes(const Quantizer *q) { return q->qp.bits - (q->qp.is_signed ? 1 : 0); }

static float step_of(const Quantizer *q, float threshold)
{
    return ldexpf(1.0f, (int)ceilf(fminf(fmaxf(threshold, LEAST), MOST)) - log2_codes(q));
}

static void tqt_prepare(Quantizer *q, const WeightView *w)
{
    (void)w;
    for (int c = 0; c < q->qp.n; c++) q->qp.scale[c] = step_of(q, q->param[0]->x[c]);
}

/* In the middle of the thresholds that give the power of two next to the scale. */
static void tqt_adopt(Quantizer *q) { q->param[0]->x[0] = roundf(log2f(q->qp.scale[0])) + (float)log2_codes(q) - 0.5f; }

static float three_sigma(const Quantizer *q, const float *w, size_t n)
{
    (void)q;
    return log2f(fmaxf(three_deviations(w, n), ldexpf(1.0f, (int)LEAST)));
}

static void tqt_start(Quantizer *q, const QuantizerStart *from)
{
    if (q->ready) return; /* from here on thresholds are the optimizer's */
    q->ready = true;
    if (from->weights != NULL) {
        learned_step_start_weights(q, from->weights, three_sigma);
    } else {
        grid_symmetric(from->lo, from->hi, &q->qp, 0);
        q->param[0]->x[0] = log2f(q->qp.scale[0]) + (float)log2_codes(q);
    }
    tqt_prepare(q, NULL);
}

static void tqt_backward_params(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                                double *sum)
{
    (void)q;
    const StepGate gate = {.step = run->scale, .lo = run->gate.lo, .hi = run->gate.hi, .above = run->gate.above};
    sum[0] += kernels()->step_gradient(n, x, dy, &gate);
}

static void tqt_backward_scale(const Quantizer *q, const QuantizerRun *run, double d_scale, double *sum)
{
    (void)q, (void)run;
    sum[0] += d_scale;
}

/* sum: of the step. */
static void tqt_finish(Quantizer *q, const QuantizerRun *run, const double *sum)
{
    q->param[0]->dx[run->channel] += (float)(sum[0] * (double)q->qp.scale[run->channel] * log(2.0));
}

/* The rounding up of t stays what it is, as that of x does. */
static double tqt_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual, double x)
{
    const double t = (double)q->param[0]->x[run->channel], up = ceil(t) - t;
    const double s = exp2(param[0] + up - log2_codes(q));
    const double lo = q->qp.qmin - q->qp.zero_point, hi = q->qp.qmax - q->qp.zero_point;
    return s * (fmin(fmax(x / s, lo), hi) + residual);
}

const QuantizerType quantizer_tqt = {
    .name = "tqt",
    .doc = "trained thresholds (Jain 2019): steps are powers of two",
    .uses = QUANTIZES_ALL,
    .learns = true,
    .centred = true,
    .create = tqt_create,
    .start = tqt_start,
    .prepare = tqt_prepare,
    .adopt = tqt_adopt,
    .backward_params = tqt_backward_params,
    .backward_scale = tqt_backward_scale,
    .finish = tqt_finish,
    .surrogate = tqt_surrogate,
};
