/* The proof that a graph is sound. */
#ifndef BITFOLD_GRAPH_GRAPH_CHECK_H
#define BITFOLD_GRAPH_GRAPH_CHECK_H

#include <math.h>

#include "base/status.h"
#include "graph/graph.h"

static inline bool graph_scale_ok(float scale) { return isfinite(scale) && scale > 0.0f; }

/* Every rule a graph must obey: shapes agree, scales finite and > 0, zero points and clamps inside int8, pools and
 * concat keep the grid, no partial sum can reach 2^31 and, rescaled, none reaches 2^30 (channel_sums_check), the
 * rounding can represent every add and requant.  tensor[0] is "input"; each other tensor is written by exactly one
 * node, before it is read.  Names the node: `node "conv1": ...`. */
Status graph_check(const Graph *g);

#endif
