/* Rounding rules: published integers, independent definitions over random triples, monotonicity. */
#include <math.h>
#include <stdint.h>

#include "base/rng.h"
#include "kernels/requant.h"
#include "tests/support/suite.h"

/* Check writes a mark at every assertion; a loop of a million needs a plain comparison. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) ck_abort_msg("%s", #condition);                                                              \
    } while (0)

enum { TRIALS = 200000 };

/* ---- the definitions, written the other way round ---------------------------------------------------------------- */

/* gemmlowp's own form: a sign-dependent nudge and truncating division, then RoundingDivideByPOT. */
static int32_t double_reference(int32_t acc, int32_t m, int e)
{
    const int64_t ab = (int64_t)acc * (1ll << (e > 0 ? e : 0)) * m;
    const int64_t t = (ab + (ab >= 0 ? (1ll << 30) : 1 - (1ll << 30))) / (1ll << 31);
    if (e >= 0) return (int32_t)t;
    const long double half_away = roundl(ldexpl((long double)t, e));
    return (int32_t)half_away;
}

static int64_t floor_div(__int128 a, __int128 b) { return (int64_t)(a >= 0 ? a / b : -((-a + b - 1) / b)); }

static int64_t single_reference(int32_t acc, int32_t m, int e)
{
    const __int128 d = (__int128)1 << (31 - e);
    return floor_div((__int128)acc * m * 2 + d, 2 * d);
}

static double half_even(double v)
{
    const double f = floor(v), r = v - f;
    return r < 0.5 || (r == 0.5 && fmod(f, 2.0) == 0.0) ? f : f + 1.0;
}

static double float_reference(int32_t acc, float M)
{
    return half_even((double)(float)((double)(float)acc * (double)M));
}

static int64_t rndnu_reference(int32_t acc, float M)
{
    return (int64_t)floorl((long double)acc * (long double)M + 0.5L); /* 31 + 24 bits: exact in 64 */
}

/* An accumulator and a multiplier whose product is spread over the magnitudes that occur, small ones included. */
static int32_t random_acc(Rng *r)
{
    const int32_t a = (int32_t)(rng_u32(r) >> rng_below(r, 31) >> 1);
    return rng_below(r, 2) ? a : -a;
}
static double random_multiplier(Rng *r, int lo, int hi)
{
    return ldexp(0.5 + 0.5 * (double)rng_uniform(r), lo + (int)rng_below(r, (uint32_t)(hi - lo + 1)));
}

/* ---- golden vectors ---------------------------------------------------------------------------------------------- */

START_TEST(multipliers_are_the_published_ones)
{
    static const struct {
        double M;
        int32_t m;
        int e;
    } want[] = {
        {0.5, 1073741824, 0},
        {0.25, 1073741824, -1},
        {0.7, 1503238554, 0},
        {1.5, 1610612736, 1},
        {0.0003, 1319413953, -11},
        {0.00146484375, 1610612736, -9},
        {0.0072345, 1988604218, -7},
        {0.012994494587474037, 1785949737, -6},
        {0.010149305293452926, 1394909898, -6},
        {0.0, 0, 0},
        {1.0, 1073741824, 1},
        {1.0 - 0x1p-40, 1073741824, 1},
        {0x1p-32, 1073741824, -31},
        {0x1p-33, 0, 0},
        {0x1p31, INT32_MAX, 30},
        {0x1p29, 1073741824, 30},
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        int32_t m;
        int e;
        quantize_multiplier(want[i].M, &m, &e);
        ck_assert_msg(m == want[i].m && e == want[i].e, "M=%.17g: m=%d e=%d", want[i].M, m, e);
    }
}
END_TEST

