/* The part of a graph that is text: tensors, nodes and their wiring, as the JSON of docs/format.md.  The table of each
 * node type (NodeType.fields) drives both directions. */
#ifndef BITFOLD_GRAPH_GRAPH_TEXT_H
#define BITFOLD_GRAPH_GRAPH_TEXT_H

#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/status.h"
#include "graph/graph.h"

cJSON *graph_tensor_to_json(Arena *arena, const GraphTensor *t);
cJSON *node_to_json(Arena *arena, const Graph *g, const Node *n);

/* {"output", "tensors", "nodes"}: all but what the file holds as binary.  The caller frees it. */
cJSON *graph_to_json(Arena *arena, const Graph *g);

/* The class names as a list, empty if there are none.  The caller frees it. */
cJSON *graph_classes_json(const Graph *g);

/* The reverse into a zeroed g: counts, tensors without scale and zero point, nodes without weights, bias and table,
 * output. STATUS_FORMAT names `where` and the node.  What graph_check checks is left to it. */
Status graph_from_json(Arena *arena, const cJSON *json, const char *where, Graph *g);

#endif
