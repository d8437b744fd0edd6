/* Graphs that between them reach every line of exported C; even numbers in tflite-single, odd ones in tflite-double. */
#ifndef BITFOLD_TESTS_SUPPORT_C_GRAPHS_H
#define BITFOLD_TESTS_SUPPORT_C_GRAPHS_H

#include "graph/graph.h"

/* Numbers of the first of each kind: residual blocks and separable convolutions of 8, 4 and 2 bits, an answer that is
 * the image, every op, convolutions without scratch memory, random ones. */
enum { C_RESIDUAL, C_SEPARABLE = 6, C_BARE = 12, C_ZOO = 14, C_POINTWISE = 16, C_RANDOM = 18, C_GRAPHS = 24 };

Graph *c_graph(Arena *arena, int number);

#endif
