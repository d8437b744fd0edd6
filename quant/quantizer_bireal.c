/* Bi-Real Net's weights (Liu 2018, 1808.00278): y = A * sign(w), A = mean |w|; the gradient knows the magnitude:
 *   dy/dw = A where |w| <= 1, else 0. */
#include <math.h>

#include "quant/sign_levels.h"

static void bireal_backward(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                            float *dx)
{
    (void)q;
    for (size_t i = 0; i < n; i++) dx[i] = fabsf(x[i]) <= 1.0f ? run->scale * dy[i] : 0.0f;
}

static double bireal_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                               double x)
{
    (void)q, (void)param;
    return (double)run->scale * (fmin(fmax(x, -1.0), 1.0) + residual);
}

const QuantizerType quantizer_bireal = {
    .name = "bireal",
    .doc = "weights -1 and 1 times their mean magnitude, which scales the gradient (Liu 2018); 1 bit",
    SIGN_LEVELS,
    .create = sign_levels_create,
    .quantize = sign_levels_quantize,
    .start = sign_mean_start,
    .prepare = sign_mean_prepare,
    .backward = bireal_backward,
    .surrogate = bireal_surrogate,
};
