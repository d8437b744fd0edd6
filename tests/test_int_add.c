/* op_add_int, op_concat_int and op_requant_int: the integers against the formulas in double, the gradients by the
 * frozen residual (test_fake_quant.c). */
#include <math.h>
#include <string.h>

#include "quant/int_ops.h"
#include "tests/support/gradcheck.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"

enum { N = 3, ROWS = 35, CHANNELS = 5, COUNT = N * ROWS * CHANNELS, PER_IMAGE = COUNT / N };

typedef struct {
    const char *quantizer;
    int bits;
    bool is_signed;
    Activation act;
    float scale[2];
    int zero_point[2];
    float range; /* of the output */
} Setting;

static const Setting settings[] = {
    {"observed", 8, true, {false, INFINITY}, {0.021f, 0.034f}, {3, -17}, 4.0f},
    {"lsq", 8, false, {true, INFINITY}, {0.05f, 0.011f}, {-128, 0}, 6.0f},
    {"lsq", 4, false, {true, 6.0f}, {0.04f, 0.04f}, {-128, 12}, 7.5f},
    {"lsq", 2, true, {false, INFINITY}, {0.03f, 0.05f}, {0, 0}, 3.0f},
    {"observed", 3, false, {true, 6.0f}, {0.06f, 0.03f}, {-100, 5}, 8.0f},
    {"lsq", 8, true, {false, INFINITY}, {0.001f, 0.3f}, {1, 2}, 20.0f}, /* scales far apart */
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

typedef struct {
    int8_t codes[2][COUNT];
    QuantParams grid[2];
    float scale[2];
    ParamSet params;
    Quantizer *out;
    float *r;
    double flips; /* see test_int_ops.c */
} Problem;

static Problem *make(Arena *arena, const Setting *s, long outputs, uint64_t seed)
{
    Problem *p = ARENA_ARRAY(arena, Problem, 1);
    for (int i = 0; i < 2; i++) {
        oracle_fill_codes(COUNT, seed + (uint64_t)i, p->codes[i]);
        p->scale[i] = s->scale[i];
        p->grid[i] = (QuantParams){.bits = 8,
                                   .qmin = -128,
                                   .qmax = 127,
                                   .axis = -1,
                                   .n = 1,
                                   .scale = &p->scale[i],
                                   .zero_point = s->zero_point[i]};
    }
    const QuantizerSpec spec = {
        .bits = s->bits, .type = quantizer_type(s->quantizer), .observer = observer_type("max"), .momentum = 1};
    p->out = quantizer_create(arena, &p->params, "sum.out", &spec, (QuantizedTensor){.is_signed = s->is_signed});
    ck_assert_int_eq(param_set_place(&p->params, arena), STATUS_OK);
    quantizer_start(p->out, s->is_signed ? -s->range : 0.0f, s->range);
    p->r = random_values(arena, outputs, seed + 5);
    return p;
}

/* quant(act(real)) and its two derivatives, the residual of the code frozen. */
typedef struct {
    double inside, step;
    bool near_kink;
} Slope;

static Slope slope(const Problem *p, const Setting *s, double real, int code)
{
    const QuantParams *q = &p->out->qp;
    const double scale = (double)q->scale[0], lo = s->act.relu ? 0 : scale * (q->qmin - q->zero_point);
    const double top = scale * (q->qmax - q->zero_point), hi = fmin(top, (double)s->act.limit);
    const double v = fmin(fmax(real, lo), hi) / scale, residual = code - q->zero_point - v;
    Slope d = {.inside = real > lo && real < hi, .step = residual};
    d.near_kink = fabs(real - lo) < 1e-3 * scale || fabs(real - hi) < 1e-3 * scale;
    if (real > hi && top <= (double)s->act.limit) d.step += q->qmax - q->zero_point;
    if (real < lo && !s->act.relu) d.step += q->qmin - q->zero_point;
    return d;
}

static double code_value(const Problem *p, int input, long i)
{
    return (double)p->scale[input] * (p->codes[input][i] - p->grid[input].zero_point);
}

static void check_step(const Problem *p, double sum, long per_image)
{
    if (p->out->params == 0) return;
    const double scale = sqrt((double)per_image * (p->out->qp.qmax - p->out->qp.zero_point)), want = sum / scale;
    ck_assert_msg(fabs((double)p->out->param[0]->dx[0] - want) <= 1e-4 * (1 + fabs(want)) + p->flips / scale,
                  "the step's gradient is %g; must be %g", (double)p->out->param[0]->dx[0], want);
}

static void check_add(const Setting *s, Rounding rounding, uint64_t seed)
{
    Bench b = bench_make();
    Problem *p = make(b.owner, s, COUNT, seed);
    const Shape shape = shape_4(N, 7, 5, CHANNELS);
    Tensor *in[2];
    for (int i = 0; i < 2; i++) in[i] = leaf_codes(b.tape, shape, p->codes[i], &p->grid[i], true);
    Tensor *y = op_add_int(b.tape, in[0], in[1], p->out, s->act, rounding);
    ck_assert_msg(y != NULL, "%s", b.tape->message);
    AddParams add;
    int lo, hi;
    const QuantParams *q = y->qp;
    activation_clamp(q, s->act, &lo, &hi);
    ck_assert(add_params_make(rounding, s->scale[0], s->zero_point[0], s->scale[1], s->zero_point[1], q->scale[0],
                              q->zero_point, lo, hi, &add));
    double want[COUNT], step = 0;
    for (long i = 0; i < COUNT; i++) {
        /* The rounding's own rounding, and that it is one of the real sum. */
        const double real = code_value(p, 0, i) + code_value(p, 1, i);
        ck_assert_int_eq(y->codes[i], requant_add(&add, p->codes[0][i], p->codes[1][i]));
        const double v = fmin(fmax(real / (double)q->scale[0], lo - q->zero_point), hi - q->zero_point);
        ck_assert_msg(fabs(y->codes[i] - q->zero_point - v) < 0.52, "%d bits: %g is %d", s->bits, v,
                      y->codes[i] - q->zero_point);
        const Slope d = slope(p, s, real, y->codes[i]);
        if (d.near_kink) p->r[i] = 0;
        if (fabs(y->codes[i] - q->zero_point - v) > 0.499) p->flips += fabs((double)p->r[i]);
        want[i] = (double)p->r[i] * d.inside;
        step += (double)p->r[i] * d.step;
    }
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, p->r)), STATUS_OK);
    for (long i = 0; i < COUNT; i++)
        for (int k = 0; k < 2; k++) ck_assert_double_eq_tol((double)in[k]->dx[i], want[i], 1e-7);
    check_step(p, step, PER_IMAGE);
    bench_end(&b);
}

