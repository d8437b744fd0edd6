/* What the runtimes that load our exports can represent, and where their integers may part from the engine's. */
#ifndef BITFOLD_DEPLOY_RUNTIME_LIMITS_H
#define BITFOLD_DEPLOY_RUNTIME_LIMITS_H

#include "base/arena.h"
#include "graph/graph.h"

/* STATUS_UNSUPPORTED, naming the layer, for scales XNNPACK has no numbers for, whatever the graph's rounding.  g has
 * passed graph_check. */
Status graph_check_runtime(const Graph *g);

/* What of the graph's exports will be refused for such scales, and why; NULL: nothing, or g is of a rounding of other
 * runtimes.  After model_floor_grids hardly anything is: of layers with more than 33,000 weights an output the
 * multiplier of one whose sums come near 2^31 and still move no code. */
const char *graph_runtime_refusal(Arena *arena, const Graph *g);

/* Why a runtime may refuse this node or compute other integers than the engine, one line in the arena; NULL: nothing
 * known.  What graph_check_runtime refuses; else, where multipliers are float32, sums beyond 2^24. */
const char *node_runtime_warning(Arena *arena, const Graph *g, const Node *n);

/* Whether ONNX Runtime may compute this node otherwise on an x86 CPU that has no VNNI instructions.  There its products
 * of uint8 activations by int8 weights are added in pairs in 16 bits, which saturate: x0 w0 + x1 w1 must not leave
 * int16 for any two weights of an output, with x up to the input's highest code + 128.  True of nearly every layer with
 * 8-bit weights, of none with 7-bit ones (|w| <= 63).  False for depthwise layers with an output for each input: their
 * products are added in 32 bits. */
bool node_products_saturate(const Graph *g, const Node *n);

#endif
