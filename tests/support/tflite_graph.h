/* Graphs that TFLite can express, for tests of the exporter. */
#ifndef BITFOLD_TESTS_SUPPORT_TFLITE_GRAPH_H
#define BITFOLD_TESTS_SUPPORT_TFLITE_GRAPH_H

#include "graph/graph.h"

/* random_graph and zoo_graph with what TFLite has no operator for replaced: clamps that saturation and ReLU do not do,
 * tables, average pools with other padding than TensorFlow's, weights of -128. */
Graph *tflite_random_graph(Arena *arena, uint64_t seed, int blocks, Rounding rounding);
Graph *tflite_zoo_graph(Arena *arena);

#endif
