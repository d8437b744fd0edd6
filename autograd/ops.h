/* The float ops.  Each is in op_<name>.c with its backward directly under its forward.  Every op returns NULL after a
 * failure of the tape.  Inputs may be on a grid (codes): what an op then does stands with it. */
#ifndef BITFOLD_AUTOGRAD_OPS_H
#define BITFOLD_AUTOGRAD_OPS_H

#include "autograd/curve.h"
#include "autograd/tape.h"
#include "kernels/kernels.h"

/* y[n,p,q,o] = b[o] + sum_{k,l,c} x[n, p*sh + k*dh - pt, q*sw + l*dw - pl, c] * w[o,k,l,c]; cells outside are 0.
 * g gives stride, dilation, padding and groups; its sizes are filled from the tensors.
 * When x and w are both codes the sum is taken in int32, exactly, and y = s_x * s_w[o] * sign[o] * acc + b
 * (Tensor.sign). */
Tensor *op_conv2d(Tape *t, Tensor *x, Tensor *w, Tensor *b, const ConvGeom *g);

/* As op_conv2d with groups = C and M output channels for each: w[1,KH,KW,C*M], channel c*M+m reads channel c. */
Tensor *op_depthwise(Tape *t, Tensor *x, Tensor *w, Tensor *b, const ConvGeom *g);

/* y[n,o] = b[o] + sum_i x[n,i] * w[o,i]. Codes as op_conv2d. */
Tensor *op_dense(Tape *t, Tensor *x, Tensor *w, Tensor *b);

/* Batch norm over N,H,W (Ioffe-Szegedy 2015, 1502.03167).
 * batch statistics: mean, var of this batch; running = (1 - momentum) * running + momentum * batch (unbiased variance);
 * otherwise the running ones, as constants.   y = gamma * (x - mean) / sqrt(var + epsilon) + beta */
typedef struct {
    float *mean, *var; /* running, [C] */
    float momentum, epsilon;
} BatchNormState;
Tensor *op_batchnorm(Tape *t, Tensor *x, Tensor *gamma, Tensor *beta, BatchNormState *state, bool batch_statistics);

/* y = min(max(x, 0), limit); limit INFINITY: ReLU; 6: ReLU6.  Gradient 1 strictly inside. */
Tensor *op_relu(Tape *t, Tensor *x, float limit);

/* y = curve(x). */
Tensor *op_curve(Tape *t, Tensor *x, const CurveType *curve);

/* y = a + b. */
Tensor *op_add(Tape *t, Tensor *a, Tensor *b);

/* y = a b, of one shape, or b [N,1,1,C] against every cell of a. */
Tensor *op_multiply(Tape *t, Tensor *a, Tensor *b);
/* Whether the shapes are so, for any product; else the tape failed. */
bool multiply_fits(Tape *t, const Tensor *a, const Tensor *b);
/* dx of a += dy b, dx of b += dy a summed over what b was read for, for any product. */
void multiply_gradients(Tape *t, Tensor *a, Tensor *b, const Tensor *y);

/* Along the last axis. */
Tensor *op_concat(Tape *t, int inputs, Tensor *const *x);
/* Whether all lengths but the last agree, for any concat; else the tape failed. */
bool concat_fits(Tape *t, int inputs, Tensor *const *x);
/* dx of each += its columns of dy, for any concat. */
void concat_gradients(Tape *t, int inputs, Tensor *const *x, const Tensor *y);

/* Pools; on codes they stay codes of the same grid: the maximum is exact, the average rounds as the rounding
 * does (average_rule) with the straight-through gradient of the exact average. */
Tensor *op_maxpool(Tape *t, Tensor *x, const ConvGeom *g);
Tensor *op_avgpool(Tape *t, Tensor *x, const ConvGeom *g, Rounding rounding);

/* y[n,h,w,d] = w[token of x[n,h,w,0], d] for a table w[256,D]: the token of a real number is that number times 255, rounded
 * and within 0 and 255, which is the byte of an image that is not normalized (mean 0, std 1).  Codes of w, which has one
 * scale then, become codes of y on the same grid.  x gets no gradient. */
