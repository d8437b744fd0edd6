/* Laws of the grids at every width, LSQ's worked example, weights with a sign. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "quant/quantizer.h"
#include "tests/support/suite.h"

/* Check writes a mark at every assertion; a loop of a million needs a plain comparison. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) ck_abort_msg("%s", #condition);                                                              \
    } while (0)

typedef struct {
    QuantParams qp;
    float scale, lo, hi;
} Grid;

static Grid grid_make(int bits, bool is_signed, bool narrow)
{
    Grid g = {.qp = {.bits = bits, .is_signed = is_signed, .axis = -1, .n = 1}};
    grid_range(bits, is_signed, narrow, &g.qp.qmin, &g.qp.qmax);
    return g;
}

static int code(const Grid *g, float x)
{
    return quantize_value(x, g->scale, g->qp.zero_point, g->qp.qmin, g->qp.qmax);
}
static float real(const Grid *g, int q) { return g->scale * (float)(q - g->qp.zero_point); }

/* Calls `law` on symmetric and asymmetric grids of random ranges, 2 to 8 bits, signed full and narrow, unsigned. */
static void for_each_grid(void (*law)(const Grid *g, Rng *r))
{
    Rng r = rng_make(1, RNG_TEST, 0);
    for (int bits = QUANT_MIN_BITS; bits <= QUANT_MAX_BITS; bits++)
        for (int kind = 0; kind < 3; kind++)
            for (int asymmetric = 0; asymmetric < 2; asymmetric++)
                for (int trial = 0; trial < 40; trial++) {
                    Grid g = grid_make(bits, kind < 2, kind == 1);
                    const float size = ldexpf(0.5f + rng_uniform(&r), (int)rng_below(&r, 20) - 10);
                    g.lo = -size * rng_uniform(&r) * (float)rng_below(&r, 3);
                    g.hi = size * rng_uniform(&r) * (float)rng_below(&r, 3);
                    if (!asymmetric && kind == 2) g.lo = 0.0f;
                    g.qp.scale = &g.scale;
                    if (asymmetric)
                        grid_asymmetric(g.lo, g.hi, &g.qp);
                    else
                        grid_symmetric(g.lo, g.hi, &g.qp, 0);
                    law(&g, &r);
                }
}

static void codes_survive_a_round_trip(const Grid *g, Rng *r)
{
    (void)r;
    REQUIRE(g->scale > 0.0f && isfinite(g->scale));
    REQUIRE(g->qp.zero_point >= g->qp.qmin && g->qp.zero_point <= g->qp.qmax);
    for (int q = g->qp.qmin; q <= g->qp.qmax; q++) REQUIRE(code(g, real(g, q)) == q);
    REQUIRE(code(g, 0.0f) == g->qp.zero_point && code(g, -0.0f) == g->qp.zero_point);
    REQUIRE(real(g, g->qp.zero_point) == 0.0f);
}

static void values_are_ordered_and_near(const Grid *g, Rng *r)
{
    const float reach = 1.5f * fmaxf(fabsf(g->lo), g->hi) + g->scale;
    for (int i = 0; i < 200; i++) {
        const float a = reach * (2 * rng_uniform(r) - 1), b = reach * (2 * rng_uniform(r) - 1);
        const int qa = code(g, a), qb = code(g, b);
        REQUIRE(a <= b ? qa <= qb : qa >= qb);
        REQUIRE(qa >= g->qp.qmin && qa <= g->qp.qmax);
        if (a >= g->lo && a <= g->hi)
            REQUIRE(fabs((double)a - (double)real(g, qa)) <= 0.50002 * (double)g->scale);
        else if (a < g->lo && a < real(g, g->qp.qmin))
            REQUIRE(qa == g->qp.qmin);
        else if (a > g->hi && a > real(g, g->qp.qmax))
            REQUIRE(qa == g->qp.qmax);
    }
    REQUIRE(code(g, INFINITY) == g->qp.qmax && code(g, -INFINITY) == g->qp.qmin);
    REQUIRE(code(g, FLT_MAX) == g->qp.qmax && code(g, -FLT_MAX) == g->qp.qmin);
    REQUIRE(code(g, NAN) == g->qp.qmin);
}

/* The textbook order, round then clip, in double: equal, because the bounds are integers. */
static void clip_then_round_is_round_then_clip(const Grid *g, Rng *r)
{
    for (int i = 0; i < 200; i++) {
        const float x = (g->hi - g->lo + g->scale) * rng_normal(r);
        const double q = rint((double)(x / g->scale)) + g->qp.zero_point;
        REQUIRE(code(g, x) == (int)fmin(fmax(q, g->qp.qmin), g->qp.qmax));
    }
}

