/* Graphs with int16 codes for tests. */
#ifndef BITFOLD_TESTS_SUPPORT_WIDE_GRAPH_H
#define BITFOLD_TESTS_SUPPORT_WIDE_GRAPH_H

#include "graph/graph.h"

/* A sound integer graph with nodes on int16 codes: about half of those that can, chosen by the seed, or all of them, with
 * requant nodes between.  graph_check accepts it. */
Graph *wide_graph(Arena *arena, const Graph *integers, uint64_t seed, bool all);

#endif
