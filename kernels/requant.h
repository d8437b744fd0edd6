/* All rounding rules of the deployed integers, and nothing else: layers and engine call these same functions.
 * The vector forms (kernels/requantize__*.c, requant_512.h) are held to them bit for bit by tests.  Formulas: see each
 * function; "rne" rounds half to even, >> is the arithmetic shift (floor).  What runs once per element is inline: a
 * loop over one rounding keeps no branch.
 *
 * The roundings (base/rounding.h), each named after whose it is:
 *   xnnpack        float32 scale, rne (XNNPACK, LiteRT); ADD with 21-bit, rescaling with 8-bit fractions, half up
 *   tflite-single  31-bit fixed point, one rounding, half up (TFLITE_SINGLE_ROUNDING)
 *   tflite-double  31-bit fixed point, rounding high multiply and rounding shift (TFLM and CMSIS-NN default)
 *   onnxruntime    float32 scale, rne; ADD, average pool and rescaling in float32 too, on codes + 128: what ONNX
 *                  Runtime makes of int8 and of uint8 models on x86-64
 */
#ifndef BITFOLD_KERNELS_REQUANT_H
#define BITFOLD_KERNELS_REQUANT_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "kernels/kernels.h"

/* Every float rule below is a statement about IEEE float32 without excess precision, rounding mode to nearest. */
_Static_assert(FLT_EVAL_METHOD == 0, "float expressions must be evaluated in float32");

/* a * b + c, rounded once.  Needs an exact sum of at most 53 bits, which is then the same with and without FMA. */
static inline float multiply_add(float a, float b, float c)
{
#ifdef __FMA__
    return fmaf(a, b, c);
#else
    return (float)((double)a * (double)b + (double)c);
#endif
}

/* A positive real multiplier M, in the form its rounding uses. */
typedef struct {
    float f;   /* xnnpack, onnxruntime: M in float32 */
    int32_t m; /* tflite-*: M ~ m * 2^(e-31), m in [2^30, 2^31) or 0 */
    int e;     /* -31 .. 30 */
} Multiplier;

/* M >= 0 as fixed point: M = f * 2^e with f in [0.5, 1), m = round_half_away(f * 2^31); 2^31 becomes 2^30 with e+1.
 * e < -31 (and M = 0) gives m = e = 0; e > 30 saturates to m = 2^31 - 1, e = 30.  |m * 2^(e-31) - M| <= 2^-31 M else.
 * Jacob 2018 (1712.05877) 2.2; gemmlowp. */
void quantize_multiplier(double M, int32_t *m, int *e);

/* rne(v) for |v| <= 2^22: adding 1.5 * 2^23 leaves the integer in the low mantissa bits.  Needs no instruction beyond a
 * float add, so a loop over it vectorises on every CPU. */
static inline int round_small(float v)
{
    const float shifted = v + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return bits - 0x4b400000;
}

static inline int clamp_int(int v, int lo, int hi) { return v < lo ? lo : v > hi ? hi : v; }

static inline int32_t saturate_int32(int64_t v)
{
    return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v;
}

/* gemmlowp and TFLM, two roundings.  l = max(e, 0), r = max(-e, 0):
 *   t = (sat32(acc * 2^l) * m + 2^30) >> 31                          half up
 *   y = (t >> r) + ((t mod 2^r) > (2^r - 1) / 2 + (t < 0))           half away from zero
 * Needs m in [2^30, 2^31) or 0, -31 <= e <= 30.  The original leaves acc * 2^l beyond int32 undefined; it saturates. */
static inline int32_t requant_double(int32_t acc, int32_t m, int e)
{
    const int l = e > 0 ? e : 0, r = e > 0 ? 0 : -e;
    const int64_t x = saturate_int32((int64_t)acc * ((int64_t)1 << l));
    const int32_t t = (int32_t)((x * m + ((int64_t)1 << 30)) >> 31);
    const int32_t mask = (int32_t)(((int64_t)1 << r) - 1);
    return (t >> r) + ((t & mask) > (mask >> 1) + (t < 0));
}

/* One rounding, half up: y = sat32((acc * m + 2^(30-e)) >> (31-e)).  Needs m in [0, 2^31), -31 <= e <= 30. */
static inline int32_t requant_single(int32_t acc, int32_t m, int e)
{
    return saturate_int32(((int64_t)acc * m + ((int64_t)1 << (30 - e))) >> (31 - e));
}

/* y = sat32(rne(float(acc) * M)), the product rounded to float32.  float(acc) is exact up to |acc| = 2^24 and rne
 * beyond: that is XNNPACK's arithmetic and part of the contract. */
