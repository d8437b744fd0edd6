/* depthwise_conv2d: M outputs of each channel; weights [1,KH,KW,C*M], bias [C*M]. */
#include "graph/node_check.h"
#include "graph/node_float.h"
#include "graph/node_weights.h"
#include "graph/node_window.h"

static const Field depthwise_conv2d_fields[] = {NODE_FIELDS,
                                                {NODE_KERNEL},
                                                {NODE_STRIDE},
                                                {NODE_DILATION},
                                                {NODE_PADDING},
                                                {NODE_GROUPS},
                                                {NODE_WEIGHT_BITS},
                                                {NODE_WEIGHT_SHIFT},
                                                {NODE_WEIGHT_LEVELS},
                                                {NODE_WEIGHT_GROUP},
                                                {NODE_WEIGHT_AFFINE},
                                                {NODE_CLAMP},
                                                FIELD_END};

static int depthwise_conv2d_weight_shape(const Node *n, int64_t dim[4])
{
    const ConvGeom *g = &n->geom;
    dim[0] = 1, dim[1] = g->kh, dim[2] = g->kw, dim[3] = g->o;
    return 4;
}

static Status depthwise_conv2d_check(const Graph *g, const Node *n)
{
    TRY(node_check_window(g, n, WINDOW_OF_MAP));
    NODE_RULE(n, n->geom.groups == n->geom.c, "%d groups of %d channels; a depthwise node has one per channel",
              n->geom.groups, n->geom.c);
    return node_check_weights(g, n);
}

static Status depthwise_conv2d_prepare(Arena *arena, EngineNode *e)
{
    return node_weights_prepare(arena, e, conv_s8_of(true));
}

/* Channel by channel. */
static NodeOverwrites depthwise_conv2d_overwrites(const Graph *graph, const Node *n, int input)
{
    (void)graph, (void)input;
    const ConvGeom *g = &n->geom;
    return g->o == g->c && g->oh * g->ow <= g->h * g->w ? OVERWRITES_COPIED : OVERWRITES_NOT;
}

static const NodeWeights depthwise_conv2d_weights = {.shape = depthwise_conv2d_weight_shape, .outputs_last = true};

static const NodeFloat depthwise_conv2d_float = {
    .fields = node_float_window_fields, .prepare = node_float_weights_prepare, .run = node_float_weights_run};

const NodeType node_depthwise_conv2d = {.name = "depthwise_conv2d",
                                        .doc = "a convolution of each channel by itself, with bias and clamp",
                                        .min_inputs = 1,
                                        .max_inputs = 1,
                                        .fields = depthwise_conv2d_fields,
                                        .binary = node_weights_binary,
                                        .geometry = node_window_geometry,
                                        .weights = &depthwise_conv2d_weights,
                                        .clamp = CLAMP_CODES,
                                        .check = depthwise_conv2d_check,
                                        .largest_sum = node_weights_largest_sum,
                                        .ratio_limits = &xnnpack_weights,
                                        .exceeds = node_weights_exceed,
                                        .floors = node_weights_floors,
                                        .macs = node_weights_macs,
                                        .flash_bytes = node_weights_flash_bytes,
                                        .prepare = depthwise_conv2d_prepare,
                                        .run = node_weights_run,
                                        .in_float = &depthwise_conv2d_float,
                                        .in_wide = &node_weights_in_wide,
                                        .gives_rows = true,
                                        .overwrites = depthwise_conv2d_overwrites};
