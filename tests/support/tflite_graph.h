/* Graphs that TFLite can express, for tests of the exporter. */
#ifndef BITFOLD_TESTS_TFLITE_GRAPH_H
#define BITFOLD_TESTS_TFLITE_GRAPH_H

#include "quant/qgraph.h"

/* random_graph and zoo_graph with what TFLite has no operator for replaced: clamps that saturation and ReLU do not do,
 * tables, average pools with other padding than TensorFlow's, weights of -128. */
QGraph *tflite_random_graph(Arena *arena, uint64_t seed, int blocks, Dialect dialect);
QGraph *tflite_zoo_graph(Arena *arena);

#endif
