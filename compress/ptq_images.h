/* The training images that steps of post-training quantization look at. */
#ifndef BITFOLD_COMPRESS_PTQ_IMAGES_H
#define BITFOLD_COMPRESS_PTQ_IMAGES_H

#include "datasets/dataset.h"
#include "layers/model.h"

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

/* Looks at what a network gave for a part of the images, of which `at` are before it: y are the logits, and with
 * keep_outputs the model has what its layers gave. */
typedef Status PtqLook(void *context, Model *m, Tape *t, const Tensor *y, const PtqImages *part, int at);

/* Runs the network over the images, `batch` at a time.  The tape is rewound before each part. */
Status ptq_images_run(Model *m, const ForwardMode *mode, const PtqImages *images, int batch, PtqLook *look,
                      void *context);

#endif
