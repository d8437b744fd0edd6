#include "search/sample.h"

#include <stdlib.h>

#include "base/rng.h"
#include "datasets/batch_reader.h"

static int rising(const void *a, const void *b)
{
    const uint32_t *p = a, *q = b;
    return (*p > *q) - (*p < *q);
}

Status sample_draw(Arena *arena, const Dataset *data, int images, uint64_t seed, Sample *sample)
{
    const int n = images < data->n ? images : data->n;
    uint32_t *order = ARENA_ARRAY(arena, uint32_t, data->n);
    Rng rng = rng_make(seed, RNG_SEARCH, 0);
    rng_permutation(&rng, (uint32_t)data->n, order);
    qsort(order, (size_t)n, sizeof *order, rising);
    *sample = (Sample){.n = n, .image_bytes = dataset_image_bytes(data)};
    sample->pixels = arena_try_alloc(arena, (size_t)n * sample->image_bytes);
    if (sample->pixels == NULL) return STATUS_NOMEM;
    sample->targets = targets_in(data->targets, arena_alloc(arena, (size_t)n * target_bytes(data->targets)));
    for (int j = 0; j < n; j++) target_copy(data->targets, (int)order[j], sample->targets, j);
    return dataset_pick(data, order, n, sample->pixels);
}

Batch sample_batch(const Sample *sample, int first)
{
    const int left = sample->n - first;
    return (Batch){left < SAMPLE_BATCH ? left : SAMPLE_BATCH, sample->pixels + (size_t)first * sample->image_bytes,
                   targets_from(sample->targets, first)};
}