START_TEST(roundings_are_the_published_ones)
{
    static const struct {
        double M;
        int32_t acc, dr, sr, fp, rn;
    } want[] = {
        {0.5, 1, 1, 1, 0, 1},
        {0.5, -1, 0, 0, 0, 0},
        {0.5, 3, 2, 2, 2, 2},
        {0.5, -3, -1, -1, -2, -1},
        {0.5, 5, 3, 3, 2, 3},
        {0.5, -5, -2, -2, -2, -2},
        {0.5, 12345, 6173, 6173, 6172, 6173},
        {0.25, 1, 1, 0, 0, 0},
        {0.25, 2, 1, 1, 0, 1},
        {0.25, 5, 2, 1, 1, 1},
        {0.25, -6, -2, -1, -2, -1},
        {0.25, 10, 3, 3, 2, 3},
        {0.25, -10, -3, -2, -2, -2},
        {0.25, 12345, 3087, 3086, 3086, 3086},
        {0.7, 5, 4, 4, 4, 3},
        {0.7, -5, -4, -4, -4, -3},
        {0.7, 12345, 8642, 8642, 8642, 8641},
        {1.5, 1, 2, 2, 2, 2},
        {1.5, -1, -1, -1, -2, -1},
        {1.5, 3, 5, 5, 4, 5},
        {0.012994494587474037, -2270, -30, -29, -29, -29},
        {0.010149305293452926, 443, 5, 4, 4, 4},
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const float Mf = (float)want[i].M;
        const int32_t acc = want[i].acc;
        int32_t m;
        int e;
        quantize_multiplier(want[i].M, &m, &e);
        ck_assert_msg(requant_double(acc, m, e) == want[i].dr, "DR M=%g acc=%d", want[i].M, acc);
        ck_assert_msg(requant_single(acc, m, e) == want[i].sr, "SR M=%g acc=%d", want[i].M, acc);
        ck_assert_msg(requant_float(acc, Mf) == want[i].fp, "FP M=%g acc=%d", want[i].M, acc);
        ck_assert_msg(requant_rndnu(acc, Mf) == want[i].rn, "RN M=%g acc=%d", want[i].M, acc);
    }
}
END_TEST

/* ---- laws -------------------------------------------------------------------------------------------------------- */

START_TEST(roundings_equal_their_definitions)
{
    Rng r = rng_make(1, RNG_TEST, 0);
    for (int i = 0; i < TRIALS; i++) {
        const int32_t acc = random_acc(&r);
        const double M = random_multiplier(&r, -31, 0);
        const float Mf = (float)M;
        int32_t m;
        int e;
        quantize_multiplier(M, &m, &e);
        REQUIRE(requant_double(acc, m, e) == double_reference(acc, m, e));
        REQUIRE(requant_single(acc, m, e) == single_reference(acc, m, e));
        REQUIRE((double)requant_float(acc, Mf) == float_reference(acc, Mf));
        REQUIRE(requant_rndnu(acc, Mf) == rndnu_reference(acc, Mf));
    }
    for (int i = 0; i < TRIALS; i++) { /* M > 1: results that leave int32 saturate */
        const int32_t acc = random_acc(&r), small = acc >> 9;
        const double M = random_multiplier(&r, 1, 8);
        const float Mf = (float)M;
        int32_t m;
        int e;
        quantize_multiplier(M, &m, &e);
        REQUIRE(requant_double(small, m, e) == double_reference(small, m, e));
        REQUIRE(requant_single(acc, m, e) == saturate_int32(single_reference(acc, m, e)));
        REQUIRE(requant_float(acc, Mf) == saturate_int32((int64_t)float_reference(acc, Mf)));
        if (Mf < 256.0f) REQUIRE(requant_rndnu(acc, Mf) == saturate_int32(rndnu_reference(acc, Mf)));
    }
}
END_TEST

/* Dialects disagree by one code at most: single rounding and float rarely; double rounding when the first rounding
 * lifts a value onto a half, which happens to 2^(e-1) of them. */
START_TEST(dialects_differ_by_one_and_as_often_as_known)
{
    Rng r = rng_make(2, RNG_TEST, 0);
    int double_single = 0, single_float = 0;
    double expected = 0;
    for (int i = 0; i < TRIALS; i++) {
        const double M = ldexp(1.0, -4) * exp2(-7.0 * (double)rng_uniform(&r));
        int32_t m;
        int e;
        quantize_multiplier(M, &m, &e);
        const int32_t acc = (int32_t)((double)(2 * rng_uniform(&r) - 1) * 128 / M);
        const int d = requant_double(acc, m, e), s = requant_single(acc, m, e), f = requant_float(acc, (float)M);
        REQUIRE(abs(d - s) <= 1);
        REQUIRE(abs(s - f) <= 1);
        double_single += d != s;
        single_float += s != f;
        expected += ldexp(0.5, e);
    }
    REQUIRE(fabs(double_single - expected) <= 0.1 * expected);
    REQUIRE(single_float < TRIALS / 5000);
}
END_TEST

