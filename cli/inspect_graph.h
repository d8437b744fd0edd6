/* inspect of a bitfold-int8 file: nodes instead of layers. */
#ifndef BITFOLD_CLI_INSPECT_GRAPH_H
#define BITFOLD_CLI_INSPECT_GRAPH_H

#include "cli/cli.h"
#include "graph/graph.h"

void inspect_graph(Arena *arena, const Options *o, const Graph *g);

/* Shared with inspect of models.  Of a node: bits, the grid of its output and the largest sum, as the end of a line or
 * members of an object. */
void inspect_print_grid(const Graph *g, const Node *n);
void inspect_add_grid(const Graph *g, const Node *n, cJSON *item);
/* Lines, and a list "warnings", of the nodes that a runtime may refuse or compute otherwise. */
void inspect_print_warnings(Arena *arena, const Graph *g);
void inspect_add_warnings(Arena *arena, const Graph *g, cJSON *json);

#endif
