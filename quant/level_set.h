/* Weights whose codes are a set of levels: what quantizers of such sets share. */
#ifndef BITFOLD_QUANT_LEVEL_SET_H
#define BITFOLD_QUANT_LEVEL_SET_H

#include "quant/quantizer_type.h"

/* Makes `count` codes, ascending and within int8, those in use: bits, qmin, qmax and level of q->qp.  The table is in
 * the arena. */
void level_set_make(Quantizer *q, Arena *arena, int count, const int *level);
/* Takes these in their place, which may not be more. */
void level_set_take(Quantizer *q, int count, const int *level);

/* The index of the level nearest to v; half way between two the one of smaller magnitude, of equal ones the lower. */
int level_nearest(const QuantParams *qp, float v);
/* v[n] = x / scale and the index of the level nearest to each, as level_nearest has it; n is at most LEVEL_BLOCK. */
enum { LEVEL_BLOCK = 256 };
void level_nearest_block(const QuantParams *qp, float scale, size_t n, const float *x, float *v, int *index);

/* For `backward`: the gradient as it is. */
void level_set_pass(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy, float *dx);
/* For `surrogate` of that: y = x, and the residual. */
double level_set_pass_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                                double x);

/* A set times a step s = alpha / (the largest magnitude of a level), where alpha, the clipping value, is a parameter for
 * each scale (Li 2020, 1909.13144):
 *   y = s * nearest(x / s);   dy/dx = 1 between the ends of the set, else 0;
 *   dy/dalpha = (y - x) / alpha there, y / alpha beyond, times sqrt(half of the levels but one / values sharing alpha).
 * alpha starts where the squared error is least.  These are callbacks of a QuantizerType; `create` makes the set
 * first. */
bool scaled_levels_create(Quantizer *q, ParamSet *params, Arena *arena);
void scaled_levels_start(Quantizer *q, const QuantizerStart *from);
void scaled_levels_prepare(Quantizer *q, const WeightView *w);
void scaled_levels_quantize(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, int8_t *codes);
void scaled_levels_backward(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                            float *dx);
void scaled_levels_backward_params(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x,
                                   const float *dy, double *sum);
void scaled_levels_backward_scale(const Quantizer *q, const QuantizerRun *run, double d_scale, double *sum);
void scaled_levels_finish(Quantizer *q, const QuantizerRun *run, const double *sum);
double scaled_levels_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                               double x);
double scaled_levels_gradient_scale(const Quantizer *q, const QuantizerRun *run, int k);

/* A set from its magnitudes above 0, ascending: those, their negatives and 0. */
void level_set_mirror(Quantizer *q, Arena *arena, int count, const int *magnitude);

#define SCALED_LEVELS                                                                                                  \
    .uses = QUANTIZES_WEIGHTS, .learns = true, .centred = true, .start = scaled_levels_start,                          \
    .prepare = scaled_levels_prepare, .quantize = scaled_levels_quantize, .backward = scaled_levels_backward,          \
    .backward_params = scaled_levels_backward_params, .backward_scale = scaled_levels_backward_scale,                  \
    .finish = scaled_levels_finish, .surrogate = scaled_levels_surrogate,                                              \
    .gradient_scale = scaled_levels_gradient_scale

#endif
