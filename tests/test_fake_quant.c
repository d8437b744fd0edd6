/* op_fake_quant and op_fake_quant_weights: codes by the formula, and gradients by the frozen residual.
 *
 * A straight-through estimator claims to be the gradient of a surrogate.  With the rounding residual c = rne(v) - v
 * frozen at the base point, rne(v) becomes v + c, which has an ordinary derivative: it is differentiated here, in
 * double, and compared.  Weights whose type has codes or a gradient of its own: tests/test_layer_grids.c.
 */
#include "tests/support/gradcheck.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "quant/fake_quant.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"
#include "tests/support/surrogate.h"

enum { N = 3, PER_IMAGE = 7 * 5 * 3, COUNT = N * PER_IMAGE };

static const Activation NONE = {false, INFINITY}, RELU = {true, INFINITY}, RELU6 = {true, 6.0f};

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

/* quant(act(x)) in double on the grid {s, z, qmin, qmax}, with the residual of each value frozen, or taken when first
 * seen. */
typedef struct {
    Activation act;
    int qmin, qmax, z;
    bool frozen;
    double residual[COUNT];
} Surrogate;

static double surrogate(Surrogate *q, long i, double x, double s)
{
    if (q->act.relu) x = fmax(x, 0);
    const double v = fmin(fmax(fmin(x, (double)q->act.limit) / s, q->qmin - q->z), q->qmax - q->z);
    if (!q->frozen) q->residual[i] = rint(v) - v;
    return s * (v + q->residual[i]);
}

/* Is x near a place where the surrogate bends?  There differences say nothing. */
static bool near_kink(const Surrogate *q, double x, double s)
{
    const double h = 0.02 * s;
    return fabs(x - s * (q->qmin - q->z)) < h || fabs(x - s * (q->qmax - q->z)) < h || (q->act.relu && fabs(x) < h) ||
           fabs(x - (double)q->act.limit) < h;
}

