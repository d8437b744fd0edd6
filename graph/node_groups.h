/* Weights with zero points, or with a scale for each group of consecutive weights of an output (quant/split_weights.h).
 *
 *     in integers   stored weight = (code - zero point) * 2^weight_shift, with groups (code - zero point) * multiple
 *     in floats     stored weight = code,  real weight = weight_scale * (code - zero point)
 *
 * Zero points, multiples and the scales of floats are [O, groups]; what an engine multiplies in integers is what is stored. */
#ifndef BITFOLD_GRAPH_NODE_GROUPS_H
#define BITFOLD_GRAPH_NODE_GROUPS_H

#include "graph/node.h"

static inline bool node_is_split(const Node *n) { return n->weight_group > 0 || n->weight_affine; }
/* Of an output. */
int node_weight_groups(const Node *n);
/* The place in [O, groups] of weight i. */
long node_weight_group_of(const Node *n, long i);
/* weight_zero_point there; 0. */
int node_zero_point(const Node *n, long group);
/* The code of weight i of a node in integers, of weight_bits bits. */
int node_weight_code(const Node *n, long i);

/* Bytes of zero points, and of multiples or what more scales than one for each output take. */
size_t node_groups_bytes(const Node *n);

/* The shape of the tables above; gives the rank. */
int node_groups_shape(const Node *n, int64_t dim[4]);

/* Group and tables are there and sound, and every weight is what one of its codes gives. */
Status node_check_groups(const Graph *g, const Node *n);

#endif
