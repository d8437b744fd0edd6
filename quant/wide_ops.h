/* Operations that end on int16 codes (Tensor.wide), whose values stand next to them as floats: gradients are those of the
 * floats. */
#ifndef BITFOLD_QUANT_WIDE_OPS_H
#define BITFOLD_QUANT_WIDE_OPS_H

#include "quant/fake_quant.h"

/* x on q's int16 grid, rounded to the nearest code, half to even; the tape fails where a value is not finite.  Gradient:
 * dy inside the grid, 0 beyond.  `learn`: the observer sees x afterwards. */
Tensor *op_wide(Tape *t, Tensor *x, Quantizer *q, bool learn);
/* The same on a grid that is known. */
Tensor *op_wide_on(Tape *t, Tensor *x, const QuantParams *grid);
/* The same as the deployed quantize node has it (quantize_reals_s16). */
Tensor *op_wide_quantize(Tape *t, Tensor *x, Quantizer *q);

/* int8 codes as int16 codes of the S16_WIDENED-th part of their scale: the same values, exactly. */
Tensor *op_widen(Tape *t, Tensor *x);

/* int16 codes on q's int8 grid, as the deployed requant node has it; gradients are op_fake_quant's. */
Tensor *op_narrow(Tape *t, Tensor *x, Quantizer *q, Rounding rounding);

#endif
