/* BinaryConnect (Courbariaux 2015, 1511.00363): y = s * sign(w), with a scale s that stays; the gradient passes where
 * |w| <= 1. */
#include <math.h>

#include "quant/sign_levels.h"

typedef struct {
    double scale;
} BinaryKeys;

const Field quantizer_binary_connect_fields[] = {
    {"scale", FIELD_FLOAT, offsetof(BinaryKeys, scale), .min = 0, .max = 1e6, .def = "0",
     .doc =
         "magnitude of the weights, such as the paper's 1; 0: the mean magnitude of the weights that training starts "
         "with"},
    FIELD_END};

static void binary_start(Quantizer *q, const QuantizerStart *from)
{
    const BinaryKeys *keys = q->keys;
    if (q->ready) return;
    sign_mean_prepare(q, from->weights);
    for (int c = 0; keys->scale > 0.0 && c < q->qp.n; c++) q->qp.scale[c] = (float)keys->scale;
    q->ready = true;
}

static void binary_prepare(Quantizer *q, const WeightView *w) { (void)q, (void)w; }

static void binary_backward(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                            float *dx)
{
    (void)q, (void)run;
    for (size_t i = 0; i < n; i++) dx[i] = fabsf(x[i]) <= 1.0f ? dy[i] : 0.0f;
}

static double binary_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                               double x)
{
    (void)q, (void)param;
    return fmin(fmax(x, -1.0), 1.0) + (double)run->scale * residual;
}

const QuantizerType quantizer_binary_connect = {
    .name = "binary_connect",
    .doc = "weights -1 and 1 times a scale that stays (Courbariaux 2015); 1 bit",
    SIGN_LEVELS,
    .uses = QUANTIZES_WEIGHTS,
    .create = sign_levels_create,
    .quantize = sign_levels_quantize,
    .fields = quantizer_binary_connect_fields,
    .config_bytes = sizeof(BinaryKeys),
    .start = binary_start,
    .prepare = binary_prepare,
    .backward = binary_backward,
    .surrogate = binary_surrogate,
};
