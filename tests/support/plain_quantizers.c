#include "tests/support/plain_quantizers.h"

#include <math.h>

static void gate(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy, float *dx)
{
    /* The largest weight of an observed range is its bound, and its quotient may round past it. */
    const float wider = q->is_weight ? 1.0f + 0x1p-21f : 1.0f;
    for (size_t i = 0; i < n; i++) {
        const float v = x[i] / run->scale;
        dx[i] = v >= run->gate.lo * wider && v <= run->gate.hi * wider ? dy[i] : 0.0f;
    }
}

/* y = h atan(v / h) in steps, h the largest code. */
static void soft(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy, float *dx)
{
    gate(q, run, n, x, dy, dx);
    const float h = (float)(q->qp.qmax - q->qp.zero_point);
    for (size_t i = 0; i < n; i++) {
        const float v = x[i] / run->scale / h;
        dx[i] *= 1.0f / (1.0f + v * v);
    }
}

static double soft_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                             double x)
{
    (void)param;
    const double lo = q->qp.qmin - q->qp.zero_point, h = q->qp.qmax - q->qp.zero_point, s = (double)run->scale;
    return s * (h * atan(fmin(fmax(x / s, lo), h) / h) + residual);
}

static void three_codes(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, int8_t *codes)
{
    const float top = (float)q->qp.qmax;
    for (size_t i = 0; i < n; i++) {
        const float v = x[i] / run->scale;
        codes[i] = (int8_t)(v > 0.4f * top ? q->qp.qmax : v < -0.4f * top ? -q->qp.qmax : 0);
    }
}

static void pass(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy, float *dx)
{
    (void)q, (void)run, (void)x;
    for (size_t i = 0; i < n; i++) dx[i] = dy[i];
}

static double pass_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                             double x)
{
    (void)q, (void)param;
    return x + (double)run->scale * residual;
}

void plain_quantizers(PlainQuantizer all[PLAIN_QUANTIZERS])
{
    static const char *const of[] = {"observed", "lsq", "observed", "observed"};
    static const char *const names[] = {"plain observed", "plain lsq", "soft", "three codes"};
    for (int i = 0; i < PLAIN_QUANTIZERS; i++) {
        all[i] = (PlainQuantizer){of[i], *quantizer_type(of[i])};
        all[i].type.name = names[i];
        all[i].type.backward = gate;
    }
    all[2].type.backward = soft;
    all[2].type.surrogate = soft_surrogate;
    all[3].type.uses = QUANTIZES_WEIGHTS;
    all[3].type.quantize = three_codes;
    all[3].type.backward = pass;
    all[3].type.surrogate = pass_surrogate;
}
