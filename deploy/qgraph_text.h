/* The part of a graph that is text: tensors, nodes and their wiring, as the JSON of docs/format.md.  One table per kind
 * of node drives both directions. */
#ifndef BITFOLD_DEPLOY_QGRAPH_TEXT_H
#define BITFOLD_DEPLOY_QGRAPH_TEXT_H

#include <cjson/cJSON.h>

#include "quant/qgraph.h"

cJSON *qtensor_to_json(Arena *arena, const QTensor *t);
cJSON *qnode_to_json(Arena *arena, const QGraph *g, const QNode *n);

/* {"output", "tensors", "nodes"}: all but what the file holds as binary.  The caller frees it. */
cJSON *qgraph_to_json(Arena *arena, const QGraph *g);

/* The reverse into a zeroed g: counts, tensors without scale and zero point, nodes without weights, bias and table,
 * output. STATUS_FORMAT names `where` and the node.  What qgraph_check checks is left to it. */
Status qgraph_from_json(Arena *arena, const cJSON *json, const char *where, QGraph *g);

#endif
