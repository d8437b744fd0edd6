/* Rescaling, residual add and average pools by rounding: integers that LiteRT (XNNPACK) and ONNX Runtime (x86-64,
 * optimisation "all", uint8) computed where the roundings part, and each rule against its definition. */
#include <math.h>
#include <stdint.h>

#include "base/rng.h"
#include "kernels/requant.h"
#include "tests/support/suite.h"

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) ck_abort_msg("%s", #condition);                                                              \
    } while (0)

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static double half_even(double v)
{
    const double f = floor(v), r = v - f;
    return r < 0.5 || (r == 0.5 && fmod(f, 2.0) == 0.0) ? f : f + 1.0;
}

static int clamped(double v, int lo, int hi) { return (int)(v < lo ? lo : v > hi ? hi : v); }

/* Fractions of small numbers: ratios of two make ties, or miss them by a rounding. */
static float fraction(Rng *r) { return 0x1p-5f * (float)(1 + rng_below(r, 40)) / (float)(1 + rng_below(r, 40)); }

static int any_code(Rng *r) { return (int)rng_below(r, 256) - 128; }

/* ---- rescaling --------------------------------------------------------------------------------------------------- */

START_TEST(rescaled_codes_are_the_runtimes)
{
    static const struct {
        float s_x;
        int z_x;
        float s_y;
        int z_y, q, want[ROUNDINGS];
    } cases[] = {
        {0x1.333334p-6f, 66, 0x1.70a3d8p-4f, 32, -81, {2, 1, 1, 1}},
        {0x1.333334p-6f, 66, 0x1.70a3d8p-4f, 32, 6, {20, 19, 19, 20}},
        {0x1.333334p-6f, 66, 0x1.70a3d8p-4f, 32, -37, {11, 11, 10, 11}},
        {0x1.234f72p-5f, -77, 0x1.cd3dcap-6f, 114, -117, {64, 63, 63, 63}},
        {0x1.155556p-3f, 10, 0x1.71c71ep-2f, 64, -74, {33, 33, 32, 33}},
        {0x1.155556p-3f, 10, 0x1.71c71ep-2f, 64, 54, {81, 80, 81, 80}},
        {0x1.155556p-3f, 10, 0x1.71c71ep-2f, 64, 62, {84, 83, 84, 84}},
        {0x1.155556p-3f, 10, 0x1.71c71ep-2f, 64, -42, {45, 45, 44, 44}},
        {0x1.155556p-4f, 115, 0x1.02d82ep-3f, 104, -123, {-23, -24, -24, -24}},
        {0x1.155556p-4f, 115, 0x1.02d82ep-3f, 104, 17, {52, 51, 51, 52}},
        {0x1.611a7cp-8f, 90, 0x1.d6cdfap-5f, -124, 85, {-124, -124, -125, -124}},
        {0x1.aaaaaap-5f, 47, 0x1.b632bcp-4f, -105, 87, {-85, -86, -85, -86}},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int d = 0; d < ROUNDINGS; d++) {
            int8_t table[256];
            ck_assert(
                rescale_table((Rounding)d, cases[i].s_x, cases[i].z_x, cases[i].s_y, cases[i].z_y, -128, 127, table));
            ck_assert_msg(table[cases[i].q + 128] == cases[i].want[d], "case %zu, dialect %d: %d; must be %d", i, d,
                          table[cases[i].q + 128], cases[i].want[d]);
        }
}
END_TEST

static double rescaled(Rounding d, float s_x, int x, float s_y)
{
    const volatile float ratio = s_x / s_y, real = s_x * (float)x, steps = real / s_y;
    if (d == ROUNDING_XNNPACK) return floor(half_even(256.0 * (double)ratio) * x / 256.0 + 0.5);
    if (d == ROUNDING_ONNXRUNTIME) return half_even((double)steps);
    int32_t m;
    int e;
    quantize_multiplier((double)s_x / (double)s_y, &m, &e);
    return d == ROUNDING_TFLITE_SINGLE ? requant_single(x, m, e) : requant_double(x, m, e);
}

