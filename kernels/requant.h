/* All rounding rules of the deployment arithmetic, and nothing else: simulator and engine call these same functions,
 * so a rounding can be changed in one place only.  Formulas: see each function; "rne" rounds half to even.
 *
 * Dialects (base/qparams.h):
 *   xnnpack        float32 scale, rne (XNNPACK, LiteRT); ADD with 21-bit multipliers and one rounding
 *   tflite-single  31-bit fixed point, one rounding, half up (TFLITE_SINGLE_ROUNDING)
 *   tflite-double  31-bit fixed point, rounding high multiply and rounding shift (TFLM and CMSIS-NN default)
 */
#ifndef BITFOLD_KERNELS_REQUANT_H
#define BITFOLD_KERNELS_REQUANT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/qparams.h"

/* A positive real multiplier M, in the form its dialect uses. */
typedef struct {
    float f;         /* xnnpack: M in float32                            */
    int32_t m;       /* tflite-*: M ~ m * 2^(e-31), m in [2^30, 2^31) or 0 */
    int e;
} Multiplier;

/* ALGORITHMS: M = f * 2^e with f in [0.5, 1); m = round_half_away(f * 2^31); 2^31 becomes 2^30 with e+1; e < -31 gives 0. */
void quantize_multiplier(double M, int32_t *m, int *e);

int32_t requant_double(int32_t acc, int32_t m, int e); /* gemmlowp/TFLM: two roundings       */
int32_t requant_single(int32_t acc, int32_t m, int e); /* one rounding, half up              */
int32_t requant_float(int32_t acc, float M);           /* rne(float(acc) * M)                */
int32_t requant_rndnu(int32_t acc, float M);           /* 24-bit mantissa, one rounding up   */

/* Conv, depthwise and dense: M = s_x * s_w / s_y.  xnnpack: products in float32; tflite-*: in double from the float32
 * scales.  y = clamp(zero_point + R(acc), lo, hi). */
Multiplier multiplier_make(Dialect dialect, float s_x, float s_w, float s_y);
int8_t requant(Dialect dialect, int32_t acc, Multiplier M, int zero_point, int lo, int hi);

/* The same rescaling without a weight scale (concat inputs, stand-alone rescale): M = s_x / s_y, acc = q - z_x. */
Multiplier multiplier_rescale(Dialect dialect, float s_x, float s_y);

/* Residual add of two int8 tensors with free scales (ALGORITHMS 5.1 for tflite-*, 5.2 for xnnpack). */
typedef struct {
    Dialect dialect;
    int z1, z2, zy, lo, hi;
    int32_t a, b;           /* xnnpack: A, B = rne(s_i / s_y * 2^shift)  */
    int shift;              /* xnnpack: 20 - floor(log2(max(s1, s2) / s_y)) */
    int32_t m1, m2, mo;     /* tflite-*: s_i / (2 max(s1, s2)) and 2 max(s1, s2) / (2^20 s_y) */
    int e1, e2, eo;
} AddParams;
/* False when the dialect cannot represent the scales (xnnpack: ratios must lie in [2^-10, 2^8)). */
bool add_params_make(Dialect dialect, float s1, int z1, float s2, int z2, float sy, int zy, int lo, int hi,
                     AddParams *out);
int8_t requant_add(const AddParams *p, int q1, int q2);

/* Average pool: the sum of `count` codes inside the image, divided, half away from zero, clamped. Scale and zero point
 * are the input's, so the formula works on the codes themselves; it is the same in every dialect. */
int8_t average_codes(int32_t sum, int count, int lo, int hi);

/* Bias on the accumulator's grid: rne(b / (s_x * s_w)), the quotient in double.  False when |result| >= 2^30. */
bool quantize_bias(float b, float s_x, float s_w, int32_t *out);

#endif
