/* Weights with a zero point for each scale, or a scale for each group of consecutive weights of an output: a split grid.
 *
 *     w = scale[s] (q - zero[s]),   s = weight_scale_at(i)
 *
 * A group runs along an output's weights as they lie in memory: inputs of a dense layer, [KH,KW,C] of a convolution, so
 * that a group that divides C is one of input channels.  The last group may be shorter.
 *
 * In a layer that computes in integers sums of products are rescaled once for an output, so its scales are whole multiples
 * of one step, and what is multiplied are int8 numbers on the grid of that step:
 *
 *     scale[s] = multiple[s] step[o],   w = step[o] v,   v = multiple[s] (q - zero[s]),   |v| <= 127
 *
 * (scales of two levels, as in Dai 2021, 2102.04503).  All that reads weights on a grid of eight bits and a scale for each
 * output reads v.  Without groups the multiple is 2^(7 - bits), which leaves scales as they are.
 */
#ifndef BITFOLD_QUANT_SPLIT_WEIGHTS_H
#define BITFOLD_QUANT_SPLIT_WEIGHTS_H

#include "quant/quantizer_type.h"

static inline bool grid_is_split(const QuantParams *qp) { return qp->group > 0 || qp->zero != NULL; }
static inline int grid_zero(const QuantParams *qp, long scale)
{
    return qp->zero == NULL ? qp->zero_point : qp->zero[scale];
}
/* Of weights, what their scales and zero points take: multiples are bytes next to the step of each output. */
static inline long grid_scale_bytes(const QuantParams *qp)
{
    const long steps = qp->multiple != NULL ? qp->n / qp->groups : qp->n;
    return 4 * steps + (qp->multiple != NULL && qp->group > 0 ? qp->n : 0) + (qp->zero != NULL ? qp->n : 0);
}

/* How many scales an output has. */
static inline int grid_groups(int group, int inputs)
{
    return group == 0 || group >= inputs ? 1 : (inputs - 1) / group + 1;
}

/* The largest multiple with which v stays in int8; below 2 groups, and 0 zero points, cannot be had in integers. */
int split_most_multiple(const QuantParams *qp);

/* Makes q's grid, which has its codes, bits and scales, a split one, as the spec asks; in the arena.  STATUS_CONFIG where
 * its type or its bits cannot have it.  Nothing where the spec asks for no split grid. */
Status split_grid_make(Arena *arena, Quantizer *q, const QuantizerSpec *spec, QuantizedTensor tensor);

/* Gives zero points to the weights of a quantizer that has none; its range has to be found anew.  STATUS_CONFIG, and
 * nothing has changed, where its type or its bits cannot have them. */
Status quantizer_make_affine(Arena *arena, Quantizer *q);

/* Of scales that may be 0 where a group has no weight but 0: makes them finite and above 0 and, in integers, multiples of
 * a step by rounding up (nothing is clipped) or to the nearest. */
void split_scales_settle(QuantParams *qp, bool up);
/* multiple[] of scales that are settled. */
void split_multiples(QuantParams *qp);

/* The grid of v: eight bits and a scale for each output, or one.  In the arena. */
QuantParams *split_grid_of_integers(Arena *arena, const QuantParams *qp);

/* Codes of the weights, in integers v, and what they stand for, with the sign of each output (NULL: all positive). */
void split_quantize(const QuantParams *qp, const WeightView *w, const float *sign, int8_t *codes, float *x);

/* dw += dy where w lies inside the grid. */
void split_inside(const QuantParams *qp, const WeightView *w, const float *sign, const float *dy, float *dw);

#endif
