/* A convolution over a batch, cut into chunks and groups of images: what op_conv2d and every fused op around a
 * convolution share. */
#ifndef BITFOLD_AUTOGRAD_CONV_RUN_H
#define BITFOLD_AUTOGRAD_CONV_RUN_H

#include "autograd/ops.h"

/* x[N,H,W,C] w[O,KH,KW,C/groups];  x[N,H,W,C] w[1,KH,KW,C*M];  x[N,I] w[O,I] */
typedef enum { CONV_FULL, CONV_DEPTHWISE, CONV_DENSE } ConvKind;
/* The geometry of x and w, whose contract holds, with geom's stride, dilation and padding (dense: NULL), and y's shape.
 * False, and the tape failed, when they do not fit. */
bool conv_geom_make(Tape *t, ConvKind kind, const Tensor *x, const Tensor *w, const ConvGeom *geom, ConvGeom *g,
                    Shape *y);

/* y = conv(x, w) without bias, made ready once per step: weights packed, scratch for every thread.  When x and w are
 * both codes the sum is taken in int32, exactly, and y = s_x * s_w[o] * sign[o] * sum (Tensor.sign). */
typedef struct {
    ConvGeom g;
    bool depthwise;
    ConvInput x;
    const float *w;     /* float forward: the weights */
    float *packed;      /* and packed; NULL for depthwise */
    const ConvS8 *s8;   /* integer forward; NULL: float forward */
    void *packed8;      /* the weights' codes, packed */
    const float *scale; /* s_x * s_w[o] * sign[o], a table of autograd/norm.h */
    size_t scale_period;
    unsigned char *scratch;
    size_t scratch_bytes; /* per thread */
    int chunks;
} ConvRun;
ConvRun *conv_run_make(Tape *t, const Tensor *x, const Tensor *w, const ConvGeom *g, bool depthwise);
/* The forward pass is over: gives back what it took, all but g. */
void conv_run_done(Tape *t, ConvRun *r, const Tensor *w);
/* y[images, OH, OW, O] of images first .. first + images - 1. */
void conv_run_images(const ConvRun *r, long first, long images, int thread, float *y);

/* Where a convolution's backward pass gets dy: as it lies, or made group by group, where it stays in the cache for both
 * gradients. */
typedef struct {
    const float *dy; /* NULL: fill */
    /* Writes dy of images first .. first + images - 1; called once for each image, by the thread of its chunk. */
    void (*fill)(void *context, int chunk, long first, long images, float *dy);
    void *context;
} ConvGradient;

/* dx += convT(dy, w), dw += corr(x, dy) of any op whose forward is a convolution of x with w; x and w may be
 * codes.  One parallel region; the bits depend neither on the threads nor on where dy comes from. */
void conv_backward(Tape *t, const ConvGeom *g, bool depthwise, Tensor *x, Tensor *w, const ConvGradient *dy);

#endif
