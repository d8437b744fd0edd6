/* Rounding rules of nodes on int16 codes (zero point 0): those of TFLite's quantization of 16-bit activations and 8-bit
 * weights, part of kernels/requant.h.  Sums of products are int64 and rescaled by a multiplier of 15 bits, in one way for
 * every rounding, but for dense layers in LiteRT and ONNX Runtime (scale_s16_of_int32).  What has no such sum is rescaled as TFLite
 * rescales int32: rounded once by tflite-single, twice by the others (requant_single, requant_double). */
#ifndef BITFOLD_KERNELS_REQUANT_S16_H
#define BITFOLD_KERNELS_REQUANT_S16_H

#include "kernels/requant.h"

enum {
    S16_MIN = -32768,
    S16_MAX = 32767,
    /* An int8 code q, |q - z| <= 255, is the int16 code (q - z) 2^7 of the grid with the 2^7-th part of its scale. */
    S16_WIDENED = 128
};

/* M as m * 2^-shift, m of 15 bits: of quantize_multiplier's m and e, (m + 2^15) >> 16, at most 2^15 - 1, and
 * shift = 15 - e, at least 1.  |m 2^-shift - M| <= 2^-15 M for 2^-31 <= M < 2^14. */
ScaleS16 scale_s16(double M);

/* M as m * 2^-shift, m of 31 bits: of quantize_multiplier's, shift = 31 - e.  For sums below 2^31. */
ScaleS16 scale_s16_of_int32(double M);

/* y = clamp((acc * m + 2^(shift-1)) >> shift, lo, hi): half up.  Needs |acc| < 2^47, with m of 31 bits 2^31. */
static inline int16_t requant_s16(int64_t acc, ScaleS16 M, int lo, int hi)
{
    const int64_t y = (acc * M.m + (INT64_C(1) << (M.shift - 1))) >> M.shift;
    return (int16_t)(y < lo ? lo : y > hi ? hi : y);
}

/* R of int32 in nodes that have int16 codes. */
static inline int32_t rescale_s16(Rounding rounding, int32_t v, Multiplier M)
{
    return rounding == ROUNDING_TFLITE_SINGLE ? requant_single(v, M.m, M.e) : requant_double(v, M.m, M.e);
}

/* The fixed point of M, for rescale_s16. */
Multiplier multiplier_s16(double M);

/* y = clamp(R(R(q1 2^15, m1) + R(q2 2^15, m2), mo), lo, hi), m_i = s_i / (2 max(s1, s2)), mo = 2 max(s1, s2) / (2^15 s_y).
 * False when mo is 1 or more. */
typedef struct {
    Rounding rounding;
    Multiplier m1, m2, mo;
    int lo, hi;
} AddS16;
bool add_s16_make(Rounding rounding, float s1, float s2, float sy, int lo, int hi, AddS16 *out);
static inline int16_t requant_add_s16(const AddS16 *p, int q1, int q2)
{
    const int32_t a = rescale_s16(p->rounding, q1 * (1 << 15), p->m1);
    const int32_t b = rescale_s16(p->rounding, q2 * (1 << 15), p->m2);
    return (int16_t)clamp_int(rescale_s16(p->rounding, a + b, p->mo), p->lo, p->hi);
}

/* x[n] -> codes[n] as TFLite's QUANTIZE has it: x / scale half away from zero, clipped to lo and hi; NaN becomes lo. */
void quantize_reals_s16(size_t n, const float *x, float scale, int lo, int hi, int16_t *codes);

/* codes[n] -> x[n] = scale * code. */
void dequantize_s16(size_t n, const int16_t *codes, float scale, float *x);

#endif
