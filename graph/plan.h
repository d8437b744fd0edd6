/* Where each activation lives in one shared arena, so that tensors that are never alive together share bytes. */
#ifndef BITFOLD_GRAPH_PLAN_H
#define BITFOLD_GRAPH_PLAN_H

#include <stddef.h>

#include "base/arena.h"
#include "graph/graph.h"

enum { PLAN_ALIGN_BYTES = 16 };

typedef struct {
    size_t bytes;         /* of the arena, one image */
    const size_t *offset; /* [tensors], multiples of PLAN_ALIGN_BYTES; a reshape has its input's */
    const int *first;     /* [tensors] the node that writes it (-1: the image, before node 0) */
    const int *last;      /* [tensors] the last node that reads it (nodes: the caller, after the run) */
} Plan;

/* Greedy best fit: largest tensor first, each into the smallest gap that holds it among the tensors already placed that
 * live at the same time.  A tensor is alive from the node that writes it to the last node that reads it, both included:
 * no node works in place.  The image is alive from the start, the logits to the end.  g has passed graph_check.
 * Cost: O(tensors^2 log tensors). */
Plan plan_make(Arena *arena, const Graph *g);

/* Bytes of the activations that are alive while a node runs: at most plan->bytes. */
size_t plan_alive_bytes(Arena *arena, const Graph *g, const Plan *plan, int node);

/* Bytes of the smallest arena that holds every activation while it is alive, one image (int8 deployment). */
size_t graph_arena_bytes(const Graph *g);

#endif