START_TEST(add_int)
{
    for (int s = 0; s < SETTINGS; s++)
        for (int d = ROUNDING_XNNPACK; d < ROUNDINGS; d++) check_add(&settings[s], (Rounding)d, 10 * (uint64_t)s);
}
END_TEST

/* Scales that a rounding cannot add are refused with the numbers. */
START_TEST(add_refused)
{
    Bench b = bench_make();
    Setting s = settings[0];
    s.scale[0] = 1e-6f;
    Problem *p = make(b.owner, &s, COUNT, 1);
    Tensor *in[2];
    for (int i = 0; i < 2; i++) in[i] = leaf_codes(b.tape, shape_4(N, 7, 5, CHANNELS), p->codes[i], &p->grid[i], true);
    ck_assert_ptr_null(op_add_int(b.tape, in[0], in[1], p->out, s.act, ROUNDING_XNNPACK));
    ck_assert_int_eq(b.tape->status, STATUS_NUMERIC);
    ck_assert_msg(strstr(b.tape->message, "sum.out: adds scales 1e-06 and 0.034 to ") != NULL &&
                      strstr(b.tape->message, "; xnnpack needs ratios in [2^-10, 2^8)") != NULL,
                  "%s", b.tape->message);
    bench_end(&b);
}
END_TEST

/* Two roundings of a multiplier near 1, and a multiplier of 8 fractional bits, may move a value by one. */
static double half_width(Rounding rounding)
{
    return rounding == ROUNDING_TFLITE_DOUBLE || rounding == ROUNDING_XNNPACK ? 1.01 : 0.501;
}

static void check_concat(const Setting *s, Rounding rounding, uint64_t seed, bool same_grid)
{
    Bench b = bench_make();
    Problem *p = make(b.owner, s, 2 * COUNT, seed);
    const Activation none = {false, INFINITY};
    Setting plain = *s;
    plain.act = none;
    const QuantParams *q = &p->out->qp;
    if (same_grid) { /* the second input lies on the output's grid: copied */
        p->scale[1] = q->scale[0];
        p->grid[1].zero_point = q->zero_point;
    }
    Tensor *in[2];
    for (int i = 0; i < 2; i++) in[i] = leaf_codes(b.tape, shape_4(N, 7, 5, CHANNELS), p->codes[i], &p->grid[i], true);
    Tensor *y = op_concat_int(b.tape, 2, in, p->out, rounding);
    ck_assert_msg(y != NULL, "%s", b.tape->message);
    ck_assert(shape_equal(y->shape, shape_4(N, 7, 5, 2 * CHANNELS)));
    double want[2][COUNT], step = 0;
    for (int k = 0; k < 2; k++)
        for (long i = 0; i < COUNT; i++) {
            const long j = i / CHANNELS * 2 * CHANNELS + k * CHANNELS + i % CHANNELS;
            const double real = code_value(p, k, i);
            const double v = fmin(fmax(real / (double)q->scale[0], q->qmin - q->zero_point), q->qmax - q->zero_point);
            if (same_grid && k == 1 && s->bits == 8) ck_assert_int_eq(y->codes[j], p->codes[1][i]);
            ck_assert_msg(fabs(y->codes[j] - q->zero_point - v) < half_width(rounding), "%d bits: %g is %d", s->bits, v,
                          y->codes[j] - q->zero_point);
            const Slope d = slope(p, &plain, real, y->codes[j]);
            if (d.near_kink) p->r[j] = 0;
            if (fabs(y->codes[j] - q->zero_point - v) > 0.499) p->flips += fabs((double)p->r[j]);
            want[k][i] = (double)p->r[j] * d.inside;
            step += (double)p->r[j] * d.step;
        }
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, p->r)), STATUS_OK);
    for (long i = 0; i < COUNT; i++)
        for (int k = 0; k < 2; k++) ck_assert_double_eq_tol((double)in[k]->dx[i], want[k][i], 1e-7);
    check_step(p, step, 2 * PER_IMAGE);
    bench_end(&b);
}