static void check(const char *type, int bits, bool is_signed, Activation act, float lo, float hi, uint64_t seed)
{
    Bench b = bench_make();
    Tape *t = b.tape;
    ParamSet params = {0};
    Quantizer *q = quantizer(b.owner, &params, type, bits, is_signed, lo, hi);
    const double s = (double)q->qp.scale[0];
    Surrogate want = {.act = act, .qmin = q->qp.qmin, .qmax = q->qp.qmax, .z = q->qp.zero_point};
    float *x = random_values(b.owner, COUNT, seed), *r = random_values(b.owner, COUNT, seed + 1);
    const double reach = 1.3 * fmax(fabs((double)lo), (double)hi);
    for (long i = 0; i < COUNT; i++) {
        x[i] *= (float)reach;
        if (near_kink(&want, (double)x[i], s)) x[i] += 0.05f * (float)s;
        if (near_kink(&want, (double)x[i], s)) r[i] = 0;
    }
    float *dx = ARENA_ARRAY(b.owner, float, COUNT);
    Tensor *y = op_fake_quant(t, tape_leaf(t, "x", shape_4(N, 7, 5, 3), x, dx), q, act, false);
    ck_assert_msg(y != NULL, "%s", t->message);
    double loss = 0;
    double value = 0;
    for (long i = 0; i < COUNT; i++) {
        const double real = s * (y->codes[i] - q->qp.zero_point);
        ck_assert_int_ge(y->codes[i], q->qp.qmin);
        ck_assert_int_le(y->codes[i], q->qp.qmax);
        ck_assert_msg(fabs(real - surrogate(&want, i, (double)x[i], s)) < 1e-6 * fabs(real) + 1e-9,
                      "%s, %d bits: %g gives %g", type, bits, (double)x[i], real);
        value += (double)r[i] * real;
        loss += (double)r[i] * surrogate(&want, i, (double)x[i], s);
    }
    ck_assert_double_eq_tol(value, loss, 1e-5 * (1 + fabs(loss)));

    const int8_t *codes = memcpy(ARENA_ARRAY(b.owner, int8_t, COUNT), y->codes, COUNT);
    ck_assert_int_eq(tape_backward(t, weighted_sum(t, y, r)), STATUS_OK);
    want.frozen = true;
    const double h = 0.01 * s;
    for (long i = 0; i < COUNT; i++) {
        const double up = surrogate(&want, i, (double)x[i] + h, s), down = surrogate(&want, i, (double)x[i] - h, s);
        const double slope = (double)r[i] * (up - down) / (2 * h);
        ck_assert_msg(fabs(slope - (double)dx[i]) < 1e-5, "%s, %d bits: dx at %g is %g; must be %g", type, bits,
                      (double)x[i], (double)dx[i], slope);
    }
    const QuantizerRun run = surrogate_run(q, 0, (float)s, PER_IMAGE);
    for (int k = 0; k < q->params; k++) {
        float p = q->param[k]->x[0], *const param[] = {&p};
        double slope = 0;
        for (long i = 0; i < COUNT; i++) {
            const double at = fmin(act.relu ? fmax((double)x[i], 0) : (double)x[i], (double)act.limit);
            const double c = codes[i] - q->qp.zero_point - surrogate_value(q, &run, param, 0, at) / s;
            slope += (double)r[i] * surrogate_slope(q, &run, param, k, 1e-5f, c, at) * surrogate_scale(q, &run, k);
        }
        ck_assert_msg(fabs(slope - (double)q->param[k]->dx[0]) < 1e-4 * (1 + fabs(slope)),
                      "%s, %d bits: parameter %d's gradient is %g; must be %g", type, bits, k,
                      (double)q->param[k]->dx[0], slope);
    }
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
                check(type, widths[w], true, NONE, -1.7f, 2.3f, seed);
                check(type, widths[w], true, RELU6, -2.0f, 8.1f, seed + 8); /* both limits lie inside */
            }
            if ((uses & QUANTIZES_UNSIGNED) == 0) continue;
            check(type, widths[w], false, RELU, 0.0f, 3.1f, seed + 2);
            check(type, widths[w], false, RELU6, 0.0f, 5.0f, seed + 4); /* the grid ends before the 6 */
            check(type, widths[w], false, RELU6, 0.0f, 7.7f, seed + 6); /* the 6 lies inside           */
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
    op_fake_quant(t, tape_leaf(t, "x", shape_2(1, 4), x, NULL), q, RELU6, true);
    ck_assert_double_eq((double)q->qp.scale[0], (double)(6.0f / 255.0f));
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

/* ---- weights ----------------------------------------------------------------------------------------------------- */

enum { OUTERMOST, INNERMOST, DENSE, LAYOUTS };

static const Shape layouts[] = {{4, {5, 3, 3, 7}}, {4, {1, 3, 3, 5}}, {2, {5, 11}}};