enum { EMBEDDING_TOKENS = 256 };
Tensor *op_embedding(Tape *t, Tensor *w, Tensor *x);
int embedding_token(float x);
/* The token of each code of grid x, by code + 128. */
void embedding_tokens(const QuantParams *x, uint8_t token[EMBEDDING_TOKENS]);

/* The same elements under another shape. */
Tensor *op_reshape(Tape *t, Tensor *x, Shape shape);

/* loss = mean_n ( - sum_k target[n,k] * log softmax(z[n])[k] ), target = (1 - smoothing) * onehot + smoothing / K.
 * *correct, if not NULL: images whose largest logit (lowest index on ties) is the label. */
Tensor *op_softmax_cross_entropy(Tape *t, Tensor *z, const int32_t *labels, float smoothing, int *correct);

/* What cross-entropy is taken of; all of it must outlive the backward pass. */
typedef struct {
    const int32_t *label; /* [N] */
    const int32_t *other; /* [N] a second class of each, of which the first has share[N], 0 to 1; NULL: none has */
    const float *share;
    float smoothing;
    const double *weight; /* [K] a factor for each class; NULL: all 1 */
} CrossEntropy;
/* The same of each class, with its factor and in its share: with loss_n(y) the loss above of sample n alone,
 *     loss = mean_n (share_n weight[label_n] loss_n(label_n) + (1 - share_n) weight[other_n] loss_n(other_n))
 * *correct: counted is which of both classes has the larger share, label where they are equal. */
Tensor *op_cross_entropy(Tape *t, Tensor *z, const CrossEntropy *of, int *correct);

/* loss = mean_n T^2 sum_k p[n,k] log(p[n,k] / q[n,k]),  p = softmax(teacher[n] / T), q = softmax(z[n] / T): the divergence
 * of q from p, whose gradient T (q - p) / N is of the size of cross-entropy's at any temperature T > 0 (Hinton, Vinyals,
 * Dean 2015, arXiv 1503.02531).  teacher [N,K] is read here alone.  Sums are in double. */
Tensor *op_softmax_divergence(Tape *t, Tensor *z, const float *teacher, double temperature);

/* (1 - share) a + share b, of two losses. */
Tensor *op_mix_losses(Tape *t, Tensor *a, Tensor *b, float share);

/* loss = mean_{n,k} (z[n,k] - target[n,k])^2 */
Tensor *op_mse(Tape *t, Tensor *z, const float *target);

/* loss = mean_{n,k} h(z - target), h(r) = r^2 / 2 where |r| <= delta, delta (|r| - delta / 2) elsewhere (Huber
 * 1964). */
Tensor *op_huber(Tape *t, Tensor *z, const float *target, float delta);

/* loss = mean_{n,k} f(z - target), with w = width and e = curvature (Feng et al. 2018, arXiv 1711.06753, eq. 5)
 *     f(r) = w ln(1 + |r| / e)  where |r| < w,  |r| - w + w ln(1 + w / e)  elsewhere
 * The slope at r = 0 is 0. */
Tensor *op_wing(Tape *t, Tensor *z, const float *target, float width, float curvature);

/* y = a + b, or a where b is NULL, on n elements by all threads; y may be a or b. */
void add_values(const float *a, const float *b, float *y, long n);

/* dx of x += dy, when x needs a gradient. */
void add_gradient(Tape *t, Tensor *x, const float *dy);

/* A dense layer as a 1x1 convolution on a 1x1 image. */
ConvGeom dense_geom(int n, int inputs, int outputs);

/* Fills the sizes of g for an input [N,H,W,C] and o output channels.  STATUS_SHAPE when the window does not fit. */
Status conv_geom_fill(ConvGeom *g, Shape x, int o);

/* Values of one image. */
static inline size_t in_image(const ConvGeom *g) { return (size_t)g->h * (size_t)g->w * (size_t)g->c; }
static inline size_t out_image(const ConvGeom *g) { return (size_t)g->oh * (size_t)g->ow * (size_t)g->o; }

/* SAME as TensorFlow: out = ceil(in / stride), the odd cell of padding at the end. */
void same_padding(int in, int kernel, int stride, int dilation, int *before, int *after);

/* Deterministic column sums: out_add[c] += sum of x[images,rows,c] over images and their rows (chunks of images, joined
 * in a tree). */
void column_sums(Tape *t, const float *x, long images, long rows, int c, float *out_add);

#endif
