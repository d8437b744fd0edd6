/* DoReFa (Zhou 2016, 1606.06160).  Outputs of a ReLU are clipped to [0, 1]:
 *   y = rne(clip(x, 0, 1) (2^bits - 1)) / (2^bits - 1);
 * weights are tanh(w), whose largest magnitude in the tensor or channel lies half a step beyond the outermost code, or
 * on it where the grid is narrow:
 *   y = s rne(tanh(w) / s),  s = 2 max|tanh(w)| / (p - n);  dw = dy (1 - tanh(w)^2), the largest taken as a constant.
 * The paper divides the weights by that largest, which batch norm undoes; they keep their size here, so that a trained
 * network is a start. */
#include <math.h>

#include "autograd/curve.h"
#include "kernels/kernels.h"
#include "quant/quantizer_type.h"

static const CurveType *tanh_curve(void) { return &curve_types[CURVE_INDEX_tanh]; }

/* The grid of outputs is what it is from the start. */
static bool dorefa_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    (void)params, (void)arena;
    if (q->is_weight) return true;
    q->qp.scale[0] = 1.0f / (float)(q->qp.qmax - q->qp.qmin);
    return q->ready = q->fixed = true;
}

/* tanh grows with its argument: its largest is that of the largest weight. */
static void dorefa_prepare(Quantizer *q, const WeightView *w)
{
    if (w == NULL || !q->is_weight) return;
    weight_largest(w, q->qp.n, q->qp.scale);
    for (int c = 0; c < q->qp.n; c++) {
        const double largest = tanh_curve()->value((double)q->qp.scale[c]);
        const float half = (float)(largest * q->qp.qmax * 2.0 / (q->qp.qmax - q->qp.qmin));
        grid_symmetric(-half, half, &q->qp, c);
    }
}

static void dorefa_start(Quantizer *q, const QuantizerStart *from)
{
    q->ready = true;
    dorefa_prepare(q, from->weights);
}

enum { BLOCK = 256 };

static void dorefa_quantize(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, int8_t *codes)
{
    float y[BLOCK];
    for (size_t at = 0; at < n; at += BLOCK) {
        const size_t count = n - at < BLOCK ? n - at : BLOCK;
        tanh_curve()->values(count, x + at, y);
        quantize_tensor(y, count, run->scale, 0, q->qp.qmin, q->qp.qmax, codes + at, NULL);
    }
}

static void dorefa_backward(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                            float *dx)
{
    float y[BLOCK];
    for (size_t at = 0; at < n; at += BLOCK) {
        const size_t count = n - at < BLOCK ? n - at : BLOCK;
        if (!q->is_weight) {
            for (size_t i = 0; i < count; i++) y[i] = x[at + i] / run->scale;
            kernels()->gate(count, run->gate.lo, run->gate.hi, y, dy + at, dx + at);
            continue;
        }
        tanh_curve()->values(count, x + at, y);
        for (size_t i = 0; i < count; i++) dx[at + i] = dy[at + i] * (1.0f - y[i] * y[i]);
    }
}

static double dorefa_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                               double x)
{
    (void)param;
    const double s = (double)run->scale, hi = q->qp.qmax - q->qp.zero_point;
    return q->is_weight ? tanh(x) + s * residual : s * (fmin(fmax(x / s, 0), hi) + residual);
}

const QuantizerType quantizer_dorefa = {
    .name = "dorefa",
    .doc = "DoReFa (Zhou 2016): weights as their tanh, outputs of a ReLU clipped to [0, 1]",
    .uses = QUANTIZES_WEIGHTS | QUANTIZES_UNSIGNED,
    .learns = true,
    .centred = true,
    .create = dorefa_create,
    .start = dorefa_start,
    .prepare = dorefa_prepare,
    .quantize = dorefa_quantize,
    .backward = dorefa_backward,
    .surrogate = dorefa_surrogate,
};
