/* Ternary weight networks (Li 2016, 1605.04711), for each scale:
 *   delta = 0.7 mean |w|;   code = sign(w) where |w| > delta, else 0;   scale = mean |w| of those with |w| > delta.
 * The gradient passes as it is. */
#include <math.h>

#include "quant/level_set.h"

/* Of the weights of a scale, and of those above delta. */
typedef struct {
    double sum;
    long count;
    float delta;
} TernaryScale;

static bool twn_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    (void)params;
    q->state = ARENA_ARRAY(arena, TernaryScale, q->qp.n);
    q->qp.qmin = -1, q->qp.qmax = 1;
    return true;
}

/* The sums of |w| above each scale's delta. */
static void sum_above(const Quantizer *q, const WeightView *w, TernaryScale *of)
{
    for (int c = 0; c < q->qp.n; c++) of[c].sum = 0.0, of[c].count = 0;
    for (long i = 0; i < w->by.n; i++) {
        TernaryScale *s = &of[q->qp.n == 1 ? 0 : channel_at(&w->by, i)];
        if (fabsf(w->w[i]) > s->delta) s->sum += (double)fabsf(w->w[i]), s->count++;
    }
}

static void twn_prepare(Quantizer *q, const WeightView *w)
{
    TernaryScale *of = q->state;
    if (w == NULL) return;
    for (int c = 0; c < q->qp.n; c++) of[c].delta = -1.0f;
    sum_above(q, w, of);
    for (int c = 0; c < q->qp.n; c++) of[c].delta = (float)(0.7 * of[c].sum / (double)of[c].count);
    sum_above(q, w, of);
    for (int c = 0; c < q->qp.n; c++) {
        const float mean = of[c].count == 0 ? 0.0f : (float)(of[c].sum / (double)of[c].count);
        grid_symmetric(-mean, mean, &q->qp, c);
    }
}

static void twn_start(Quantizer *q, const QuantizerStart *from)
{
    twn_prepare(q, from->weights);
    q->ready = true;
}

static void twn_quantize(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, int8_t *codes)
{
    const float delta = ((const TernaryScale *)q->state)[run->channel].delta;
    for (size_t i = 0; i < n; i++) codes[i] = x[i] > delta ? 1 : x[i] < -delta ? -1 : 0;
}

const QuantizerType quantizer_twn = {
    .name = "twn",
    .doc = "ternary weights (Li 2016): -1, 0 and 1 times the mean of those that are not 0; 2 bits",
    .uses = QUANTIZES_WEIGHTS,
    .centred = true,
    .least_bits = 2,
    .most_bits = 2,
    .create = twn_create,
    .start = twn_start,
    .prepare = twn_prepare,
    .quantize = twn_quantize,
    .backward = level_set_pass,
    .surrogate = level_set_pass_surrogate,
};
