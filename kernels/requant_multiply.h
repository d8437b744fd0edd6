/* The rounding rules of a product of two int8 tensors with free scales (TFLite's MUL, XNNPACK's qs8-vmul, MLAS's
 * QLinearMul); part of kernels/requant.h. */
#ifndef BITFOLD_KERNELS_REQUANT_MULTIPLY_H
#define BITFOLD_KERNELS_REQUANT_MULTIPLY_H

#include "kernels/requant.h"

typedef struct {
    Rounding rounding;
    int z1, z2, zy, lo, hi;
    Multiplier M; /* s1 s2 / s_y (multiplier_make) */
} MultiplyParams;

/* Of M XNNPACK and ONNX Runtime have numbers for these alone. */
extern const RatioLimits xnnpack_multiply;

/* False when the rounding cannot represent the scales: xnnpack and onnxruntime need M within xnnpack_multiply, tflite-*
 * needs M < 2^14, so that no product leaves 2^30. */
bool multiply_params_make(Rounding rounding, float s1, int z1, float s2, int z2, float sy, int zy, int lo, int hi,
                          MultiplyParams *out);

/* "a product's ratio in ...": what the rounding needs. */
const char *rounding_multiply_needs(Rounding rounding);

/* xnnpack, tflite-*:  y = zy + R((q1 - z1) (q2 - z2))
 * onnxruntime:        y = rne(float((q1 - z1) (q2 - z2)) M + (zy + 128)) - 128, product and sum rounded to float32
 * clamped to [lo, hi]. */
static inline int8_t requant_multiply(const MultiplyParams *p, int q1, int q2)
{
    const int32_t product = (q1 - p->z1) * (q2 - p->z2);
    if (p->rounding != ROUNDING_ONNXRUNTIME) return requant(p->rounding, product, p->M, p->zy, p->lo, p->hi);
    /* Clamping before the rounding changes nothing: both bounds are integers. */
    const float scaled = (float)product * p->M.f, l = (float)(p->lo + 128), h = (float)(p->hi + 128);
    float v = scaled + (float)(p->zy + 128);
    v = v > l ? v : l;
    v = v < h ? v : h;
    return (int8_t)(round_small(v) - 128);
}

/* y[i] = requant_multiply(p, a[i], b[i]); y may be a or b. */
void requant_multiply_rows(const MultiplyParams *p, size_t n, const int8_t *a, const int8_t *b, int8_t *y);

#endif
