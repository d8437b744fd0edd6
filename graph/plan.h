/* Where each activation lives in one shared arena, so that tensors that are never alive together share bytes. */
#ifndef BITFOLD_GRAPH_PLAN_H
#define BITFOLD_GRAPH_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "graph/graph.h"

/* What whoever runs the plan can do.  Zeros: every node runs, whole and in nobody's place; image and logits are in the
 * arena as well. */
typedef struct {
    size_t align_bytes; /* of every offset; 1 or more */
    bool best_fit;      /* a block goes into the smallest gap that holds it; else to the lowest offset that is free */
    bool caller_owns;   /* image and logits lie with the caller; nodes that the logits do not depend on do not run */
    bool in_place;      /* a node may overwrite an input that it is the last to read (NodeType.overwrites) */
    /* The kernel of node n overwrites its input where it has to copy for that (OVERWRITES_COPIED), which the plan lets
     * it do if the arena is smaller for it.  NULL: none does. */
    bool (*copies)(const Node *n);
    /* The kernel of n can give its rows one by one (NodeType.gives_rows) to an only reader that takes them
     * (NodeType.takes_rows), so that n's output never exists as a whole.  NULL: none does. */
    bool (*gives_rows)(const Node *n);
    bool (*takes_rows)(const Node *n);
    /* Working memory of n while it runs, also in the arena; in_place: when it overwrites its input.  NULL: none. */
    size_t (*scratch_bytes)(const Node *n, bool in_place);
} PlanOptions;

typedef enum {
    PLAN_NOWHERE, /* never needed as a whole */
    PLAN_INPUT,   /* the caller's image, read only */
    PLAN_OUTPUT,  /* the caller's logits */
    PLAN_ARENA,
} PlanPlace;

/* A tensor whose node shows its input (NodeType.shows_input) lies and lives with that input. */
typedef struct {
    PlanPlace place;
    size_t offset; /* PLAN_ARENA */
    int first;     /* the node that writes it (-1: the image, before node 0) */
    int last;      /* the last node that reads it (nodes: the caller, after the run) */
} PlanTensor;

typedef struct {
    bool runs;
    bool copies;         /* it shows its input, but its bytes must move: from the caller's image to the logits */
    bool by_rows;        /* each row goes into the node after it at once, through `row` */
    bool in_place;       /* a node with weights that overwrites its input, of which it keeps copies in `scratch` */
    size_t row, scratch; /* arena offsets */
    size_t row_bytes, scratch_bytes;
    size_t alive_bytes; /* of the arena while it runs, at most Plan.bytes */
} PlanNode;

typedef struct {
    size_t bytes;             /* of the arena, one image */
    const PlanTensor *tensor; /* [tensors] */
    const PlanNode *node;     /* [nodes] */
} Plan;

/* Greedy: the largest block first.  A tensor is alive from the node that writes it to the last node that reads it, both
 * included; the image from the start, the logits to the end.  g has passed graph_check.  The plan is in the arena.
 * Cost: O(tensors^2 log tensors) with best_fit, O(tensors^3) at worst without. */
Plan plan_make(Arena *arena, const Graph *g, const PlanOptions *options);

/* The engine's: best fit, aligned to PLAN_ALIGN_BYTES, everything in the arena. */
enum { PLAN_ALIGN_BYTES = 16 };
extern const PlanOptions plan_of_engine;

/* Bytes of the smallest arena that holds every activation while it is alive, one image (int8 deployment). */
size_t graph_arena_bytes(const Graph *g);

#endif