static inline int32_t requant_float(int32_t acc, float M)
{
    const float v = (float)acc * M;
    return v >= 2147483648.0f ? INT32_MAX : v < -2147483648.0f ? INT32_MIN : (int32_t)lrintf(v);
}

/* XNNPACK's unsigned and ARM paths: the 24-bit mantissa of M in fixed point, one rounding, half up:
 *   y = sat32((acc * mantissa + 2^(sh-1)) >> sh), sh = 150 - exponent bits.  Needs 2^-32 <= M < 2^8 (sh = 16 .. 55). */
static inline int32_t requant_rndnu(int32_t acc, float M)
{
    uint32_t bits;
    memcpy(&bits, &M, sizeof bits);
    const int64_t mantissa = (bits & 0x7fffff) | 0x800000;
    const int sh = 150 - (int)(bits >> 23);
    return saturate_int32((acc * mantissa + ((int64_t)1 << (sh - 1))) >> sh);
}

/* Of which ratios of scales, in float32, XNNPACK has numbers: of M of a convolution or dense layer, of s_i / s_y of an
 * add, of s_x / s_y of a requant. */
typedef struct {
    float least, end;
    bool end_fits;
    const char *needs; /* in words */
} RatioLimits;
extern const RatioLimits xnnpack_weights, xnnpack_add, xnnpack_requant;
static inline bool ratio_fits(const RatioLimits *limits, float ratio)
{
    return ratio >= limits->least && (limits->end_fits ? ratio <= limits->end : ratio < limits->end);
}

/* Conv, depthwise and dense: M = s_x * s_w / s_y.  xnnpack, onnxruntime: products in float32, from the left; tflite-*:
 * in double from the float32 scales. */
Multiplier multiplier_make(Rounding rounding, float s_x, float s_w, float s_y);

/* y = clamp(zero_point + R(acc), lo, hi), R of the rounding.  Needs -128 <= lo <= hi <= 127, zero_point in int8. */
static inline int8_t requant(Rounding rounding, int32_t acc, Multiplier M, int zero_point, int lo, int hi)
{
    if (rounding_is_float(rounding)) { /* clamping before the rounding changes nothing: both bounds are integers */
        const float l = (float)(lo - zero_point), h = (float)(hi - zero_point);
        float v = (float)acc * M.f;
        v = v > l ? v : l;
        v = v < h ? v : h;
        return (int8_t)(round_small(v) + zero_point);
    }
    const int32_t y =
        rounding == ROUNDING_TFLITE_SINGLE ? requant_single(acc, M.m, M.e) : requant_double(acc, M.m, M.e);
    return (int8_t)(clamp_int(y, lo - zero_point, hi - zero_point) + zero_point);
}

/* Tables for kernels()->requantize_rows, in `memory` of requant_rows_bytes(channels), 64-byte aligned. */
int requant_period(int channels);
size_t requant_rows_bytes(int channels);
RequantRows requant_rows_make(Rounding rounding, int channels, const int32_t *bias, const Multiplier *M, int zero_point,
                              int lo, int hi, void *memory);

/* Rescaling without a sum (layer `activation`, inputs of concat): table[q + 128] = the code of q on another grid.
 *   xnnpack      y = z_y + ((A (q - z_x) + 2^7) >> 8),  A = rne(2^8 s_x / s_y)
 *   tflite-*     y = z_y + R(q - z_x),                  M = s_x / s_y in double
 *   onnxruntime  y = z_y + rne(s_x (q - z_x) / s_y),    product and quotient in float32
 * clamped to [lo, hi].  False when the rounding cannot represent the scales: xnnpack needs s_x / s_y (float32) in
 * [2^-8, 2^7]. */
bool rescale_table(Rounding rounding, float s_x, int z_x, float s_y, int z_y, int lo, int hi, int8_t table[256]);

/* Residual add of two int8 tensors with free scales (TFLite 8-bit specification; XNNPACK qs8-vadd; MLAS). */
typedef struct AddParams {
    Rounding rounding;
    int z1, z2, zy, lo, hi;
    int32_t a, b;         /* xnnpack: A, B = rne(s_i / s_y * 2^shift) */
    int shift;            /* xnnpack: 20 - floor(log2(max(s1, s2) / s_y)), 13 .. 30 */
    float r1, r2, offset; /* onnxruntime: r_i = s_i / s_y;  offset = Z_y - fma(r1, Z_1, r2 Z_2),  Z = z + 128 */
    int32_t m1, m2, mo;   /* tflite-*: s_i / (2 max(s1, s2)) and 2 max(s1, s2) / (2^20 s_y) */
    int e1, e2, eo;
} AddParams;

/* False when the rounding cannot represent the scales: xnnpack and onnxruntime need both s_i / s_y (float32) in [2^-10,
 * 2^8), tflite-* needs 2 max(s1, s2) / (2^20 s_y) < 1. */