START_TEST(rescaling_equals_its_definition)
{
    Rng r = rng_make(1, RNG_TEST, 90);
    for (int i = 0; i < 4000; i++) {
        const float s_x = fraction(&r), s_y = s_x * exp2f((float)rng_below(&r, 13) - 6.0f) * fraction(&r) * 32.0f;
        const int z_x = any_code(&r), z_y = any_code(&r), lo = rng_below(&r, 2) ? -128 : z_y;
        for (int d = 0; d < ROUNDINGS; d++) {
            int8_t table[256];
            const volatile float ratio = s_x / s_y;
            const bool can = d != ROUNDING_XNNPACK || (ratio >= 0x1p-8f && ratio <= 0x1p7f);
            REQUIRE(rescale_table((Rounding)d, s_x, z_x, s_y, z_y, lo, 127, table) == can);
            if (!can) continue;
            for (int q = -128; q < 128; q++)
                REQUIRE(table[q + 128] == clamped(z_y + rescaled((Rounding)d, s_x, q - z_x, s_y), lo, 127));
        }
    }
}
END_TEST

/* The same grid: every rounding hands the codes on.  The corners of what XNNPACK takes, and beyond. */
START_TEST(rescaling_at_its_limits)
{
    int8_t table[256];
    for (int d = 0; d < ROUNDINGS; d++)
        for (float s = 1e-6f; s < 1e6f; s *= 1.37f) {
            REQUIRE(rescale_table((Rounding)d, s, -5, s, -5, -128, 127, table));
            for (int q = -128; q < 128; q++) REQUIRE(table[q + 128] == q);
        }
    REQUIRE(rescale_table(ROUNDING_XNNPACK, 0x1p7f, 0, 1.0f, 0, -128, 127, table) && table[129] == 127);
    REQUIRE(rescale_table(ROUNDING_XNNPACK, 0x1p-8f, -128, 1.0f, 0, -128, 127, table));
    REQUIRE(table[127] == 0 && table[128] == 1 && table[255] == 1);
    REQUIRE(!rescale_table(ROUNDING_XNNPACK, nextafterf(0x1p7f, 1e9f), 0, 1.0f, 0, -128, 127, table));
    REQUIRE(!rescale_table(ROUNDING_XNNPACK, nextafterf(0x1p-8f, 0.0f), 0, 1.0f, 0, -128, 127, table));
    for (int d = ROUNDING_TFLITE_SINGLE; d < ROUNDINGS; d++) { /* far beyond: saturation */
        REQUIRE(rescale_table((Rounding)d, 1e30f, 3, 1e-30f, 7, -100, 90, table));
        REQUIRE(table[0] == -100 && table[3 + 128] == 7 && table[255] == 90);
        REQUIRE(rescale_table((Rounding)d, 1e-30f, 3, 1e30f, 7, -100, 90, table));
        REQUIRE(table[0] == 7 && table[255] == 7);
    }
}
END_TEST

/* ---- add --------------------------------------------------------------------------------------------------------- */

