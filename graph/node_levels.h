/* Weights of which only some codes occur: Node.level. */
#ifndef BITFOLD_GRAPH_NODE_LEVELS_H
#define BITFOLD_GRAPH_NODE_LEVELS_H

#include "graph/node.h"

/* Of a node whose weights are codes: the bits of one where it is packed, the index of its level where only some occur;
 * the index of a code's level, -1: it is none. */
int node_weight_width(const Node *n);
int node_level(const Node *n, int code);

/* Levels are there, in order, codes of weight_bits.  That the weights are among them is checked with them. */
Status node_check_levels(const Node *n);

#endif
