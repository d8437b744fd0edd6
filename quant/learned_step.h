/* What quantizers share whose step is a parameter, one for each scale, its first: "<name>.step" (Esser 2020, 1902.08153).
 *   v = x / s;  xq = s * rne(clip(v, n, p));  d xq / d s = rne(v) - v inside, n or p outside,
 * times 1 / sqrt(values that share the step * largest code).  Each function is the member of QuantizerType that it is
 * named after. */
#ifndef BITFOLD_QUANT_LEARNED_STEP_H
#define BITFOLD_QUANT_LEARNED_STEP_H

#include "quant/quantizer_type.h"

bool learned_step_create(Quantizer *q, ParamSet *params, Arena *arena);
void learned_step_prepare(Quantizer *q, const WeightView *w);
void learned_step_adopt(Quantizer *q);
/* Activations from the observer's range, on a grid without an offset; weights at 2 mean|w| / sqrt(p). */
void learned_step_start(Quantizer *q, const QuantizerStart *from);
/* Sets the first parameter for each scale to `first` of the weights that share it. */
void learned_step_start_weights(Quantizer *q, const WeightView *w,
                                float (*first)(const Quantizer *q, const float *w, size_t n));
/* max(|mean - 3 sd|, |mean + 3 sd|) of n > 0 weights. */
float three_deviations(const float *w, size_t n);
void learned_step_backward_params(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x,
                                  const float *dy, double *sum);
void learned_step_backward_scale(const Quantizer *q, const QuantizerRun *run, double d_scale, double *sum);
void learned_step_finish(Quantizer *q, const QuantizerRun *run, const double *sum);
double learned_step_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                              double x);
double learned_step_gradient_scale(const Quantizer *q, const QuantizerRun *run, int k);

#endif
