#include "kernels/requant_multiply.h"

const RatioLimits xnnpack_multiply = {0x1p-16f, 0x1p8f, false, "2^-16 or more and less than 2^8"};

const char *rounding_multiply_needs(Rounding rounding)
{
    return rounding_is_float(rounding) ? "a product's ratio in [2^-16, 2^8)" : "a product's ratio below 2^14";
}

bool multiply_params_make(Rounding rounding, float s1, int z1, float s2, int z2, float sy, int zy, int lo, int hi,
                          MultiplyParams *out)
{
    const MultiplyParams p = {rounding, z1, z2, zy, lo, hi, multiplier_make(rounding, s1, s2, sy)};
    const double exact = (double)s1 * (double)s2 / (double)sy;
    if (rounding_is_float(rounding) ? !ratio_fits(&xnnpack_multiply, p.M.f) : !(exact < 0x1p14)) return false;
    *out = p;
    return true;
}

static inline void rows(const Rounding rounding, const MultiplyParams *params, size_t n, const int8_t *a,
                        const int8_t *b, int8_t *y)
{
    MultiplyParams p = *params;
    p.rounding = rounding;
#pragma omp simd
    for (size_t i = 0; i < n; i++) y[i] = requant_multiply(&p, a[i], b[i]);
}

/* One loop per rounding, so that none branches inside. */
void requant_multiply_rows(const MultiplyParams *p, size_t n, const int8_t *a, const int8_t *b, int8_t *y)
{
    switch (p->rounding) {
    case ROUNDING_XNNPACK:
        rows(ROUNDING_XNNPACK, p, n, a, b, y);
        break;
    case ROUNDING_ONNXRUNTIME:
        rows(ROUNDING_ONNXRUNTIME, p, n, a, b, y);
        break;
    case ROUNDING_TFLITE_SINGLE:
        rows(ROUNDING_TFLITE_SINGLE, p, n, a, b, y);
        break;
    case ROUNDING_TFLITE_DOUBLE:
        rows(ROUNDING_TFLITE_DOUBLE, p, n, a, b, y);
        break;
    }
}
