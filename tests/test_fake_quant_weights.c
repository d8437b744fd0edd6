/* op_fake_quant_weights: codes, and gradients by the frozen residual, as tests/test_fake_quant.c has them of outputs, for
 * every quantizer, layout and granularity. */
#include "tests/support/gradcheck.h"

#include <math.h>
#include <string.h>

#include "quant/fake_quant.h"
#include "quant/split_weights.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"
#include "tests/support/surrogate.h"

enum { OUTERMOST, INNERMOST, DENSE, LAYOUTS };

static const Shape layouts[] = {{4, {5, 3, 3, 7}}, {4, {1, 3, 3, 5}}, {2, {5, 11}}};

typedef struct {
    Arena *arena;
    Quantizer *q;
    float *w, *r, *dw, **param;
    const float *sign;
    const Tensor *y;
    int layout;
    long n;
    ChannelView by;
} Weights;

enum { CHANNELS = 5, SCALES = 160 };

/* Zero points, a scale for so many weights, for a layer in floats. */
typedef struct {
    bool affine;
    int group;
    bool in_floats;
} Split;

static long channel_of(const Weights *w, long i)
{
    return w->layout == INNERMOST ? i % CHANNELS : i / (w->n / CHANNELS);
}

static double sign_of(const Weights *w, long i) { return w->sign == NULL ? 1 : (double)w->sign[channel_of(w, i)]; }

/* One weight's surrogate, of w times the channel's sign. */
static double weight_value(const Weights *w, const QuantizerRun *run, double residual, long i, double x)
{
    return sign_of(w, i) * surrogate_value(w->q, run, w->param, residual, sign_of(w, i) * x);
}

static void compare_weight(const Weights *w, const QuantizerRun *run, double residual, long i)
{
    const double h = 1e-3 * (double)run->scale, x = (double)w->w[i], here = weight_value(w, run, residual, i, x);
    const double above = (weight_value(w, run, residual, i, x + h) - here) / h;
    const double below = (here - weight_value(w, run, residual, i, x - h)) / h;
    if (fabs(above - below) > 0.01) return; /* a bound of the grid */
    const double slope = (double)w->r[i] * (above + below) / 2;
    ck_assert_msg(fabs(slope - (double)w->dw[i]) < 1e-3 * (1 + fabs(slope)), "%s: dw[%ld] is %g; must be %g",
                  w->q->type->name, i, (double)w->dw[i], slope);
}

static void compare_weights(const Weights *w)
{
    const Quantizer *q = w->q;
    double dp[QUANTIZER_PARAMS][SCALES] = {{0}};
    ck_assert_int_le(q->qp.n, SCALES);
    for (long i = 0; i < w->n; i++) {
        const int c = (int)weight_scale_at(&q->qp, &w->by, i), zero = grid_zero(&q->qp, c);
        QuantizerRun run = surrogate_run(q, c, q->qp.scale[c], surrogate_sharing(q, &w->by, c));
        const double sigma = sign_of(w, i), s = (double)run.scale, x = sigma * (double)w->w[i],
                     code = surrogate_code(q, &w->by, w->y, i);
        const double lo = q->qp.qmin - zero, hi = q->qp.qmax - zero;
        run.dy_sign = sigma * (double)w->r[i] < 0 ? -1 : 1;
        run.place = x;
        const double residual = code - surrogate_value(q, &run, w->param, 0, x) / s;
        ck_assert(code >= lo && code <= hi);
        if (q->type->quantize == NULL)
            ck_assert_msg(fabs(code - fmin(fmax(x / s, lo), hi)) <= 0.5 + 1e-4, "%s: code %g of %g", q->type->name,
                          code, x / s);
        ck_assert_double_eq_tol((double)w->y->x[i], sigma * s * code, 1e-6 * fabs(s * q->qp.qmax));
        compare_weight(w, &run, residual, i);
        for (int k = 0; k < q->params; k++) {
            const double part = surrogate_slope(q, &run, w->param, k, 2e-6f, residual, x);
            dp[k][q->param[k]->count > 1 ? c : 0] += (double)w->r[i] * sigma * part * surrogate_scale(q, &run, k);
        }
    }
    for (int k = 0; k < q->params; k++)
        for (int c = 0; c < q->param[k]->count; c++)
            ck_assert_msg(fabs(dp[k][c] - (double)q->param[k]->dx[c]) < 1e-3 * (1 + fabs(dp[k][c])),
                          "%s: parameter %d, scale %d: %g; must be %g", q->type->name, k, c, (double)q->param[k]->dx[c],
                          dp[k][c]);
}

