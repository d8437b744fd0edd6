/* conv2d: over the channels of its group; weights [O,KH,KW,C/groups], bias [O]. */
#include "graph/node_float.h"
#include "graph/node_weights.h"
#include "graph/node_window.h"

static const Field conv2d_fields[] = {NODE_FIELDS,
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

static int conv2d_weight_shape(const Node *n, int64_t dim[4])
{
    const ConvGeom *g = &n->geom;
    dim[0] = g->o, dim[1] = g->kh, dim[2] = g->kw, dim[3] = g->c / g->groups;
    return 4;
}

static Status conv2d_check(const Graph *g, const Node *n)
{
    TRY(node_check_window(g, n, WINDOW_OF_MAP));
    return node_check_weights(g, n);
}

static Status conv2d_prepare(Arena *arena, EngineNode *e) { return node_weights_prepare(arena, e, conv_s8_of(false)); }

/* One of single cells computes a cell of its output from the same cell of its input. */
static NodeOverwrites conv2d_overwrites(const Graph *graph, const Node *n, int input)
{
    (void)graph, (void)input;
    return window_is_cell(&n->geom) && n->geom.groups == 1 && n->geom.o <= n->geom.c ? OVERWRITES_COPIED
                                                                                     : OVERWRITES_NOT;
}

static const NodeWeights conv2d_weights = {.shape = conv2d_weight_shape};

static const NodeFloat conv2d_float = {
    .fields = node_float_window_fields, .prepare = node_float_weights_prepare, .run = node_float_weights_run};

const NodeType node_conv2d = {.name = "conv2d",
                              .doc = "a convolution, also in groups, with bias and clamp",
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .fields = conv2d_fields,
                              .binary = node_weights_binary,
                              .geometry = node_window_geometry,
                              .weights = &conv2d_weights,
                              .clamp = CLAMP_CODES,
                              .check = conv2d_check,
                              .largest_sum = node_weights_largest_sum,
                              .ratio_limits = &xnnpack_weights,
                              .exceeds = node_weights_exceed,
                              .floors = node_weights_floors,
                              .macs = node_weights_macs,
                              .flash_bytes = node_weights_flash_bytes,
                              .prepare = conv2d_prepare,
                              .run = node_weights_run,
                              .in_float = &conv2d_float,
                              .in_wide = &node_weights_in_wide,
                              .gives_rows = true,
                              .overwrites = conv2d_overwrites};
