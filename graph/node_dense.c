/* dense: of all elements of its input, in [H,W,C] order; weights [O,I], bias [O]. */
#include "autograd/ops.h"
#include "graph/node_float.h"
#include "graph/node_weights.h"
#include "graph/node_window.h"

static const Field dense_fields[] = {
    NODE_FIELDS,         {NODE_WEIGHT_BITS},   {NODE_WEIGHT_SHIFT}, {NODE_WEIGHT_LEVELS},
    {NODE_WEIGHT_GROUP}, {NODE_WEIGHT_AFFINE}, {NODE_CLAMP},        FIELD_END};

static ConvGeom dense_geometry(const NodeText *text, const GraphTensor *x, const GraphTensor *y)
{
    (void)text;
    return dense_geom(1, (int)graph_tensor_elements(x), y->c);
}

static int dense_weight_shape(const Node *n, int64_t dim[4])
{
    dim[0] = n->geom.o, dim[1] = n->geom.c;
    return 2;
}

static Status dense_check(const Graph *g, const Node *n)
{
    TRY(node_check_window(g, n, WINDOW_OF_FLAT));
    return node_check_weights(g, n);
}

static Status dense_prepare(Arena *arena, EngineNode *e) { return node_weights_prepare(arena, e, conv_s8_of(false)); }

static const NodeWeights dense_weights = {.shape = dense_weight_shape};

static const NodeFloat dense_float = {
    .fields = node_float_dense_fields, .prepare = node_float_weights_prepare, .run = node_float_weights_run};

const NodeType node_dense = {.name = "dense",
                             .doc = "a dense layer, with bias and clamp",
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .fields = dense_fields,
                             .binary = node_weights_binary,
                             .geometry = dense_geometry,
                             .weights = &dense_weights,
                             .clamp = CLAMP_CODES,
                             .check = dense_check,
                             .largest_sum = node_weights_largest_sum,
                             .ratio_limits = &xnnpack_weights,
                             .exceeds = node_weights_exceed,
                             .floors = node_weights_floors,
                             .macs = node_weights_macs,
                             .flash_bytes = node_weights_flash_bytes,
                             .prepare = dense_prepare,
                             .run = node_weights_run,
                             .in_float = &dense_float,
                             .in_wide = &node_weights_in_wide};
