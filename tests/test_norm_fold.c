/* Batch norm as a factor and a shift: its ops, and the fold into integers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quant/channel_sums.h"
#include "quant/int_ops.h"
#include "tests/support/gradcheck.h"
#include "tests/support/suite.h"

enum { C = 5 };

static float running_mean[C] = {0.3f, -0.2f, 0.0f, 1.1f, -0.7f}, running_var[C] = {0.5f, 1.2f, 0.02f, 3.0f, 0.9f};
static BatchNormState state = {.mean = running_mean, .var = running_var, .momentum = 0.1f, .epsilon = 1e-3f};

static Tensor *scale_graph(Tape *t, Tensor *const *in, void *context) { return op_norm_scale(t, in[0], context); }
static Tensor *shift_graph(Tape *t, Tensor *const *in, void *context)
{
    return op_norm_shift(t, in[0], in[1], context);
}
static Tensor *outermost_graph(Tape *t, Tensor *const *in, void *context)
{
    return op_scale_weights(t, in[0], in[1], *(bool *)context);
}
static Tensor *unscale_graph(Tape *t, Tensor *const *in, void *context)
{
    (void)context;
    return op_unscale(t, in[0], in[1]);
}

START_TEST(ops_gradients)
{
    Arena *arena = arena_create();
    bool outermost[] = {true, false};
    float *gamma = random_values(arena, C, 1), *beta = random_values(arena, C, 2), *w = random_values(arena, 225, 3);
    float u[C] = {0.7f, -1.3f, 2.0f, -0.5f, 0.9f};
    const GradCheck cases[] = {{.name = "norm_scale",
                                .inputs = 1,
                                .shape = {shape_1(C)},
                                .x = {gamma},
                                .graph = scale_graph,
                                .context = &state},
                               {.name = "norm_shift",
                                .inputs = 2,
                                .shape = {shape_1(C), shape_1(C)},
                                .x = {u, beta},
                                .graph = shift_graph,
                                .context = &state},
                               {.name = "scale_weights, outermost",
                                .inputs = 2,
                                .shape = {shape_4(C, 3, 3, 5), shape_1(C)},
                                .x = {w, u},
                                .graph = outermost_graph,
                                .context = &outermost[0]},
                               {.name = "scale_weights, innermost",
                                .inputs = 2,
                                .shape = {shape_4(1, 9, 5, C), shape_1(C)},
                                .x = {w, u},
                                .graph = outermost_graph,
                                .context = &outermost[1]},
                               {.name = "unscale",
                                .inputs = 2,
                                .shape = {shape_4(3, 5, 3, C), shape_1(C)},
                                .x = {w, u},
                                .graph = unscale_graph}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) ck_assert_int_eq(gradcheck(&cases[i]), 0);
    arena_destroy(arena);
}
END_TEST

/* u = gamma / sqrt(var + epsilon), b = beta - mean u; u keeps away from 0, and gamma's gradient does not vanish
 * there. */
START_TEST(ops_values)
{
    Bench b = bench_make();
    float gamma[C] = {1, -2, 0, 1e-12f, -0.0f}, beta[C] = {0, 1, 2, 3, 4}, one[C] = {1, 1, 1, 1, 1}, dgamma[C] = {0};
    Tensor *u = op_norm_scale(b.tape, tape_leaf(b.tape, "gamma", shape_1(C), gamma, dgamma), &state);
    const Tensor *shift = op_norm_shift(b.tape, u, tape_leaf(b.tape, "beta", shape_1(C), beta, NULL), &state);
    for (int c = 0; c < C; c++) {
        const double inv = 1 / sqrt((double)running_var[c] + (double)state.epsilon);
        const double want = c < 2 ? (double)gamma[c] * inv : copysign(1e-8, (double)gamma[c]);
        ck_assert_double_eq_tol((double)u->x[c], want, 1e-6 * fabs(want));
        ck_assert_double_eq_tol((double)shift->x[c], (double)beta[c] - (double)running_mean[c] * want, 1e-6);
    }
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, u, one)), STATUS_OK);
    for (int c = 0; c < C; c++)
        ck_assert_double_eq_tol((double)dgamma[c], 1 / sqrt((double)running_var[c] + (double)state.epsilon), 1e-5);
    bench_end(&b);
}
END_TEST

