/* Graphs of codes and floats for tests. */
#ifndef BITFOLD_TESTS_SUPPORT_MIXED_GRAPH_H
#define BITFOLD_TESTS_SUPPORT_MIXED_GRAPH_H

#include "graph/graph.h"

typedef enum {
    MIX_FORMATS, /* about half of the nodes, chosen by the seed, in floats of various formats */
    MIX_FLOAT32, /* the same in float32 alone */
    MIX_FLOAT16, /* the same in float32 and float16 */
    MIX_ALL,     /* every node that can be, in float32 */
    MIX_DYNAMIC, /* as MIX_FLOAT32; nodes with weights in codes find their input's grid at run time */
} Mixture;

/* A sound integer graph with nodes in floats, their weights floats or codes; quantize and dequantize nodes stand
 * between.  graph_check accepts it. */
Graph *mixed_graph(Arena *arena, const Graph *integers, uint64_t seed, Mixture mixture);

#endif
