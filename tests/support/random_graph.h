/* Integer graphs for tests: seeded, every op, ragged shapes, every kind of grid. */
#ifndef BITFOLD_TESTS_SUPPORT_RANDOM_GRAPH_H
#define BITFOLD_TESTS_SUPPORT_RANDOM_GRAPH_H

#include "base/rng.h"
#include "graph/graph.h"

/* A graph that graph_check accepts, of about `blocks` blocks (convolution, depthwise, pool, residual add, concat of
 * requants, lut, reshape, requant) and a dense head. */
Graph *random_graph(Arena *arena, uint64_t seed, int blocks, Rounding rounding);

/* n images of codes that tensor[0] can take. */
int8_t *random_images(Arena *arena, const Graph *g, uint64_t seed, int n);

#endif