/* ---- the fold ---------------------------------------------------------------------------------------------------- */

/* Per channel, quantizing W and letting the scale absorb u gives the integers of quantizing u W, up to the sign of u,
 * and the scale of the latter.  The product is rounded to float32: a code on the edge between two may fall to either
 * side. */
START_TEST(folding_commutes)
{
    enum { PER = 45 };
    for (int narrow = 0; narrow < 2; narrow++)
        for (int bits = 2; bits <= 8; bits += 2) {
            Bench b = bench_make();
            float *w = random_values(b.owner, C * PER, 5), u[C] = {0.7f, -1.3f, 2.0f, -0.5f, 0.9f}, sign[C];
            for (int c = 0; c < C; c++) sign[c] = copysignf(1.0f, u[c]);
            float *folded = ARENA_ARRAY(b.owner, float, C *PER);
            for (int i = 0; i < C * PER; i++) folded[i] = u[i / PER] * w[i];
            const QuantizerSpec spec = {.bits = bits,
                                        .per_channel = true,
                                        .narrow = narrow == 1,
                                        .symmetric = true,
                                        .type = quantizer_type("observed"),
                                        .observer = observer_type("max"),
                                        .momentum = 1};
            ParamSet params = {0};
            Quantizer *q = quantizer_create(b.owner, &params, "w", &spec,
                                            (QuantizedTensor){.is_weight = true, .channels = C, .axis = 0});
            Quantizer *p = quantizer_create(b.owner, &params, "uw", &spec,
                                            (QuantizedTensor){.is_weight = true, .channels = C, .axis = 0});
            const Tensor *before =
                op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_4(C, 3, 3, 5), w, NULL), q, sign);
            const Tensor *after =
                op_fake_quant_weights(b.tape, tape_leaf(b.tape, "uw", shape_4(C, 3, 3, 5), folded, NULL), p, NULL);
            int differ = 0;
            for (int i = 0; i < C * PER; i++) {
                differ += before->codes[i] != after->codes[i];
                ck_assert_int_le(abs(before->codes[i] - after->codes[i]), 1);
            }
            ck_assert_int_le(differ, 1);
            for (int c = 0; c < C; c++)
                ck_assert_double_eq_tol((double)(q->qp.scale[c] * fabsf(u[c])), (double)p->qp.scale[c],
                                        1e-6 * (double)p->qp.scale[c]);
            bench_end(&b);
        }
}
END_TEST

typedef struct {
    float s_x, s_y, s_w[3], u[3], b[3];
    int8_t codes[12];
    QuantParams x, y, w;
    Tensor weights;
} FoldCase;

static void fold_case(FoldCase *f)
{
    *f = (FoldCase){.s_x = 0.02f,
                    .s_y = 0.05f,
                    .s_w = {0.01f, 0.02f, 0.03f},
                    .u = {0.5f, -2.0f, 1e-8f},
                    .b = {0.31f, -1.7f, 2.0f},
                    .codes = {1, -2, 3, -4, 5, -6, 7, -7, 6, -5, 4, 3}};
    f->x =
        (QuantParams){.bits = 8, .qmin = -128, .qmax = 127, .axis = -1, .n = 1, .scale = &f->s_x, .zero_point = -128};
    f->y = f->x;
    f->y.scale = &f->s_y;
    f->w = (QuantParams){.bits = 4, .is_signed = true, .qmin = -7, .qmax = 7, .axis = 0, .n = 3, .scale = f->s_w};
    f->weights = (Tensor){.shape = shape_2(3, 4), .codes = f->codes, .qp = &f->w};
}

