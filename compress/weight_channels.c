#include "compress/weight_channels.h"

#include <math.h>
#include <stdlib.h>

#include "quant/int_ops.h"

WeightChannels weight_channels(Arena *arena, Layer *l, int inputs)
{
    WeightChannels w = {.l = l, .op = l->type->real(l), .inputs = inputs};
    w.by = channel_view(l->weight->shape, w.op.op != NODE_DWCONV2D);
    w.factor = ARENA_ARRAY(arena, float, w.by.channels);
    for (int o = 0; o < w.by.channels; o++) w.factor[o] = l->norm == NULL ? 1.0f : norm_scale(l->norm, l->gamma->x, o);
    return w;
}

int weight_input(const WeightChannels *w, long i)
{
    const ConvGeom *g = &w->op.geom;
    if (w->op.op == NODE_DENSE) return (int)(i % (w->by.n / w->by.channels) % w->inputs);
    if (w->op.op == NODE_DWCONV2D) return weight_output(w, i) / (w->by.channels / w->inputs);
    const int each = g->c / g->groups, group = weight_output(w, i) / (g->o / g->groups);
    return group * each + (int)(i % each);
}

static float deployed(const WeightChannels *w, long i)
{
    return fabsf(w->l->weight->x[i] * w->factor[weight_output(w, i)]);
}

void weight_output_ranges(const WeightChannels *w, float *range)
{
    for (int o = 0; o < w->by.channels; o++) range[o] = 0.0f;
    for (long i = 0; i < w->by.n; i++) {
        float *r = &range[weight_output(w, i)];
        *r = fmaxf(*r, deployed(w, i));
    }
}

void weight_input_ranges(const WeightChannels *w, float *range)
{
    for (int k = 0; k < w->inputs; k++) range[k] = 0.0f;
    for (long i = 0; i < w->by.n; i++) {
        float *r = &range[weight_input(w, i)];
        *r = fmaxf(*r, deployed(w, i));
    }
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

double weight_range_ratio(Arena *arena, Layer *l)
{
    const WeightChannels w = weight_channels(arena, l, l->in[0].c);
    const int n = w.by.channels;
    float *range = ARENA_ARRAY(arena, float, n);
    weight_output_ranges(&w, range);
    qsort(range, (size_t)n, sizeof *range, ascending);
    return range[n - 1] > 0.0f ? (double)range[n - 1] / fmax((double)range[n / 2], 1e-30) : 0.0;
}

static void scale(Param *p, const float *factor)
{
    for (long o = 0; p != NULL && o < p->count; o++) p->x[o] *= factor[o];
}

/* Batch norm's gamma and beta scale its output; without it weights and bias do. */
void weight_scale_outputs(const WeightChannels *w, const float *factor)
{
    Layer *l = w->l;
    scale(l->gamma, factor), scale(l->beta, factor), scale(l->bias, factor);
    for (int o = 0; o < w->by.channels; o++) w->factor[o] *= l->norm == NULL ? 1.0f : factor[o];
    for (long i = 0; i < w->by.n && l->norm == NULL; i++) l->weight->x[i] *= factor[weight_output(w, i)];
}

void weight_scale_inputs(const WeightChannels *w, const float *factor)
{
    for (long i = 0; i < w->by.n; i++) w->l->weight->x[i] *= factor[weight_input(w, i)];
}

/* Each value of its output is one channel's values of its input, scaled as they are. */
static bool passes_channels(const Layer *l) { return l->type->keeps_grid; }

int weight_readers(Arena *arena, const Model *m, int from, int room, int *reader, const char **why)
{
    int n = 0;
    *why = NULL;
    for (int i = from + 1; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        for (int k = 0; k < l->inputs && *why == NULL; k++) {
            int source = l->input[k];
            while (source > from && passes_channels(&m->layer[source])) source = m->layer[source].input[0];
            if (source != from || passes_channels(l)) continue;
            if (l->weight == NULL || l->type->real == NULL || n == room)
                *why = arena_printf(arena, "is read by \"%s\", of type %s, which needs all its inputs in one unit",
                                    l->name, l->type->name);
            else
                reader[n++] = i;
        }
    }
    if (*why == NULL && n == 0) *why = "is the network's output";
    return *why == NULL ? n : 0;
}
