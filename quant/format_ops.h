/* Operations where formats meet (base/format.h): in a model some of whose layers compute in floats. */
#ifndef BITFOLD_QUANT_FORMAT_OPS_H
#define BITFOLD_QUANT_FORMAT_OPS_H

#include "base/format.h"
#include "quant/fake_quant.h"

/* y = the floats that the codes of x stand for.  Gradient: dy. */
Tensor *op_dequantize(Tape *t, Tensor *x);

/* x on q's grid as the deployed quantize node rounds (quantize_reals); gradients are op_fake_quant's, without an
 * activation. */
Tensor *op_quantize(Tape *t, Tensor *x, Quantizer *q, Rounding rounding);

/* y = x rounded to a float format; float32: x itself.  Gradient: dy inside the format's range, 0 beyond. */
Tensor *op_round(Tape *t, Tensor *x, Format format);

/* The real weights of a node whose weights are codes: y = (s_w[c] |bn_scale[c]|) * code, the product of the scales
 * rounded before; w from op_fake_quant_weights, bn_scale[C] the factor of batch norm.  Gradients are
 * op_scale_weights'. */
Tensor *op_deployed_weights(Tape *t, Tensor *w, Tensor *bn_scale);

#endif
