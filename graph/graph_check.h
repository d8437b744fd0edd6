/* Inside graph_check: the rules of one node. */
#ifndef BITFOLD_GRAPH_GRAPH_CHECK_H
#define BITFOLD_GRAPH_GRAPH_CHECK_H

#include <math.h>

#include "graph/graph.h"

static inline bool graph_scale_ok(float scale) { return isfinite(scale) && scale > 0.0f; }

/* made[t]: tensor t is the image or has been written by an earlier node; node `index` adds its output.  The tensors
 * have been checked before. */
Status graph_check_node(const Graph *g, int index, bool *made);

#endif
