/* The images of a batch that this process computes, where ranks (base/cluster.h) share it, and sums over all of them.
 *
 * A batch is summed in PARALLEL_CHUNKS chunks of images, which are joined in a fixed binary tree (base/tree_sum.h).  Of N
 * ranks, a power of two, each has PARALLEL_CHUNKS / N chunks that follow each other: a subtree.  It joins these; the rest
 * of the tree is an exchange with rank ^ 1, rank ^ 2, rank ^ 4, ..., in which both add the lower ranks' sum and the upper
 * ones' in this order.  So every rank has the bits that one process has.
 *
 * Between batch_share_begin and batch_share_end an operation sees the images of the share only; outside, and with one
 * rank, the share is all there is and each function below does what it does for one process. */
#ifndef BITFOLD_BASE_BATCH_SHARE_H
#define BITFOLD_BASE_BATCH_SHARE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a batch can be shared by so many ranks. */
bool batch_share_divides(int ranks);

/* This rank's images of a batch: *n from *first on.  One of fewer images than there are chunks is not shared: every rank
 * has all of it. */
void batch_share_begin(long images, long *first, long *n);
void batch_share_end(void);

/* Chunks in which this process sums over `images` of its own: parallel_chunks(images) unless they are shared. */
int batch_chunks(long images);

/* How many rows the whole batch has, of which this process has `rows`; as many for each image. */
long batch_rows(long rows);

/* tree_sum_f32 and tree_sum_f64 of the chunks of the whole batch: part[0] on every rank.  `chunks`: of the process's own,
 * or PARALLEL_CHUNKS, where those that it has not are zeros. */
void batch_sum_f32(int chunks, size_t n, float *part);
void batch_sum_f64(int chunks, size_t n, double *part);

/* Any other joining, of what a rank has joined already:
 *     for (int step = 1; step < batch_ranks(); step *= 2)
 *         if (batch_exchange(step, &own, &other, sizeof own)) own = join(own, other); else own = join(other, own);
 * True: own is of the lower images. */
int batch_ranks(void); /* that share this batch; 1: it is not shared */
bool batch_exchange(int step, const void *own, void *other, size_t bytes);

/* Sums over images one after the other, not by chunks: between the two, each rank adds its own to those of all before
 * it, from zeros; after it all have the sum. */
void batch_in_turn_begin(void *sums, size_t bytes);
void batch_in_turn_end(void *sums, size_t bytes);

#endif