static void check_weights(const char *type, int bits, bool per_channel, bool narrow, int layout, bool with_sign)
{
    enum { CHANNELS = 5 };
    Bench b = bench_make();
    Tape *t = b.tape;
    ParamSet params = {0};
    const Shape shape = layouts[layout];
    const long n = shape_elements(shape);
    const QuantizerSpec spec = {.bits = bits,
                                .per_channel = per_channel,
                                .narrow = narrow,
                                .symmetric = true,
                                .type = quantizer_type(type),
                                .observer = observer_type("max"),
                                .momentum = 1};
    Quantizer *q = quantizer_create(
        b.owner, &params, "w", &spec,
        (QuantizedTensor){.is_weight = true, .channels = CHANNELS, .axis = layout == INNERMOST ? 3 : 0});
    ck_assert_int_eq(param_set_place(&params, b.owner), STATUS_OK);
    float *w = random_values(b.owner, n, 31), *r = random_values(b.owner, n, 32), *dw = ARENA_ARRAY(b.owner, float, n);
    static const float signs[] = {1, -1, -1, 1, -1};
    const float *sign = with_sign ? signs : NULL;
    Tensor *out = op_fake_quant_weights(t, tape_leaf(t, "w", shape, w, dw), q, sign);
    ck_assert_msg(out != NULL, "%s", t->message);
    const Tensor *y = held(t, out);
    ck_assert_int_eq(tape_backward(t, weighted_sum(t, out, r)), STATUS_OK);

    double largest[CHANNELS] = {0}, sum[CHANNELS] = {0}, ds[CHANNELS] = {0};
    long count[CHANNELS] = {0};
    const int lo = q->qp.qmin, hi = q->qp.qmax;
    ck_assert_int_eq(hi, (1 << (bits - 1)) - 1);
    ck_assert_int_eq(lo, narrow ? -hi : -hi - 1);
    for (long i = 0; i < n; i++) {
        const long c = !per_channel ? 0 : layout == INNERMOST ? i % CHANNELS : i / (n / CHANNELS);
        largest[c] = fmax(largest[c], fabs((double)w[i]));
        sum[c] += fabs((double)w[i]);
        count[c]++;
    }
    for (long i = 0; i < n; i++) {
        const long channel = layout == INNERMOST ? i % CHANNELS : i / (n / CHANNELS), c = per_channel ? channel : 0;
        const double sigma = sign == NULL ? 1 : (double)sign[channel], s = (double)q->qp.scale[c];
        const double start = q->params == 0 ? largest[c] / hi : 2 * sum[c] / (double)count[c] / sqrt((double)hi);
        ck_assert_double_eq_tol(s, start, 1e-6 * start);
        /* real = sign * s * code, code = rne(clip(sign * w / s)) */
        const double v = sigma * (double)w[i] / s, clipped = fmin(fmax(v, lo), hi);
        ck_assert_msg(fabs((double)y->codes[i] - clipped) <= 0.5 + 1e-4, "%s: code %d of %g", type, y->codes[i], v);
        ck_assert_double_eq_tol((double)y->x[i], sigma * s * y->codes[i], 1e-6 * fabs(s * hi));
        const bool inside = v >= lo - 1e-5 && v <= hi + 1e-5; /* the largest weight lies on the bound itself */
        if (q->params == 0 || (v > lo + 1e-4 && v < hi - 1e-4) || v < lo - 1e-4 || v > hi + 1e-4)
            ck_assert_double_eq((double)dw[i], (double)(inside ? r[i] : 0));
        /* surrogate sign * s * (clip(v) + c), c = code - clip(v): d/ds = sign * (c inside, the bound outside) */
        ds[c] += (double)r[i] * sigma * (inside ? y->codes[i] - v : clipped);
    }
    for (int c = 0; q->params > 0 && c < q->qp.n; c++) {
        const double want = ds[c] / sqrt((double)count[c] * hi);
        ck_assert_msg(fabs(want - (double)q->param[0]->dx[c]) < 1e-4 * (1 + fabs(want)), "%s: step %d: %g; must be %g",
                      type, c, (double)q->param[0]->dx[c], want);
    }
    bench_end(&b);
}

START_TEST(weights_frozen_residual)
{
    static const int widths[] = {2, 3, 4, 8};
    for (const QuantizerType *const *t = quantizer_types; *t != NULL; t++)
        for (int w = 0;
             w < 4 && ((*t)->uses & QUANTIZES_WEIGHTS) != 0 && (*t)->quantize == NULL && (*t)->backward == NULL; w++)
            for (int layout = 0; layout < LAYOUTS; layout++)
                for (int bit = 0; bit < 8; bit++)
                    check_weights((*t)->name, widths[w], bit & 1, bit & 2, layout, bit & 4);
}
END_TEST

