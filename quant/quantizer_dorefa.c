/* DoReFa (Zhou 2016, 1606.06160).  Outputs of a ReLU are clipped to [0, 1]:
 *   y = rne(clip(x, 0, 1) (2^bits - 1)) / (2^bits - 1);
 * weights are tanh(w), whose largest magnitude in the tensor or channel lies half a step beyond the outermost code, or
 * on it where the grid is narrow:
 *   y = s rne(tanh(w) / s),  s = 2 max|tanh(w)| / (p - n);  dw = dy (1 - tanh(w)^2), the largest taken as a constant;
 * of 1 bit they are y = sign(w) E|w|, the mean of the layer's, dw = dy.  Gradients in few bits: gradient_quant.h.
 * The paper divides the weights by that largest, which batch norm undoes; they keep their size here, so that a trained
 * network is a start. */
#include <math.h>

#include "autograd/curve.h"
#include "kernels/kernels.h"
#include "quant/sign_levels.h"

static const CurveType *tanh_curve(void) { return &curve_types[CURVE_INDEX_tanh]; }

typedef struct {
    int gradient_bits;
} DorefaKeys;

const Field quantizer_dorefa_fields[] = {
    {"gradient_bits", FIELD_INT, offsetof(DorefaKeys, gradient_bits), .min = 0, .max = GRADIENT_MAX_BITS, .def = "0",
     .unit = "bits",
     .doc = "width of the gradients that both backward products of these layers read, with noise; 0: floats"},
    FIELD_END};

static bool is_sign(const Quantizer *q) { return q->is_weight && q->qp.levels > 0; }

/* The grid of outputs is what it is from the start. */
static bool dorefa_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    if (q->is_weight) {
        q->gradient.bits = ((const DorefaKeys *)q->keys)->gradient_bits;
        return q->qp.bits > QUANT_LEAST_BITS || sign_levels_create(q, params, arena);
    }
    q->qp.scale[0] = 1.0f / (float)(q->qp.qmax - q->qp.qmin);
    return q->ready = q->fixed = true;
}

/* One mean magnitude for all filters of the layer. */
static void layer_mean_prepare(Quantizer *q, const WeightView *w)
{
    double sum = 0.0;
    for (long i = 0; i < w->by.n; i++) sum += (double)fabsf(w->w[i]);
    const float mean = (float)(sum / (double)w->by.n);
    for (int c = 0; c < q->qp.n; c++) grid_symmetric(-mean, mean, &q->qp, c);
}

/* tanh grows with its argument: its largest is that of the largest weight. */
static void dorefa_prepare(Quantizer *q, const WeightView *w)
{
    if (w == NULL || !q->is_weight) return;
    if (is_sign(q)) {
        layer_mean_prepare(q, w);
        return;
    }
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
    if (is_sign(q)) {
        sign_levels_quantize(q, run, n, x, codes);
        return;
    }
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
    if (is_sign(q)) {
        level_set_pass(q, run, n, x, dy, dx);
        return;
    }
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
    if (is_sign(q)) return level_set_pass_surrogate(q, run, param, residual, x);
    const double s = (double)run->scale, hi = q->qp.qmax - q->qp.zero_point;
    return q->is_weight ? tanh(x) + s * residual : s * (fmin(fmax(x / s, 0), hi) + residual);
}

const QuantizerType quantizer_dorefa = {
    .name = "dorefa",
    .doc = "DoReFa (Zhou 2016): weights as their tanh, of 1 bit as signs, outputs of a ReLU clipped to [0, 1]",
    .uses = QUANTIZES_WEIGHTS | QUANTIZES_UNSIGNED,
    .least_bits = 1,
    .fields = quantizer_dorefa_fields,
    .config_bytes = sizeof(DorefaKeys),
    .learns = true,
    .centred = true,
    .create = dorefa_create,
    .start = dorefa_start,
    .prepare = dorefa_prepare,
    .quantize = dorefa_quantize,
    .backward = dorefa_backward,
    .surrogate = dorefa_surrogate,
};
