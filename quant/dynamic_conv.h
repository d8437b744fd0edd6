/* A convolution or dense layer whose input is put on a grid found for each image: integer products, results in floats.
 *
 *     q = x on the grid (s_x, z_x) of its own range (dynamic_quantize)
 *     y = (s_x * s_w[o]) * float32(sum (q - z_x) * w) + bias[o]
 *
 * each operation in float32; the sum is exact in int32.  What a layer's forward pass and the engine share. */
#ifndef BITFOLD_QUANT_DYNAMIC_CONV_H
#define BITFOLD_QUANT_DYNAMIC_CONV_H

#include "base/arena.h"
#include "base/status.h"
#include "kernels/kernels.h"
#include "quant/channel_sums.h"

typedef struct {
    ConvGeom geom; /* of one image */
    bool depthwise;
    const int8_t *weights;     /* codes, in the layout of kernels.h */
    const float *weight_scale; /* [O] */
    const float *bias;         /* [O] */
} DynamicConvConfig;

typedef struct {
    ConvGeom geom;
    const ConvS8 *conv;
    void *packed;
    const float *weight_scale;
    const float *ones, *bias; /* tables of autograd/norm.h */
    size_t period;
} DynamicConv;

/* Keeps weight_scale; the rest lies in the arena.  STATUS_NOMEM. */
Status dynamic_conv_make(Arena *arena, const DynamicConvConfig *config, DynamicConv *c);

/* For each thread, aligned for any type. */
size_t dynamic_conv_scratch_bytes(const DynamicConv *c);

/* y[OH,OW,O] of one image x[H,W,C]. */
void dynamic_conv_run(const DynamicConv *c, const float *x, float *y, void *scratch);

/* The most that a partial sum of an output's products can be, whatever the grid that is found (channel_products). */
int64_t dynamic_products(ChannelWeights w);

#endif