START_TEST(requant_is_monotone_and_stays_in_range)
{
    Rng r = rng_make(3, RNG_TEST, 0);
    for (int i = 0; i < TRIALS; i++) {
        const float s_x = (float)random_multiplier(&r, -10, 0), s_w = (float)random_multiplier(&r, -14, -2);
        const float s_y = (float)random_multiplier(&r, -12, 0);
        const int lo = -128 + (int)rng_below(&r, 128), hi = lo + (int)rng_below(&r, (uint32_t)(128 - lo));
        const int z = lo + (int)rng_below(&r, (uint32_t)(hi - lo + 1));
        const int32_t acc = random_acc(&r);
        const int32_t more = acc > INT32_MAX - 1000 ? INT32_MAX : acc + (int32_t)rng_below(&r, 1000);
        for (size_t d = 0; d < ROUNDINGS; d++) {
            const Multiplier M = multiplier_make((Rounding)d, s_x, s_w, s_y);
            const int y = requant((Rounding)d, acc, M, z, lo, hi), y2 = requant((Rounding)d, more, M, z, lo, hi);
            REQUIRE(lo <= y);
            REQUIRE(y <= y2);
            REQUIRE(y2 <= hi);
            REQUIRE(requant((Rounding)d, 0, M, z, lo, hi) == z);
            const int32_t plain = rounding_is_float((Rounding)d)          ? requant_float(acc, M.f)
                                  : (Rounding)d == ROUNDING_TFLITE_SINGLE ? requant_single(acc, M.m, M.e)
                                                                          : requant_double(acc, M.m, M.e);
            const int64_t want = (int64_t)plain + z;
            REQUIRE(y == (want < lo ? lo : want > hi ? hi : want));
        }
    }
    for (size_t d = 0; d < ROUNDINGS; d++) {
        const Multiplier one = multiplier_make((Rounding)d, 0.3f, 1.0f, 0.3f);
        for (int acc = -128; acc < 128; acc++) REQUIRE(requant((Rounding)d, acc, one, 0, -128, 127) == acc);
        const Multiplier huge = multiplier_make((Rounding)d, 1e30f, 1.0f, 1e-30f);
        REQUIRE(requant((Rounding)d, INT32_MAX, huge, 0, -128, 127) == 127);
        REQUIRE(requant((Rounding)d, INT32_MIN, huge, 0, -128, 127) == -128);
    }
}
END_TEST

START_TEST(scales_multiply_in_the_precision_of_the_dialect)
{
    Rng r = rng_make(4, RNG_TEST, 0);
    int differ = 0;
    for (int i = 0; i < 1000; i++) {
        const float a = 0.01f + rng_uniform(&r), b = 0.01f + rng_uniform(&r), c = 0.01f + rng_uniform(&r);
        const volatile float product = a * b, f = product / c;
        REQUIRE(multiplier_make(ROUNDING_XNNPACK, a, b, c).f == f);
        const Multiplier M = multiplier_make(ROUNDING_TFLITE_SINGLE, a, b, c);
        const double exact = (double)a * (double)b / (double)c;
        REQUIRE(fabs(ldexp((double)M.m, M.e - 31) / exact - 1.0) <= 0x1p-31);
        differ += (double)f != exact;
    }
    REQUIRE(differ > 500);
}
END_TEST

/* ---- add --------------------------------------------------------------------------------------------------------- */

/* As ONNX Runtime adds uint8 codes, in long double until a fused multiply-add rounds. */
static int add_reals_spelled_out(const float s[3], const int z[3], int lo, int hi, int q1, int q2)
{
    const float r1 = s[0] / s[2], r2 = s[1] / s[2], last = r2 * (float)(z[1] + 128);
    const float product = (float)((long double)r1 * (z[0] + 128) + (long double)last);
    const float offset = (float)(z[2] + 128) - product;
    const float with_b = (float)((long double)r2 * (q2 + 128) + (long double)offset);
    const double y = half_even((double)(float)((long double)r1 * (q1 + 128) + (long double)with_b)) - 128;
    return (int)(y < lo ? lo : y > hi ? hi : y);
}

