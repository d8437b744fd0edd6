/* A graph that looks bytes up: an embedding of 4 codes for each of 6 bytes, a causal convolution, a row of 18 outputs. */
#ifndef BITFOLD_TESTS_SUPPORT_EMBEDDING_GRAPH_H
#define BITFOLD_TESTS_SUPPORT_EMBEDDING_GRAPH_H

#include "graph/graph.h"

/* Fresh and mutable, all of it in the arena; the table and the weights by the seed. */
Graph *embedding_graph(Arena *arena, Rounding rounding, uint64_t seed);

#endif
