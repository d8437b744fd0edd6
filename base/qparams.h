/* The contract between training and deployment: how an integer stands for a real number.
 *
 *     real = scale * (q - zero_point),      qmin <= q <= qmax
 *
 * Deployed codes are int8, or int16 with 16 bits.  A signed b-bit tensor uses [-2^(b-1), 2^(b-1)-1] (narrow: without the lowest
 * code).  An unsigned b-bit tensor (what leaves a ReLU, or a camera) sits at the TOP of int8, in
 * [127-(2^b-1), 127]: its upper clip is then int8's own saturation, at every width, and 8 bits give [-128, 127], the
 * grid TFLite and CMSIS-NN use.  The zero point is never stored negated.
 *
 * A 16-bit grid of activations lies in int16: [-2^15, 2^15-1], unsigned [0, 2^15-1], zero point 0.
 *
 * Weights may use some codes of their grid alone, a set of levels: powers of two, -1 and 1, the entries of a codebook.
 * They may also have a zero point for each scale, and a scale for each group of consecutive weights of an output; see
 * quant/split_weights.h.
 */
#ifndef BITFOLD_BASE_QPARAMS_H
#define BITFOLD_BASE_QPARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rounding.h"

typedef struct {
    int bits;           /* 2 .. 8, or 16 */
    bool is_signed;     /* false: the grid starts at real 0 (or is asymmetric with unsigned placement) */
    int qmin, qmax;     /* the codes in use */
    int axis;           /* -1: one scale for the tensor; else the axis that scale[] runs along */
    int n;              /* number of scales: 1, or the length of the axis */
    float *scale;       /* [n], > 0 and finite */
    int32_t zero_point; /* qmin .. qmax; 0 for every symmetric signed grid */
    int levels;         /* weights: how many codes are in use; 0: all from qmin to qmax */
    int8_t *level;      /* [levels] those, ascending */
    int group;          /* weights: how many consecutive ones of an output share a scale; 0: all of an output, or all */
    int groups;         /* weights: how many scales an output has, so that outputs are n / groups */
    int8_t *zero;       /* [n] weights: the zero point of each scale; NULL: zero_point is that of all */
    uint8_t *multiple;  /* [n] weights for integers: each scale is that many steps of its output; NULL: as it likes */
} QuantParams;

/* The bits of an index into so many levels. */
static inline int level_bits(int levels)
{
    int bits = 1;
    while (levels > 1 << bits) bits++;
    return bits;
}

/* What a code takes where it is packed: as the index of its level where not all codes are in use. */
static inline int grid_bits(const QuantParams *qp) { return qp->levels > 0 ? level_bits(qp->levels) : qp->bits; }

#endif
