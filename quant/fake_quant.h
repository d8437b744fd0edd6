/* The operations that put a tensor on its grid during training (quant/grid.h). */
#ifndef BITFOLD_QUANT_FAKE_QUANT_H
#define BITFOLD_QUANT_FAKE_QUANT_H

#include "quant/grid.h"

/* y = dequant(quant(act(x))): y holds codes only.  Gradient: straight through where act(x) lies inside the grid before
 * rounding, 0 outside, unless the quantizer has a `backward` of its own; its parameters' by its own formula and
 * scaling.  `learn`: the observer sees act(x) afterwards. */
Tensor *op_fake_quant(Tape *t, Tensor *x, Quantizer *q, Activation a, bool learn);

/* Weights: codes and values.  sign[c] < 0: the code stands for -scale (quant/int_ops.h tells why); the quantizer then
 * sees -w.  Gradients as op_fake_quant's.  STATUS_NUMERIC when a weight is NaN or infinite. */
Tensor *op_fake_quant_weights(Tape *t, Tensor *w, Quantizer *q, const float *sign);

#endif
