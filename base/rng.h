/* Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 *
 * A generator is a value keyed by (seed, purpose, index), so any worker can make the numbers of any sample at any
 * time: order of evaluation, the number of threads and resuming cannot change them, and there is no state to save.
 */
#ifndef BITFOLD_BASE_RNG_H
#define BITFOLD_BASE_RNG_H

#include <stdint.h>

typedef enum {
    RNG_INIT = 1,    /* parameter initialisation; index = parameter */
    RNG_SHUFFLE,     /* order of the training images; index = epoch */
    RNG_AUGMENT,     /* augmentation; index = epoch * images + image */
    RNG_SYNTHETIC,   /* the synthetic data set; index = image or class */
    RNG_SPLIT,       /* train / validation / test split */
    RNG_CALIBRATE,   /* choice of calibration images */
    RNG_TEST,        /* tests and benchmarks */
    RNG_HESSIAN,     /* directions in which second derivatives are looked at; index = draw */
    RNG_SEARCH,      /* choice of the images that sensitivity is measured on */
    RNG_RECONSTRUCT, /* images and dropped grids while codes of weights are chosen; index = iteration */
    RNG_CORRUPT,     /* noise on pictures; index = sample */
    RNG_MIX,         /* which images are mixed, and how; index = epoch * images + image */
    RNG_GRADIENT,    /* noise on gradients before they are quantized; index = step, layer and image of the batch */
    RNG_LANDSCAPE,   /* directions in which a loss is drawn; index = two for each layer */
    RNG_GENERATE,    /* bytes of generated text; index = byte */
} RngPurpose;

typedef struct {
    uint32_t key[2], counter[4], block[4];
    int used; /* words of `block` already given out */
    float spare;
    int has_spare; /* second number of the last Box-Muller pair */
} Rng;

Rng rng_make(uint64_t seed, RngPurpose purpose, uint64_t index);
uint32_t rng_u32(Rng *rng);
float rng_uniform(Rng *rng);                                 /* [0, 1), 24 bits */
float rng_normal(Rng *rng);                                  /* mean 0, variance 1 (Box-Muller) */
uint32_t rng_below(Rng *rng, uint32_t n);                    /* 0 .. n-1, unbiased; n > 0 */
void rng_permutation(Rng *rng, uint32_t n, uint32_t *order); /* Fisher-Yates over 0 .. n-1 */

#endif
