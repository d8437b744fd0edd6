/* inspect of a bitfold-int8 file: nodes instead of layers. */
#ifndef BITFOLD_CLI_INSPECT_GRAPH_H
#define BITFOLD_CLI_INSPECT_GRAPH_H

#include "cli/cli.h"
#include "quant/qgraph.h"

void inspect_graph(Arena *arena, const Options *o, const QGraph *g);

/* Shared with inspect of models: bits of a signed integer that holds -v .. v; lines and a list "warnings" of the nodes
 * that a runtime may refuse or compute otherwise. */
int inspect_signed_bits(int64_t v);
void inspect_print_warnings(Arena *arena, const QGraph *g);
void inspect_add_warnings(Arena *arena, const QGraph *g, cJSON *json);

#endif
