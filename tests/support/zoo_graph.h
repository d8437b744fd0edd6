/* A small graph with every op, for tests that break it in one place. */
#ifndef BITFOLD_TESTS_SUPPORT_ZOO_GRAPH_H
#define BITFOLD_TESTS_SUPPORT_ZOO_GRAPH_H

#include "graph/graph.h"

/* Its tensors; node i - 1 writes tensor i. */
enum { INPUT, CONV, DW, MAX, RQA, RQB, CAT, ADD, LUT, AVG, MUL, FLAT, FCA, FCB, SUM, TENSORS };

/* Fresh and mutable, all of it in the arena: weights, biases, scales, table, mean and std too. */
Graph *zoo_graph(Arena *arena);

#endif