START_TEST(added_codes_are_onnx_runtimes)
{
    static const struct {
        float s[3];
        int z[3], q1, q2, want;
    } cases[] = {
        {{0x1.bp-6f, 0x1.bp-12f, 0x1.6ae148p-6f}, {122, -115, -57}, 110, -19, -70},
        {{0x1.bp-6f, 0x1.bp-12f, 0x1.6ae148p-6f}, {122, -115, -57}, 108, 109, -70},
        {{0x1.bp-6f, 0x1.bp-12f, 0x1.6ae148p-6f}, {122, -115, -57}, 89, -19, -95},
        {{0x1.4de9bep-6f, 0x1.bd37a8p-5f, 0x1.bd37a8p-6f}, {127, -80, 39}, -15, -28, 36},
        {{0x1.4de9bep-6f, 0x1.bd37a8p-5f, 0x1.bd37a8p-6f}, {127, -80, 39}, -7, -62, -26},
        {{0x1.8p-4f, 0x1.0f0f1p-4f, 0x1.04924ap0f}, {76, 88, -99}, -2, 37, -110},
        {{0x1.8p-4f, 0x1.0f0f1p-4f, 0x1.04924ap0f}, {76, 88, -99}, 26, 105, -102},
        {{0x1.8p-4f, 0x1.0f0f1p-4f, 0x1.04924ap0f}, {76, 88, -99}, 94, -99, -110},
        {{0x1.47ae14p-6f, 0x1.f81f82p-6f, 0x1.111112p-1f}, {14, 103, -59}, -6, -66, -70},
        {{0x1.47ae14p-6f, 0x1.f81f82p-6f, 0x1.111112p-1f}, {14, 103, -59}, 114, 116, -55},
        {{0x1.b6db6ep-7f, 0x1.24924ap-6f, 0x1.8af8bp-3f}, {-41, -70, 11}, 19, 74, 28},
        {{0x1.b6db6ep-7f, 0x1.24924ap-6f, 0x1.8af8bp-3f}, {-41, -70, 11}, 27, 122, 34},
        {{0x1.b6db6ep-7f, 0x1.24924ap-6f, 0x1.8af8bp-3f}, {-41, -70, 11}, -17, -7, 18},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const float *s = cases[i].s;
        const int *z = cases[i].z;
        AddParams p;
        ck_assert(add_params_make(ROUNDING_ONNXRUNTIME, s[0], z[0], s[1], z[1], s[2], z[2], -128, 127, &p));
        ck_assert_msg(requant_add(&p, cases[i].q1, cases[i].q2) == cases[i].want, "case %zu: %d; must be %d", i,
                      requant_add(&p, cases[i].q1, cases[i].q2), cases[i].want);
    }
}
END_TEST

/* Wherever the add's ratios may lie, the product and sum in double are exact: one rounding, as fmaf has. */
START_TEST(multiply_add_rounds_once)
{
    Rng r = rng_make(2, RNG_TEST, 91);
    for (int i = 0; i < 200000; i++) {
        const float s1 = exp2f(18.0f * rng_uniform(&r) - 10.0f), s2 = exp2f(18.0f * rng_uniform(&r) - 10.0f);
        AddParams p;
        REQUIRE(add_params_make(ROUNDING_ONNXRUNTIME, s1, any_code(&r), s2, any_code(&r), 1.0f, any_code(&r), -128, 127,
                                &p));
        const float a = (float)rng_below(&r, 256), b = (float)rng_below(&r, 256);
        const float inner = multiply_add(b, p.r2, p.offset);
        REQUIRE(inner == fmaf(b, p.r2, p.offset));
        REQUIRE(multiply_add(a, p.r1, inner) == fmaf(a, p.r1, inner));
    }
}
END_TEST

/* ---- average pools ----------------------------------------------------------------------------------------------- */

static ConvGeom window(int h, int w, int kh, int kw)
{
    return (ConvGeom){.n = 1,
                      .h = h,
                      .w = w,
                      .c = 1,
                      .o = 1,
                      .oh = h / kh,
                      .ow = w / kw,
                      .kh = kh,
                      .kw = kw,
                      .sh = kh,
                      .sw = kw,
                      .dh = 1,
                      .dw = 1,
                      .groups = 1};
}

