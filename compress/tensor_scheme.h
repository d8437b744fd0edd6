/* What a grid does to the values of one tensor: codes, errors, codes that stay unused.  For a tensor alone, without a
 * network around it (bitfold tensor).
 *
 * Schemes, of b bits; m = max |x|, and the extremes are those of the part of the tensor that shares a grid:
 *
 *     symmetric   scale = m / (2^(b-1) - 1);          q = rne(x / scale),            -2^(b-1) + 1 .. 2^(b-1) - 1
 *     affine      the range [min, max] widened to 0;  q = rne(clip(x / scale)) + z,  -2^(b-1) .. 2^(b-1) - 1
 *                 (both as weights and activations of a network: quant/quantizer.h)
 *     absmax      f = (2^(b-1) - 1) / m;              q = rne(f x),  x^ = q / f
 *     zeropoint   f = (2^b - 1) / (max - min), z = rne(-f min - 2^(b-1));
 *                 q = clip(rne(f x + z)),  x^ = (q - z) / f
 *     codebook    q = the index of the nearest of n entries, of two equally near ones the lower;  x^ = that entry
 *
 * absmax and zeropoint are those of common recipes for the weights of language models, in their order of operations: they round
 * f x + z, where affine rounds x / scale and adds z, which differs at ties if z is odd; their range is not widened to 0;
 * max = min gives f = 2^b - 1.  All in float32. */
#ifndef BITFOLD_COMPRESS_TENSOR_SCHEME_H
#define BITFOLD_COMPRESS_TENSOR_SCHEME_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef enum { SCHEME_SYMMETRIC, SCHEME_AFFINE, SCHEME_ABSMAX, SCHEME_ZEROPOINT, SCHEME_CODEBOOK } TensorScheme;
enum { TENSOR_MAX_ENTRIES = 128 };
extern const char *const tensor_scheme_names[]; /* in this order, NULL-ended */

typedef struct {
    TensorScheme scheme;
    int bits;           /* 2 .. 8 */
    int axis;           /* -1: one grid; else one for each index along this axis */
    int entries;        /* codebook: how many, 2 to TENSOR_MAX_ENTRIES; bits and axis mean nothing then */
    const float *entry; /* ascending */
} TensorGridConfig;

typedef struct {
    int64_t n, grids;
    int qmin, qmax;
    int8_t *codes;       /* [n]; of a codebook 0 .. entries - 1 */
    float *restored;     /* [n] what the codes stand for */
    float *scale;        /* [grids] what a step is: 1 / f */
    float *factor;       /* [grids] f of absmax and zeropoint, else 1 / scale; never a divisor of its own */
    int32_t *zero_point; /* [grids] */
    float min, max;      /* of the values */
    double largest_error, mean_error;
    int64_t largest_at; /* where */
    double sqnr_db;     /* 10 log10(sum x^2 / sum e^2); infinite without an error */
    int64_t count[256]; /* of each code, from qmin on, in all grids */
    int unused;         /* codes that no value has */
} TensorGrid;

/* x[dim[0], ..., dim[rank - 1]], at least one value.  STATUS_NUMERIC, "value nan at [1,2]; must be finite", or a range
 * too far from 0 for zeropoint: the caller says of what. */
Status tensor_grid_make(Arena *arena, const TensorGridConfig *config, int rank, const int64_t *dim, const float *x,
                        TensorGrid *grid);

#endif
