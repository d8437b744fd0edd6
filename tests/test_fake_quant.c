/* op_fake_quant: codes by the formula, and gradients by the frozen residual; weights: tests/test_fake_quant_weights.c.
 *
 * A straight-through estimator claims to be the gradient of a surrogate.  With the rounding residual c = rne(v) - v
 * frozen at the base point, rne(v) becomes v + c, which has an ordinary derivative: it is differentiated here, in
 * double, and compared, for every quantizer.
 */
#include "tests/support/gradcheck.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "quant/fake_quant.h"
#include "tests/support/conformance.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"
#include "tests/support/surrogate.h"

enum { N = 3, PER_IMAGE = 7 * 5 * 3, COUNT = N * PER_IMAGE };

/* Not 6, at which a grid of powers of two may end as well. */
static const Activation NONE = {false, INFINITY}, RELU = {true, INFINITY}, CAPPED = {true, 5.9f};

/* A quantizer with a given range, as calibration leaves it. */
static Quantizer *quantizer(Arena *arena, ParamSet *params, const char *type, int bits, bool is_signed, float lo,
                            float hi)
{
    const QuantizerSpec spec = {.bits = bits,
                                .narrow = true,
                                .type = quantizer_type(type),
                                .observer = observer_type("ema_minmax"),
                                .momentum = 0.5,
                                .percentile = 99.9};
    Quantizer *q = quantizer_create(arena, params, "q.out", &spec, (QuantizedTensor){.is_signed = is_signed});
    ck_assert_int_eq(param_set_place(params, arena), STATUS_OK);
    quantizer_start(q, lo, hi);
    return q;
}

/* An output's values, activation and gradient, and what the surrogate needs to be quant(act(x)) in double: the residual of
 * each value, frozen. */
typedef struct {
    Activation act;
    const Quantizer *q;
    const float *x, *r;
    double residual[COUNT];
} Values;

static double act(const Values *v, double x) { return fmin(v->act.relu ? fmax(x, 0) : x, (double)v->act.limit); }

static QuantizerRun run_at(const Values *v, long i)
{
    QuantizerRun run = surrogate_run(v->q, 0, v->q->qp.scale[0], PER_IMAGE);
    run.dy_sign = v->r[i] < 0 ? -1 : 1;
    run.place = act(v, (double)v->x[i]);
    return run;
}

static double value(const Values *v, float *const *param, long i, double x)
{
    const QuantizerRun run = run_at(v, i);
    return surrogate_value(v->q, &run, param, v->residual[i], act(v, x));
}

/* Is x near a place where the surrogate bends?  There differences say nothing. */
static bool near_kink(const Values *v, double x)
{
    const QuantParams *qp = &v->q->qp;
    const double s = (double)qp->scale[0], h = 0.02 * s;
    return fabs(x - s * (qp->qmin - qp->zero_point)) < h || fabs(x - s * (qp->qmax - qp->zero_point)) < h ||
           ((v->act.relu || grid_is_signs(qp)) && fabs(x) < h) || fabs(x - (double)v->act.limit) < h;
}

/* The codes are the nearest ones; the residuals are what the surrogate lacks of them. */
static void check_codes(Values *v, float *const *param, const Tensor *y, const char *what)
{
    const QuantParams *qp = &v->q->qp;
    const double s = (double)qp->scale[0];
    for (long i = 0; i < COUNT; i++) {
        const double real = s * (y->codes[i] - qp->zero_point), x = act(v, (double)v->x[i]) / s;
        const double nearest = grid_is_signs(qp)
                                   ? (x < 0 ? -1 : 1)
                                   : rint(fmin(fmax(x, qp->qmin - qp->zero_point), qp->qmax - qp->zero_point));
        ck_assert_int_ge(y->codes[i], qp->qmin);
        ck_assert_int_le(y->codes[i], qp->qmax);
        ck_assert_msg(fabs(real - s * nearest) < 1e-6 * fabs(real) + 1e-9, "%s: %g gives %g", what, (double)v->x[i],
                      real);
        v->residual[i] = 0;
        v->residual[i] = (real - value(v, param, i, (double)v->x[i])) / s;
        ck_assert_double_eq_tol(real, value(v, param, i, (double)v->x[i]), 1e-6 * (1 + fabs(real)));
    }
}

static void check_gradients(const Values *v, float *const *param, const float *dx, const char *what)
{
    const double h = 0.01 * (double)v->q->qp.scale[0];
    for (long i = 0; i < COUNT; i++) {
        const double x = (double)v->x[i], up = value(v, param, i, x + h), down = value(v, param, i, x - h);
        const double slope = (double)v->r[i] * (up - down) / (2 * h);
        ck_assert_msg(fabs(slope - (double)dx[i]) < 1e-5, "%s: dx at %g is %g; must be %g", what, x, (double)dx[i],
                      slope);
    }
    for (int k = 0; k < v->q->params; k++) {
        double slope = 0;
        for (long i = 0; i < COUNT; i++) {
            const QuantizerRun run = run_at(v, i);
            const double at = act(v, (double)v->x[i]), scale = surrogate_scale(v->q, &run, k);
            slope += (double)v->r[i] * scale * surrogate_slope(v->q, &run, param, k, 2e-6f, v->residual[i], at);
        }
        ck_assert_msg(fabs(slope - (double)v->q->param[k]->dx[0]) < 1e-4 * (1 + fabs(slope)),
                      "%s: parameter %d's gradient is %g; must be %g", what, k, (double)v->q->param[k]->dx[0], slope);
    }
}

