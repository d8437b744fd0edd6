/* add: of two inputs of one shape, each on a grid of its own. */
#include "graph/node_check.h"
#include "graph/node_text.h"
#include "kernels/requant.h"

static const Field add_fields[] = {NODE_FIELDS, {NODE_CLAMP}, FIELD_END};

static bool add_params(const Graph *g, const Node *n, AddParams *p)
{
    const GraphTensor *a = node_x(g, n), *b = &g->tensor[n->input[1]], *y = node_y(g, n);
    return add_params_make(g->rounding, a->scale, a->zero_point, b->scale, b->zero_point, y->scale, y->zero_point,
                           n->lo, n->hi, p);
}

static bool same_shape(const GraphTensor *a, const GraphTensor *b)
{
    return a->h == b->h && a->w == b->w && a->c == b->c;
}

static Status add_check(const Graph *g, const Node *n)
{
    const GraphTensor *a = node_x(g, n), *b = &g->tensor[n->input[1]], *y = node_y(g, n);
    NODE_RULE(n, same_shape(a, b) && same_shape(a, y),
              "adds [%d,%d,%d] and [%d,%d,%d] to [%d,%d,%d]; must be one shape", a->h, a->w, a->c, b->h, b->w, b->c,
              y->h, y->w, y->c);
    const double larger = (double)(a->scale > b->scale ? a->scale : b->scale);
    AddParams unused;
    /* 2 max(s1, s2) / (2^20 s_y) is a right shift. */
    NODE_RULE(n, 2.0 * larger < 0x1p20 * (double)y->scale && add_params(g, n, &unused),
              "adds scales %.9g and %.9g to %.9g; %s needs %s", (double)a->scale, (double)b->scale, (double)y->scale,
              rounding_names[g->rounding], rounding_add_needs(g->rounding));
    return STATUS_OK;
}

static Status add_prepare(Arena *arena, EngineNode *e)
{
    e->state = arena_alloc(arena, sizeof(AddParams));
    const bool representable = add_params(e->g, e->node, e->state);
    ASSERT(representable); /* graph_check */
    return STATUS_OK;
}

static void add_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    kernels()->requant_add_rows(e->state, (size_t)graph_tensor_elements(node_y(e->g, e->node)), in[0], in[1], out);
}

static NodeOverwrites add_overwrites(const Node *n)
{
    (void)n;
    return OVERWRITES;
}

const NodeType node_add = {.name = "add",
                           .doc = "the sum of two tensors of one shape, each on a grid of its own, with clamp",
                           .min_inputs = 2,
                           .max_inputs = 2,
                           .fields = add_fields,
                           .clamp = CLAMP_CODES,
                           .check = add_check,
                           .prepare = add_prepare,
                           .run = add_run,
                           .takes_rows = true,
                           .overwrites = add_overwrites};
