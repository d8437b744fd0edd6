/* Powers of two: weights are 0, or plus or minus alpha * 2^-i with i = 0 .. 2^(bits-1) - 2; alpha is learned (the terms
 * of Li 2020, 1909.13144, with one for each level).  The codes are 1, 2, 4, ... 64. */
#include "quant/level_set.h"

static bool pot_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    enum { MOST = 7 };
    const int count = (1 << (q->qp.bits - 1)) - 1;
    int magnitude[MOST];
    for (int i = 0; i < count; i++) magnitude[i] = 1 << i;
    level_set_mirror(q, arena, count, magnitude);
    return scaled_levels_create(q, params, arena);
}

const QuantizerType quantizer_pot = {
    .name = "pot",
    .doc = "weights that are powers of two times a learned clipping value, 2 to 4 bits",
    .least_bits = 2,
    .most_bits = 4, /* 5 bits would be 15 powers of two, which do not fit int8 */
    .create = pot_create,
    SCALED_LEVELS,
};
