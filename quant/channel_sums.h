/* What the sums of one output channel of a convolution or dense layer can be: the one proof that no rounding, engine or
 * export leaves its integers.  docs/quantization.md, "Bias", has the argument. */
#ifndef BITFOLD_QUANT_CHANNEL_SUMS_H
#define BITFOLD_QUANT_CHANNEL_SUMS_H

#include <stdint.h>

#include "base/status.h"

typedef struct {
    int64_t magnitude; /* sum of |w| over the channel's stored weights */
    int64_t total;     /* sum of w */
} ChannelWeights;

/* The most that a partial sum of the channel's products can be, in whatever order they are added, without the bias.
 * Some runtimes add (x - z) w; others add x w, with the offset -z total apart or folded into the bias:
 *   max(magnitude max|x - z|, magnitude max|x| + |z total|),  x in qmin .. qmax. */
int64_t channel_products(ChannelWeights w, int zero_point, int qmin, int qmax);

/* Sums are int32; of int16 codes int64, of which the rescaling takes 47 bits (kernels/requant_s16.h). */
enum { CHANNEL_SUM_BITS = 31, CHANNEL_SUM_BITS_WIDE = 47 };

/* STATUS_UNSUPPORTED, naming the channel, unless for `products` of channel_products and M = s_x s_w / s_y
 *   products + |bias| < 2^bits        no partial sum leaves its integer;
 *   M (products + |bias|) < 2^30      the rescaled sum and every step of the rescaling stay in range. */
Status channel_sums_check(int channel, int64_t products, int64_t bias, double M, int bits);

#endif
