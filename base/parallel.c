#include "base/parallel.h"

#include <omp.h>
#include <string.h>

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

enum { ZERO_ALONE_BYTES = 1 << 16 }; /* below, waking a thread costs more */

typedef struct {
    unsigned char *data;
    size_t bytes;
} Zero;

static void zero_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    const Zero *z = context;
    long first, last;
    parallel_range((long)z->bytes, PARALLEL_CHUNKS, chunk, &first, &last);
    memset(z->data + first, 0, (size_t)(last - first));
}

void parallel_zero(void *data, size_t bytes)
{
    Zero z = {data, bytes};
    if (bytes <= ZERO_ALONE_BYTES)
        memset(data, 0, bytes);
    else
        parallel_for(PARALLEL_CHUNKS, zero_chunk, &z);
}
