/* inspect of a bitfold-int8 file: nodes instead of layers. */
#ifndef BITFOLD_CLI_INSPECT_GRAPH_H
#define BITFOLD_CLI_INSPECT_GRAPH_H

#include "cli/cli.h"
#include "quant/qgraph.h"

void inspect_graph(Arena *arena, const Options *o, const QGraph *g);

/* Shared with inspect of models.  Of a node: bits, the grid of its output and the largest sum, as the end of a line or
 * members of an object. */
void inspect_print_grid(const QGraph *g, const QNode *n);
void inspect_add_grid(const QGraph *g, const QNode *n, cJSON *item);
/* Lines, and a list "warnings", of the nodes that a runtime may refuse or compute otherwise. */
void inspect_print_warnings(Arena *arena, const QGraph *g);
void inspect_add_warnings(Arena *arena, const QGraph *g, cJSON *json);

#endif
