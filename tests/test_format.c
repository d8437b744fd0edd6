/* Number formats, against a definition in double precision. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/format.h"
#include "tests/support/suite.h"

typedef struct {
    Format format;
    int exponent, fraction, bias;
    double largest;
    bool has_infinity, overflows; /* it has infinities; what is too large becomes one */
} Rule;

static const Rule rules[] = {{FORMAT_FLOAT16, 5, 10, 15, 65504, true, true},
                             {FORMAT_BFLOAT16, 8, 7, 127, 0x1.fep127, true, true},
                             {FORMAT_FLOAT8_E4M3, 4, 3, 7, 448, false, false},
                             {FORMAT_FLOAT8_E5M2, 5, 2, 15, 57344, true, false}};
enum { RULES = sizeof rules / sizeof rules[0] };

static uint32_t codes_of(const Rule *r) { return 1u << (1 + r->exponent + r->fraction); }

/* What a code stands for; NAN for one that is none. */
static double meaning(const Rule *r, uint32_t code)
{
    const uint32_t half = codes_of(r) / 2, magnitude = code % half;
    const int e = (int)(magnitude >> r->fraction), ones = (1 << r->exponent) - 1;
    const double fraction = ldexp((double)(magnitude & ((1u << r->fraction) - 1)), -r->fraction);
    double value = e == 0 ? ldexp(fraction, 1 - r->bias) : ldexp(1.0 + fraction, e - r->bias);
    if (r->has_infinity && e == ones) value = fraction == 0.0 ? (double)INFINITY : (double)NAN;
    if (!r->has_infinity && magnitude == half - 1) value = (double)NAN;
    return code >= half ? -value : value;
}

/* The nearest value: rounded to the step of its binade, ties to even. */
static double nearest(const Rule *r, double x)
{
    if (isnan(x)) return x;
    const double magnitude = fabs(x);
    int e = 0;
    if (magnitude > 0) frexp(magnitude, &e);
    e = e - 1 < 1 - r->bias ? 1 - r->bias : e - 1;
    const double step = ldexp(1.0, e - r->fraction);
    double y = isinf(magnitude) ? magnitude : nearbyint(magnitude / step) * step;
    if (y > r->largest) y = r->overflows ? (double)INFINITY : r->largest;
    return copysign(y, x);
}

static bool same(float a, float b) { return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0; }

/* Every code of each format is its value, and is found again from it. */
START_TEST(all_codes)
{
    for (int k = 0; k < RULES; k++) {
        const Rule *r = &rules[k];
        for (uint32_t code = 0; code < codes_of(r); code++) {
            const double want = meaning(r, code);
            const float got = format_decode(r->format, code);
            if (!same(got, (float)want))
                ck_abort_msg("%s code %x: %g, must be %g", format_names[r->format], code, (double)got, want);
            if (isnan(want)) {
                if (!isnan(format_decode(r->format, format_encode(r->format, got)))) ck_abort_msg("a NaN is lost");
                continue;
            }
            if (isinf(want) && !r->overflows) continue; /* saturates */
            if (format_encode(r->format, got) != code)  /* each mark of a check costs a system call */
                ck_abort_msg("%s code %x of %g: %x", format_names[r->format], code, want,
                             format_encode(r->format, got));
        }
    }
}
END_TEST

static void check(const Rule *r, float x)
{
    const double want = nearest(r, (double)x);
    const float got = format_decode(r->format, format_encode(r->format, x));
    if (!same(got, (float)want))
        ck_abort_msg("%s of %a: %a, must be %a", format_names[r->format], (double)x, (double)got, want);
    float rounded;
    format_round(r->format, 1, &x, &rounded);
    if (!same(rounded, got))
        ck_abort_msg("%s of %a: rounded to %a", format_names[r->format], (double)x, (double)rounded);
}

/* Between every two neighbours: the tie, and the float32 values beside it. */
START_TEST(ties_and_neighbours)
{
    for (int k = 0; k < RULES; k++) {
        const Rule *r = &rules[k];
        for (uint32_t code = 0; code + 1 < codes_of(r) / 2; code++) {
            const double a = meaning(r, code), b = meaning(r, code + 1);
            if (isnan(a) || isinf(a)) continue;
            /* Beyond the largest value the tie is with what would follow it. */
            const double next = isnan(b) || isinf(b) ? a + (a - meaning(r, code - 1)) : b;
            const float tie = (float)(a + (next - a) / 2);
            const float values[] = {(float)a, tie, nextafterf(tie, 0.0f), nextafterf(tie, INFINITY), (float)next};
            for (int i = 0; i < 5; i++) check(r, values[i]), check(r, -values[i]);
        }
    }
}
END_TEST

START_TEST(float32_of_all_sizes)
{
    for (int k = 0; k < RULES; k++) {
        for (uint32_t u = 0; u < 0xff000000u; u += 19937) {
            float x;
            memcpy(&x, &u, sizeof x);
            check(&rules[k], x);
        }
        check(&rules[k], INFINITY), check(&rules[k], -INFINITY), check(&rules[k], NAN);
        check(&rules[k], 0x1p-149f), check(&rules[k], -0.0f);
    }
}
END_TEST

/* 0.3952, and where float16 overflows. */
START_TEST(known_values)
{
    static const struct {
        Format format;
        float x, y;
    } known[] = {{FORMAT_FLOAT16, 0.3952f, 0.395263671875f}, {FORMAT_BFLOAT16, 0.3952f, 0.39453125f},
                 {FORMAT_FLOAT8_E4M3, 0.3952f, 0.40625f},    {FORMAT_FLOAT8_E5M2, 0.3952f, 0.375f},
                 {FORMAT_FLOAT16, 65519.996f, 65504.0f},     {FORMAT_FLOAT16, 65520.0f, INFINITY},
                 {FORMAT_FLOAT8_E4M3, 1e9f, 448.0f},         {FORMAT_FLOAT8_E5M2, INFINITY, 57344.0f},
                 {FORMAT_FLOAT32, 0.3952f, 0.3952f}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        float y;
        format_round(known[i].format, 1, &known[i].x, &y);
        ck_assert(same(y, known[i].y));
    }
}
END_TEST

START_TEST(packed)
{
    const float x[4] = {1.0f, -2.5f, 65504.0f, 0x1p-24f};
    static const unsigned char want[8] = {0x00, 0x3c, 0x00, 0xc1, 0xff, 0x7b, 0x01, 0x00};
    unsigned char stored[16];
    float back[4];
    format_pack(FORMAT_FLOAT16, 4, x, stored);
    ck_assert_mem_eq(stored, want, sizeof want);
    format_unpack(FORMAT_FLOAT16, 4, stored, back);
    ck_assert_mem_eq(back, x, sizeof x);
    format_pack(FORMAT_FLOAT32, 4, x, stored);
    ck_assert_mem_eq(stored, x, sizeof x);
    for (int f = 0; f < FORMATS; f++) {
        ck_assert_ptr_nonnull(format_names[f]);
        ck_assert_uint_ge(format_bytes((Format)f), 1);
    }
}
END_TEST

TEST_MAIN("format", all_codes, ties_and_neighbours, float32_of_all_sizes, known_values, packed)
