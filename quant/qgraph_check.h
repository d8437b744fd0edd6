/* Inside qgraph_check: the rules of one node. */
#ifndef BITFOLD_QUANT_QGRAPH_CHECK_H
#define BITFOLD_QUANT_QGRAPH_CHECK_H

#include <math.h>

#include "quant/qgraph.h"

static inline bool qgraph_scale_ok(float scale) { return isfinite(scale) && scale > 0.0f; }

/* made[t]: tensor t is the image or has been written by an earlier node; node `index` adds its output.  The tensors
 * have been checked before. */
Status qgraph_check_node(const QGraph *g, int index, bool *made);

#endif
