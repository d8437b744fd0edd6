/* requant: the input on another grid (rescale_table), with clamp. */
#include "graph/node_check.h"
#include "graph/node_table.h"
#include "graph/node_text.h"
#include "kernels/requant.h"

static const Field requant_fields[] = {NODE_FIELDS, {NODE_CLAMP}, FIELD_END};

static bool requant_table(const Graph *g, const Node *n, int8_t table[256])
{
    const GraphTensor *x = node_x(g, n), *y = node_y(g, n);
    return rescale_table(g->rounding, x->scale, x->zero_point, y->scale, y->zero_point, n->lo, n->hi, table);
}

static Status requant_check(const Graph *g, const Node *n)
{
    const GraphTensor *x = node_x(g, n), *y = node_y(g, n);
    int8_t unused[256];
    TRY(node_check_same_shape(g, n));
    NODE_RULE(n, requant_table(g, n, unused), "rescales %.9g to %.9g; %s needs %s", (double)x->scale, (double)y->scale,
              rounding_names[g->rounding], rounding_requant_needs(g->rounding));
    /* As of sums (channel_sums_check): no rounding rule leaves int32. */
    const double M = (double)x->scale / (double)y->scale;
    NODE_RULE(n, M * graph_tensor_max_magnitude(x) < 0x1p30,
              "codes up to %d from zero times the multiplier %g; must stay below 2^30", graph_tensor_max_magnitude(x),
              M);
    return STATUS_OK;
}

static Status requant_prepare(Arena *arena, EngineNode *e)
{
    e->state = arena_alloc(arena, 256);
    const bool representable = requant_table(e->g, e->node, e->state);
    ASSERT(representable); /* graph_check */
    return STATUS_OK;
}

const NodeType node_requant = {.name = "requant",
                               .doc = "the input on another grid, with clamp",
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .fields = requant_fields,
                               .clamp = CLAMP_CODES,
                               .check = requant_check,
                               .prepare = requant_prepare,
                               .run = node_table_run,
                               .overwrites = node_table_overwrites};
