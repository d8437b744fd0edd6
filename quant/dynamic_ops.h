/* Operations of layers whose inputs are put on a grid found for each image (kernels/requant_dynamic.h). */
#ifndef BITFOLD_QUANT_DYNAMIC_OPS_H
#define BITFOLD_QUANT_DYNAMIC_OPS_H

#include "autograd/ops.h"
#include "quant/dynamic_conv.h"
#include "quant/grid.h"

/* y = s (q - z), each image x[n,...] on the grid of its own range.  Gradient: dy, as no value lies outside. */
Tensor *op_dynamic(Tape *t, Tensor *x);

/* The values of y[N,...], which an operation in floats gave, become act(dynamic_conv_run(x)) of each image; the gradient
 * stays that operation's. */
Tensor *dynamic_conv_over(Tape *t, Tensor *x, const DynamicConvConfig *config, Activation act, Tensor *y);

#endif
