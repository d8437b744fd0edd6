/* The first ranges of activations, observed on training images. */
#ifndef BITFOLD_COMPRESS_CALIBRATE_H
#define BITFOLD_COMPRESS_CALIBRATE_H

#include "datasets/dataset.h"
#include "layers/model.h"

/* Observes n training images (drawn by the seed) with the float network, then sets every activation's first
 * range.  Weights find theirs when they are first quantized. */
Status calibrate(Model *m, const Dataset *train, int images, uint64_t seed);

#endif