static int add_spelled_out(Rounding d, const float s[3], const int z[3], int lo, int hi, int q1, int q2)
{
    int64_t y;
    if (d == ROUNDING_ONNXRUNTIME) return add_reals_spelled_out(s, z, lo, hi, q1, q2);
    if (d == ROUNDING_XNNPACK) {
        const float r1 = s[0] / s[2], r2 = s[1] / s[2];
        const int sh = 20 - (int)floor(log2((double)fmaxf(r1, r2)));
        const int64_t A = (int64_t)half_even(ldexp((double)r1, sh)), B = (int64_t)half_even(ldexp((double)r2, sh));
        y = (A * q1 + B * q2 + (1ll << (sh - 1)) - A * z[0] - B * z[1]) >> sh;
    } else {
        const double T = 2.0 * (double)fmaxf(s[0], s[1]);
        const double M[3] = {(double)s[0] / T, (double)s[1] / T, T / ((double)s[2] * 1048576.0)};
        int32_t m[3];
        int e[3];
        for (int k = 0; k < 3; k++) quantize_multiplier(M[k], &m[k], &e[k]);
        int64_t sum = 0;
        const int x[2] = {q1 - z[0], q2 - z[1]};
        for (int k = 0; k < 2; k++)
            sum += d == ROUNDING_TFLITE_SINGLE ? single_reference(x[k] * 1048576, m[k], e[k])
                                               : double_reference(x[k] * 1048576, m[k], e[k]);
        y = d == ROUNDING_TFLITE_SINGLE ? single_reference((int32_t)sum, m[2], e[2])
                                        : double_reference((int32_t)sum, m[2], e[2]);
    }
    y += z[2];
    return (int)(y < lo ? lo : y > hi ? hi : y);
}

START_TEST(add_is_the_published_integer_formula_and_near_the_real_one)
{
    Rng r = rng_make(5, RNG_TEST, 0);
    for (int i = 0; i < TRIALS / 4; i++) {
        float s[3];
        int z[3];
        for (int k = 0; k < 3; k++) {
            s[k] = (float)random_multiplier(&r, -6, -2);
            z[k] = (int)rng_below(&r, 256) - 128;
        }
        const int q1 = (int)rng_below(&r, 256) - 128, q2 = (int)rng_below(&r, 256) - 128;
        const int lo = rng_below(&r, 2) ? -128 : z[2], hi = 127;
        const double exact = (double)z[2] + ((double)s[0] * (q1 - z[0]) + (double)s[1] * (q2 - z[1])) / (double)s[2];
        const double clipped = fmin(fmax(exact, lo), hi);
        for (size_t d = 0; d < ROUNDINGS; d++) {
            AddParams p;
            REQUIRE(add_params_make((Rounding)d, s[0], z[0], s[1], z[1], s[2], z[2], lo, hi, &p));
            const int y = requant_add(&p, q1, q2);
            REQUIRE(y == add_spelled_out((Rounding)d, s, z, lo, hi, q1, q2));
            REQUIRE(fabs(y - clipped) <= 1.0);
        }
    }
}
END_TEST

START_TEST(add_refuses_scales_it_cannot_represent)
{
    AddParams p;
    for (int swap = 0; swap < 2; swap++) {
        const float one = 0.5f, low = 0x1p-12f, ok = 0x1p-11f, high = 0x1p7f;
        const Rounding x = ROUNDING_XNNPACK;
        REQUIRE(!add_params_make(x, swap ? one : low, 0, swap ? low : one, 0, 0.5f, 0, -128, 127, &p));
        REQUIRE(add_params_make(x, swap ? one : ok, 0, swap ? ok : one, 0, 0.5f, 0, -128, 127, &p));
        REQUIRE(!add_params_make(x, swap ? one : high, 0, swap ? high : one, 0, 0.5f, 0, -128, 127, &p));
    }
    for (size_t d = 1; d < 3; d++) {
        REQUIRE(add_params_make((Rounding)d, 0x1p18f, 0, 1.0f, 0, 1.0f, 0, -128, 127, &p));
        REQUIRE(!add_params_make((Rounding)d, 0x1p19f, 0, 1.0f, 0, 1.0f, 0, -128, 127, &p));
    }
    /* The corners of what xnnpack accepts: extreme codes, the largest and the smallest ratio. */
    for (int k = -10; k < 8; k++) {
        const float s = nextafterf(ldexpf(1.0f, k + 1), 0.0f);
        REQUIRE(add_params_make(ROUNDING_XNNPACK, s, -128, s, -128, 1.0f, 0, -128, 127, &p));
        REQUIRE(p.shift >= 13 && p.shift <= 30);
        const double want = fmin(127.0, floor(510.0 * (double)s + 0.5));
        REQUIRE(fabs(requant_add(&p, 127, 127) - want) <= 1.0);
    }
}
END_TEST

