/* What a quantizer claims to differentiate (QuantizerType.surrogate), with the values of its parameters in arrays
 * beside theirs, so that they can be varied. */
#ifndef BITFOLD_TESTS_SUPPORT_SURROGATE_H
#define BITFOLD_TESTS_SUPPORT_SURROGATE_H

#include "quant/quantizer_type.h"

/* The values of one scale, without an activation function. */
QuantizerRun surrogate_run(const Quantizer *q, int channel, float scale, long count);

double surrogate_value(const Quantizer *q, const QuantizerRun *run, float *const *param, double residual, double x);

/* Its derivative in parameter k, by a difference of this part of the parameter, which is put back. */
double surrogate_slope(const Quantizer *q, const QuantizerRun *run, float *const *param, int k, float relative,
                       double residual, double x);

/* Copies of the values of its parameters, one array for each. */
float **surrogate_params(Arena *arena, const Quantizer *q);

/* The factor that the quantizer puts on the gradient of parameter k. */
double surrogate_scale(const Quantizer *q, const QuantizerRun *run, int k);

/* Weights: how many share a scale; what the scale of weight i is multiplied by to give it, its code less the zero point;
 * the same of all of them; the gradient in parameter k, with the factor of the first scale on all, which depends on how
 * many weights share one. */
long surrogate_sharing(const Quantizer *q, const ChannelView *by, long scale);
int surrogate_code(const Quantizer *q, const ChannelView *by, const Tensor *y, long i);
int16_t *surrogate_codes(Arena *arena, const Quantizer *q, const Tensor *y);
float *surrogate_gradient(Arena *arena, const Quantizer *q, Shape weights, int k);

#endif
