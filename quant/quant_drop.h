/* Activations on their grid but for some (QDrop, Wei 2022, 2203.05740): a random part of the values stays what it is, so
 * that weights which are chosen behind them do not fit one grid alone. */
#ifndef BITFOLD_QUANT_QUANT_DROP_H
#define BITFOLD_QUANT_QUANT_DROP_H

#include "autograd/tape.h"

typedef struct {
    double keep;          /* probability that a value stays a real number, in steps of 1/256 */
    uint64_t seed, index; /* whose coins: RNG_RECONSTRUCT */
} QuantDrop;

/* y = x with probability `keep`, else s * rne(clip(x / s, qmin - z, qmax - z)), with the code range and zero point of qp and
 * s = step[0].  x floats.  dx: dy where x stayed or lies inside the range.  dstep: that of LSQ, equation 3, over the values
 * that did not stay. */
Tensor *op_quant_drop(Tape *t, Tensor *x, Tensor *step, const QuantParams *qp, const QuantDrop *drop);

/* The coins alone: y[i] = real[i] with probability `keep`, else quantized[i], for n values. */
void quant_drop_mix(const QuantDrop *drop, const float *real, const float *quantized, float *y, long n);

#endif
