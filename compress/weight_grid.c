#include "compress/weight_grid.h"

#include <math.h>

#include "quant/int_ops.h"

/* What the layer's weights are multiplied by before they are quantized: batch norm's factor where one scale serves all
 * channels, its sign where each has its own. */
static float factor_of(const Layer *l, int c)
{
    if (l->norm == NULL) return 1.0f;
    if (l->weight_q->qp.n == 1) return norm_scale(l->norm, l->gamma->x, c);
    return signbit(l->gamma->x[c]) ? -1.0f : 1.0f;
}

/* The scales come from the weights as the operation that quantizes them sees them: a sign does not move them. */
WeightGrid weight_grid(Arena *arena, Layer *l)
{
    Quantizer *q = l->weight_q;
    WeightGrid g = {.by = channel_view(l->weight->shape, q->qp.axis == 0)};
    float *w = arena_alloc(arena, sizeof(float) * (size_t)g.by.n);
    for (long i = 0; i < g.by.n; i++)
        w[i] = l->weight->x[i] * (q->qp.n == 1 ? factor_of(l, (int)channel_at(&g.by, i)) : 1.0f);
    const WeightView view = {.w = w, .by = g.by};
    if (!q->ready) q->type->start(q, &(QuantizerStart){.weights = &view});
    q->type->prepare(q, &view);
    g.step = ARENA_ARRAY(arena, float, g.by.channels);
    for (int c = 0; c < g.by.channels; c++) g.step[c] = q->qp.scale[q->qp.n == 1 ? 0 : c] / factor_of(l, c);
    g.lo = (float)q->qp.qmin, g.hi = (float)q->qp.qmax;
    return g;
}

void weight_grid_nearest(const WeightGrid *g, const Layer *l, float *q)
{
    for (long i = 0; i < g->by.n; i++) {
        const float step = g->step[channel_at(&g->by, i)];
        q[i] = step * rintf(fminf(fmaxf(l->weight->x[i] / step, g->lo), g->hi));
    }
}
