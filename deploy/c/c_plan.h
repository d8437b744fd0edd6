/* How the C of a model runs: which nodes, in whose memory.  A convolution hands its rows to the add that is their only
 * reader, so that its output never exists as a whole, and additions, pools, tables and requantizations overwrite the
 * input that they are the last to read.  Where it makes the arena smaller, depthwise convolutions and those of single
 * cells do, too. */
#ifndef BITFOLD_DEPLOY_C_C_PLAN_H
#define BITFOLD_DEPLOY_C_C_PLAN_H

#include "graph/plan.h"

/* Bits that a weight of the node takes in flash: 1, 2, 4 or 8, of a node in floats also 16 or 32. */
int c_weight_width(const Node *n);
/* That weights lie in flash as indices of their levels, which a table beside them has: in int8 alone, and where an index
 * is narrower than a code. */
bool c_has_levels(const Node *n);
/* Its weights are packed as codes with zero points or groups (deploy/c/c_kernels/split_weights.c); else such weights lie
 * there as what is multiplied, a byte each: those of more than 4 bits, of int16 nodes and of sums, and where a group
 * would begin within a byte. */
bool c_is_split(const Node *n);

/* That all multipliers of all layers are powers of two, in single rounding and int8 alone: then no layer multiplies to
 * rescale, and none has multipliers in flash. */
bool c_shifts(const Graph *g);

/* That codes -1 and 1 meet weights -1 and 1: they lie in flash as bits, and are multiplied as bits, 32 of a window at a
 * time.  How many words of 32 a filter takes. */
bool c_is_binary(const Graph *g, const Node *n);
size_t c_binary_words(const Node *n);

/* In floats or on int16 codes, of a node with weights: its kernel computes the whole output, and not in place. */
bool c_whole(const Node *n);

/* A convolution's windows are read where they are, row by row: they are contiguous, and long enough to pay. */
bool c_direct(const Node *n);

/* A convolution of single cells, not by rows: all of them are one row. */
bool c_flat(const Node *n, const PlanNode *planned);

/* The plan with all that the C kernels can do.  g has passed graph_check, and C carries its kinds of nodes. */
Plan c_plan_make(Arena *arena, const Graph *g);

/* Weights lie in flash in runs, each beginning with a byte: a row of a convolution's kernel or, where it is not
 * c_direct, a whole filter; all channels of a cell of a depthwise one; an output of a dense layer; of a node that is
 * c_whole, all of them.  Weights of a run; runs; bytes from one to the next. */
long c_run(const Node *n);
long c_runs(const Node *n);
size_t c_run_bytes(const Node *n);

#endif
