/* Tensors of 1 bit: -1 and 1 times a scale.  What quantizers of them share. */
#ifndef BITFOLD_QUANT_SIGN_LEVELS_H
#define BITFOLD_QUANT_SIGN_LEVELS_H

#include "quant/level_set.h"

/* Callbacks of a QuantizerType.  The set {-1, 1}; the code of x: 1 where x >= 0, else -1.  Outputs have the scale 1 from
 * the start, and the type's `backward` is to be a function of v = x / scale. */
bool sign_levels_create(Quantizer *q, ParamSet *params, Arena *arena);
void sign_levels_quantize(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, int8_t *codes);

/* The scale is the mean |w| of the weights that share it; all zero: 1. */
void sign_mean_prepare(Quantizer *q, const WeightView *w);
void sign_mean_start(Quantizer *q, const QuantizerStart *from);

#define SIGN_LEVELS .centred = true, .least_bits = 1, .most_bits = 1

#endif