static void tensors_are_their_values(const Grid *g, Rng *r)
{
    enum { N = 133 };
    float x[N], dequantized[N], again[N];
    int8_t codes[N], alone[N];
    for (int i = 0; i < N; i++) x[i] = (g->hi - g->lo + g->scale) * rng_normal(r);
    quantize_tensor(x, N, g->scale, g->qp.zero_point, g->qp.qmin, g->qp.qmax, codes, dequantized);
    quantize_tensor(x, N, g->scale, g->qp.zero_point, g->qp.qmin, g->qp.qmax, alone, NULL);
    dequantize_tensor(codes, N, g->scale, g->qp.zero_point, again);
    for (int i = 0; i < N; i++) {
        REQUIRE(codes[i] == code(g, x[i]) && codes[i] == alone[i]);
        REQUIRE(dequantized[i] == real(g, codes[i]) && dequantized[i] == again[i]);
    }
}

START_TEST(codes_are_idempotent_and_zero_is_exact) { for_each_grid(codes_survive_a_round_trip); }
END_TEST
START_TEST(codes_are_monotone_and_within_half_a_step) { for_each_grid(values_are_ordered_and_near); }
END_TEST
START_TEST(the_two_orders_agree) { for_each_grid(clip_then_round_is_round_then_clip); }
END_TEST
START_TEST(tensors_equal_their_elements) { for_each_grid(tensors_are_their_values); }
END_TEST

START_TEST(ranges_are_those_of_int8_codes)
{
    static const struct {
        int bits;
        bool is_signed, narrow;
        int qmin, qmax;
    } want[] = {
        {8, true, false, -128, 127}, {8, true, true, -127, 127},  {4, true, false, -8, 7},
        {4, true, true, -7, 7},      {2, true, false, -2, 1},     {2, true, true, -1, 1},
        {8, false, true, -128, 127}, {4, false, false, 112, 127}, {2, false, true, 124, 127},
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        int qmin, qmax;
        grid_range(want[i].bits, want[i].is_signed, want[i].narrow, &qmin, &qmax);
        ck_assert_int_eq(qmin, want[i].qmin);
        ck_assert_int_eq(qmax, want[i].qmax);
    }
}
END_TEST

START_TEST(scales_are_the_formulas)
{
    Grid g = grid_make(8, true, true);
    g.qp.scale = &g.scale;
    grid_symmetric(-2.54f, 1.0f, &g.qp, 0);
    ck_assert(g.scale == (float)((double)2.54f / 127) && g.qp.zero_point == 0);
    grid_asymmetric(-1.0f, 3.0f, &g.qp); /* codes -127 .. 127 */
    ck_assert(g.scale == (float)(4.0 / 254) && g.qp.zero_point == -127 + 64);

    g = grid_make(8, false, false);
    g.qp.scale = &g.scale;
    grid_symmetric(0.0f, 5.1f, &g.qp, 0);
    ck_assert(g.scale == (float)((double)5.1f / 255) && g.qp.zero_point == -128);
    grid_asymmetric(2.0f, 6.0f, &g.qp); /* widened to [0, 6] */
    ck_assert(g.scale == (float)(6.0 / 255) && g.qp.zero_point == -128);
    grid_asymmetric(-6.0f, -2.0f, &g.qp); /* and to [-6, 0] */
    ck_assert(g.scale == (float)(6.0 / 255) && g.qp.zero_point == 127);
    grid_asymmetric(0.0f, 1e-20f, &g.qp);
    ck_assert(g.scale == 0x1p-23f && g.qp.zero_point == -128);
    grid_asymmetric(-FLT_MAX, FLT_MAX, &g.qp);
    ck_assert(isfinite((double)g.scale));

    for (int is_signed = 0; is_signed < 2; is_signed++) { /* nothing but zeros */
        g = grid_make(4, is_signed, false);
        g.qp.scale = &g.scale;
        grid_asymmetric(0.0f, 0.0f, &g.qp);
        ck_assert(g.scale == 1.0f && g.qp.zero_point == (is_signed ? 0 : 112));
        g.scale = -1.0f;
        grid_symmetric(0.0f, 0.0f, &g.qp, 0);
        ck_assert(g.scale == 1.0f && g.qp.zero_point == (is_signed ? 0 : 112));
        grid_symmetric(-FLT_TRUE_MIN, FLT_TRUE_MIN, &g.qp, 0);
        ck_assert(g.scale == FLT_MIN);
    }
}
END_TEST

START_TEST(ties_go_to_even)
{
    const float x[] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, 127.5f, -128.5f};
    const int want[] = {0, 2, 2, 0, -2, -2, 126, 127, -128};
    for (int i = 0; i < 9; i++) ck_assert_int_eq(quantize_value(x[i], 1.0f, 0, -128, 127), want[i]);
    ck_assert_int_eq(quantize_value(0.5f, 1.0f, 3, -128, 127), 3); /* rounded before the zero point is added */
    ck_assert_int_eq(quantize_value(1.5f, 1.0f, 3, -128, 127), 5);
}
END_TEST

