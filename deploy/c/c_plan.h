/* How the C of a model runs: which nodes, in whose memory.  Beyond graph/plan.h a convolution hands its rows to the
 * add that is their only reader, so that its output never exists as a whole, and additions, pools, tables and
 * requantizations overwrite the input that they are the last to read.  Where it makes the arena smaller, depthwise
 * convolutions and those of single cells do, too. */
#ifndef BITFOLD_DEPLOY_C_C_PLAN_H
#define BITFOLD_DEPLOY_C_C_PLAN_H

#include "graph/graph.h"

typedef enum {
    C_NOWHERE, /* never needed as a whole */
    C_INPUT,   /* the caller's image, read only */
    C_OUTPUT,  /* the caller's logits */
    C_ARENA,
} CPlace;

typedef struct {
    CPlace place;
    size_t offset; /* C_ARENA */
} CTensor;

typedef struct {
    bool runs;           /* the output depends on it */
    bool copies;         /* a reshape whose bytes must move */
    bool by_rows;        /* a convolution: each row goes into the add behind it at once, through `row` */
    bool flat;           /* a convolution of single cells: all of them as one row */
    bool in_place;       /* a convolution that overwrites its input, of which it keeps copies in `scratch` */
    size_t row, scratch; /* arena offsets */
    size_t row_bytes, scratch_bytes;
    size_t alive_bytes; /* of the arena while it runs */
} CNode;

typedef struct {
    const CTensor *tensor; /* [tensors] */
    const CNode *node;     /* [nodes] */
    size_t arena_bytes;
} CPlan;

/* Bits that a weight of the node takes in flash: 2, 4 or 8. */
int c_weight_width(const Node *n);

/* A convolution's windows are read where they are, row by row: they are contiguous, and long enough to pay. */
bool c_direct(const Node *n);

/* g has passed graph_check. */
CPlan c_plan_make(Arena *arena, const Graph *g);

#endif
