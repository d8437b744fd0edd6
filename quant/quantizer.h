/* Grids: from a range to a scale and zero point, and from reals to codes.  Order: clip in the real domain, then round half to
 * even.  real = scale * (q - zero_point); real zero is always exact. */
#ifndef BITFOLD_QUANT_QUANTIZER_H
#define BITFOLD_QUANT_QUANTIZER_H

#include <stddef.h>

#include "base/qparams.h"
#include "base/status.h"

enum { QUANT_MIN_BITS = 2, QUANT_MAX_BITS = 8 };

/* The code range of a grid (base/qparams.h): signed, signed narrow, or unsigned at the top of int8. */
void grid_range(int bits, bool is_signed, bool narrow, int *qmin, int *qmax);

/* Symmetric: scale = max|x| / qmax (signed, or hi / (qmax - qmin) unsigned), zero point 0 (signed) or qmin (unsigned). A range
 * of zero gives scale 1. */
void grid_symmetric(float lo, float hi, QuantParams *qp, int channel);

/* Affine: lo and hi are widened to contain 0; scale = (hi - lo) / (qmax - qmin), at least 2^-23; zero point = the nearest
 * integer to qmin - lo/scale, clamped.  A range of zero gives scale 1, zero point qmin (unsigned) or 0. */
void grid_affine(float lo, float hi, QuantParams *qp);

/* q = clamp(rne(x / scale) + zero_point, qmin, qmax), clipped in the real domain before rounding.  `inside`: x/scale lies within
 * [qmin - z, qmax - z] before rounding: where the straight-through gradient passes. */
static inline int quantize_value(float x, float scale, int zero_point, int qmin, int qmax)
{
    float v = x / scale;
    const float lo = (float)(qmin - zero_point), hi = (float)(qmax - zero_point);
    v = v < lo ? lo : v > hi ? hi : v;
    return (int)__builtin_rintf(v) + zero_point;
}

/* n values with one scale; codes and, where not NULL, the dequantized values. */
void quantize_tensor(const float *x, size_t n, float scale, int zero_point, int qmin, int qmax, int8_t *codes,
                     float *dequantized);
void dequantize_tensor(const int8_t *codes, size_t n, float scale, int zero_point, float *x);

/* Weights [channels, per_channel] with qp->scale[c] (qp->n == 1: one for all).  `sign[c]` < 0 quantizes -w and the code then
 * stands for -scale: the grid of a channel whose batch-norm factor is negative (docs/quantization.md).  NULL: all positive. */
void quantize_weights(const float *w, int channels, size_t per_channel, const QuantParams *qp, const float *sign,
                      int8_t *codes);

/* LSQ (Esser 2020, 1902.08153).  Initial step 2 * mean|x| / sqrt(qmax'), where qmax' = qmax - zero_point. */
float lsq_initial_step(const float *x, size_t n, int qmax_minus_zero);
/* d(xq)/d(step) of one value: rne(v) - v inside, the bound outside (v = x / step; on the bound counts as inside). */
static inline float lsq_step_gradient(float v, float lo, float hi)
{
    return v < lo ? lo : v > hi ? hi : __builtin_rintf(v) - v;
}

#endif
