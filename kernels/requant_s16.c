#include "kernels/requant_s16.h"

ScaleS16 scale_s16(double M)
{
    int32_t m;
    int e;
    quantize_multiplier(M, &m, &e);
    return (ScaleS16){m < 0x7fff0000 ? (m + (1 << 15)) >> 16 : 0x7fff, e < 14 ? 15 - e : 1};
}

ScaleS16 scale_s16_of_int32(double M)
{
    const Multiplier q = multiplier_s16(M);
    return (ScaleS16){q.m, 31 - q.e};
}

Multiplier multiplier_s16(double M)
{
    Multiplier out = {0};
    quantize_multiplier(M, &out.m, &out.e);
    return out;
}

bool add_s16_make(Rounding rounding, float s1, float s2, float sy, int lo, int hi, AddS16 *out)
{
    const double twice = 2.0 * (double)(s1 > s2 ? s1 : s2), M = twice / (0x1p15 * (double)sy);
    *out = (AddS16){
        rounding, multiplier_s16((double)s1 / twice), multiplier_s16((double)s2 / twice), multiplier_s16(M), lo, hi};
    return out->mo.e <= 0;
}

void quantize_reals_s16(size_t n, const float *x, float scale, int lo, int hi, int16_t *codes)
{
    const float low = (float)lo, high = (float)hi;
    for (size_t i = 0; i < n; i++) {
        float v = x[i] / scale;
        v = v > low ? v : low;
        v = v < high ? v : high;
        codes[i] = (int16_t)roundf(v);
    }
}

void dequantize_s16(size_t n, const int16_t *codes, float scale, float *x)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) x[i] = scale * (float)codes[i];
}