/* weight_scale = s_w |u| / 2^shift, codes << shift, bias = rne(b / (s_x weight_scale)); a channel that cannot move the
 * output by a quarter of a step is dead: its weights are 0, and its bias still gives the right code. */
START_TEST(fold_by_hand)
{
    Arena *arena = arena_create();
    FoldCase f;
    fold_case(&f);
    ConvInt out;
    const Activation relu = {true, INFINITY};
    ck_assert_int_eq(conv_int_fold(arena, "fc", &f.x, &f.weights, f.u, f.b, &f.y, relu, ROUNDING_XNNPACK, true, &out),
                     STATUS_OK);
    ck_assert_int_eq(out.shift, 3);
    for (int o = 0; o < 2; o++) {
        const float scale = f.s_w[o] * fabsf(f.u[o]) / 8.0f;
        ck_assert_double_eq((double)out.weight_scale[o], (double)scale);
        ck_assert_int_eq(out.bias[o], (int)rint((double)f.b[o] / ((double)f.s_x * (double)scale)));
        for (int i = 0; i < 4; i++) ck_assert_int_eq(out.weights[4 * o + i], 8 * f.codes[4 * o + i]);
    }
    for (int i = 8; i < 12; i++) ck_assert_int_eq(out.weights[i], 0);
    for (int d = ROUNDING_XNNPACK; d < ROUNDINGS; d++) {
        ck_assert_int_eq(conv_int_fold(arena, "fc", &f.x, &f.weights, f.u, f.b, &f.y, relu, (Rounding)d, true, &out),
                         STATUS_OK);
        ck_assert_int_eq(requant((Rounding)d, out.bias[2], out.multiplier[2], -128, out.lo, out.hi),
                         -128 + 40); /* 2 / 0.05 */
    }
    arena_destroy(arena);
}
END_TEST

/* Of channel 0. */
static ChannelWeights stored_sums(const ConvInt *out, int count)
{
    ChannelWeights sums = {0, 0};
    for (int i = 0; i < count; i++) {
        sums.magnitude += abs(out->weights[i]);
        sums.total += out->weights[i];
    }
    return sums;
}

START_TEST(fold_refusals)
{
    Arena *arena = arena_create();
    FoldCase f;
    ConvInt out;
    const Activation none = {false, INFINITY};
    fold_case(&f);
    f.b[0] = 1e9f;
    ck_assert_int_eq(conv_int_fold(arena, "fc", &f.x, &f.weights, f.u, f.b, &f.y, none, ROUNDING_XNNPACK, true, &out),
                     STATUS_NUMERIC);
    ck_assert_msg(strstr(status_message(), "fc: channel 0: bias 1e+09 on a grid of") != NULL, "%s", status_message());
    /* In training the bias saturates instead: the step must go on. */
    ck_assert_int_eq(conv_int_fold(arena, "fc", &f.x, &f.weights, f.u, f.b, &f.y, none, ROUNDING_XNNPACK, false, &out),
                     STATUS_OK);
    /* As far as the sums stay in int32: nothing but the products limits it. */
    ck_assert_int_eq(out.bias[0],
                     INT32_MAX - channel_products(stored_sums(&out, 4), f.x.zero_point, f.x.qmin, f.x.qmax));
    fold_case(&f);
    f.u[1] = NAN;
    ck_assert_int_eq(conv_int_fold(arena, "fc", &f.x, &f.weights, f.u, f.b, &f.y, none, ROUNDING_XNNPACK, false, &out),
                     STATUS_NUMERIC);
    ck_assert_msg(strstr(status_message(), "fc: channel 1: ") != NULL &&
                      strstr(status_message(), "must be finite") != NULL,
                  "%s", status_message());
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("norm_fold", ops_gradients, ops_values, folding_commutes, fold_by_hand, fold_refusals)
