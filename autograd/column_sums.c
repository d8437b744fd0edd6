#include "autograd/norm.h"
#include "base/batch_share.h"
#include "base/parallel.h"

typedef struct {
    const float *x;
    ChannelSums sums;
} Columns;

static void sums_chunk(void *context, const ParallelRows *rows)
{
    const Columns *s = context;
    channel_sums_add(&s->sums, rows->chunk, s->x + rows->first * s->sums.c, rows->n);
}

void column_sums(Tape *t, const float *x, long images, long rows, int c, float *out_add)
{
    Columns s = {.x = x, .sums = channel_sums_make(t->arena, c, batch_chunks(images))};
    parallel_images(images, rows, sums_chunk, &s);
    channel_sums_join(&s.sums, out_add);
}
