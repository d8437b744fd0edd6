#include "tests/support/mixed_graph.h"

#include <string.h>

#include "base/rng.h"
#include "graph/node_float.h"

enum { CODES, FLOATS };

typedef struct {
    Arena *arena;
    Rng rng;
    Mixture mixture;
    const Graph *from;
    Graph *g;
    int (*form)[2]; /* [tensor of from] where it is as codes and as floats; -1: nowhere yet */
} Mix;

static int add(Mix *m, GraphTensor y, Node n)
{
    Graph *g = m->g;
    n.name = y.name, n.output = g->tensors;
    g->node[g->nodes++] = n;
    g->tensor[g->tensors] = y;
    return g->tensors++;
}

static GraphTensor float_tensor(const GraphTensor *like, const char *name, Format format)
{
    return (GraphTensor){.name = name, .h = like->h, .w = like->w, .c = like->c, .format = format};
}

/* Tensor t of `from` in this form. */
static int in_form(Mix *m, int t, int form)
{
    if (m->form[t][form] >= 0) return m->form[t][form];
    const GraphTensor *old = &m->from->tensor[t];
    GraphTensor y = *old;
    if (form == FLOATS)
        y = float_tensor(old, arena_printf(m->arena, "%s.floats", old->name), FORMAT_FLOAT32);
    else
        y.name = arena_printf(m->arena, "%s.codes", old->name);
    const Node n = {.op = form == FLOATS ? NODE_DEQUANTIZE : NODE_QUANTIZE,
                    .inputs = 1,
                    .input = {m->form[t][1 - form]},
                    .lo = y.qmin,
                    .hi = y.qmax};
    return m->form[t][form] = add(m, y, n);
}

static Format random_format(Mix *m)
{
    const bool varies = m->mixture == MIX_FORMATS || m->mixture == MIX_FLOAT16;
    if (!varies || rng_below(&m->rng, 2) == 0) return FORMAT_FLOAT32;
    if (m->mixture == MIX_FLOAT16) return FORMAT_FLOAT16;
    return (Format)((int)FORMAT_FLOAT32 + (int)rng_below(&m->rng, FORMATS - FORMAT_FLOAT32));
}

static void real_weights(Mix *m, Node *n, const Node *old)
{
    const float s_x = m->from->tensor[old->input[0]].scale;
    float *bias = ARENA_ARRAY(m->arena, float, old->geom.o);
    for (int o = 0; o < old->geom.o; o++) bias[o] = s_x * old->weight_scale[o] * (float)old->bias[o];
    n->float_bias = bias;
    n->bias = NULL;
    n->weight_bits = n->weight_shift = n->levels = 0;
    if (m->mixture != MIX_ALL && rng_below(&m->rng, 3) < (m->mixture == MIX_DYNAMIC ? 2 : 1)) {
        n->weight_bits = 8; /* what is stored, shifted or not */
        if (m->mixture == MIX_DYNAMIC) n->input_bits = 8;
        return;
    }
    n->weight_format = random_format(m);
    float *w = (float *)(uintptr_t)node_real_weights(m->arena, old);
    format_round(n->weight_format, (size_t)node_weights(old), w, w);
    n->float_weights = w, n->weights = NULL, n->weight_scale = NULL;
}

static void mix_node(Mix *m, const Node *old)
{
    const GraphTensor *like = &m->from->tensor[old->output];
    const int form =
        node_type(old)->in_float != NULL && (m->mixture == MIX_ALL || rng_below(&m->rng, 2) == 0) ? FLOATS : CODES;
    Node n = *old;
    for (int k = 0; k < n.inputs; k++) n.input[k] = in_form(m, old->input[k], form);
    GraphTensor y = *like;
    if (form == FLOATS) {
        const bool moves = node_type(old)->shows_input;
        y = float_tensor(like, like->name, moves ? m->g->tensor[n.input[0]].format : random_format(m));
        n.lo = n.hi = 0;
        if (node_has_weights(old)) real_weights(m, &n, old);
        if (old->op == NODE_LUT) n.table = NULL, n.curve = &curve_types[rng_below(&m->rng, CURVES)];
        if (node_has_weights(old) || old->op == NODE_ADD || old->op == NODE_MULTIPLY || old->op == NODE_REQUANT)
            n.activation = (int)rng_below(&m->rng, NODE_ACTIVATIONS);
    }
    m->form[old->output][form] = add(m, y, n);
}

Graph *mixed_graph(Arena *arena, const Graph *from, uint64_t seed, Mixture mixture)
{
    Graph *g = ARENA_ARRAY(arena, Graph, 1);
    *g = *from;
    g->tensor = ARENA_ARRAY(arena, GraphTensor, 3 * from->tensors);
    g->node = ARENA_ARRAY(arena, Node, 3 * from->tensors);
    g->tensor[0] = from->tensor[0];
    g->tensors = 1, g->nodes = 0;
    Mix m = {.arena = arena, .rng = rng_make(seed, RNG_TEST, 1), .mixture = mixture, .from = from, .g = g};
    m.form = arena_alloc(arena, sizeof *m.form * (size_t)from->tensors);
    memset(m.form, -1, sizeof *m.form * (size_t)from->tensors);
    m.form[0][CODES] = 0;
    for (int i = 0; i < from->nodes; i++) mix_node(&m, &from->node[i]);
    const int *out = m.form[from->output];
    g->output = out[FLOATS] >= 0 ? out[FLOATS] : out[CODES];
    return g;
}
