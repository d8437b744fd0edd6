#include "base/parallel.h"

#include <omp.h>

static int threads; /* 0: not chosen yet */

int parallel_threads(void)
{
    if (threads == 0) threads = omp_get_max_threads();
    return threads;
}

void parallel_set_threads(int count) { threads = count < 1 ? 1 : count > 256 ? 256 : count; }

void parallel_for(int chunks, ParallelFn *fn, void *context)
{
    const int workers = parallel_threads() < chunks ? parallel_threads() : chunks;
    if (workers <= 1) {
        for (int i = 0; i < chunks; i++) fn(context, i, 0);
        return;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(workers)
    for (int i = 0; i < chunks; i++) fn(context, i, omp_get_thread_num());
}

void parallel_range(long count, int chunks, int chunk, long *first, long *last)
{
    const long base = count / chunks, extra = count % chunks;
    *first = base * chunk + (chunk < extra ? chunk : extra);
    *last = *first + base + (chunk < extra ? 1 : 0);
}
