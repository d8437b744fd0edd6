#include "compress/weight_grid.h"

#include <math.h>
#include <string.h>

#include "quant/int_ops.h"
#include "quant/split_weights.h"

/* What the layer's weights are multiplied by before they are quantized: batch norm's factor where one scale serves all
 * channels, its sign where each has its own. */
static float factor_of(const Layer *l, int c)
{
    if (l->norm == NULL) return 1.0f;
    if (l->weight_q->qp.n == 1) return norm_scale(l->norm, l->gamma->x, c);
    return signbit(l->gamma->x[c]) ? -1.0f : 1.0f;
}

/* The scales come from the weights as the operation that quantizes them sees them: without zero points a sign does not
 * move them. */
WeightGrid weight_grid(Arena *arena, Layer *l)
{
    Quantizer *q = l->weight_q;
    WeightGrid g = {.by = channel_view(l->weight->shape, q->qp.axis == 0), .qp = q->qp};
    const bool folded = q->qp.n == 1;
    float *w = arena_alloc(arena, sizeof(float) * (size_t)g.by.n);
    g.factor = ARENA_ARRAY(arena, float, g.by.channels);
    for (int c = 0; c < g.by.channels; c++) g.factor[c] = factor_of(l, c);
    for (long i = 0; i < g.by.n; i++) w[i] = l->weight->x[i] * (folded ? g.factor[channel_at(&g.by, i)] : 1.0f);
    const WeightView view = {.w = w, .by = g.by, .sign = folded || q->qp.zero == NULL ? NULL : g.factor};
    if (!q->ready) q->type->start(q, &(QuantizerStart){.weights = &view});
    q->type->prepare(q, &view);
    g.qp.scale = memcpy(ARENA_ARRAY(arena, float, g.qp.n), q->qp.scale, sizeof(float) * (size_t)g.qp.n);
    if (g.qp.zero != NULL) g.qp.zero = memcpy(ARENA_ARRAY(arena, int8_t, g.qp.n), q->qp.zero, (size_t)g.qp.n);
    return g;
}

float weight_grid_step(const WeightGrid *g, long i)
{
    return g->qp.scale[weight_scale_at(&g->qp, &g->by, i)] / g->factor[channel_at(&g->by, i)];
}

static int zero_of(const WeightGrid *g, long i) { return grid_zero(&g->qp, weight_scale_at(&g->qp, &g->by, i)); }

float weight_grid_lowest(const WeightGrid *g, long i) { return (float)(g->qp.qmin - zero_of(g, i)); }

float weight_grid_highest(const WeightGrid *g, long i) { return (float)(g->qp.qmax - zero_of(g, i)); }

void weight_grid_nearest(const WeightGrid *g, const Layer *l, float *q)
{
    for (long i = 0; i < g->by.n; i++) {
        const float step = weight_grid_step(g, i), code = l->weight->x[i] / step;
        q[i] = step * rintf(fminf(fmaxf(code, weight_grid_lowest(g, i)), weight_grid_highest(g, i)));
    }
}
