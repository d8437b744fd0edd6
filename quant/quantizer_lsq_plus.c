/* LSQ+ (Bhalgat 2020, 2004.09576): next to the step s, outputs of both signs have an offset o, the real number that the
 * lowest code stands for.
 *   v = x / s;  y = s rne(clip(v, n - z, p - z)),  z = clip(rne(n - o / s), n, p)
 * z is a whole number, so that real 0 stays a code; its rounding is passed straight through as that of v is.  So
 *   dy/do = 1 where the grid clips, else 0;  dy/ds = rne(v) - v inside, (n or p) - z - o / s where the grid clips,
 * both times LSQ's factor.  Weights start at a step that reaches three standard deviations. */
#include <math.h>

#include "kernels/kernels.h"
#include "quant/learned_step.h"

enum { STEP, OFFSET };

static bool has_offset(const Quantizer *q) { return q->params > OFFSET; }

static bool lsq_plus_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    if (!learned_step_create(q, params, arena)) return false;
    if (q->symmetric || !q->qp.is_signed) return true;
    const ParamRule rule = {.lr_factor = 1.0, .least = -INFINITY};
    return quantizer_param(q, params, arena, "offset", 1, rule) != NULL;
}

/* In steps of this scale, z before it is rounded. */
static double exact_zero_point(const Quantizer *q, double scale)
{
    return q->qp.qmin - (double)q->param[OFFSET]->x[0] / scale;
}

static void lsq_plus_prepare(Quantizer *q, const WeightView *w)
{
    learned_step_prepare(q, w);
    if (!has_offset(q)) return;
    const double z = rint(exact_zero_point(q, (double)q->qp.scale[0]));
    q->qp.zero_point = (int32_t)fmin(fmax(z, q->qp.qmin), q->qp.qmax);
}

static void lsq_plus_adopt(Quantizer *q)
{
    learned_step_adopt(q);
    if (has_offset(q)) q->param[OFFSET]->x[0] = q->qp.scale[0] * (float)(q->qp.qmin - q->qp.zero_point);
}

static float first_step(const Quantizer *q, const float *w, size_t n)
{
    const float reach = three_deviations(w, n);
    return reach > 0.0f ? reach / (float)(1 << (q->qp.bits - 1)) : 1.0f;
}

static void lsq_plus_start(Quantizer *q, const QuantizerStart *from)
{
    if (q->ready) return; /* from here on step and offset are the optimizer's */
    q->ready = true;
    if (from->weights != NULL) {
        learned_step_start_weights(q, from->weights, first_step);
        return;
    }
    if (has_offset(q))
        grid_asymmetric(from->lo, from->hi, &q->qp);
    else
        grid_symmetric(from->lo, from->hi, &q->qp, 0);
    lsq_plus_adopt(q);
}

/* sum[OFFSET]: of dy where the grid clips, not an activation function before it does. */
static void lsq_plus_backward_params(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x,
                                     const float *dy, double *sum)
{
    learned_step_backward_params(q, run, n, x, dy, sum);
    if (!has_offset(q)) return;
    const float lo = (float)(q->qp.qmin - q->qp.zero_point), hi = (float)(q->qp.qmax - q->qp.zero_point);
    const bool below = run->gate.lo <= lo, above = run->gate.hi >= hi;
    for (size_t i = 0; i < n; i++) {
        const float v = x[i] / run->scale;
        if ((below && v < lo) || (above && v > hi)) sum[OFFSET] += (double)dy[i];
    }
}

static void lsq_plus_finish(Quantizer *q, const QuantizerRun *run, const double *sum)
{
    double of_step = sum[STEP];
    if (has_offset(q)) {
        of_step -= sum[OFFSET] * (double)q->param[OFFSET]->x[0] / (double)q->qp.scale[0];
        q->param[OFFSET]->dx[0] += (float)(sum[OFFSET] * learned_step_gradient_scale(q, run, OFFSET));
    }
    learned_step_finish(q, run, &of_step);
}

static double lsq_plus_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                                 double x)
{
    if (!has_offset(q)) return learned_step_surrogate(q, run, param, residual, x);
    const double s = param[STEP], rounded = q->qp.zero_point - exact_zero_point(q, (double)q->param[STEP]->x[0]);
    const double lo = param[OFFSET] / s - rounded, hi = lo + (q->qp.qmax - q->qp.qmin);
    return s * (fmin(fmax(x / s, lo), hi) + residual);
}

const QuantizerType quantizer_lsq_plus = {
    .name = "lsq_plus",
    .doc = "learned step and, of outputs of both signs, learned offset (Bhalgat 2020)",
    .uses = QUANTIZES_ALL,
    .learns = true,
    .create = lsq_plus_create,
    .start = lsq_plus_start,
    .prepare = lsq_plus_prepare,
    .adopt = lsq_plus_adopt,
    .backward_params = lsq_plus_backward_params,
    .backward_scale = learned_step_backward_scale,
    .finish = lsq_plus_finish,
    .surrogate = lsq_plus_surrogate,
    .gradient_scale = learned_step_gradient_scale,
};
