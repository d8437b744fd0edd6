#include "compress/unit_data.h"

#include <string.h>

enum { BATCH = 64 };

bool unit_of(const Model *m, int first, int last, Unit *unit)
{
    *unit = (Unit){.first = first, .last = last};
    for (int i = first; i <= last; i++)
        for (int k = 0; k < m->layer[i].inputs; k++) {
            const int source = m->layer[i].input[k];
            int known = 0;
            while (known < unit->inputs && unit->input[known] != source) known++;
            if (source >= first || known < unit->inputs) continue;
            if (unit->inputs == UNIT_INPUTS) return false;
            unit->input[unit->inputs++] = source;
        }
    return true;
}

int unit_block_end(const Model *m, int first)
{
    for (int last = first; last < m->layers - 1; last++) {
        bool ends = true;
        for (int i = last + 1; i < m->layers; i++)
            for (int k = 0; k < m->layer[i].inputs; k++) ends = ends && m->layer[i].input[k] >= last;
        if (ends) return last;
    }
    return m->layers - 1;
}

static size_t values_of(const Model *m, int layer)
{
    const Extent e = layer < 0 ? m->input : m->layer[layer].out;
    return (size_t)e.h * (size_t)e.w * (size_t)e.c;
}

/* The values of a layer's output after a pass with keep_outputs, as floats. */
static void copy_values(const Model *m, int layer, float *to)
{
    const Tensor *x = layer < 0 ? m->image : m->out[layer];
    if (x->x != NULL)
        memcpy(to, x->x, sizeof(float) * (size_t)tensor_elements(x));
    else
        tensor_dequantize(x, to);
}

/* Where a pass puts what the unit reads and gives; NULL: nowhere. */
typedef struct {
    const Unit *unit;
    const UnitData *data;
    float *const *inputs;
    float *target;
} Collect;

static Status collect(void *context, Model *m, Tape *t, const Tensor *y, const PtqImages *part, int at)
{
    (void)t, (void)y, (void)part;
    const Collect *c = context;
    for (int k = 0; k < c->unit->inputs; k++)
        if (c->inputs[k] != NULL) copy_values(m, c->unit->input[k], c->inputs[k] + (size_t)at * c->data->in[k]);
    if (c->target != NULL) copy_values(m, c->unit->last, c->target + (size_t)at * c->data->out);
    return STATUS_OK;
}

static Status passes(Model *m, const RealNetwork *real, const PtqImages *images, const Unit *unit, UnitData *data)
{
    Arena *own = arena_create();
    ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT, .keep_outputs = true, .rounding = (Rounding)m->quant->rounding};
    const RealNetwork *quantized = real_network_take(own, m);
    real_network_put(real, m);
    Status status = ptq_images_run(m, &mode, images, BATCH, collect, &(Collect){unit, data, data->real, data->target});
    real_network_put(quantized, m);
    mode.arithmetic = ARITHMETIC_FAKE;
    if (status == STATUS_OK)
        status = ptq_images_run(m, &mode, images, BATCH, collect, &(Collect){unit, data, data->quantized, NULL});
    arena_destroy(own);
    return status;
}

static float *room(Arena *arena, int n, size_t each)
{
    return arena_try_alloc(arena, sizeof(float) * (size_t)n * each);
}

Status unit_data_collect(Arena *arena, Model *m, const RealNetwork *real, const Unit *unit, const PtqImages *images,
                         bool real_inputs, UnitData *data)
{
    *data = (UnitData){.n = images->n, .out = values_of(m, unit->last)};
    bool enough = (data->target = room(arena, data->n, data->out)) != NULL;
    for (int k = 0; k < unit->inputs; k++) {
        data->in[k] = values_of(m, unit->input[k]);
        enough = enough && (data->quantized[k] = room(arena, data->n, data->in[k])) != NULL;
        if (real_inputs) enough = enough && (data->real[k] = room(arena, data->n, data->in[k])) != NULL;
    }
    if (!enough)
        return status_prefix(STATUS_NOMEM,
                             "layer \"%s\": what it reads and gives on %d images; fewer need less "
                             "(ptq.images)",
                             m->layer[unit->last].name, data->n);
    return passes(m, real, images, unit, data);
}
