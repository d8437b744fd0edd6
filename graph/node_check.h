/* The check of a node, and rules that several types have (NodeType.check). */
#ifndef BITFOLD_GRAPH_NODE_CHECK_H
#define BITFOLD_GRAPH_NODE_CHECK_H

#include "graph/node.h"

/* A rule of node n, checked in place; the sentence is "given; required". */
#define NODE_RULE(n, condition, ...)                                                                                   \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            status_fail(STATUS_UNSUPPORTED, __VA_ARGS__);                                                              \
            return status_prefix(STATUS_UNSUPPORTED, "node \"%s\"", (n)->name);                                        \
        }                                                                                                              \
    } while (0)

/* A part of graph_check: the rules of node `index`.  made[t]: tensor t is the image or has been written by an earlier
 * node; the node adds its output.  The tensors have been checked before. */
Status node_check(const Graph *g, int index, bool *made);

/* Input 0 and the output have one shape. */
Status node_check_same_shape(const Graph *g, const Node *n);
/* x and the output have one scale and zero point. */
Status node_check_same_grid(const Graph *g, const Node *n, const GraphTensor *x);
/* The same, and every code of x is one of the output. */
Status node_check_keeps_codes(const Graph *g, const Node *n, const GraphTensor *x);

#endif
