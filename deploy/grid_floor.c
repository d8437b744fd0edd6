#include "deploy/grid_floor.h"

#include <math.h>
#include <string.h>

#include "deploy/lower.h"
#include "graph/node.h"

/* A grid that is raised may ask for its neighbour's to be, and so through the whole model: as many more as it has
 * layers. */
enum { ROUNDS = 8 };

typedef struct {
    Model *m;
    const Graph *g;
    /* XNNPACK's limits hold (NodeType.ratio_limits): of what its own rounding and ONNX Runtime's go to. */
    bool runtime;
    bool *moved;      /* by quantizer */
    const char *last; /* of the quantizers that this round moved; NULL: none */
} Floor;

/* Lowering brings quantizers up to date; that is for the step that uses them, and here must not show. */
typedef struct {
    bool ready;
    int32_t zero_point;
    float *scale, *param[QUANTIZER_PARAMS];
} Saved;

static Saved *save(Arena *arena, const Model *m)
{
    Saved *all = ARENA_ARRAY(arena, Saved, m->quantizers);
    for (int i = 0; i < m->quantizers; i++) {
        const Quantizer *q = m->quantizer[i];
        const size_t n = (size_t)q->qp.n;
        all[i] = (Saved){.ready = q->ready, .zero_point = q->qp.zero_point, .scale = ARENA_ARRAY(arena, float, n)};
        memcpy(all[i].scale, q->qp.scale, sizeof(float) * n);
        for (int k = 0; k < q->params; k++) {
            all[i].param[k] = ARENA_ARRAY(arena, float, q->param[k]->count);
            memcpy(all[i].param[k], q->param[k]->x, sizeof(float) * (size_t)q->param[k]->count);
        }
    }
    return all;
}

/* All but those whose grid was moved. */
static void restore(const Model *m, const Saved *all, const bool *moved)
{
    for (int i = 0; i < m->quantizers; i++) {
        Quantizer *q = m->quantizer[i];
        const size_t n = (size_t)q->qp.n;
        if (moved[i]) continue;
        q->ready = all[i].ready, q->qp.zero_point = all[i].zero_point;
        memcpy(q->qp.scale, all[i].scale, sizeof(float) * n);
        for (int k = 0; k < q->params; k++)
            memcpy(q->param[k]->x, all[i].param[k], sizeof(float) * (size_t)q->param[k]->count);
    }
}

static bool changes_width(const Graph *g, const Node *n)
{
    return graph_tensor_is_wide(node_x(g, n)) != graph_tensor_is_wide(node_y(g, n));
}

static Quantizer *quantizer_of(const Floor *f, int tensor);

/* m->layers: there is none. */
static int layer_named(const Model *m, const char *name)
{
    int i = 0;
    while (i < m->layers && strcmp(m->layer[i].name, name) != 0) i++;
    return i;
}

/* Of a node that makes codes of another form: the source's quantizer of that form.  int16 codes of int8 ones follow
 * these. */
static Quantizer *converted_of(const Floor *f, const Node *n)
{
    const Model *m = f->m;
    const int i = layer_named(m, node_x(f->g, n)->name);
    const bool from_int8 = node_x(f->g, n)->format == FORMAT_INT8;
    const bool is_other = n->op == NODE_REQUANT ? !from_int8 : graph_tensor_is_wide(node_y(f->g, n));
    return i < m->layers && is_other && m->layer[i].other_q != NULL ? m->layer[i].other_q
                                                                    : quantizer_of(f, n->input[0]);
}

/* Who decides on the grid of a tensor: the layer of that name, or the one whose grid it keeps; of an input that a
 * concat brings to its own grid, the concat; of codes made of floats, the layer whose floats they are.  NULL: the image. */
static Quantizer *quantizer_of(const Floor *f, int tensor)
{
    const Model *m = f->m;
    int i = layer_named(m, f->g->tensor[tensor].name);
    while (i >= 0 && i < m->layers && m->layer[i].out_q == NULL) i = m->layer[i].input[0];
    if (i != m->layers) return i >= 0 ? m->layer[i].out_q : NULL;
    for (int k = 0; k < f->g->nodes; k++) { /* who makes a tensor stands before who reads it */
        const Node *n = &f->g->node[k];
        if (n->output == tensor && n->op == NODE_QUANTIZE) return converted_of(f, n);
        if (n->output == tensor && n->op == NODE_REQUANT && changes_width(f->g, n)) return converted_of(f, n);
        for (int p = 0; p < n->inputs; p++)
            if (n->input[p] == tensor) return quantizer_of(f, n->output);
    }
    return NULL;
}

