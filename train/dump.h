/* What a model was given and what it answered, as raw files: to hold a device or another runtime to it. */
#ifndef BITFOLD_TRAIN_DUMP_H
#define BITFOLD_TRAIN_DUMP_H

#include "datasets/dataset.h"
#include "layers/model.h"
#include "graph/graph.h"

/* Writes into `folder` (made if it is not there), values of all images of `data` back to back, [n,H,W,C],
 * little-endian:
 *     pixels.u8    the images as the data set has them
 *     labels.i32   the class of each; or targets.f32, the values of each, [n,K], or points, [n,P,3] with x, y and 1 if visible
 *     input.i8     the codes the first layer reads, and NAME.i8 those of the logits; with `layers` of every tensor
 *     tensors.json what the files hold: names, shapes, grids, wiring, and how many different codes each tensor took
 * by the integer engine.  The float form writes input.f32, the normalised image, and NAME.f32, the logits, instead.
 * Each file appears complete or not at all. */
Status dump_codes(Arena *arena, const Graph *g, const Dataset *data, bool layers, const char *folder);
Status dump_floats(Arena *arena, Model *m, const Dataset *data, const char *folder);

#endif
