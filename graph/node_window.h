/* Nodes with a window: convolutions, dense layers (a window of one cell) and pools. */
#ifndef BITFOLD_GRAPH_NODE_WINDOW_H
#define BITFOLD_GRAPH_NODE_WINDOW_H

#include "graph/node_text.h"

enum { WINDOW_MAX_CELLS = 1 << 20 };

typedef enum {
    WINDOW_OF_MAP,  /* of the input as it is */
    WINDOW_OF_FLAT, /* of the input as one cell of all its elements */
    WINDOW_OF_POOL, /* of the input as it is, never all outside it, channel by channel */
} NodeWindow;

/* Kernel, stride, dilation, padding and groups of the file, 1 where the type has none; sizes of the tensors, so that a
 * file cannot contradict itself. */
ConvGeom node_window_geometry(const NodeText *text, const GraphTensor *x, const GraphTensor *y);

/* Node.geom agrees with input 0 and the output, its windows fit, its groups divide the channels. */
Status node_check_window(const Graph *g, const Node *n, NodeWindow window);

/* Some window reaches outside the input. */
bool window_leaves_input(const ConvGeom *g);
/* Each output cell has the same input cell for its window. */
bool window_is_cell(const ConvGeom *g);
/* Of a type that reads each window before it writes the output cell: whether that cell never lies after the first cell
 * of its own or a later window. */
NodeOverwrites node_window_overwrites(const Graph *graph, const Node *n, int input);

#endif
