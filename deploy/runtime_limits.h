/* What the runtimes that load our exports can represent, and where their integers may part from the engine's. */
#ifndef BITFOLD_DEPLOY_RUNTIME_LIMITS_H
#define BITFOLD_DEPLOY_RUNTIME_LIMITS_H

#include "base/arena.h"
#include "quant/qgraph.h"

/* STATUS_UNSUPPORTED, naming the layer, for scales XNNPACK has no numbers for, whatever the graph's dialect; all in float32:
 * - s_x s_w / s_y of a convolution or dense layer outside [2^-32, 2^8),
 * - s_i / s_y of an add outside [2^-10, 2^8),
 * - s_x / s_y of a requant outside [2^-8, 2^7].
 * g has passed qgraph_check. */
Status qgraph_check_runtime(const QGraph *g);

/* Why a runtime may refuse this node or compute other integers than the engine, one line in the arena; NULL: nothing
 * known.  What qgraph_check_runtime refuses; else, where multipliers are float32, sums beyond 2^24. */
const char *qnode_runtime_warning(Arena *arena, const QGraph *g, const QNode *n);

#endif
