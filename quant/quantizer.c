#include "quant/quantizer.h"

#include <float.h>
#include <math.h>

#include "base/status.h"

static float positive_scale(double scale) { return scale > (double)FLT_MIN ? (float)scale : FLT_MIN; }

void grid_range(int bits, bool is_signed, bool narrow, int *qmin, int *qmax)
{
    ASSERT((bits >= (is_signed ? QUANT_MIN_BITS : QUANT_LEAST_BITS) && bits <= QUANT_MAX_BITS) ||
           bits == QUANT_WIDE_BITS);
    if (bits == QUANT_WIDE_BITS && !is_signed) {
        *qmin = 0;
        *qmax = (1 << (bits - 1)) - 1;
    } else if (is_signed) {
        *qmax = (1 << (bits - 1)) - 1;
        *qmin = -*qmax - !narrow;
    } else {
        *qmax = 127;
        *qmin = 127 - ((1 << bits) - 1);
    }
}

void grid_symmetric(float lo, float hi, QuantParams *qp, int channel)
{
    const float max_magnitude = qp->is_signed ? fmaxf(fabsf(lo), fabsf(hi)) : fmaxf(hi, 0.0f);
    const int steps = qp->is_signed ? qp->qmax : qp->qmax - qp->qmin;
    qp->scale[channel] = max_magnitude > 0.0f ? positive_scale((double)max_magnitude / steps) : 1.0f;
    qp->zero_point = qp->is_signed ? 0 : qp->qmin;
}

void grid_asymmetric(float lo, float hi, QuantParams *qp)
{
    const double a = (double)fminf(lo, 0.0f), b = (double)fmaxf(hi, 0.0f);
    if (a == b) {
        qp->scale[0] = 1.0f;
        qp->zero_point = qp->is_signed ? 0 : qp->qmin;
        return;
    }
    const float scale = (float)fmax((b - a) / (qp->qmax - qp->qmin), 0x1p-23);
    const double z = rint(qp->qmin - a / (double)scale);
    qp->scale[0] = scale;
    qp->zero_point = (int32_t)fmin(fmax(z, qp->qmin), qp->qmax);
}

void quantize_tensor(const float *x, size_t n, float scale, int zero_point, int qmin, int qmax, int8_t *codes,
                     float *dequantized)
{
    if (dequantized == NULL) {
#pragma omp simd
        for (size_t i = 0; i < n; i++) codes[i] = (int8_t)quantize_value(x[i], scale, zero_point, qmin, qmax);
        return;
    }
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        const int q = quantize_value(x[i], scale, zero_point, qmin, qmax);
        codes[i] = (int8_t)q;
        dequantized[i] = scale * (float)(q - zero_point);
    }
}

void dequantize_tensor(const int8_t *codes, size_t n, float scale, int zero_point, float *x)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) x[i] = scale * (float)(codes[i] - zero_point);
}

void quantize_weights(const float *w, int channels, size_t per_channel, const QuantParams *qp, const float *sign,
                      int8_t *codes)
{
    ASSERT(qp->n == 1 || qp->n == channels);
    const bool innermost = qp->axis > 0;
    const size_t stride = innermost ? (size_t)channels : 1;
    for (int c = 0; c < channels; c++) {
        const size_t at = innermost ? (size_t)c : (size_t)c * per_channel;
        const float scale = qp->scale[qp->n == 1 ? 0 : c];
        const float signed_scale = sign != NULL && sign[c] < 0.0f ? -scale : scale; /* -w / s == w / -s, exactly */
        const float *wc = w + at;
        int8_t *qc = codes + at;
#pragma omp simd
        for (size_t i = 0; i < per_channel; i++)
            qc[i * stride] = (int8_t)quantize_value(wc[i * stride], signed_scale, qp->zero_point, qp->qmin, qp->qmax);
    }
}

float lsq_initial_step(const float *x, size_t n, int qmax_minus_zero)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += fabs((double)x[i]);
    return sum > 0.0 ? positive_scale(2.0 * sum / (double)n / sqrt(qmax_minus_zero)) : 1.0f;
}
