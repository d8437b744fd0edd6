/* The only place that opens an OpenMP region.
 *
 * Work is cut into a number of chunks that depends on the problem alone, never on the thread count; a chunk's
 * result may not depend on the thread that ran it.  Reductions write one partial result per chunk and the caller
 * joins them in a fixed tree (base/tree_sum.h): the same bits with any number of threads.
 */
#ifndef BITFOLD_BASE_PARALLEL_H
#define BITFOLD_BASE_PARALLEL_H

#include <stddef.h>

/* chunk: 0 .. chunks-1; thread: 0 .. parallel_threads()-1, for per-thread scratch. */
typedef void ParallelFn(void *context, int chunk, int thread);

/* Runs fn for every chunk and returns when all are done.  Chunks may run in any order, at the same time, every one in
 * IEEE arithmetic with denormals, whatever the caller's own setting, which is restored. */
void parallel_for(int chunks, ParallelFn *fn, void *context);

int parallel_threads(void);
void parallel_set_threads(int threads); /* 1 .. 256; default: OMP_NUM_THREADS, else the number of cores */

/* The items [*first, *last) of chunk `chunk` when `count` items are spread over `chunks` chunks. */
static inline void parallel_range(long count, int chunks, int chunk, long *first, long *last)
{
    const long base = count / chunks, extra = count % chunks;
    *first = base * chunk + (chunk < extra ? chunk : extra);
    *last = *first + base + (chunk < extra ? 1 : 0);
}

/* The n rows [first, last) of chunk `chunk`, on thread `thread`. */
typedef struct {
    long first, last, n;
    int chunk, thread;
} ParallelRows;
typedef void ParallelRowsFn(void *context, const ParallelRows *rows);

/* parallel_for whose chunks are the stretches parallel_range gives of `count` rows: of images, values, whatever fn
 * takes one row for.  A chunk of no rows is given, too. */
void parallel_rows(long count, int chunks, ParallelRowsFn *fn, void *context);

/* The same for the values of a batch of images, `size` of each: chunk k has all of the images that parallel_range gives
 * chunk k of PARALLEL_CHUNKS (of a batch that processes share: of its own ones, base/batch_share.h); rows are values.
 * Every operation so sums over the same images in the same chunk. */
void parallel_images(long images, long size, ParallelRowsFn *fn, void *context);

/* memset(data, 0, bytes) by all threads: gradients are larger than a core's caches. */
void parallel_zero(void *data, size_t bytes);

/* Chunks for a reduction over a batch of n images: min(n, PARALLEL_CHUNKS). */
enum { PARALLEL_CHUNKS = 16 };
static inline int parallel_chunks(long n) { return n < PARALLEL_CHUNKS ? (int)n : PARALLEL_CHUNKS; }

#endif