static void check(const char *type, int bits, bool is_signed, Activation a, float lo, float hi, uint64_t seed)
{
    Bench b = bench_make();
    Tape *t = b.tape;
    ParamSet params = {0};
    Quantizer *q = quantizer(b.owner, &params, type, bits, is_signed, lo, hi);
    q->type->prepare(q, NULL);
    const char *what = arena_printf(b.owner, "%s, %d bits", type, bits);
    float *x = random_values(b.owner, COUNT, seed), *r = random_values(b.owner, COUNT, seed + 1);
    Values v = {.act = a, .q = q, .x = x, .r = r};
    const float reach = 1.3f * fmaxf(fabsf(lo), hi);
    for (long i = 0; i < COUNT; i++) {
        x[i] *= reach;
        if (near_kink(&v, (double)x[i])) x[i] += 0.05f * q->qp.scale[0];
        if (near_kink(&v, (double)x[i])) r[i] = 0;
    }
    float *dx = ARENA_ARRAY(b.owner, float, COUNT), *const *param = surrogate_params(b.owner, q);
    Tensor *y = op_fake_quant(t, tape_leaf(t, "x", shape_4(N, 7, 5, 3), x, dx), q, a, false);
    ck_assert_msg(y != NULL, "%s", t->message);
    check_codes(&v, param, y, what);
    ck_assert_int_eq(tape_backward(t, weighted_sum(t, y, r)), STATUS_OK);
    check_gradients(&v, param, dx, what);
    bench_end(&b);
}

START_TEST(activations_frozen_residual)
{
    static const int widths[] = {2, 3, 4, 8};
    for (int k = 0; quantizer_types[k] != NULL; k++)
        for (int w = 0; w < 4; w++) {
            const char *type = quantizer_types[k]->name;
            const uint64_t seed = (uint64_t)(100 * k + 10 * w);
            const unsigned uses = quantizer_types[k]->uses;
            if ((uses & QUANTIZES_SIGNED) != 0) {
                const int bits = conformance_bits(quantizer_types[k], widths[w]);
                check(type, bits, true, NONE, -1.7f, 2.3f, seed);
                if (quantizer_gives_signs(quantizer_types[k], bits)) continue;
                check(type, bits, true, CAPPED, -2.0f, 8.1f, seed + 8); /* both limits lie inside */
            }
            if ((uses & QUANTIZES_UNSIGNED) == 0) continue;
            check(type, widths[w], false, RELU, 0.0f, 3.1f, seed + 2);
            check(type, widths[w], false, CAPPED, 0.0f, 5.0f, seed + 4); /* the grid ends before the cap*/
            check(type, widths[w], false, CAPPED, 0.0f, 7.7f, seed + 6); /* the cap lies inside*/
        }
}
END_TEST

/* s = 0.7 on [-4, 3], x = {-3, -2.2, -0.4, 0.3, 1.7, 5}, dy = 1: by hand, with the clipping tested before the rounding,
 *   v = {-4.29, -3.14, -0.571, 0.429, 2.43, 7.14}: ds = -4 + 0.1429 - 0.4286 - 0.4286 - 0.4286 + 3 = -2.142857 */
START_TEST(lsq_by_hand)
{
    Bench b = bench_make();
    Tape *t = b.tape;
    ParamSet params = {0};
    QuantizerSpec spec = {.bits = 3, .type = quantizer_type("lsq"), .observer = observer_type("max"), .momentum = 1};
    Quantizer *q = quantizer_create(b.owner, &params, "q", &spec, (QuantizedTensor){.is_signed = true});
    ck_assert_int_eq(q->qp.qmin, -4);
    ck_assert_int_eq(q->qp.qmax, 3);
    ck_assert_int_eq(param_set_place(&params, b.owner), STATUS_OK);
    quantizer_start(q, -2.1f, 2.1f);
    q->param[0]->x[0] = 0.7f;
    float x[] = {-3, -2.2f, -0.4f, 0.3f, 1.7f, 5}, dx[6] = {0}, one[] = {1, 1, 1, 1, 1, 1};
    Tensor *y = op_fake_quant(t, tape_leaf(t, "x", shape_2(1, 6), x, dx), q, NONE, false);
    static const int8_t codes[] = {-4, -3, -1, 0, 2, 3};
    static const float mask[] = {0, 1, 1, 1, 1, 0};
    ck_assert_mem_eq(y->codes, codes, 6);
    ck_assert_int_eq(tape_backward(t, weighted_sum(t, y, one)), STATUS_OK);
    ck_assert_mem_eq(dx, mask, sizeof dx);
    ck_assert_double_eq_tol((double)q->param[0]->dx[0], -2.142857 / sqrt(6.0 * 3), 1e-5);
    bench_end(&b);
}
END_TEST

