/* The training images that steps of post-training quantization look at. */
#ifndef BITFOLD_COMPRESS_PTQ_IMAGES_H
#define BITFOLD_COMPRESS_PTQ_IMAGES_H

#include "datasets/dataset.h"

typedef struct {
    int n;
    size_t bytes;          /* of one */
    const uint8_t *pixels; /* [n,H,W,C] */
    Targets targets;       /* [n] */
} PtqImages;

/* Images first .. first + n - 1 of the order in which the seed draws training images; calibration sees the first ones.
 * Fewer where the data end. */
Status ptq_images_pick(Arena *arena, const Dataset *train, uint64_t seed, int first, int n, PtqImages *images);

/* A part of them. */
PtqImages ptq_images_part(const PtqImages *images, int first, int n);

#endif
