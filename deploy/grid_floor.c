#include "deploy/grid_floor.h"

#include <math.h>
#include <string.h>

#include "deploy/lower.h"
#include "deploy/runtime_limits.h"
#include "quant/channel_sums.h"
#include "graph/node.h"

/* A grid that is raised may ask for its neighbour's to be, and so through the whole model: as many more as it has
 * layers. */
enum { ROUNDS = 8 };

typedef struct {
    Model *m;
    const Graph *g;
    /* XNNPACK's limits hold (deploy/runtime_limits.h): of what its own rounding and ONNX Runtime's go to. */
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

/* Who decides on the grid of a tensor: the layer of that name, or the one whose grid it keeps; of an input that a
 * concat brings to its own grid, the concat.  NULL: the image. */
static Quantizer *quantizer_of(const Floor *f, int tensor)
{
    const Model *m = f->m;
    int i = 0;
    while (i < m->layers && strcmp(m->layer[i].name, f->g->tensor[tensor].name) != 0) i++;
    while (i >= 0 && i < m->layers && m->layer[i].out_q == NULL) i = m->layer[i].input[0];
    if (i != m->layers) return i >= 0 ? m->layer[i].out_q : NULL;
    for (int k = 0; k < f->g->nodes; k++)
        for (int p = 0; p < f->g->node[k].inputs; p++)
            if (f->g->node[k].input[p] == tensor) return quantizer_of(f, f->g->node[k].output);
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
    if (q == NULL || q->observer.batches == 0 || q->observer.min != 0.0f || q->observer.max != 0.0f) return false;
    if (q->qp.scale[0] != 1.0f || scale == 1.0f) return false;
    quantizer_set_scale(q, scale);
    note_moved(f, q);
    return true;
}

static void raise_to(Floor *f, int tensor, double least)
{
    Quantizer *q = quantizer_of(f, tensor);
    if (q == NULL || !isfinite(least)) return;
    const float scale = (float)(4.0 * least), before = q->qp.scale[0];
    if (!(before < scale)) return;
    const double lo = (double)before * (q->qp.qmin - q->qp.zero_point);
    if (q->dead_range <= 0.0f) q->dead_range = before * (float)(q->qp.qmax - q->qp.qmin);
    quantizer_set_scale(q, scale);
    if (!q->symmetric && q->qp.is_signed)
        q->qp.zero_point = (int32_t)fmin(fmax(rint(q->qp.qmin - lo / (double)scale), q->qp.qmin), q->qp.qmax);
    note_moved(f, q);
}

/* Sums that leave int32 when they are rescaled, or a multiplier that XNNPACK does not hold. */
static void floor_of_sums(Floor *f, const Node *n)
{
    const double s_x = (double)f->g->tensor[n->input[0]].scale, s_y = (double)f->g->tensor[n->output].scale;
    double least = 0.0;
    for (int o = 0; o < n->geom.o; o++) {
        const double step = s_x * (double)n->weight_scale[o];
        const int64_t sum = node_output_sum(f->g, n, o);
        const double of_sum = step * (double)(sum > 1 ? sum : 1) * 0x1p-30;
        if (of_sum >= s_y) least = fmax(least, of_sum);
        if (f->runtime && (float)(step / s_y) >= RUNTIME_WEIGHTS_END)
            least = fmax(least, step / (double)RUNTIME_WEIGHTS_END);
    }
    if (least > 0.0) raise_to(f, n->output, least);
}

static void floor_of_add(Floor *f, const Node *n)
{
    const GraphTensor *a = &f->g->tensor[n->input[0]], *b = &f->g->tensor[n->input[1]], *y = &f->g->tensor[n->output];
    const double larger = fmax((double)a->scale, (double)b->scale), s_y = (double)y->scale;
    AddParams unused;
    const bool beyond =
        f->runtime && !(runtime_holds_add(a->scale / y->scale) && runtime_holds_add(b->scale / y->scale));
    if (!beyond && 2.0 * larger < 0x1p20 * s_y &&
        add_params_make(f->g->rounding, a->scale, a->zero_point, b->scale, b->zero_point, y->scale, y->zero_point,
                        n->lo, n->hi, &unused))
        return;
    if (follow(f, n->input[0], y->scale) || follow(f, n->input[1], y->scale)) return;
    raise_to(f, n->output, larger / (double)RUNTIME_ADD_END);
    for (int i = 0; i < 2; i++) raise_to(f, n->input[i], s_y * (double)RUNTIME_ADD_LEAST);
}

static void floor_of_requant(Floor *f, const Node *n)
{
    const GraphTensor *x = &f->g->tensor[n->input[0]], *y = &f->g->tensor[n->output];
    const double ratio = (double)x->scale / (double)y->scale;
    const bool beyond = f->runtime && !runtime_holds_requant(x->scale / y->scale);
    int8_t unused[256];
    if (!beyond &&
        rescale_table(f->g->rounding, x->scale, x->zero_point, y->scale, y->zero_point, n->lo, n->hi, unused) &&
        ratio * graph_tensor_max_magnitude(x) < 0x1p30)
        return;
    if (follow(f, n->input[0], y->scale)) return;
    raise_to(f, n->output, (double)x->scale / (double)RUNTIME_REQUANT_MOST);
    raise_to(f, n->input[0], (double)y->scale * (double)RUNTIME_REQUANT_LEAST);
}

static void floor_of(Floor *f, const Node *n)
{
    if (node_has_weights(n)) floor_of_sums(f, n);
    if (n->op == NODE_ADD) floor_of_add(f, n);
    if (n->op == NODE_REQUANT) floor_of_requant(f, n);
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
    return status_fail(STATUS_UNSUPPORTED,
                       "%s: its scale, after %d rounds of raising scales; must be one that dialect %s holds beside its "
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
