/* Layers on int16 codes: their integers are those of the nodes that they are deployed as, run by the nodes' own code. */
#ifndef BITFOLD_LAYERS_LAYER_WIDE_H
#define BITFOLD_LAYERS_LAYER_WIDE_H

#include "layers/layer.h"

/* The output of l, whose quantizers are ready, for the int16 codes x[l->inputs], in mode->rounding: into y, a tensor of its
 * grid, codes and values, or NULL for a new one.  NULL: the tape says why. */
Tensor *layer_run_wide(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x, Tensor *y);

#endif