/* The observed scale is the step's own largest weight, whatever the observer saw before. */
START_TEST(weights_follow)
{
    Bench b = bench_make();
    ParamSet params = {0};
    const QuantizerSpec spec = {.bits = 8,
                                .narrow = true,
                                .symmetric = true,
                                .type = quantizer_type("observed"),
                                .observer = observer_type("max"),
                                .momentum = 1};
    Quantizer *q =
        quantizer_create(b.owner, &params, "w", &spec, (QuantizedTensor){.is_weight = true, .channels = 2, .axis = 0});
    float w[] = {1.27f, -0.5f, 0.1f, 0.0f};
    for (int step = 0; step < 3; step++) {
        Tensor *y = op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(2, 2), w, NULL), q, NULL);
        ck_assert_int_eq(y->codes[0], 127);
        ck_assert_double_eq((double)q->qp.scale[0], (double)(w[0] / 127.0f));
        ck_assert(!y->needs_grad);
        w[0] *= 0.5f;
        w[1] *= 0.5f;
    }
    memset(w, 0, sizeof w); /* all zero: scale 1, codes 0 */
    const Tensor *y = op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(2, 2), w, NULL), q, NULL);
    ck_assert_double_eq((double)q->qp.scale[0], 1);
    ck_assert_mem_eq(y->codes, ((const int8_t[]){0, 0, 0, 0}), 4);
    bench_end(&b);
}
END_TEST

/* A NaN or an infinity would become a code like any other: the tape says which weights. */
START_TEST(weights_not_finite)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int k = 0; k < 3; k++) {
        Bench b = bench_make();
        ParamSet params = {0};
        const QuantizerSpec spec = {.bits = 8,
                                    .narrow = true,
                                    .symmetric = true,
                                    .type = quantizer_type("observed"),
                                    .observer = observer_type("max"),
                                    .momentum = 1};
        Quantizer *q = quantizer_create(b.owner, &params, "conv1.weight", &spec,
                                        (QuantizedTensor){.is_weight = true, .channels = 2, .axis = 0});
        float w[] = {1, 2, 3, bad[k]};
        ck_assert_ptr_null(op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(2, 2), w, NULL), q, NULL));
        ck_assert_int_eq(b.tape->status, STATUS_NUMERIC);
        ck_assert_str_eq(b.tape->message, "conv1.weight: a weight is not finite; finite weights are required");
        bench_end(&b);
    }
}
END_TEST

/* The search of a histogram observer is done once; the threshold then stays. */
START_TEST(weights_searched_once)
{
    Bench b = bench_make();
    ParamSet params = {0};
    const QuantizerSpec spec = {.bits = 4,
                                .narrow = true,
                                .symmetric = true,
                                .per_channel = true,
                                .percentile = 99,
                                .type = quantizer_type("observed"),
                                .observer = observer_type("mse"),
                                .momentum = 1};
    Quantizer *q =
        quantizer_create(b.owner, &params, "w", &spec, (QuantizedTensor){.is_weight = true, .channels = 2, .axis = 0});
    float *w = random_values(b.owner, 2000, 4);
    w[0] = 3.0f, w[1500] = -2.0f; /* one outlier in each channel, worth clipping */
    op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(2, 1000), w, NULL), q, NULL);
    const float first[] = {q->qp.scale[0], q->qp.scale[1]};
    ck_assert(first[0] * 7 < 2.0f && first[1] * 7 < 1.7f && first[0] * 7 > 0.8f && first[1] * 7 > 0.8f);
    for (int i = 0; i < 2000; i++) w[i] *= 2.0f;
    op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(2, 1000), w, NULL), q, NULL);
    ck_assert_double_eq((double)q->qp.scale[0], (double)first[0]);
    ck_assert_double_eq((double)q->qp.scale[1], (double)first[1]);
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
            Quantizer *q = quantizer(b.owner, &params, quantizer_types[type]->name, 4, is_signed, -0.7f, 0.6f);
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

TEST_MAIN("fake_quant", activations_frozen_residual, lsq_by_hand, activations_learn, weights_frozen_residual,
          weights_follow, weights_not_finite, weights_searched_once, fake_quant_threads)
