/* The int8 model file (docs/format.md) as a graph. */
#ifndef BITFOLD_GRAPH_GRAPH_READ_H
#define BITFOLD_GRAPH_GRAPH_READ_H

#include "base/arena.h"
#include "base/status.h"
#include "graph/graph.h"

/* Reads and checks (safe_read, shapes, graph_check); the graph's names, weights and tables are in the arena.
 * STATUS_FORMAT names the file and the node. */
Status graph_read(Arena *arena, const char *path, Graph **g);

#endif