static void check_split(const char *type, int bits, bool per_channel, bool narrow, int layout, bool with_sign,
                        Split split)
{
    static const float signs[] = {1, -1, -1, 1, -1};
    Bench b = bench_make();
    Tape *t = b.tape;
    ParamSet params = {0};
    const Shape shape = layouts[layout];
    const long n = shape_elements(shape);
    const QuantizerSpec spec = {.bits = bits,
                                .per_channel = per_channel,
                                .narrow = narrow && !split.affine,
                                .symmetric = !split.affine,
                                .affine = split.affine,
                                .group = split.group,
                                .type = quantizer_type(type),
                                .observer = observer_type("max"),
                                .momentum = 1};
    Quantizer *q = quantizer_create(b.owner, &params, "w", &spec,
                                    (QuantizedTensor){.is_weight = true,
                                                      .channels = CHANNELS,
                                                      .axis = layout == INNERMOST ? 3 : 0,
                                                      .inputs = (int)(n / CHANNELS),
                                                      .in_floats = split.in_floats});
    ck_assert_msg(q != NULL, "%s", status_message());
    ck_assert_int_eq(param_set_place(&params, b.owner), STATUS_OK);
    Weights w = {.arena = b.owner,
                 .q = q,
                 .w = random_values(b.owner, n, 31),
                 .r = random_values(b.owner, n, 32),
                 .dw = ARENA_ARRAY(b.owner, float, n),
                 .sign = with_sign ? signs : NULL,
                 .layout = layout,
                 .n = n,
                 .by = channel_view(shape, layout != INNERMOST)};
    ck_assert_msg(op_fake_quant_weights(t, tape_leaf(t, "w", shape, w.w, w.dw), q, w.sign) != NULL, "%s", t->message);
    for (int k = 0; k < q->params; k++) /* a start may lie on a weight, where the surrogate has a kink */
        for (int c = 0; c < q->param[k]->count; c++) q->param[k]->x[c] *= 0.97f;
    Tensor *out = op_fake_quant_weights(t, tape_leaf(t, "w", shape, w.w, w.dw), q, w.sign);
    ck_assert_msg(out != NULL, "%s", t->message);
    w.y = held(t, out);
    w.param = surrogate_params(b.owner, q);
    ck_assert_int_eq(tape_backward(t, weighted_sum(t, out, w.r)), STATUS_OK);
    compare_weights(&w);
    bench_end(&b);
}

static void check_weights(const char *type, int bits, bool per_channel, bool narrow, int layout, bool with_sign)
{
    check_split(type, bits, per_channel, narrow, layout, with_sign, (Split){0});
}

/* Zero points and groups, of every type that can have them, in integers and in floats. */
START_TEST(split_frozen_residual)
{
    static const int widths[] = {2, 4, 6, 8};
    static const Split splits[] = {{true, 0, false}, {true, 0, true},  {false, 4, false},
                                   {false, 7, true}, {true, 4, false}, {true, 9, true}};
    int checked = 0;
    for (const QuantizerType *const *t = quantizer_types; *t != NULL; t++)
        for (size_t k = 0; k < sizeof splits / sizeof splits[0]; k++)
            for (int w = 0; w < 4; w++) {
                const Split split = splits[k];
                if ((split.affine && !(*t)->affine) || (split.group > 0 && !(*t)->groups)) continue;
                if (!split.in_floats && widths[w] > (split.affine && split.group > 0 ? 5 : 6)) continue;
                for (int layout = 0; layout < LAYOUTS; layout++)
                    for (int bit = 0; bit < 4; bit++, checked++)
                        check_split((*t)->name, widths[w], split.group > 0 || (bit & 1), bit & 2, layout,
                                    (split.group > 0 || (bit & 1)) && (bit & 2), split);
            }
    ck_assert_int_ge(checked, 200);
}
END_TEST

START_TEST(weights_frozen_residual)
{
    static const int widths[] = {1, 2, 3, 4, 8};
    for (const QuantizerType *const *t = quantizer_types; *t != NULL; t++)
        for (int w = 0; w < 5 && ((*t)->uses & QUANTIZES_WEIGHTS) != 0; w++) {
            const int least = (*t)->least_bits > 0 ? (*t)->least_bits : QUANT_MIN_BITS;
            if (widths[w] < least || ((*t)->most_bits > 0 && widths[w] > (*t)->most_bits)) continue;
            for (int layout = 0; layout < LAYOUTS; layout++)
                for (int bit = 0; bit < 8; bit++)
                    check_weights((*t)->name, widths[w], bit & 1, bit & 2, layout, bit & 4);
        }
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

/* Channels {1, 3} and {-4, 0}: means 2 and -2, deviations 1 and 2, so that they reach 5 and 8.  In powers of two. */
START_TEST(starts_reach_three_deviations)
{
    static const struct {
        const char *type;
        int bits;
        double scale[2];
    } cases[] = {{"lsq_plus", 4, {5.0 / 8, 8.0 / 8}},
                 {"lsq_plus", 2, {5.0 / 2, 8.0 / 2}},
                 {"tqt", 4, {8.0 / 8, 8.0 / 8}},
                 {"tqt", 8, {8.0 / 128, 8.0 / 128}}};
    for (int k = 0; k < 4; k++) {
        Bench b = bench_make();
        ParamSet params = {0};
        const QuantizerSpec spec = {.bits = cases[k].bits,
                                    .per_channel = true,
                                    .symmetric = true,
                                    .type = quantizer_type(cases[k].type),
                                    .observer = observer_type("max"),
                                    .momentum = 1};
        Quantizer *q = quantizer_create(b.owner, &params, "w", &spec,
                                        (QuantizedTensor){.is_weight = true, .channels = 2, .axis = 0});
        ck_assert_int_eq(param_set_place(&params, b.owner), STATUS_OK);
        float w[] = {1.0f, 3.0f, -4.0f, 0.0f};
        ck_assert(op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(2, 2), w, NULL), q, NULL) != NULL);
        for (int c = 0; c < 2; c++)
            ck_assert_msg(fabs((double)q->qp.scale[c] - cases[k].scale[c]) < 1e-6, "%s of %d bits: %g", cases[k].type,
                          cases[k].bits, (double)q->qp.scale[c]);
        bench_end(&b);
    }
}
END_TEST

TEST_MAIN("fake_quant_weights", weights_frozen_residual, split_frozen_residual, weights_follow, weights_not_finite,
          weights_searched_once, starts_reach_three_deviations)