static void note_moved(Floor *f, const Quantizer *q)
{
    for (int i = 0; i < f->m->quantizers; i++) f->moved[i] |= f->m->quantizer[i] == q;
    f->last = q->name;
}

/* A layer whose outputs were all zero has no range, and the scale of one without: any other serves it as well. */
static bool follow(Floor *f, int tensor, float scale)
{
    Quantizer *q = quantizer_of(f, tensor);
    if (q == NULL || q->fixed || q->observer.batches == 0 || q->observer.min != 0.0f || q->observer.max != 0.0f)
        return false;
    if (q->qp.scale[0] != 1.0f || scale == 1.0f) return false;
    quantizer_set_scale(q, scale);
    note_moved(f, q);
    return true;
}

static void raise_to(Floor *f, int tensor, double least)
{
    Quantizer *q = quantizer_of(f, tensor);
    if (q == NULL || q->fixed || !isfinite(least)) return;
    const float scale = (float)(4.0 * least), before = q->qp.scale[0];
    if (!(before < scale)) return;
    const double lo = (double)before * (q->qp.qmin - q->qp.zero_point);
    if (q->dead_range <= 0.0f) q->dead_range = before * (float)(q->qp.qmax - q->qp.qmin);
    if (!q->symmetric && q->qp.is_signed)
        q->qp.zero_point = (int32_t)fmin(fmax(rint(q->qp.qmin - lo / (double)scale), q->qp.qmin), q->qp.qmax);
    quantizer_set_scale(q, scale);
    note_moved(f, q);
}

static void floor_of(Floor *f, const Node *n)
{
    if (node_is_float(f->g, n)) return;
    const NodeType *type = node_type(n);
    ScaleFloor floor[NODE_MAX_FLOORS];
    const int floors = type->floors == NULL ? 0 : type->floors(f->g, n, f->runtime, floor);
    for (int i = 0; i < floors; i++)
        if (floor[i].instead > 0.0 && follow(f, floor[i].tensor, (float)floor[i].instead)) return;
    for (int i = 0; i < floors; i++) raise_to(f, floor[i].tensor, floor[i].least);
}

/* Which quantizer had to be moved; NULL: none. */
static const char *one_round(Model *m, Rounding rounding)
{
    Arena *arena = arena_create();
    Graph *g;
    Floor f = {.m = m, .runtime = rounding_is_float(rounding)};
    f.moved = ARENA_ARRAY(arena, bool, m->quantizers);
    const Saved *saved = save(arena, m);
    /* What else keeps it from being lowered is told by whoever needs the graph. */
    if (model_lower_unchecked(arena, m, rounding, &g) == STATUS_OK) {
        f.g = g;
        for (int i = 0; i < g->nodes; i++) floor_of(&f, &g->node[i]);
    }
    restore(m, saved, f.moved);
    arena_destroy(arena);
    return f.last;
}

Status model_floor_grids(Model *m, Rounding rounding)
{
    const char *last = NULL;
    for (int round = 0; round < ROUNDS + m->layers; round++)
        if ((last = one_round(m, rounding)) == NULL) return STATUS_OK;
    return status_fail(
        STATUS_UNSUPPORTED,
        "%s: its scale, after %d rounds of raising scales; must be one that the rounding %s holds beside its "
        "neighbours'",
        last, ROUNDS + m->layers, rounding_names[rounding]);
}

const char **model_floor_notes(Arena *arena, const Model *m)
{
    const char **notes = ARENA_ARRAY(arena, const char *, m->layers + 1);
    int n = 0;
    for (int i = 0; i < m->layers; i++) {
        const Quantizer *q = m->layer[i].out_q;
        if (q == NULL || q->dead_range <= 0.0f) continue;
        notes[n++] = arena_printf(arena,
                                  "layer \"%s\": nearly dead, its outputs span %.2g; no integers carry so fine a grid, "
                                  "its step is held at %.3g",
                                  m->layer[i].name, (double)q->dead_range, (double)q->qp.scale[0]);
    }
    return notes;
}
