/* average_pool: the mean of a window's codes inside the image, on the grid of the input (average_rule). */
#include <math.h>

#include "graph/node_check.h"
#include "graph/node_float.h"
#include "graph/node_window.h"
#include "kernels/requant.h"

static const Field average_pool_fields[] = {NODE_FIELDS,    {NODE_KERNEL}, {NODE_STRIDE},
                                            {NODE_PADDING}, {NODE_CLAMP},  FIELD_END};
static const Field average_pool_float_fields[] = {NODE_FIELDS, {NODE_KERNEL}, {NODE_STRIDE}, {NODE_PADDING}, FIELD_END};

static Status average_pool_check(const Graph *g, const Node *n)
{
    const GraphTensor *x = node_x(g, n);
    /* onnxruntime adds the reals of a window in float32. */
    NODE_RULE(n, isfinite(x->scale * 255.0f * (float)WINDOW_MAX_CELLS),
              "scale %g; its averages must be finite in float32", (double)x->scale);
    TRY(node_check_window(g, n, WINDOW_OF_POOL));
    return node_check_same_grid(g, n, x);
}

static Status average_pool_prepare(Arena *arena, EngineNode *e)
{
    const Node *n = e->node;
    const GraphTensor *x = node_x(e->g, n);
    AverageRule *rule = e->state = arena_alloc(arena, sizeof *rule);
    *rule = average_rule(e->g->rounding, &n->geom, x->scale, x->zero_point, n->lo, n->hi);
    return STATUS_OK;
}

static void average_pool_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    kernels()->avgpool_s8_forward(&e->node->geom, 1, in[0], e->state, out);
}

static void average_pool_wide_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    const Node *n = e->node;
    avgpool_s16_forward(&n->geom, 1, node_wide(in[0]), n->lo, n->hi, node_wide_out(out));
}

static const NodeWide average_pool_wide = {.run = average_pool_wide_run};

static void average_pool_float_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    avgpool_f32_forward(&e->node->geom, 1, node_floats(in[0]), node_floats_out(out));
    node_float_end(e, node_floats_out(out));
}

static const NodeFloat average_pool_float = {.fields = average_pool_float_fields, .run = average_pool_float_run};

const NodeType node_average_pool = {.name = "average_pool",
                                    .doc = "the mean of each window, on the grid of the input, with clamp",
                                    .min_inputs = 1,
                                    .max_inputs = 1,
                                    .fields = average_pool_fields,
                                    .geometry = node_window_geometry,
                                    .clamp = CLAMP_MEAN,
                                    .keeps_grid = true,
                                    .check = average_pool_check,
                                    .prepare = average_pool_prepare,
                                    .run = average_pool_run,
                                    .in_float = &average_pool_float,
                                    .in_wide = &average_pool_wide,
                                    .overwrites = node_window_overwrites};
