/* Gradients in few bits (DoReFa: Zhou 2016, 1606.06160): the gradient dr of a convolution's output, before both of its
 * backward products read it.  With k bits and m0 = max |dr| of the image
 *   dq = 2 m0 (quant_k(clip(dr / (2 m0) + 1/2 + N, 0, 1)) - 1/2),  quant_k(r) = rne((2^k - 1) r) / (2^k - 1),
 * N uniform in [-1/2, 1/2) / (2^k - 1): its mean is dr.  The noise is keyed by (seed, step, layer, image), so neither
 * threads nor resuming change it. */
#ifndef BITFOLD_QUANT_GRADIENT_QUANT_H
#define BITFOLD_QUANT_GRADIENT_QUANT_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int bits; /* 1 to 8; 0: gradients stay as they are */
    uint64_t seed, key;
} GradientQuant;

enum { GRADIENT_MAX_BITS = 8 };

/* The key of a layer in a step: of fewer than 2^11 layers, 2^17 images and 2^36 steps no two are the same. */
uint64_t gradient_key(long step, int layer);

/* dr[images][image] -> dq in its place; `first` is the batch's number of the first of these images. */
void gradient_quantize(const GradientQuant *g, long first, long images, size_t image, float *dr);

#endif
