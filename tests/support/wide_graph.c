#include "tests/support/wide_graph.h"

#include <string.h>

#include "base/rng.h"
#include "graph/node.h"

enum { NARROW, WIDE };

typedef struct {
    Arena *arena;
    Rng rng;
    WideNodes which;
    const Graph *from;
    Graph *g;
    int (*form)[2]; /* [tensor of from] where it is as int8 and as int16 codes; -1: nowhere yet */
} Widen;

static int add(Widen *m, GraphTensor y, Node n)
{
    Graph *g = m->g;
    n.name = y.name, n.output = g->tensors;
    g->node[g->nodes++] = n;
    g->tensor[g->tensors] = y;
    return g->tensors++;
}

/* 128 codes for each. */
static GraphTensor widened(const GraphTensor *t)
{
    GraphTensor y = *t;
    y.format = FORMAT_INT16, y.scale = t->scale / 128.0f, y.zero_point = 0;
    y.bits = 16, y.qmin = INT16_MIN, y.qmax = INT16_MAX;
    return y;
}

static int in_form(Widen *m, int t, int form)
{
    if (m->form[t][form] >= 0) return m->form[t][form];
    const GraphTensor *old = &m->from->tensor[t];
    GraphTensor y = form == WIDE ? widened(old) : *old;
    y.name = arena_printf(m->arena, "%s.%s", old->name, form == WIDE ? "int16" : "int8");
    const Node n = {.op = NODE_REQUANT, .inputs = 1, .input = {m->form[t][1 - form]}, .lo = y.qmin, .hi = y.qmax};
    return m->form[t][form] = add(m, y, n);
}

static void wide_bias(Widen *m, Node *n)
{
    int64_t *bias = ARENA_ARRAY(m->arena, int64_t, n->geom.o);
    for (int o = 0; o < n->geom.o; o++) bias[o] = INT64_C(128) * n->bias[o] + (int64_t)rng_below(&m->rng, 100);
    n->wide_bias = bias, n->bias = NULL;
}

static bool is_chosen(Widen *m, const Node *old)
{
    if (m->which == WIDE_OUTPUT) return old->output == m->from->output;
    return m->which == WIDE_ALL || rng_below(&m->rng, 2) == 0;
}

static void widen_node(Widen *m, const Node *old)
{
    const GraphTensor *like = &m->from->tensor[old->output];
    const NodeType *type = node_type(old);
    const int form = type->in_wide != NULL && is_chosen(m, old) ? WIDE : NARROW;
    Node n = *old;
    for (int k = 0; k < n.inputs; k++) n.input[k] = in_form(m, old->input[k], form);
    GraphTensor y = form == WIDE ? widened(like) : *like;
    if (form == WIDE) {
        n.lo = type->clamp != CLAMP_NONE && rng_below(&m->rng, 2) == 0 ? 0 : y.qmin;
        n.hi = type->clamp != CLAMP_NONE && rng_below(&m->rng, 3) == 0 ? 20000 : y.qmax;
        if (node_has_weights(old)) wide_bias(m, &n);
        if (old->op == NODE_MULTIPLY) { /* its grid is its own */
            const float least = m->g->tensor[n.input[0]].scale * m->g->tensor[n.input[1]].scale * 1.5f;
            if (y.scale < least) y.scale = least;
        }
    }
    m->form[old->output][form] = add(m, y, n);
}

Graph *wide_graph(Arena *arena, const Graph *from, uint64_t seed, WideNodes which)
{
    Graph *g = ARENA_ARRAY(arena, Graph, 1);
    *g = *from;
    g->tensor = ARENA_ARRAY(arena, GraphTensor, 3 * from->tensors);
    g->node = ARENA_ARRAY(arena, Node, 3 * from->tensors);
    g->tensor[0] = from->tensor[0];
    g->tensors = 1, g->nodes = 0;
    Widen m = {.arena = arena, .rng = rng_make(seed, RNG_TEST, 2), .which = which, .from = from, .g = g};
    m.form = arena_alloc(arena, sizeof *m.form * (size_t)from->tensors);
    memset(m.form, -1, sizeof *m.form * (size_t)from->tensors);
    m.form[0][NARROW] = 0;
    for (int i = 0; i < from->nodes; i++) widen_node(&m, &from->node[i]);
    const int *out = m.form[from->output];
    g->output = out[WIDE] >= 0 ? out[WIDE] : out[NARROW];
    return g;
}