/* ---- average, bias ----------------------------------------------------------------------------------------------- */

START_TEST(average_rounds_half_away_from_zero)
{
    for (int count = 1; count <= 49; count++)
        for (int sum = -128 * count; sum <= 127 * count; sum++)
            REQUIRE(average_codes(sum, count, -128, 127) == lround((double)sum / count));
    /* Large windows: next to each tie. */
    for (int count = 65500; count <= 65600; count++)
        for (int sum = -128 * count + count / 2; sum <= 127 * count; sum += count)
            for (int off = -2; off <= 2; off++)
                REQUIRE(average_codes(sum + off, count, -128, 127) == lround((double)(sum + off) / count));
    REQUIRE(average_codes(-1000, 10, -5, 127) == -5);
    REQUIRE(average_codes(1000, 10, -5, 17) == 17);
}
END_TEST

START_TEST(bias_is_half_even_on_the_accumulator_grid)
{
    int32_t q = 77;
    REQUIRE(quantize_bias(2.5f, 0.5f, 2.0f, 2, &q) && q == 2);
    REQUIRE(quantize_bias(-3.5f, 0.5f, 2.0f, 4, &q) && q == -4);
    REQUIRE(quantize_bias(0.0f, 1e-30f, 1e-30f, 0, &q) && q == 0);
    REQUIRE(quantize_bias(0x1p30f + 128.0f, 1.0f, 1.0f, INT32_MAX, &q) && q == (1 << 30) + 128);
    q = 77;
    REQUIRE(!quantize_bias(0x1p31f, 1.0f, 1.0f, INT32_MAX, &q));
    REQUIRE(!quantize_bias(-0x1p31f, 1.0f, 1.0f, INT32_MAX, &q));
    REQUIRE(!quantize_bias(-3.5f, 0.5f, 2.0f, 3, &q));
    REQUIRE(!quantize_bias(1.0f, 1e-30f, 1e-30f, INT32_MAX, &q)); /* a product of 0 in float32, not in double */
    REQUIRE(!quantize_bias(NAN, 1.0f, 1.0f, INT32_MAX, &q));
    REQUIRE(!quantize_bias(INFINITY, 1.0f, 1.0f, INT32_MAX, &q));
    REQUIRE(q == 77);
    Rng r = rng_make(6, RNG_TEST, 0);
    for (int i = 0; i < 10000; i++) {
        const float b = rng_normal(&r), s_x = 0.001f + rng_uniform(&r), s_w = 0.001f + rng_uniform(&r);
        REQUIRE(quantize_bias(b, s_x, s_w, INT32_MAX, &q));
        REQUIRE(fabs(q * ((double)s_x * (double)s_w) - (double)b) <= 0.500001 * (double)s_x * (double)s_w);
    }
}
END_TEST

START_TEST(round_small_is_rint)
{
    for (int i = -4000; i <= 4000; i++) REQUIRE(round_small((float)i / 8) == lrintf((float)i / 8));
    Rng r = rng_make(7, RNG_TEST, 0);
    for (int i = 0; i < TRIALS; i++) {
        const float v = (2 * rng_uniform(&r) - 1) * ldexpf(1.0f, (int)rng_below(&r, 23));
        REQUIRE(round_small(v) == lrintf(v));
    }
    REQUIRE(round_small(0x1p22f) == 1 << 22);
    REQUIRE(round_small(-0x1p22f) == -(1 << 22));
}
END_TEST

TEST_MAIN("requant", multipliers_are_the_published_ones, roundings_are_the_published_ones,
          roundings_equal_their_definitions, dialects_differ_by_one_and_as_often_as_known,
          requant_is_monotone_and_stays_in_range, scales_multiply_in_the_precision_of_the_dialect,
          add_is_the_published_integer_formula_and_near_the_real_one, add_refuses_scales_it_cannot_represent,
          average_rounds_half_away_from_zero, bias_is_half_even_on_the_accumulator_grid, round_small_is_rint)