START_TEST(concat_int)
{
    for (int s = 0; s < SETTINGS; s++)
        for (int d = ROUNDING_XNNPACK; d < ROUNDINGS; d++)
            for (int same = 0; same < 2; same++) check_concat(&settings[s], (Rounding)d, 100 * (uint64_t)s, same == 1);
}
END_TEST

static void check_requant(const Setting *s, Rounding rounding, int input, uint64_t seed)
{
    Bench b = bench_make();
    Problem *p = make(b.owner, s, COUNT, seed);
    Tensor *x = leaf_codes(b.tape, shape_4(N, 7, 5, CHANNELS), p->codes[input], &p->grid[input], true);
    Tensor *y = op_requant_int(b.tape, x, p->out, s->act, rounding);
    ck_assert_msg(y != NULL, "%s", b.tape->message);
    const QuantParams *q = &p->out->qp;
    int lo, hi;
    activation_clamp(q, s->act, &lo, &hi);
    double want[COUNT], step = 0;
    for (long i = 0; i < COUNT; i++) {
        const double real = code_value(p, input, i);
        const double v = fmin(fmax(real / (double)q->scale[0], lo - q->zero_point), hi - q->zero_point);
        ck_assert_int_ge(y->codes[i], lo);
        ck_assert_int_le(y->codes[i], hi);
        ck_assert_msg(fabs(y->codes[i] - q->zero_point - v) < half_width(rounding), "%d bits: %g is %d", s->bits, v,
                      y->codes[i] - q->zero_point);
        const Slope d = slope(p, s, real, y->codes[i]);
        if (d.near_kink) p->r[i] = 0;
        if (fabs(y->codes[i] - q->zero_point - v) > 0.499) p->flips += fabs((double)p->r[i]);
        want[i] = (double)p->r[i] * d.inside;
        step += (double)p->r[i] * d.step;
    }
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, p->r)), STATUS_OK);
    for (long i = 0; i < COUNT; i++) ck_assert_double_eq_tol((double)x->dx[i], want[i], 1e-7);
    check_step(p, step, PER_IMAGE);
    bench_end(&b);
}

START_TEST(requant_int)
{
    for (int s = 0; s < SETTINGS; s++)
        for (int d = ROUNDING_XNNPACK; d < ROUNDINGS; d++)
            for (int input = 0; input < 2; input++)
                check_requant(&settings[s], (Rounding)d, input, 1000 + 10 * (uint64_t)s);
}
END_TEST

START_TEST(rescaling_refused)
{
    for (int concat = 0; concat < 2; concat++) {
        Bench b = bench_make();
        Setting s = settings[0];
        s.scale[0] = 1e-6f;
        Problem *p = make(b.owner, &s, 2 * COUNT, 1);
        Tensor *in[2];
        for (int i = 0; i < 2; i++)
            in[i] = leaf_codes(b.tape, shape_4(N, 7, 5, CHANNELS), p->codes[i], &p->grid[i], true);
        ck_assert_ptr_null(concat ? op_concat_int(b.tape, 2, in, p->out, ROUNDING_XNNPACK)
                                  : op_requant_int(b.tape, in[0], p->out, s.act, ROUNDING_XNNPACK));
        ck_assert_int_eq(b.tape->status, STATUS_NUMERIC);
        ck_assert_msg(strstr(b.tape->message, "sum.out: rescales 1e-06 to ") != NULL &&
                          strstr(b.tape->message, "; xnnpack needs a ratio in [2^-8, 2^7]") != NULL,
                      "%s", b.tape->message);
        bench_end(&b);
    }
}
END_TEST

TEST_MAIN("int_add", add_int, add_refused, concat_int, requant_int, rescaling_refused)
