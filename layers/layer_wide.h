/* Layers on int16 codes, and the one whose output is its sums: their integers are those of the nodes that they are deployed as, run by the nodes' own code. */
#ifndef BITFOLD_LAYERS_LAYER_WIDE_H
#define BITFOLD_LAYERS_LAYER_WIDE_H

#include "layers/layer.h"

/* The output of l, whose quantizers are ready, for the int16 codes x[l->inputs], in mode->rounding: into y, a tensor of its
 * grid, codes and values, or NULL for a new one.  NULL: the tape says why. */
Tensor *layer_run_wide(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x, Tensor *y);

/* The same of a layer that gives sums (layer_gives_sums), for int8 codes x[1]: y has its values, and gets their int32
 * codes, too. */
Tensor *layer_run_sums(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x, Tensor *y);

#endif
