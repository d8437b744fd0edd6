/* AdaRound's relaxation (Nagel 2020, 2004.10568): whether a weight is rounded down or up is a number between 0 and 1.
 *
 *   W = s clip(floor(W / s) + h(V), n, p),   h(V) = clip(1.2 sigmoid(V) - 0.1, 0, 1)
 *
 * V is what is trained.  It starts where h is the weight's distance from its lower neighbour, so that W is the real weight;
 * a penalty lambda sum(1 - |2h - 1|^beta) drives h to 0 or 1.
 */
#ifndef BITFOLD_COMPRESS_SOFT_ROUNDING_H
#define BITFOLD_COMPRESS_SOFT_ROUNDING_H

#include "compress/weight_grid.h"

typedef struct {
    Layer *l;
    Param *v; /* [weights] */
    Arena *arena;
    WeightGrid grid;        /* of the start on */
    float *lower, *nearest; /* [weights] floor(W / s), rne(W / s) */
    float *h, *slope;       /* [weights] h(V); d(code) / dV */
} SoftRounding;

/* Declares V of a layer with a weight quantizer.  NULL: STATUS_CONFIG's sentence, as param_add. */
SoftRounding *soft_rounding_make(Arena *arena, ParamSet *set, Layer *l);

/* Takes the layer's real weights and its grid, which the quantizer finds if it has none yet. */
void soft_rounding_start(SoftRounding *r);

/* The layer's weights become W. */
void soft_rounding_put(SoftRounding *r);

/* dV += scale * dW/dV * gradient of the layer's weights, and the penalty's: lambda 0 is none. */
void soft_rounding_gradient(SoftRounding *r, float scale, float lambda, float beta);

/* The layer's weights become those of the codes that V stands for, h >= 1/2, and the quantizer keeps its scales.
 * Returns how many codes are other than the nearest. */
long soft_rounding_finish(SoftRounding *r);

#endif