START_TEST(averages_are_onnx_runtimes)
{
    static const struct {
        float s;
        int z;
        int8_t q[4];
        int want, half_away;
    } two_by_two[] = {
        {0x1.3b13b2p-5f, 20, {-28, -67, -124, -71}, -72, -73}, {0x1.3b13b2p-5f, 20, {-91, -119, 11, -3}, -51, -51},
        {0x1.1b6db6p-4f, 88, {88, 49, -78, -109}, -12, -13},   {0x1.1b6db6p-4f, 88, {-64, -52, 5, -59}, -43, -43},
        {0x1.e66666p-5f, 88, {88, 49, -78, -109}, -12, -13},   {0x1.e66666p-5f, 88, {-104, 113, -24, -55}, -17, -18},
    };
    static const struct {
        float s;
        int z;
        int8_t q[6];
        int want, half_away;
    } whole[] = {
        {0x1.bbbbbcp-7f, 69, {-10, 60, 97, 12, -87, 21}, 15, 16},
        {0x1.dddddep-8f, -77, {-10, 60, 97, 12, -87, 21}, 15, 16},
        {0x1.dddddep-8f, -77, {-10, -43, 92, 116, 109, 93}, 59, 60},
        {0x1p-5f, -80, {-9, -68, 82, -70, -87, -103}, -42, -43},
        {0x1.471c72p-5f, 16, {99, -76, 60, -71, -24, -9}, -3, -4},
        {0x1.36db6ep-4f, 76, {-9, -68, 82, -70, -87, -103}, -42, -43},
    };
    for (int d = 0; d < ROUNDINGS; d++) {
        for (size_t i = 0; i < COUNT(two_by_two); i++) {
            const ConvGeom g = window(2, 4, 2, 2); /* the window is not the image */
            const int8_t *q = two_by_two[i].q, x[8] = {q[0], q[1], 0, 0, q[2], q[3], 0, 0};
            const AverageRule rule = average_rule((Rounding)d, &g, two_by_two[i].s, two_by_two[i].z, -128, 127);
            int8_t y[2];
            kernels()->avgpool_s8_forward(&g, 1, x, &rule, y);
            ck_assert_int_eq(y[0], d == ROUNDING_ONNXRUNTIME ? two_by_two[i].want : two_by_two[i].half_away);
        }
        for (size_t i = 0; i < COUNT(whole); i++) {
            const ConvGeom g = window(2, 3, 2, 3);
            const AverageRule rule = average_rule((Rounding)d, &g, whole[i].s, whole[i].z, -128, 127);
            int8_t y;
            kernels()->avgpool_s8_forward(&g, 1, whole[i].q, &rule, &y);
            ck_assert_int_eq(y, d == ROUNDING_ONNXRUNTIME ? whole[i].want : whole[i].half_away);
        }
    }
}
END_TEST

/* A padded window of the image's size is no global pool. */
START_TEST(the_rule_follows_the_window)
{
    ConvGeom g = window(3, 5, 3, 5);
    ck_assert_int_eq(average_rule(ROUNDING_ONNXRUNTIME, &g, 1.0f, 0, -128, 127).kind, AVERAGE_SCALED);
    ck_assert_int_eq(average_rule(ROUNDING_XNNPACK, &g, 1.0f, 0, -128, 127).kind, AVERAGE_CODES);
    ck_assert_int_eq(average_rule(ROUNDING_TFLITE_SINGLE, &g, 1.0f, 0, -128, 127).kind, AVERAGE_CODES);
    ck_assert_int_eq(average_rule(ROUNDING_TFLITE_DOUBLE, &g, 1.0f, 0, -128, 127).kind, AVERAGE_CODES);
    int *const padding[] = {&g.pt, &g.pb, &g.pl, &g.pr};
    for (int i = 0; i < 4; i++) {
        *padding[i] = 1;
        ck_assert_int_eq(average_rule(ROUNDING_ONNXRUNTIME, &g, 1.0f, 0, -128, 127).kind, AVERAGE_REALS);
        *padding[i] = 0;
    }
    g.kw = 4;
    ck_assert_int_eq(average_rule(ROUNDING_ONNXRUNTIME, &g, 1.0f, 0, -128, 127).kind, AVERAGE_REALS);
}
END_TEST

TEST_MAIN("dialect_rules", rescaled_codes_are_the_runtimes, rescaling_equals_its_definition, rescaling_at_its_limits,
          added_codes_are_onnx_runtimes, multiply_add_rounds_once, averages_are_onnx_runtimes,
          the_rule_follows_the_window)
