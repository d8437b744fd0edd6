/* The images that models are asked about: a few of a split, in memory. */
#ifndef BITFOLD_SEARCH_SAMPLE_H
#define BITFOLD_SEARCH_SAMPLE_H

#include "datasets/loader.h"

enum { SAMPLE_BATCH = 128 };

typedef struct {
    int n;
    size_t image_bytes;
    uint8_t *pixels; /* [n,H,W,C] */
    Targets targets; /* [n] */
} Sample;

/* Draws `images` of the split by the seed, or takes all where it has no more, in the split's order; in the arena.  Fails
 * as the data do. */
Status sample_draw(Arena *arena, const Dataset *data, int images, uint64_t seed, Sample *sample);

/* The first n of a sample, sharing its memory. */
static inline Sample sample_first(const Sample *sample, int n)
{
    return (Sample){n < sample->n ? n : sample->n, sample->image_bytes, sample->pixels, sample->targets};
}

/* The SAMPLE_BATCH images from `first` on, or what is left; shares the sample's memory. */
Batch sample_batch(const Sample *sample, int first);

#endif
