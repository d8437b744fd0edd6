#include "kernels/requant.h"

const RatioLimits xnnpack_weights = {0x1p-32f, 0x1p8f, false, "2^-32 or more and less than 2^8"};
const RatioLimits xnnpack_add = {0x1p-10f, 0x1p8f, false, "2^-10 or more and less than 2^8"};
const RatioLimits xnnpack_requant = {0x1p-8f, 0x1p7f, true, "2^-8 to 2^7"};

void quantize_multiplier(double M, int32_t *m, int *e)
{
    int exponent;
    const double f = frexp(M, &exponent);
    int64_t mantissa = (int64_t)floor(f * 0x1p31 + 0.5); /* f >= 0: half away from zero is half up */
    if (mantissa == (int64_t)1 << 31) {
        mantissa /= 2;
        exponent++;
    }
    if (exponent < -31) mantissa = exponent = 0;
    if (exponent > 30) {
        mantissa = INT32_MAX;
        exponent = 30;
    }
    *m = (int32_t)mantissa;
    *e = exponent;
}

static Multiplier multiplier_fixed(double M)
{
    Multiplier out = {0};
    quantize_multiplier(M, &out.m, &out.e);
    return out;
}

Multiplier multiplier_make(Rounding rounding, float s_x, float s_w, float s_y)
{
    if (rounding_is_float(rounding)) return (Multiplier){.f = s_x * s_w / s_y};
    return multiplier_fixed((double)s_x * (double)s_w / (double)s_y);
}

bool rescale_table(Rounding rounding, float s_x, int z_x, float s_y, int z_y, int lo, int hi, int8_t table[256])
{
    const float ratio = s_x / s_y;
    if (rounding == ROUNDING_XNNPACK && !ratio_fits(&xnnpack_requant, ratio)) return false;
    const int32_t a = rounding == ROUNDING_XNNPACK ? (int32_t)lrintf(256.0f * ratio) : 0;
    const Multiplier M = multiplier_fixed((double)s_x / (double)s_y);
    for (int q = -128; q < 128; q++) {
        const int x = q - z_x;
        int y;
        if (rounding == ROUNDING_XNNPACK) {
            y = (a * x + 128) >> 8;
        } else if (rounding == ROUNDING_ONNXRUNTIME) {
            const float v = s_x * (float)x / s_y;
            y = v > 255.0f ? 255 : v < -255.0f ? -255 : round_small(v);
        } else {
            y = rounding == ROUNDING_TFLITE_SINGLE ? requant_single(x, M.m, M.e) : requant_double(x, M.m, M.e);
            y = clamp_int(y, -255, 255);
        }
        table[q + 128] = (int8_t)clamp_int(z_y + y, lo, hi);
    }
    return true;
}

/* The channels as often as fills whole vectors of 64 codes, unless that takes long tables. */
int requant_period(int channels)
{
    enum { LANES = 64, LONGEST = 512 };
    int period = channels;
    while (period % LANES != 0 && period + channels <= LONGEST) period += channels;
    return period % LANES == 0 ? period : channels;
}

size_t requant_rows_bytes(int channels) { return 4 * sizeof(int32_t) * (size_t)requant_period(channels); }

RequantRows requant_rows_make(Rounding rounding, int channels, const int32_t *bias, const Multiplier *M, int zero_point,
                              int lo, int hi, void *memory)
{
    const int period = requant_period(channels);
    int32_t *b = memory, *m = b + period, *e = m + period;
    float *f = (void *)(e + period);
    for (int i = 0; i < period; i++) {
        const int o = i % channels;
        b[i] = bias[o], m[i] = M[o].m, e[i] = M[o].e, f[i] = M[o].f;
    }
    return (RequantRows){rounding, zero_point, lo, hi, channels, period, b, f, m, e};
}

bool add_params_make(Rounding rounding, float s1, int z1, float s2, int z2, float sy, int zy, int lo, int hi,
                     AddParams *out)
{
    AddParams p = {.rounding = rounding, .z1 = z1, .z2 = z2, .zy = zy, .lo = lo, .hi = hi};
    if (rounding_is_float(rounding)) {
        const float r1 = s1 / sy, r2 = s2 / sy;
        if (!(ratio_fits(&xnnpack_add, r1) && ratio_fits(&xnnpack_add, r2))) return false;
        p.r1 = r1, p.r2 = r2;
        p.offset = (float)(zy + 128) - multiply_add(r1, (float)(z1 + 128), r2 * (float)(z2 + 128));
        p.shift = 20 - ilogbf(r1 > r2 ? r1 : r2);
        p.a = (int32_t)lrintf(ldexpf(r1, p.shift));
        p.b = (int32_t)lrintf(ldexpf(r2, p.shift));
    } else {
        const double twice = 2.0 * (double)(s1 > s2 ? s1 : s2);
        quantize_multiplier((double)s1 / twice, &p.m1, &p.e1);
        quantize_multiplier((double)s2 / twice, &p.m2, &p.e2);
        quantize_multiplier(twice / (0x1p20 * (double)sy), &p.mo, &p.eo);
        if (p.eo > 0) return false;
    }
    *out = p;
    return true;
}

void quantize_reals(Rounding rounding, size_t n, const float *x, const QuantizeGrid *grid, int8_t *codes)
{
    const int zero = grid->zero_point;
    const float scale = grid->scale, inverse = 1.0f / scale, lo = (float)(grid->lo - zero),
                hi = (float)(grid->hi - zero);
    const bool multiplies = rounding == ROUNDING_XNNPACK && isfinite(inverse), even = rounding_is_float(rounding);
    for (size_t i = 0; i < n; i++) {
        float v = multiplies ? x[i] * inverse : x[i] / scale;
        v = v > lo ? v : lo;
        v = v < hi ? v : hi;
        codes[i] = (int8_t)((even ? round_small(v) : (int)roundf(v)) + zero);
    }
}

AverageRule average_rule(Rounding rounding, const ConvGeom *g, float scale, int zero_point, int lo, int hi)
{
    const AverageKind in_floats = pool_is_global(g) ? AVERAGE_SCALED : AVERAGE_REALS;
    const AverageKind kind = rounding == ROUNDING_ONNXRUNTIME ? in_floats : AVERAGE_CODES;
    return (AverageRule){kind, scale, scale / (scale * (float)(g->kh * g->kw)), zero_point, lo, hi};
}

bool quantize_bias(float b, float s_x, float s_w, int32_t most, int32_t *out)
{
    const double q = rint((double)b / ((double)s_x * (double)s_w));
    if (!(fabs(q) <= most)) return false;
    *out = (int32_t)q;
    return true;
}
