/* Nodes that compute in floats (NodeType.in_float): what their types share.
 *
 *     y = round(act(f(x))),  act = none, max(x, 0) or min(max(x, 0), 6),  round to the format of the output
 *
 * The kernels, and so the order of the sums, are those of the layers' forward pass (autograd/, quant/): both give the
 * same bits on one machine. */
#ifndef BITFOLD_GRAPH_NODE_FLOAT_H
#define BITFOLD_GRAPH_NODE_FLOAT_H

#include "graph/node.h"
#include "quant/grid.h"

/* Node.activation of a node that computes in floats. */
enum { NODE_NO_ACTIVATION, NODE_RELU, NODE_RELU6, NODE_ACTIVATIONS };
extern const char *const node_activation_names[]; /* in this order, NULL-ended */
Activation node_activation(const Node *n);

/* A tensor's bytes as its floats. */
static inline const float *node_floats(const int8_t *bytes) { return (const void *)bytes; }
static inline float *node_floats_out(int8_t *bytes) { return (void *)bytes; }

/* The end of a run: the activation and the rounding of `values`, the output's, in place. */
void node_float_end(const EngineNode *e, float *values);

/* Of a node that has an activation and nothing else of its own. */
extern const Field node_float_fields[];

/* How a format's values lie in a safetensors file. */
SafeType node_safe_type(Format format);

/* ---- of a node that has weights ---------------------------------------------------------------------------------- */
/* The real weights as float32: float_weights, or weight_scale[o] * weights, one rounding each, in the arena (NULL:
 * there is no room). */
const float *node_real_weights(Arena *arena, const Node *n);
Status node_check_float_weights(const Graph *g, const Node *n);
/* act(conv(x, w) + bias); for conv2d and dense, and for depthwise_conv2d. */
extern const Field node_float_window_fields[], node_float_dense_fields[];
Status node_float_weights_prepare(Arena *arena, EngineNode *e);
void node_float_weights_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch);

#endif
