#include "quant/sign_levels.h"

#include <math.h>

/* The grid is what it is; what an observer is asked for besides has a step. */
static bool outputs_create(Quantizer *q)
{
    q->qp.qmin = -1, q->qp.qmax = 1;
    q->goal.bits = QUANT_MIN_BITS;
    return q->ready = q->fixed = true;
}

bool sign_levels_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    (void)params;
    if (!q->is_weight) return outputs_create(q);
    level_set_make(q, arena, 2, (const int[]){-1, 1});
    q->state = ARENA_ARRAY(arena, double, q->qp.n);
    return true;
}

void sign_levels_quantize(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, int8_t *codes)
{
    (void)q, (void)run;
    for (size_t i = 0; i < n; i++) codes[i] = x[i] < 0.0f ? -1 : 1;
}

void sign_mean_prepare(Quantizer *q, const WeightView *w)
{
    double *sum = q->state;
    const int n = q->qp.n;
    if (w == NULL) return;
    for (int c = 0; c < n; c++) sum[c] = 0.0;
    for (long i = 0; i < w->by.n; i++) sum[n == 1 ? 0 : channel_at(&w->by, i)] += (double)fabsf(w->w[i]);
    for (int c = 0; c < n; c++) {
        const float mean = (float)(sum[c] / ((double)w->by.n / n));
        grid_symmetric(-mean, mean, &q->qp, c);
    }
}

void sign_mean_start(Quantizer *q, const QuantizerStart *from)
{
    sign_mean_prepare(q, from->weights);
    q->ready = true;
}
