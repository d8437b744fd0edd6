/* Bi-Real Net (Liu 2018, 1808.00278).  Weights: y = A * sign(w), A = mean |w|; the gradient knows the magnitude:
 *   dy/dw = A where |w| <= 1, else 0.
 * Outputs: y = sign(x), whose gradient is that of a polynomial in pieces:
 *   F(x) = -1 below -1, 2 x + x^2 below 0, 2 x - x^2 below 1, 1 beyond;  dF/dx = 2 - 2 |x| where |x| <= 1, else 0. */
#include <math.h>

#include "quant/sign_levels.h"

static void bireal_backward(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                            float *dx)
{
    for (size_t i = 0; q->is_weight && i < n; i++) dx[i] = fabsf(x[i]) <= 1.0f ? run->scale * dy[i] : 0.0f;
    for (size_t i = 0; !q->is_weight && i < n; i++) dx[i] = dy[i] * fmaxf(2.0f - 2.0f * fabsf(x[i] / run->scale), 0.0f);
}

static double bireal_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                               double x)
{
    (void)param;
    const double s = (double)run->scale, v = fmin(fmax(q->is_weight ? x : x / s, -1.0), 1.0);
    return s * ((q->is_weight ? v : v * (2.0 - fabs(v))) + residual);
}

const QuantizerType quantizer_bireal = {
    .name = "bireal",
    .doc = "weights -1 and 1 times their mean magnitude, which scales the gradient; outputs -1 and 1, their gradient a "
           "polynomial's (Liu 2018); 1 bit",
    SIGN_LEVELS,
    .uses = QUANTIZES_WEIGHTS | QUANTIZES_SIGNED,
    .create = sign_levels_create,
    .quantize = sign_levels_quantize,
    .start = sign_mean_start,
    .prepare = sign_mean_prepare,
    .backward = bireal_backward,
    .surrogate = bireal_surrogate,
};
