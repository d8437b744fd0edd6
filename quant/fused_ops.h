/* Fused operations: what a layer computes, in as few passes over memory as its reductions allow.  Each equals the
 * composition of the separate ops that its contract names: bit for bit in outputs, codes and the gradients of tensors,
 * but for the order of the sums in those of a bias and of a quantizer's parameters.  The composition stays the
 * specification, and is what runs for a quantizer with a `backward` of its own.
 */
#ifndef BITFOLD_QUANT_FUSED_OPS_H
#define BITFOLD_QUANT_FUSED_OPS_H

#include "autograd/conv_run.h"
#include "quant/epilogue.h"

typedef struct {
    ConvKind kind;
    const ConvGeom *geom; /* stride, dilation, padding, groups; NULL for dense */
    Tensor *bias;         /* [O] or NULL; only without norm */
    Tensor *gamma, *beta; /* [O], with norm */
    BatchNormState *norm; /* NULL: no batch norm */
    bool batch_statistics;
    EpilogueConfig epilogue;
    const GradientQuant *gradient; /* what the backward pass of the convolution reads is quantized; NULL: it is not */
    bool defer; /* may return conv(x, w) and its deferred_norm instead of y, for op_add_block as its only reader */
} ConvBlock;

/* y = epilogue(batchnorm(conv(x, w) + b)): op_conv2d, op_depthwise or op_dense, then op_batchnorm if any, then op_relu
 * or op_fake_quant.
 *   forward   one pass writes conv(x, w) and sums its channels, one normalizes, activates and quantizes; without batch
 *             statistics there is only one
 *   backward  one pass sums the gradients of gamma, beta and a learned step, one makes dy group by group and feeds it
 *             to both gradients of the convolution while it is in the cache
 * Kept for backward: conv(x, w) in float and y; without norm and quantizer y alone. */
Tensor *op_conv_block(Tape *t, Tensor *x, Tensor *w, const ConvBlock *block);

/* y = epilogue(a + b): op_add, then op_relu or op_fake_quant.  Operands on a grid are read as codes; what an operand's
 * deferred_norm says is applied on the way. */
Tensor *op_add_block(Tape *t, Tensor *a, Tensor *b, const EpilogueConfig *epilogue);

#endif