START_TEST(weights_follow_channel_axis_and_sign)
{
    enum { C = 3, K = 5 };
    float w[C * K], turned[C * K], scale[C] = {0.1f, 0.02f, 0.3f};
    const float sign[C] = {1.0f, -0.7f, -0.0f};
    int8_t codes[C * K], inner[C * K], one[C * K];
    Rng r = rng_make(2, RNG_TEST, 0);
    for (int bits = QUANT_MIN_BITS; bits <= QUANT_MAX_BITS; bits++)
        for (int narrow = 0; narrow < 2; narrow++) {
            QuantParams qp = {.bits = bits, .is_signed = true, .n = C, .scale = scale};
            grid_range(bits, true, narrow, &qp.qmin, &qp.qmax);
            for (int c = 0; c < C; c++)
                for (int k = 0; k < K; k++)
                    turned[k * C + c] = w[c * K + k] = scale[c] * (float)qp.qmax * rng_normal(&r);
            w[K] = turned[1] = 100.0f; /* channel 1: far outside */
            quantize_weights(w, C, K, &qp, sign, codes);
            qp.axis = 3;
            quantize_weights(turned, C, K, &qp, sign, inner);
            for (int c = 0; c < C; c++)
                for (int k = 0; k < K; k++) {
                    const float x = c == 1 ? -w[c * K + k] : w[c * K + k];
                    REQUIRE(codes[c * K + k] == quantize_value(x, scale[c], 0, qp.qmin, qp.qmax));
                    REQUIRE(codes[c * K + k] == inner[k * C + c]);
                }
            ck_assert_int_eq(codes[K], qp.qmin); /* not -qmax: a full range has one code more below */
            qp = (QuantParams){.is_signed = true, .axis = -1, .n = 1, .scale = scale, .qmin = qp.qmin, .qmax = qp.qmax};
            quantize_weights(w, C, K, &qp, NULL, one);
            for (int i = 0; i < C * K; i++) REQUIRE(one[i] == quantize_value(w[i], scale[0], 0, qp.qmin, qp.qmax));
        }
}
END_TEST

START_TEST(lsq_is_the_paper)
{
    const float x[] = {-3.0f, -2.2f, -0.4f, 0.3f, 1.7f, 5.0f}, step = 0.7f;
    double gradient = 0.0;
    for (int i = 0; i < 6; i++) gradient += (double)lsq_step_gradient(x[i] / step, -4.0f, 3.0f);
    ck_assert_double_eq_tol(gradient, -2.1429, 5e-5);
    ck_assert(lsq_step_gradient(-9.0f, -4.0f, 3.0f) == -4.0f && lsq_step_gradient(9.0f, -4.0f, 3.0f) == 3.0f);
    ck_assert(lsq_step_gradient(3.0f, -4.0f, 3.0f) == 0.0f);
    const float mean = (3.0f + 2.2f + 0.4f + 0.3f + 1.7f + 5.0f) / 6.0f;
    ck_assert_double_eq_tol((double)lsq_initial_step(x, 6, 3), 2.0 * (double)mean / sqrt(3.0), 1e-6);
    const float zeros[4] = {0};
    ck_assert(lsq_initial_step(zeros, 4, 7) == 1.0f);

    /* The gradient is that of s * (residual + x/s) with the rounding residual held: a finite difference in s. */
    Rng r = rng_make(3, RNG_TEST, 0);
    for (int i = 0; i < 1000; i++) {
        const double s = 0.1 + (double)rng_uniform(&r), v = 6.0 * (double)rng_normal(&r), lo = -4.0, hi = 3.0, h = 1e-6;
        const double residual = rint(v) - v;
        double xq[2];
        for (int k = 0; k < 2; k++) {
            const double sk = s + (k == 0 ? -h : h), vk = v * s / sk;
            xq[k] = sk * (v < lo ? lo : v > hi ? hi : vk + residual);
        }
        const double want = (xq[1] - xq[0]) / (2 * h);
        REQUIRE(fabs((double)lsq_step_gradient((float)v, -4.0f, 3.0f) - want) < 1e-5);
    }
}
END_TEST

TEST_MAIN("quantizer", codes_are_idempotent_and_zero_is_exact, codes_are_monotone_and_within_half_a_step,
          the_two_orders_agree, tensors_equal_their_elements, ranges_are_those_of_int8_codes, scales_are_the_formulas,
          ties_go_to_even, weights_follow_channel_axis_and_sign, lsq_is_the_paper)
