/* Graphs with int16 codes for tests. */
#ifndef BITFOLD_TESTS_SUPPORT_WIDE_GRAPH_H
#define BITFOLD_TESTS_SUPPORT_WIDE_GRAPH_H

#include "graph/graph.h"

/* Which nodes, of those that can: about half, chosen by the seed; all; the one that gives the output. */
typedef enum { WIDE_SOME, WIDE_ALL, WIDE_OUTPUT } WideNodes;

/* A sound integer graph with nodes on int16 codes, with requant nodes between.  graph_check accepts it. */
Graph *wide_graph(Arena *arena, const Graph *integers, uint64_t seed, WideNodes which);

#endif
