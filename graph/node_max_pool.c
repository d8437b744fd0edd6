/* max_pool: the largest code of a window, on the grid of the input; cells outside do not count. */
#include "graph/node_check.h"
#include "graph/node_float.h"
#include "graph/node_window.h"

static const Field max_pool_fields[] = {NODE_FIELDS, {NODE_KERNEL}, {NODE_STRIDE}, {NODE_PADDING}, FIELD_END};

static Status max_pool_check(const Graph *g, const Node *n)
{
    TRY(node_check_window(g, n, WINDOW_OF_POOL));
    return node_check_keeps_codes(g, n, node_x(g, n));
}

static void max_pool_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    kernels()->maxpool_s8_forward(&e->node->geom, 1, in[0], out);
}

static void max_pool_wide_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    maxpool_s16_forward(&e->node->geom, 1, node_wide(in[0]), node_wide_out(out));
}

static const NodeWide max_pool_wide = {.run = max_pool_wide_run};

static void max_pool_float_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch)
{
    (void)scratch;
    kernels()->maxpool_f32_forward(&e->node->geom, 1, node_floats(in[0]), node_floats_out(out));
    node_float_end(e, node_floats_out(out));
}

static const NodeFloat max_pool_float = {.fields = max_pool_fields, .run = max_pool_float_run};

const NodeType node_max_pool = {.name = "max_pool",
                                .doc = "the largest code of each window, on the grid of the input",
                                .min_inputs = 1,
                                .max_inputs = 1,
                                .fields = max_pool_fields,
                                .geometry = node_window_geometry,
                                .clamp = CLAMP_NONE,
                                .keeps_grid = true,
                                .check = max_pool_check,
                                .run = max_pool_run,
                                .in_float = &max_pool_float,
                                .in_wide = &max_pool_wide,
                                .overwrites = node_window_overwrites};
