/* Small models from JSON, and single steps of them. */
#ifndef BITFOLD_TESTS_SUPPORT_SMALL_MODEL_H
#define BITFOLD_TESTS_SUPPORT_SMALL_MODEL_H

#include "layers/model.h"

/* Builds {"input": .., "layers": ..} with pixels scaled as (p / 255 - 0.4) / 0.25; `quant` is JSON or NULL for a float
 * model. The status is model_build's; the quant config lives in the arena. */
Status small_model_build(Arena *arena, const char *model, const char *quant, Model **m);

/* The same, which must succeed, with first values from the seed, biases and batch norm away from their neutral values
 * (some gammas negative) with the statistics of a batch, and, when quantized, calibrated on a float pass. */
Model *small_model(Arena *arena, const char *model, const char *quant, uint64_t seed);

enum { SMALL_IMAGES = 5, SMALL_CALIBRATION = 1000 /* the seed of the pixels that calibrate */ };
/* Pixels of 4 * SMALL_IMAGES images, from a seed; a step takes the first SMALL_IMAGES. */
uint8_t *small_pixels(Arena *arena, const Model *m, uint64_t seed);

/* One training step without the optimizer: forward, softmax cross-entropy, backward.  Gradients are in m->params. */
Tensor *small_step(Model *m, Tape *t, const ForwardMode *mode, const uint8_t *pixels);

/* The layer of that name; it must exist. */
int small_layer(const Model *m, const char *name);

#endif
