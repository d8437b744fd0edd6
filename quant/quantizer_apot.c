/* Additive powers of two (Li 2020, 1909.13144): a magnitude is alpha times a sum of one term of each of some sets of
 * powers of two, scaled to at most 1; alpha is learned.  The sets are those of the authors' code, for bits - 1 beside
 * the sign: of 3 {0, 1/2, 1/4, 1/16} + {0, 1/8}.  The codes are those sums times the inverse of their least term. */
#include <stdlib.h>

#include "quant/level_set.h"

enum { LEAST_BITS = 2, MOST_BITS = 6, SETS = 3, TERMS = 4 };

/* By bits; a set of zeros alone adds nothing. */
static const int sets[MOST_BITS - LEAST_BITS + 1][SETS][TERMS] = {{{0, 1}},
                                                                  {{0, 1, 2, 4}},
                                                                  {{0, 1, 4, 8}, {0, 2}},
                                                                  {{0, 2, 8, 32}, {0, 1, 4, 16}},
                                                                  {{0, 2, 16, 64}, {0, 1, 8, 32}, {0, 4}}};

static int ascending(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static bool apot_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    const int(*set)[TERMS] = sets[q->qp.bits - LEAST_BITS];
    int magnitude[TERMS * TERMS * TERMS], n = 0, count = 0;
    for (int i = 0; i < TERMS; i++)
        for (int k = 0; k < TERMS; k++)
            for (int m = 0; m < TERMS; m++) magnitude[n++] = set[0][i] + set[1][k] + set[2][m];
    qsort(magnitude, (size_t)n, sizeof *magnitude, ascending);
    for (int i = 1; i < n; i++)
        if (magnitude[i] > magnitude[i - 1]) magnitude[count++] = magnitude[i];
    level_set_mirror(q, arena, count, magnitude);
    return scaled_levels_create(q, params, arena);
}

const QuantizerType quantizer_apot = {
    .name = "apot",
    .doc = "weights that are sums of powers of two times a learned clipping value (Li 2020), 2 to 6 bits",
    .least_bits = LEAST_BITS,
    .most_bits = MOST_BITS, /* 7 bits would reach 448 times their least term, which does not fit int8 */
    .create = apot_create,
    SCALED_LEVELS,
};