bool add_params_make(Rounding rounding, float s1, int z1, float s2, int z2, float sy, int zy, int lo, int hi,
                     AddParams *out);

/* xnnpack:      y = zy + ((A (q1-z1) + B (q2-z2) + 2^(shift-1)) >> shift)
 * tflite-*:     y = zy + R(R((q1-z1) 2^20, m1) + R((q2-z2) 2^20, m2), mo)
 * onnxruntime:  y = rne(fma(q1+128, r1, fma(q2+128, r2, offset))) - 128
 * clamped to [lo, hi]; every term fits int32.  onnxruntime: every term is a multiple of 2^-33 (r_i >= 2^-10 has 24
 * bits) and below 2^18, so multiply_add is exact before its rounding. */
static inline int8_t requant_add(const AddParams *p, int q1, int q2)
{
    int32_t y;
    if (p->rounding == ROUNDING_XNNPACK) {
        y = (p->a * (q1 - p->z1) + p->b * (q2 - p->z2) + (1 << (p->shift - 1))) >> p->shift;
    } else if (p->rounding == ROUNDING_ONNXRUNTIME) {
        const float v = multiply_add((float)(q1 + 128), p->r1, multiply_add((float)(q2 + 128), p->r2, p->offset));
        return (int8_t)clamp_int(round_small(v) - 128, p->lo, p->hi);
    } else {
        const int32_t x1 = (q1 - p->z1) * (1 << 20), x2 = (q2 - p->z2) * (1 << 20);
        y = p->rounding == ROUNDING_TFLITE_SINGLE
                ? requant_single(requant_single(x1, p->m1, p->e1) + requant_single(x2, p->m2, p->e2), p->mo, p->eo)
                : requant_double(requant_double(x1, p->m1, p->e1) + requant_double(x2, p->m2, p->e2), p->mo, p->eo);
    }
    return (int8_t)clamp_int(p->zy + y, p->lo, p->hi);
}

/* x[n] -> codes[n] of a grid, as the target's own quantize operator rounds: v = x * (1 / s) half to even (xnnpack), x /
 * s half away from zero (tflite-*), x / s half to even (onnxruntime), in float32; q = v clipped to the codes + zero
 * point.  NaN becomes the lowest code. */
void quantize_reals(Rounding rounding, size_t n, const float *x, const QuantizeGrid *grid, int8_t *codes);

/* A pool's one window is the image, without padding. */
static inline bool pool_is_global(const ConvGeom *g)
{
    return g->kh == g->h && g->kw == g->w && g->pt == 0 && g->pb == 0 && g->pl == 0 && g->pr == 0;
}

/* Average pools; scale and zero point are the input's.  Outside onnxruntime average_codes; there average_scaled for
 * a global pool, average_reals for any other. */
AverageRule average_rule(Rounding rounding, const ConvGeom *g, float scale, int zero_point, int lo, int hi);

/* The sum of `count` > 0 codes inside the image, divided, half away from zero, clamped.  Scale and zero point are the
 * input's, so the formula works on the codes themselves.  Below 2^24 the quotient of integers in float32, cut off, is
 * theirs: what is no integer is 1 / count away from the next, more than the rounding can move it. */
static inline int8_t average_codes(int32_t sum, int count, int lo, int hi)
{
    const int32_t whole = sum > 0 ? sum + count / 2 : sum - count / 2;
    const int32_t y = count <= 1 << 16 ? (int32_t)((float)whole / (float)count) : whole / count;
    return (int8_t)clamp_int(y, lo, hi);
}

/* y = z + rne((sum - count z) f),  f = s / (s count) in float32. */
static inline int8_t average_scaled(const AverageRule *r, int32_t sum, int count)
{
    return requant(ROUNDING_ONNXRUNTIME, sum - count * r->zero_point, (Multiplier){.f = r->factor}, r->zero_point,
                   r->lo, r->hi);
}

/* y = rne(sum / count / s + (z + 128)) - 128; sum: of average_real of the window's cells by rows, added in float32. */
static inline float average_real(const AverageRule *r, int q) { return r->scale * (float)(q - r->zero_point); }
static inline int8_t average_reals(const AverageRule *r, float sum, int count)
{
    const float v = sum / (float)count / r->scale + (float)(r->zero_point + 128);
    return (int8_t)clamp_int(round_small(v) - 128, r->lo, r->hi);
}

/* Bias on the accumulator's grid: rne(b / (s_x * s_w)), the quotient in double.  False when |result| > most or b is
 * not finite; *out is then unchanged. */
bool quantize_bias(float b, float s_x, float s_w, int32_t most, int32_t *out);

#endif
