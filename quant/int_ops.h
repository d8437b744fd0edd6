/* The deployment arithmetic as differentiable ops: their forward IS what the exported integers compute, their backward
 * the straight-through estimate.
 *
 * Batch norm is absorbed.  With one weight scale per channel the float factor bn_scale = gamma / sqrt(var + epsilon) of a
 * channel multiplies its scale, so W itself is quantized and the integers do not depend on bn_scale, up to its sign: where bn_scale
 * < 0 the code of -W is used (the grid may be asymmetric, so it must be quantized as such), and scale * |bn_scale| is what is
 * deployed.
 */
#ifndef BITFOLD_QUANT_INT_OPS_H
#define BITFOLD_QUANT_INT_OPS_H

#include "autograd/conv_run.h"
#include "kernels/requant.h"
#include "quant/fake_quant.h"

/* The deployed integers of a convolution or dense layer. */
typedef struct {
    int8_t *weights;        /* codes << shift, in w's layout; 0 in dead channels */
    int32_t *bias;          /* on scale_x * weight_scale; NULL of an input of int16 codes */
    int64_t *wide_bias;     /* the same of these; else NULL */
    float *weight_scale;    /* [O] real weight = weight_scale * stored weight */
    float *real_scale;      /* [O] the same, but of an output of signs, whose weight_scale is another */
    Multiplier *multiplier; /* [O] */
    int shift;              /* below 7 bits codes are stored << (7 - bits): finer grid for the bias; see below */
    int lo, hi;
} ConvInt;

/* Folds w (codes), bn_scale (NULL: 1) and bias b (NULL: 0) of an input on grid x for an output on grid y.
 *   weight_scale = s_w * |bn_scale| / 2^shift (float32);  bias = rne(b / (s_x * weight_scale));  M by the rounding
 * A channel whose whole contribution stays below a quarter of an output step is dead: its weights become 0 and its
 * scale is chosen so that the bias fits.  y NULL: the output is the sums themselves; no channel is dead, none has a
 * multiplier, and act must be none.  A bias that does not fit in a live channel is STATUS_NUMERIC when `strict`,
 * else saturated.
 *
 * Outputs of signs (grid_is_signs) are 1 where the sum is at least 0, else -1.  Codes, of at most 7 bits, are shifted by 1
 * at least, so stored weights are even, and a bias is odd, 2 floor(b / (2 s_x real_scale)) + 1.  So no sum is 0, and
 * clamped to [-1, 1] it is its sign in every rounding, with any multiplier from 3/4 on: as the sign of a sum does not
 * depend on its scale, weight_scale is s_y / s_x.  A bias that decides alone is the first that does. */
Status conv_int_fold(Arena *arena, const char *name, const QuantParams *x, const Tensor *w, const float *bn_scale,
                     const float *b, const QuantParams *y, Activation act, Rounding rounding, bool strict,
                     ConvInt *out);

typedef struct {
    ConvKind kind;
    const ConvGeom *geom; /* stride, dilation, padding, groups; NULL for dense */
    Quantizer *out;
    Activation act;
    Rounding rounding;
    const GradientQuant *gradient; /* as in ConvBlock (quant/fused_ops.h) */
} ConvIntConfig;

/* codes = clamp(z + R(acc + bias)): convolution or dense with batch norm, bias and activation absorbed.
 * x codes, w codes from op_fake_quant_weights; bn_scale[O] (NULL: 1), b[O] (NULL: 0). */
Tensor *op_conv_int(Tape *t, Tensor *x, Tensor *w, Tensor *bn_scale, Tensor *b, const ConvIntConfig *config);

/* Integer residual add and product, and concat with every input brought to the output's grid. */
Tensor *op_add_int(Tape *t, Tensor *a, Tensor *b, Quantizer *out, Activation act, Rounding rounding);
Tensor *op_multiply_int(Tape *t, Tensor *a, Tensor *b, Quantizer *out, Activation act, Rounding rounding);
Tensor *op_concat_int(Tape *t, int inputs, Tensor *const *x, Quantizer *out, Rounding rounding);

/* rescale_table from grid x to grid y.  False: the tape failed, the rounding cannot represent the scales. */
bool rescale_codes(Tape *t, const char *name, const QuantParams *x, const QuantParams *y, Rounding rounding, int lo,
                   int hi, int8_t table[256]);

/* The same from grid x to all codes of grid y; codes stay as they are where they lie on it. */
bool grid_table(Tape *t, const char *name, const QuantParams *x, const QuantParams *y, Rounding rounding,
                int8_t table[256]);

/* By code + 128: 1 where a code of grid x stands for 0 or more, else -1. */
void sign_table(const QuantParams *x, int8_t table[256]);

/* codes = rescale_table[x]: x, of any shape, on the output's grid, with the activation; sign_table[x] on one of signs. */
Tensor *op_requant_int(Tape *t, Tensor *x, Quantizer *out, Activation act, Rounding rounding);

/* codes = curve_table[x], in every rounding.  observe: the observer sees the curve's values afterwards. */
Tensor *op_curve_int(Tape *t, Tensor *x, const CurveType *curve, Quantizer *out, bool observe);

/* bn_scale of channel c: gamma[c] / sqrt(var + epsilon), kept away from 0 (|bn_scale| >= 1e-8). */
float norm_scale(const BatchNormState *state, const float *gamma, int c);

/* That of all channels, and b = beta - mean * bn_scale, from the running statistics as constants. */
Tensor *op_norm_scale(Tape *t, Tensor *gamma, const BatchNormState *state);
Tensor *op_norm_shift(Tape *t, Tensor *bn_scale, Tensor *beta, const BatchNormState *state);

/* y = x scaled by bn_scale per channel: weights (axis 0 or last) by bn_scale, activations (last axis) by 1 / bn_scale. */
Tensor *op_scale_weights(Tape *t, Tensor *w, Tensor *bn_scale, bool outermost);
Tensor *op_unscale(Tape *t, Tensor *x, Tensor *bn_scale);

/* x [N,...] as it is; its gradient is quantized, image by image (gradient NULL: x itself). */
Tensor *op_quantize_gradient(Tape *t, Tensor *x, const GradientQuant *gradient);

#endif
