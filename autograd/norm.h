/* Batch norm as a few passes over blocks that lie in a cache; op_batchnorm and every fused op that normalizes call
 * these, so that their results are the same bits.
 *
 *     mean, var over the rows of a batch;  inv = 1 / sqrt(var + epsilon)
 *     z = scale * y + shift,  scale = gamma * inv,  shift = beta - scale * mean
 *     g = dz where lo <= z <= hi, else 0                       (the gate: what follows batch norm lets through)
 *     dbeta = sum g,  dgamma = sum g * xhat,  xhat = (y - mean) * inv
 *     dy = scale * (g - dbeta / rows) - scale * inv * dgamma / rows * (y - mean)
 * With running statistics the sums' share in dy is 0.  Ioffe-Szegedy 2015, 1502.03167.
 *
 * Work is cut into chunks and groups of images (autograd/images.h); sums are taken per block of a
 * group in float, two-pass for the variance, and joined in double: those of a chunk in their order, those of all chunks
 * in a tree (Chan, Golub, LeVeque 1983).
 */
#ifndef BITFOLD_AUTOGRAD_NORM_H
#define BITFOLD_AUTOGRAD_NORM_H

#include "autograd/ops.h"

/* A tiled channel vector for the elementwise kernels of kernels.h: values[c], repeated to tile_period(c) values, which
 * is a multiple of c and of a vector's length.  In the arena. */
size_t tile_period(int c);
float *tile_channels(Arena *arena, int c, const float *values);

/* Sums per channel: [chunks] x two of them, in double.  One thread at a time adds to a chunk, the calls of a chunk come
 * in a fixed order. */
typedef struct {
    int c, chunks;
    size_t period;
    long *rows;     /* [chunks] seen, and room for those of another rank where the batch is shared; so of sum */
    double *sum;    /* [chunks][2][c] */
    float *scratch; /* [chunks][2][period] */
} ChannelSums;
ChannelSums channel_sums_make(Arena *arena, int c, int chunks);
/* Adds rows to a chunk: moments, mean and sum of squared deviations. */
void channel_moments_add(const ChannelSums *s, int chunk, const float *y, long rows);
/* Or: plain sums, and all chunks joined, once, in a tree (base/tree_sum.h): out[c] += sum. */
void channel_sums_add(const ChannelSums *s, int chunk, const float *x, long rows);
void channel_sums_join(const ChannelSums *s, float *out);
/* All chunks joined, once, in a tree: mean[c], biased var[c]. */
void channel_moments(const ChannelSums *s, double *mean, double *var);

typedef struct {
    int c;
    long rows;
    bool batch_statistics;
    NormTables pass;    /* tables; set lo and hi for a gate */
    float *scale, *inv; /* [c] */
    ChannelSums *sums;  /* of the backward pass */
} Norm;

/* The factors of this pass.  batch: the joined moments, which also move the running statistics (unbiased variance,
 * running += momentum * (batch - running)); NULL: the running statistics as constants. */
Norm *norm_make(Tape *t, const Tensor *gamma, const Tensor *beta, BatchNormState *state, const ChannelSums *batch,
                long rows);
/* Backward: norm_sums_begin, then every row once through norm_sums_add, norm_sums_end, then norm_backward. */
void norm_sums_begin(Tape *t, Norm *n, int chunks);
void norm_sums_add(const Norm *n, int chunk, const float *y, const float *dz, long rows);
void norm_sums_end(Tape *t, Norm *n, Tensor *gamma, Tensor *beta); /* adds to their gradients */
void norm_backward(const Norm *n, const float *y, const float *dz, long rows, float *dy);

#endif