/* A range that was never seen is refused; learning happens after quantizing and only when asked. */
START_TEST(activations_learn)
{
    Bench b = bench_make();
    Tape *t = b.tape;
    ParamSet params = {0};
    const QuantizerSpec spec = {
        .bits = 8, .type = quantizer_type("observed"), .observer = observer_type("ema_minmax"), .momentum = 0.5};
    Quantizer *q = quantizer_create(b.owner, &params, "conv1.out", &spec, (QuantizedTensor){.is_signed = false});
    float x[] = {-4, 0, 1, 5.1f};
    ck_assert_ptr_null(op_fake_quant(t, tape_leaf(t, "x", shape_2(1, 4), x, NULL), q, RELU, true));
    ck_assert_int_eq(t->status, STATUS_STATE);
    ck_assert_str_eq(t->message, "conv1.out: its range was never observed; calibrate first");
    tape_reset(t, true);
    observer_update_extremes(&q->observer, 0, 2.55f);
    ck_assert_int_eq(quantizer_calibrated(q), STATUS_OK);
    ck_assert_double_eq((double)q->qp.scale[0], (double)(2.55f / 255.0f));

    const Tensor *y = op_fake_quant(t, tape_leaf(t, "x", shape_2(1, 4), x, NULL), q, RELU, true);
    static const int8_t codes[] = {-128, -128, -28, 127};
    ck_assert_mem_eq(y->codes, codes, 4);
    ck_assert_double_eq((double)y->qp->scale[0], (double)(2.55f / 255.0f)); /* the grid of the step, */
    ck_assert_double_eq_tol((double)q->qp.scale[0], 7.65 / 2 / 255, 1e-7);  /* and what was learned from it */
    const float before = q->qp.scale[0];
    x[3] = 50;
    op_fake_quant(t, tape_leaf(t, "x", shape_2(1, 4), x, NULL), q, RELU, false);
    ck_assert_double_eq((double)q->qp.scale[0], (double)before);
    /* Values beyond the activation's limit are seen as the limit. */
    q->observer = observer_make(observer_type("max"), b.owner, 1);
    op_fake_quant(t, tape_leaf(t, "x", shape_2(1, 4), x, NULL), q, CAPPED, true);
    ck_assert_double_eq((double)q->qp.scale[0], (double)(5.9f / 255.0f));
    x[2] = INFINITY;
    op_fake_quant(t, tape_leaf(t, "x", shape_2(1, 4), x, NULL), q, RELU, true);
    ck_assert_int_eq(t->status, STATUS_NUMERIC);
    /* NaN is refused also where nothing is learned: as a code it would hide. */
    tape_reset(t, true);
    x[2] = NAN;
    ck_assert_ptr_null(op_fake_quant(t, tape_leaf(t, "x", shape_2(1, 4), x, NULL), q, RELU, false));
    ck_assert_int_eq(t->status, STATUS_NUMERIC);
    ck_assert_str_eq(t->message, "conv1.out: a value is not finite; finite activations are required");
    bench_end(&b);
}
END_TEST

/* Codes, gradients and what was learned are the same bytes with any number of threads. */
START_TEST(fake_quant_threads)
{
    static const int threads[] = {1, 2, 5};
    for (int type = 0; quantizer_types[type] != NULL; type++) {
        float step = 0, scale = 0, dx0[COUNT];
        const bool is_signed = (quantizer_types[type]->uses & QUANTIZES_SIGNED) != 0;
        if ((quantizer_types[type]->uses & (QUANTIZES_SIGNED | QUANTIZES_UNSIGNED)) == 0) continue;
        for (int k = 0; k < 3; k++) {
            parallel_set_threads(threads[k]);
            Bench b = bench_make();
            ParamSet params = {0};
            Quantizer *q = quantizer(b.owner, &params, quantizer_types[type]->name,
                                     conformance_bits(quantizer_types[type], 4), is_signed, -0.7f, 0.6f);
            float *x = random_values(b.owner, COUNT, 8), *r = random_values(b.owner, COUNT, 9);
            float *dx = ARENA_ARRAY(b.owner, float, COUNT);
            Tensor *y = op_fake_quant(b.tape, tape_leaf(b.tape, "x", shape_2(N, PER_IMAGE), x, dx), q,
                                      is_signed ? NONE : RELU, true);
            ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, r)), STATUS_OK);
            const float learned = q->params == 0 ? 0.0f : q->param[0]->dx[0];
            if (k == 0) step = learned, scale = q->qp.scale[0], memcpy(dx0, dx, sizeof dx0);
            ck_assert(learned == step && q->qp.scale[0] == scale && memcmp(dx, dx0, sizeof dx0) == 0);
            bench_end(&b);
        }
    }
    parallel_set_threads(2);
}
END_TEST

TEST_MAIN("fake_quant", activations_frozen_residual, lsq_by_hand, activations_learn, fake_quant_threads)
