/* XNOR-Net (Rastegari 2016, 1603.05279).  Weights: y = A * sign(w), A = mean |w| of the n weights of a scale;
 *   dy/dw = 1/n + A where |w| <= 1, 1/n elsewhere.
 * Outputs: y = sign(x);  dy/dx = 1 where |x| <= 1, else 0.  The paper's factor K, a mean over each window at run time, is
 * left out, as its authors do in their code. */
#include <math.h>

#include "quant/sign_levels.h"

static void xnor_backward(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                          float *dx)
{
    if (!q->is_weight) {
        for (size_t i = 0; i < n; i++) dx[i] = fabsf(x[i] / run->scale) <= 1.0f ? dy[i] : 0.0f;
        return;
    }
    const float mean = 1.0f / (float)run->count;
    for (size_t i = 0; i < n; i++) dx[i] = dy[i] * (mean + (fabsf(x[i]) <= 1.0f ? run->scale : 0.0f));
}

static double xnor_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                             double x)
{
    (void)param;
    const double s = (double)run->scale;
    if (!q->is_weight) return s * (fmin(fmax(x / s, -1.0), 1.0) + residual);
    return x / (double)run->count + (double)run->scale * (fmin(fmax(x, -1.0), 1.0) + residual);
}

const QuantizerType quantizer_xnor = {
    .name = "xnor",
    .doc = "weights -1 and 1 times their mean magnitude, outputs -1 and 1 (Rastegari 2016); 1 bit",
    SIGN_LEVELS,
    .uses = QUANTIZES_WEIGHTS | QUANTIZES_SIGNED,
    .create = sign_levels_create,
    .quantize = sign_levels_quantize,
    .start = sign_mean_start,
    .prepare = sign_mean_prepare,
    .backward = xnor_backward,
    .surrogate = xnor_surrogate,
};
