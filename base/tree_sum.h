/* Sums of the partial results of chunks (base/parallel.h) in a fixed binary tree: neighbours first, (0 + 1), (2 + 3),
 * ..., then pairs of pairs.  The order follows from the number of chunks alone.  A stretch of chunks that is a subtree,
 * 4 to 7 of 16, can be summed by itself, wherever, and the rest of the tree gives the same bits. */
#ifndef BITFOLD_BASE_TREE_SUM_H
#define BITFOLD_BASE_TREE_SUM_H

#include <stddef.h>

/* part[chunks][n], chunk k at part + k * n: part[0][i] = the sum of part[.][i].  The other parts hold partial sums
 * afterwards. */
void tree_sum_f32(int chunks, size_t n, float *part);
void tree_sum_f64(int chunks, size_t n, double *part);

/* Any associative joining: `join` makes chunk `into` what `into` and `from` are together, with into < from.  Chunk 0
 * has all in the end. */
typedef void TreeJoin(void *context, int into, int from);
void tree_join(int chunks, TreeJoin *join, void *context);

#endif
