/* Nodes with weights: y[o] = requant(sum over a window of (x - z) w[o] + bias[o]).  What their types share. */
#ifndef BITFOLD_GRAPH_NODE_WEIGHTS_H
#define BITFOLD_GRAPH_NODE_WEIGHTS_H

#include "graph/node.h"

/* Fields of NodeType that are the same for all of them. */
extern const NodeBinary node_weights_binary[];
int64_t node_weights_largest_sum(const Graph *g, const Node *n);
long node_weights_macs(const Graph *g, const Node *n);
/* Weights of node_weight_width each, their levels, 4 bytes for a bias and 4 for a scale. */
size_t node_weights_flash_bytes(const Node *n);

/* After node_check_window: weights, bias and scales are there, codes in their range, and no sum leaves int32. */
Status node_check_weights(const Graph *g, const Node *n);

/* Of xnnpack_weights, for NodeType.exceeds and floors: the multiplier of each output. */
bool node_weights_exceed(const Graph *g, const Node *n, char given[NODE_GIVEN_BYTES]);
int node_weights_floors(const Graph *g, const Node *n, bool runtime, ScaleFloor floor[NODE_MAX_FLOORS]);

/* The engine's part, for the prepare and run of such a type; conv: the kernels that compute it. */
Status node_weights_prepare(Arena *arena, EngineNode *e, const ConvS8 *conv);
void node_weights_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch);

extern const NodeWide node_weights_in_wide;

#endif
