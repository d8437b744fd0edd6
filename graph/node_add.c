/* add: of two inputs of one shape, each on a grid of its own. */
#include <stdio.h>

#include "graph/node_check.h"
#include "graph/node_float.h"
#include "graph/node_text.h"
#include "kernels/requant_s16.h"

static const Field add_fields[] = {NODE_FIELDS, {NODE_CLAMP}, FIELD_END};

static bool add_params(const Graph *g, const Node *n, AddParams *p)
{
    const GraphTensor *a = node_x(g, n), *b = &g->tensor[n->input[1]], *y = node_y(g, n);
    return add_params_make(g->rounding, a->scale, a->zero_point, b->scale, b->zero_point, y->scale, y->zero_point,
                           n->lo, n->hi, p);
}

static bool add_wide_params(const Graph *g, const Node *n, AddS16 *p)
{
    return add_s16_make(g->rounding, node_x(g, n)->scale, g->tensor[n->input[1]].scale, node_y(g, n)->scale, n->lo,
                        n->hi, p);
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
    if (node_is_float(g, n)) return STATUS_OK;
    const double larger = (double)(a->scale > b->scale ? a->scale : b->scale);
    AddParams unused;
    AddS16 wide;
    if (node_is_wide(g, n)) {
        NODE_RULE(n, add_wide_params(g, n, &wide), "adds scales %.9g and %.9g to %.9g; int16 needs ratios below 2^14",
                  (double)a->scale, (double)b->scale, (double)y->scale);
        return STATUS_OK;
    }
    /* 2 max(s1, s2) / (2^20 s_y) is a right shift. */
    NODE_RULE(n, 2.0 * larger < 0x1p20 * (double)y->scale && add_params(g, n, &unused),
              "adds scales %.9g and %.9g to %.9g; %s needs %s", (double)a->scale, (double)b->scale, (double)y->scale,
              rounding_names[g->rounding], rounding_add_needs(g->rounding));
    return STATUS_OK;
}

static bool add_exceeds(const Graph *g, const Node *n, char given[NODE_GIVEN_BYTES])
{
    for (int k = 0; k < 2; k++) {
        const float ratio = node_scale_ratio(g, n, k);
        if (ratio_fits(&xnnpack_add, ratio)) continue;
        snprintf(given, NODE_GIVEN_BYTES, "input \"%.80s\" has %g times the output's scale",
                 g->tensor[n->input[k]].name, (double)ratio);
        return true;
    }
    return false;
}

static int add_floors(const Graph *g, const Node *n, bool runtime, ScaleFloor floor[NODE_MAX_FLOORS])
{
    const double s_a = (double)node_x(g, n)->scale, s_b = (double)g->tensor[n->input[1]].scale;
    const double larger = s_a > s_b ? s_a : s_b, s_y = (double)node_y(g, n)->scale;
    char unused[NODE_GIVEN_BYTES];
    AddParams params;
    AddS16 wide;
    if (node_is_wide(g, n)) {
        floor[0] = (ScaleFloor){.tensor = n->output, .least = larger * 0x1p-14};
        return !add_wide_params(g, n, &wide);
    }
    if (!(runtime && add_exceeds(g, n, unused)) && 2.0 * larger < 0x1p20 * s_y && add_params(g, n, &params)) return 0;
    floor[0] = (ScaleFloor){.tensor = n->output, .least = larger / (double)xnnpack_add.end};
    for (int k = 0; k < 2; k++) floor[1 + k] = (ScaleFloor){n->input[k], s_y * (double)xnnpack_add.least, s_y};
    return 3;
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

static Status add_wide_prepare(Arena *arena, EngineNode *e)
{
    e->state = arena_alloc(arena, sizeof(AddS16));
    (void)add_wide_params(e->g, e->node, e->state); /* graph_check */
    return STATUS_OK;
}

static void add_wide_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    const AddS16 *p = e->state;
    const int16_t *a = node_wide(in[0]), *b = node_wide(in[1]);
    int16_t *y = node_wide_out(out);
    const long count = graph_tensor_elements(node_y(e->g, e->node));
    for (long i = 0; i < count; i++) y[i] = requant_add_s16(p, a[i], b[i]);
}

static const NodeWide add_wide = {.prepare = add_wide_prepare, .run = add_wide_run};

static void add_float_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    float *y = node_floats_out(out);
    kernels()->add_f32((size_t)graph_tensor_elements(node_y(e->g, e->node)), node_floats(in[0]), node_floats(in[1]), y);
    node_float_end(e, y);
}

static NodeOverwrites add_overwrites(const Graph *g, const Node *n, int input)
{
    (void)g, (void)n, (void)input;
    return OVERWRITES;
}

static const NodeFloat add_float = {.fields = node_float_fields, .run = add_float_run};

const NodeType node_add = {.name = "add",
                           .doc = "the sum of two tensors of one shape, each on a grid of its own, with clamp",
                           .min_inputs = 2,
                           .max_inputs = 2,
                           .fields = add_fields,
                           .clamp = CLAMP_CODES,
                           .check = add_check,
                           .ratio_limits = &xnnpack_add,
                           .exceeds = add_exceeds,
                           .floors = add_floors,
                           .prepare = add_prepare,
                           .run = add_run,
                           .in_float = &add_float,
                           .in_wide = &add_wide,
                           .takes_rows = true,
                           .overwrites = add_overwrites};
