/* Nodes that are a table of 256 codes: out = table[in + 128]. */
#ifndef BITFOLD_GRAPH_NODE_TABLE_H
#define BITFOLD_GRAPH_NODE_TABLE_H

#include "graph/node.h"

/* The run of a type whose state is the table. */
void node_table_run(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch);
/* Element by element, always. */
NodeOverwrites node_table_overwrites(const Graph *g, const Node *n, int input);

#endif
