#include "base/format.h"

#include <math.h>
#include <string.h>

#include "base/status.h"

const char *const format_names[] = {[FORMAT_INT8] = "int8",
                                    [FORMAT_INT16] = "int16",
                                    [FORMAT_INT32] = "int32",
                                    [FORMAT_FLOAT32] = "float32",
                                    [FORMAT_FLOAT16] = "float16",
                                    [FORMAT_BFLOAT16] = "bfloat16",
                                    [FORMAT_FLOAT8_E4M3] = "float8_e4m3",
                                    [FORMAT_FLOAT8_E5M2] = "float8_e5m2",
                                    [FORMATS] = NULL};

typedef struct {
    int bytes, exponent, fraction, bias; /* bits of exponent and fraction; integers: 0 */
    /* As magnitudes: the largest value, what is too large, infinity (where there is none: a NaN), a NaN. */
    uint32_t largest, beyond, infinity, nan;
} Layout;

static const Layout layouts[FORMATS] = {
    [FORMAT_INT8] = {.bytes = 1},
    [FORMAT_INT16] = {.bytes = 2},
    [FORMAT_INT32] = {.bytes = 4},
    [FORMAT_FLOAT32] = {4, 8, 23, 127, 0x7f7fffff, 0x7f800000, 0x7f800000, 0x7fc00000},
    [FORMAT_FLOAT16] = {2, 5, 10, 15, 0x7bff, 0x7c00, 0x7c00, 0x7e00},
    [FORMAT_BFLOAT16] = {2, 8, 7, 127, 0x7f7f, 0x7f80, 0x7f80, 0x7fc0},
    [FORMAT_FLOAT8_E4M3] = {1, 4, 3, 7, 0x7e, 0x7e, 0x7f, 0x7f},
    [FORMAT_FLOAT8_E5M2] = {1, 5, 2, 15, 0x7b, 0x7b, 0x7c, 0x7e},
};

size_t format_bytes(Format f) { return (size_t)layouts[f].bytes; }

/* v / 2^shift, half to even; shift 1 to 31. */
static uint32_t shift_rne(uint32_t v, int shift)
{
    const uint32_t odd = v >> shift & 1, half = 1u << (shift - 1);
    return (v + (half - 1) + odd) >> shift;
}

uint32_t format_encode(Format f, float x)
{
    const Layout *l = &layouts[f];
    ASSERT(format_is_float(f));
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    if (f == FORMAT_FLOAT32) return u;
    const uint32_t magnitude = u & 0x7fffffff, sign = (u >> 31) << (l->exponent + l->fraction);
    if (magnitude > 0x7f800000) return sign | l->nan;
    if (magnitude == 0x7f800000) return sign | l->beyond;
    /* x = significand * 2^(exponent - 23), exponent -126 for float32's own subnormals. */
    const int field = (int)(magnitude >> 23), exponent = (field > 0 ? field : 1) - 127, least = 1 - l->bias;
    const uint32_t significand = (magnitude & 0x7fffff) | (field > 0 ? 0x800000u : 0);
    const int below = exponent < least ? least - exponent : 0, shift = 23 - l->fraction + below;
    /* A significand of all ones carries into the exponent, as it must. */
    uint32_t code = shift > 31 ? 0 : shift_rne(significand, shift);
    if (below == 0 && field > 0) code += (uint32_t)(exponent - least) << l->fraction;
    return sign | (code > l->largest ? l->beyond : code);
}

uint32_t format_encode_double(Format f, double x)
{
    float nearest = (float)x;
    if (f == FORMAT_FLOAT32 || (double)nearest == x || isnan(x)) return format_encode(f, nearest);
    /* To the odd one of the two float32 around x: no tie of a shorter format is made or lost by that. */
    uint32_t u;
    memcpy(&u, &nearest, sizeof u);
    if ((u & 1) == 0) nearest = nextafterf(nearest, (double)nearest < x ? INFINITY : -INFINITY);
    return format_encode(f, nearest);
}

float format_decode(Format f, uint32_t bits)
{
    const Layout *l = &layouts[f];
    ASSERT(format_is_float(f));
    float x;
    if (f == FORMAT_FLOAT32) return memcpy(&x, &bits, sizeof x), x;
    const uint32_t magnitude = bits & ((1u << (l->exponent + l->fraction)) - 1);
    const bool negative = (bits >> (l->exponent + l->fraction) & 1) != 0;
    const int field = (int)(magnitude >> l->fraction);
    if (magnitude > l->infinity || magnitude == l->nan) {
        x = NAN;
    } else if (magnitude == l->infinity) {
        x = INFINITY;
    } else if (field > 0) { /* a normal float32, too */
        const uint32_t u = (magnitude << (23 - l->fraction)) + ((uint32_t)(127 - l->bias) << 23);
        memcpy(&x, &u, sizeof x);
    } else {
        x = ldexpf((float)magnitude, 1 - l->bias - l->fraction);
    }
    return negative ? -x : x;
}

void format_round(Format f, size_t n, const float *x, float *y)
{
    if (f == FORMAT_FLOAT32) {
        if (x != y) memcpy(y, x, n * sizeof *y);
        return;
    }
    for (size_t i = 0; i < n; i++) y[i] = format_decode(f, format_encode(f, x[i]));
}

void format_pack(Format f, size_t n, const float *x, void *stored)
{
    const size_t bytes = format_bytes(f);
    unsigned char *to = stored;
    for (size_t i = 0; i < n; i++) {
        const uint32_t code = format_encode(f, x[i]);
        for (size_t k = 0; k < bytes; k++) *to++ = (unsigned char)(code >> 8 * k);
    }
}

void format_unpack(Format f, size_t n, const void *stored, float *x)
{
    const size_t bytes = format_bytes(f);
    const unsigned char *from = stored;
    for (size_t i = 0; i < n; i++) {
        uint32_t code = 0;
        for (size_t k = 0; k < bytes; k++) code |= (uint32_t)*from++ << 8 * k;
        x[i] = format_decode(f, code);
    }
}

int format_exponent_bits(Format f) { return layouts[f].exponent; }

float format_largest(Format f) { return format_decode(f, layouts[f].largest); }
