/* Grids: from a range to a scale and zero point, and from reals to codes.  Order: clip in the real domain, then round
 * half to even.  real = scale * (q - zero_point); real zero is always exact. */
#ifndef BITFOLD_QUANT_QUANTIZER_H
#define BITFOLD_QUANT_QUANTIZER_H

#include <stddef.h>

#include "base/qparams.h"
#include "kernels/requant.h"

enum {
    QUANT_LEAST_BITS = 1, /* weights that are two levels, and unsigned activations */
    QUANT_MIN_BITS = 2,
    QUANT_MAX_BITS = 8,
    QUANT_WIDE_BITS = 16,
    QUANT_SUM_BITS = 32
};

/* The code range of a grid (base/qparams.h).
 *   signed            -2^(b-1)   .. 2^(b-1)-1
 *   signed, narrow    -2^(b-1)+1 .. 2^(b-1)-1
 *   unsigned          127-(2^b-1) .. 127          (narrow does not apply)
 *   unsigned, 16 bits  0 .. 2^15-1                (the zero point of int16 codes is 0)
 * QUANT_MIN_BITS <= bits <= QUANT_MAX_BITS, or QUANT_WIDE_BITS; unsigned also QUANT_LEAST_BITS. */
void grid_range(int bits, bool is_signed, bool narrow, int *qmin, int *qmax);

/* Symmetric grid of one channel: writes qp->scale[channel] and qp->zero_point.
 *   signed    scale = max(|lo|, |hi|) / qmax,    zero point 0
 *   unsigned  scale = hi / (qmax - qmin),        zero point qmin
 * qp->is_signed, qmin and qmax must be set; lo and hi finite.  A range of zero gives scale 1; a scale is never below
 * the smallest normal float.  On a narrow or unsigned grid no value of the range is further than half a step from its
 * code; on a full signed grid too, since qmax is the smaller side. */
void grid_symmetric(float lo, float hi, QuantParams *qp, int channel);

/* Asymmetric grid of a tensor: writes qp->scale[0] and qp->zero_point.  lo and hi are widened to contain 0;
 *   scale = max((hi - lo) / (qmax - qmin), 2^-23),  zero point = clamp(rne(qmin - lo / scale), qmin, qmax).
 * A range of zero gives scale 1, zero point qmin (unsigned) or 0.  Rounding the zero point moves the range by at most
 * half a step, so no value of [lo, hi] is further than half a step from its code. */
void grid_asymmetric(float lo, float hi, QuantParams *qp);

/* q = rne(clip(x / scale, qmin - z, qmax - z)) + z: the division in float32 (not a product with 1/scale: they differ at
 * ties), clipped before the rounding.  NaN becomes qmin.  The straight-through gradient passes where
 * qmin - z <= x / scale <= qmax - z. */
static inline int quantize_value(float x, float scale, int zero_point, int qmin, int qmax)
{
    const float lo = (float)(qmin - zero_point), hi = (float)(qmax - zero_point);
    float v = x / scale;
    v = v > lo ? v : lo;
    v = v < hi ? v : hi;
    return round_small(v) + zero_point;
}

/* x[n] -> codes[n] by quantize_value and, where not NULL, dequantized[n] = scale * (q - zero_point).  One thread. */
void quantize_tensor(const float *x, size_t n, float scale, int zero_point, int qmin, int qmax, int8_t *codes,
                     float *dequantized);

/* codes[n] -> x[n] = scale * (q - zero_point): exact integer difference, one float32 rounding. */
void dequantize_tensor(const int8_t *codes, size_t n, float scale, int zero_point, float *x);

/* Weights w[channels, per_channel] -> codes, by qp->scale[c] (qp->n == 1: one for all) and qp->zero_point.  With
 * qp->axis > 0 the channels run innermost instead: w[per_channel, channels] (depthwise, 1HWC).
 * `sign[c]` < 0 quantizes -w, and scale * (q - z) then stands for -w: the grid of a channel whose batch-norm factor is
 * negative.  On a full (asymmetric) range that is not the same as negating the code.  NULL: all positive. */
void quantize_weights(const float *w, int channels, size_t per_channel, const QuantParams *qp, const float *sign,
                      int8_t *codes);

/* LSQ (Esser 2020, 1902.08153): the first step, s = 2 mean|x| / sqrt(Qp), Qp = qmax - zero_point > 0, n > 0.  All zero
 * gives 1; never below the smallest normal float. */
float lsq_initial_step(const float *x, size_t n, int qmax_minus_zero);

/* LSQ, equation 3: d(xq)/d(s) of one value, v = x / s and [lo, hi] = [qmin - z, qmax - z]: rne(v) - v inside, the bound
 * outside.  On the bound counts as inside. */
static inline float lsq_step_gradient(float v, float lo, float hi)
{
    return v < lo ? lo : v > hi ? hi : (float)round_small(v) - v;
}

#endif
