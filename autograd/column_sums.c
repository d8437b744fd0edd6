#include "autograd/norm.h"
#include "base/parallel.h"

typedef struct {
    const float *x;
    long rows;
    ChannelSums sums;
} Columns;

static void sums_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    const Columns *s = context;
    long first, last;
    parallel_range(s->rows, s->sums.chunks, chunk, &first, &last);
    channel_sums_add(&s->sums, chunk, s->x + first * s->sums.c, last - first);
}

void column_sums(Tape *t, const float *x, long rows, int c, float *out_add)
{
    Columns s = {.x = x, .rows = rows, .sums = channel_sums_make(t->arena, c, parallel_chunks(rows))};
    parallel_for(s.sums.chunks, sums_chunk, &s);
    channel_sums_join(&s.sums, out_add);
}
