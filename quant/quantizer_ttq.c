/* Trained ternary quantization (Zhu 2017, 1612.01064), for a layer: with delta = 0.05 max |w| (a key)
 *   y = Wp where w > delta, -Wn where w < -delta, else 0;   Wp and Wn are learned.
 * As int8 codes of one scale s = max(Wp, Wn) / 127 the larger is 127 and the other the nearest to their ratio: training
 * sees that.  dy/dw = Wp, 1, Wn by region, dy/dWp and -dy/dWn = 1 in theirs, times 1 / sqrt(weights of the layer). */
#include <math.h>

#include "quant/level_set.h"

static const float SMALLEST = 1e-6f;
enum { POSITIVE, NEGATIVE, TOP = 127 };

typedef struct {
    double threshold;
} TtqKeys;

const Field quantizer_ttq_fields[] = {{"threshold", FIELD_FLOAT, offsetof(TtqKeys, threshold), .min = 0.001, .max = 0.9,
                                       .def = "0.05",
                                       .doc = "weights below this share of the layer's largest magnitude become 0"},
                                      FIELD_END};

static bool ttq_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    const ParamRule rule = {.lr_factor = 1.0, .least = SMALLEST};
    q->state = ARENA_ARRAY(arena, float, 1); /* delta */
    level_set_make(q, arena, 3, (const int[]){-TOP, 0, TOP});
    return quantizer_param(q, params, arena, "positive", 1, rule) != NULL &&
           quantizer_param(q, params, arena, "negative", 1, rule) != NULL;
}

static int code_of(float value, float largest)
{
    const int code = (int)rintf(TOP * (value / largest));
    return code < 1 ? 1 : code;
}

static void ttq_prepare(Quantizer *q, const WeightView *w)
{
    const float p = fmaxf(q->param[POSITIVE]->x[0], SMALLEST), n = fmaxf(q->param[NEGATIVE]->x[0], SMALLEST);
    const float largest = fmaxf(p, n);
    level_set_take(q, 3, (const int[]){-code_of(n, largest), 0, code_of(p, largest)});
    for (int c = 0; c < q->qp.n; c++) q->qp.scale[c] = largest / TOP;
    if (w == NULL) return;
    float most = 0.0f, *delta = q->state;
    for (long i = 0; i < w->by.n; i++) most = fmaxf(most, fabsf(w->w[i]));
    *delta = (float)((const TtqKeys *)q->keys)->threshold * most;
}

/* The means of those above and below. */
static void ttq_start(Quantizer *q, const QuantizerStart *from)
{
    const WeightView *w = from->weights;
    double sum[2] = {0.0, 0.0};
    long count[2] = {0, 0};
    if (q->ready) return;
    ttq_prepare(q, w);
    for (long i = 0; i < w->by.n; i++) {
        const float x = weight_signed(w, i);
        if (fabsf(x) <= *(const float *)q->state) continue;
        const int side = x > 0.0f ? POSITIVE : NEGATIVE;
        sum[side] += (double)fabsf(x), count[side]++;
    }
    for (int k = 0; k < 2; k++)
        q->param[k]->x[0] = fmaxf(count[k] == 0 ? 1.0f : (float)(sum[k] / (double)count[k]), SMALLEST);
    ttq_prepare(q, w);
    q->ready = true;
}

static void ttq_quantize(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, int8_t *codes)
{
    (void)run;
    const float delta = *(const float *)q->state;
    for (size_t i = 0; i < n; i++) codes[i] = q->qp.level[x[i] > delta ? 2 : x[i] < -delta ? 0 : 1];
}

static void ttq_backward(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                         float *dx)
{
    (void)run;
    const float delta = *(const float *)q->state, p = q->param[POSITIVE]->x[0], m = q->param[NEGATIVE]->x[0];
    for (size_t i = 0; i < n; i++) dx[i] = dy[i] * (x[i] > delta ? p : x[i] < -delta ? m : 1.0f);
}

static void ttq_backward_params(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                                double *sum)
{
    (void)run;
    const float delta = *(const float *)q->state;
    for (size_t i = 0; i < n; i++) {
        if (x[i] > delta) sum[POSITIVE] += (double)dy[i];
        if (x[i] < -delta) sum[NEGATIVE] -= (double)dy[i];
    }
}

static double ttq_gradient_scale(const Quantizer *q, const QuantizerRun *run, int k)
{
    (void)k;
    return 1.0 / sqrt((double)run->count * q->qp.n);
}

static void ttq_finish(Quantizer *q, const QuantizerRun *run, const double *sum)
{
    for (int k = 0; k < 2; k++) q->param[k]->dx[0] += (float)(sum[k] * ttq_gradient_scale(q, run, k));
}

static double ttq_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual, double x)
{
    const double delta = (double)*(const float *)q->state, rest = (double)run->scale * residual;
    if (x > delta) return param[POSITIVE] + (double)q->param[POSITIVE]->x[0] * x + rest;
    if (x < -delta) return -param[NEGATIVE] + (double)q->param[NEGATIVE]->x[0] * x + rest;
    return x + rest;
}

const QuantizerType quantizer_ttq = {
    .name = "ttq",
    .doc = "ternary weights with a learned value for each sign (Zhu 2017), of the layer; 2 bits",
    .uses = QUANTIZES_WEIGHTS,
    .learns = true,
    .moves_levels = true,
    .centred = true,
    .least_bits = 2,
    .most_bits = 2,
    .fields = quantizer_ttq_fields,
    .config_bytes = sizeof(TtqKeys),
    .create = ttq_create,
    .start = ttq_start,
    .prepare = ttq_prepare,
    .quantize = ttq_quantize,
    .backward = ttq_backward,
    .backward_params = ttq_backward_params,
    .finish = ttq_finish,
    .surrogate = ttq_surrogate,
    .gradient_scale = ttq_gradient_scale,
};
