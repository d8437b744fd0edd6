/* Curves: values and slopes, the table that every target computes, its gradient on grids by the frozen residual, and the
 * layer that stands after one which names a curve as its activation. */
#include <math.h>
#include <string.h>

#include "quant/int_ops.h"
#include "tests/support/gradcheck.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"

/* ---- values ------------------------------------------------------------------------------------------------------ */

static double definition(const char *name, double x)
{
    const double gate = 1.0 / (1.0 + exp(-x)), ramp = x < -3 ? 0 : x > 3 ? 1 : x / 6 + 0.5;
    if (strcmp(name, "sigmoid") == 0) return gate;
    if (strcmp(name, "silu") == 0) return x * gate;
    if (strcmp(name, "tanh") == 0) return (exp(2 * x) - 1) / (exp(2 * x) + 1);
    if (strcmp(name, "hard_sigmoid") == 0) return ramp;
    if (strcmp(name, "hard_swish") == 0) return x * ramp;
    ck_abort_msg("%s: no definition here", name);
}

START_TEST(values_and_slopes)
{
    for (int k = 0; k < CURVES; k++) {
        const CurveType *c = &curve_types[k];
        for (double x = -9.01; x < 9; x += 0.07) /* not at 0, where second derivatives may jump */ {
            const double h = 1e-5, difference = (c->value(x + h) - c->value(x - h)) / (2 * h);
            ck_assert_msg(fabs(c->value(x) - definition(c->name, x)) < 1e-12, "%s(%g)", c->name, x);
            ck_assert_msg(fabs(c->slope(x) - difference) < 1e-8, "%s'(%g): %g, by differences %g", c->name, x,
                          c->slope(x), difference);
        }
        for (double x = 1; x < 1e38; x *= 1e4)
            for (int sign = -1; sign <= 1; sign += 2) {
                ck_assert_msg(isfinite(c->value(sign * x)) && isfinite(c->slope(sign * x)), "%s(%g)", c->name,
                              sign * x);
                if (c->range != CURVE_FREE)
                    ck_assert(c->value(sign * x) >= (double)c->lo && c->value(sign * x) <= (double)c->hi);
            }
    }
}
END_TEST

static long double exact(const char *name, long double x)
{
    const long double gate = 1.0L / (1.0L + expl(-x)), ramp = fminl(fmaxl(x + 3.0L, 0.0L), 6.0L) / 6.0L;
    if (strcmp(name, "sigmoid") == 0) return gate;
    if (strcmp(name, "silu") == 0) return x * gate;
    if (strcmp(name, "tanh") == 0) return tanhl(x);
    return strcmp(name, "hard_sigmoid") == 0 ? ramp : x * ramp;
}

enum { FLOATS = 1 << 16, STRIDE = 65521 };

/* Floats of all exponents: the curve's value to the last bit, and the same bits on every machine. */
START_TEST(nearest_floats_everywhere)
{
    static const struct {
        const char *name;
        uint32_t hash;
    } known[CURVES] = {{"hard_swish", 0x222515a8u},
                       {"hard_sigmoid", 0x07fcb1e4u},
                       {"sigmoid", 0xad855cf4u},
                       {"silu", 0x33d2e055u},
                       {"tanh", 0x520340e2u}};
    static float x[FLOATS], y[FLOATS];
    uint32_t bits = 0;
    for (long i = 0; i < FLOATS; i++, bits += STRIDE) memcpy(&x[i], &bits, sizeof bits);
    for (int k = 0; k < CURVES; k++) {
        curve_types[k].values(FLOATS, x, y);
        uint32_t hash = 2166136261u;
        for (long i = 0; i < FLOATS; i++) {
            ck_assert_int_eq(isnan(y[i]) != 0, isnan(x[i]) != 0 || (isinf(x[i]) && isnan(y[i])));
            if (!isfinite(x[i])) continue;
            const long double want = exact(curve_types[k].name, (long double)x[i]);
            ck_assert_msg(fabsl((long double)y[i] - want) <= 0x1.00001p-24L * fabsl(want) + 0x1p-149L, "%s(%a): %a",
                          curve_types[k].name, (double)x[i], (double)y[i]);
            memcpy(&bits, &y[i], sizeof bits);
            hash = (hash ^ bits) * 16777619u;
        }
        ck_assert_str_eq(curve_types[k].name, known[k].name);
        ck_assert_msg(hash == known[k].hash, "%s: %08x", known[k].name, hash);
        /* In place; a negative zero stays one. */
        float again[64];
        memcpy(again, x + FLOATS / 3, sizeof again);
        curve_types[k].values(64, again, again);
        ck_assert_mem_eq(again, y + FLOATS / 3, sizeof again);
        const float zero = -0.0f;
        float at_zero;
        curve_types[k].values(1, &zero, &at_zero);
        ck_assert_int_eq(signbit(at_zero) != 0, (curve_types[k].range == CURVE_FREE) || k == CURVE_INDEX_tanh);
    }
}
END_TEST

static Tensor *curve_graph(Tape *t, Tensor *const *in, void *context) { return op_curve(t, in[0], context); }

START_TEST(floats)
{
    for (int k = 0; k < CURVES; k++) {
        Bench b = bench_make();
        const Shape shape = shape_4(2, 3, 5, 7);
        float *x = values_off_kinks(b.owner, shape_elements(shape), (uint64_t)k, 6.0f, 3.0f, 0.1f);
        const Tensor *y = op_curve(b.tape, tape_leaf(b.tape, "x", shape, x, NULL), &curve_types[k]);
        for (long i = 0; i < shape_elements(shape); i++)
            ck_assert(y->x[i] == (float)curve_types[k].value((double)x[i]));
        const GradCheck c = {.name = curve_types[k].name,
                             .inputs = 1,
                             .shape = {shape},
                             .x = {x},
                             .graph = curve_graph,
                             .context = (void *)(uintptr_t)&curve_types[k],
                             .samples = 60};
        ck_assert_int_eq(gradcheck(&c), 0);
        bench_end(&b);
    }
}
END_TEST

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static QuantParams grid(int bits, bool is_signed, int zero_point, float *scale)
{
    QuantParams qp = {.bits = bits, .is_signed = is_signed, .axis = -1, .n = 1, .scale = scale};
    grid_range(bits, is_signed, false, &qp.qmin, &qp.qmax);
    qp.zero_point = zero_point;
    return qp;
}

START_TEST(grids_are_the_targets_own)
{
    float s = 0;
    QuantParams qp = grid(8, false, 0, &s);
    curve_grid(&curve_types[CURVE_INDEX_sigmoid], &qp);
    ck_assert(s == 1.0f / 256 && qp.zero_point == -128);
    curve_grid(&curve_types[CURVE_INDEX_hard_sigmoid], &qp);
    ck_assert(s == 1.0f / 255 && qp.zero_point == -128);
    qp = grid(8, true, 5, &s);
    curve_grid(&curve_types[CURVE_INDEX_tanh], &qp);
    ck_assert(s == 1.0f / 128 && qp.zero_point == 0);
    qp = grid(4, false, 0, &s);
    curve_grid(&curve_types[CURVE_INDEX_sigmoid], &qp);
    ck_assert(s == 1.0f / 16 && qp.zero_point == 112);
}
END_TEST

START_TEST(every_code_is_the_nearest)
{
    static const struct {
        float x, y;
        int zero_x, zero_y, bits;
        bool is_signed;
    } grids[] = {
        {0.05f, 0.03f, 3, -20, 8, true}, {0.3f, 1.0f / 256, -128, -128, 8, false}, {0.02f, 0.4f, 0, 0, 3, true}};
    for (int k = 0; k < CURVES; k++)
        for (int i = 0; i < 3; i++) {
            float sx = grids[i].x, sy = grids[i].y;
            const QuantParams x = grid(8, true, grids[i].zero_x, &sx);
            const QuantParams y = grid(grids[i].bits, grids[i].is_signed, grids[i].zero_y, &sy);
            int8_t table[256];
            curve_table(&curve_types[k], &x, &y, table);
            for (int q = -128; q < 128; q++) {
                const double real = definition(curve_types[k].name, (double)(sx * (float)(q - x.zero_point)));
                const double v = fmin(fmax(real / (double)sy, y.qmin - y.zero_point), y.qmax - y.zero_point);
                ck_assert(table[q + 128] >= y.qmin && table[q + 128] <= y.qmax);
                ck_assert_msg(fabs(table[q + 128] - y.zero_point - v) <= 0.5 + 1e-9, "%s: code %d is %d for %g",
                              curve_types[k].name, q, table[q + 128], v);
            }
            double steps;
            const CurveType *found = curve_of_table(&x, &y, table, &steps);
            int8_t again[256];
            ck_assert(found != NULL && steps >= 0 && steps <= 0.5);
            curve_table(found, &x, &y, again);
            ck_assert_mem_eq(table, again, sizeof table);
            table[77] = (int8_t)(table[77] == y.qmin ? y.qmax : y.qmin);
            ck_assert_ptr_null(curve_of_table(&x, &y, table, &steps));
        }
}
END_TEST

/* ---- on grids ---------------------------------------------------------------------------------------------------- */

enum { N = 2, CODES = 256, COUNT = N * CODES };

static void check_codes(const CurveType *c, const char *quantizer, int bits, float range)
{
    Bench b = bench_make();
    int8_t codes[COUNT];
    float sx = 0.04f;
    const QuantParams gx = grid(8, true, 10, &sx);
    for (int i = 0; i < COUNT; i++) codes[i] = (int8_t)(i % CODES - 128);
    Tensor *x = leaf_codes(b.tape, shape_4(N, 8, 8, 4), codes, &gx, true);
    ParamSet params = {0};
    const QuantizerSpec spec = {
        .bits = bits, .type = quantizer_type(quantizer), .observer = observer_type("max"), .momentum = 1};
    Quantizer *out = quantizer_create(b.owner, &params, "curve.out", &spec, (QuantizedTensor){.is_signed = true});
    ck_assert_int_eq(param_set_place(&params, b.owner), STATUS_OK);
    quantizer_start(out, -range, range);
    float *r = random_values(b.owner, COUNT, 5);
    Tensor *y = op_curve_int(b.tape, x, c, out, false);
    ck_assert_msg(y != NULL, "%s", b.tape->message);
    const QuantParams *q = y->qp;
    const double lo = q->qmin - q->zero_point, hi = q->qmax - q->zero_point;
    int8_t table[256];
    curve_table(c, &gx, q, table);
    double want[COUNT], step = 0;
    for (int i = 0; i < COUNT; i++) {
        const double real = (double)(sx * (float)(codes[i] - gx.zero_point)), v = c->value(real) / (double)q->scale[0];
        ck_assert_int_eq(y->codes[i], table[codes[i] + 128]);
        if (fabs(v - lo) < 1e-3 || fabs(v - hi) < 1e-3) r[i] = 0;
        want[i] = v > lo && v < hi ? (double)r[i] * c->slope(real) : 0;
        step += (double)r[i] * (v <= lo ? lo : v >= hi ? hi : y->codes[i] - q->zero_point - v);
    }
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, r)), STATUS_OK);
    for (int i = 0; i < COUNT; i++) ck_assert_double_eq_tol((double)x->dx[i], want[i], 1e-6);
    if (out->params > 0) {
        const double norm = sqrt((double)CODES * (out->qp.qmax - out->qp.zero_point));
        ck_assert_double_eq_tol((double)out->param[0]->dx[0], step / norm, 1e-4 * (1 + fabs(step / norm)));
    }
    bench_end(&b);
}

START_TEST(codes_of_tables)
{
    for (int k = 0; k < CURVES; k++) {
        check_codes(&curve_types[k], "observed", 8, 3.0f);
        check_codes(&curve_types[k], "lsq", 8, 0.5f);
        check_codes(&curve_types[k], "lsq", 3, 1.5f);
    }
}
END_TEST

/* Observed: the curve's extremes on the codes that occur, for the next step. */
START_TEST(codes_teach_the_range)
{
    Bench b = bench_make();
    int8_t codes[8] = {-60, 0, 5, 20, 20, 7, -3, 50};
    float sx = 0.1f;
    const QuantParams gx = grid(8, true, 0, &sx);
    ParamSet params = {0};
    const QuantizerSpec spec = {
        .bits = 8, .type = quantizer_type("observed"), .observer = observer_type("minmax"), .momentum = 1};
    Quantizer *out = quantizer_create(b.owner, &params, "curve.out", &spec, (QuantizedTensor){.is_signed = true});
    quantizer_start(out, -1.0f, 1.0f);
    const CurveType *c = &curve_types[CURVE_INDEX_hard_swish];
    const float before = out->qp.scale[0];
    const Tensor *y = op_curve_int(b.tape, leaf_codes(b.tape, shape_4(1, 2, 2, 2), codes, &gx, false), c, out, true);
    ck_assert(y->qp->scale[0] == before);
    ck_assert_double_eq_tol((double)out->observer.min, c->value(-0.3), 1e-5);
    ck_assert_double_eq_tol((double)out->observer.max, c->value(5.0), 1e-5);
    ck_assert(out->qp.scale[0] != before);
    out->fixed = true;
    const float fixed = out->qp.scale[0];
    quantizer_start(out, -9.0f, 9.0f);
    ck_assert(out->qp.scale[0] == fixed);
    bench_end(&b);
}
END_TEST

/* ---- as the activation of a layer -------------------------------------------------------------------------------- */

static const char block[] = "{\"input\":[8,8,3],\"layers\":["
                            "{\"type\":\"conv2d\",\"name\":\"stem\",\"filters\":4,\"kernel\":3,\"batch_norm\":true,"
                            "\"activation\":\"hard_swish\"},"
                            "{\"type\":\"global_avgpool\",\"name\":\"mean\"},"
                            "{\"type\":\"dense\",\"name\":\"squeeze\",\"units\":2,\"activation\":\"relu\"},"
                            "{\"type\":\"dense\",\"name\":\"gate\",\"units\":4,\"activation\":\"hard_sigmoid\"},"
                            "{\"type\":\"multiply\",\"name\":\"scaled\",\"inputs\":[\"stem\",\"gate\"]},"
                            "{\"type\":\"dense\",\"name\":\"logits\",\"units\":3,\"activation\":\"tanh\"}]}";

START_TEST(layers_behind_layers)
{
    Arena *arena = arena_create();
    const Model *m =
        small_model(arena, block,
                    "{\"activations\":{\"bits\":4},\"weights\":{\"bits\":4},\"first_last_bits\":0,"
                    "\"avgpool_input_bits\":0,\"overrides\":[{\"layers\":\"stem\",\"activation_bits\":5}]}",
                    3);
    ck_assert_int_eq(m->layers, 9);
    const int stem = small_layer(m, "stem"), swish = small_layer(m, "stem.hard_swish");
    const int gate = small_layer(m, "gate.hard_sigmoid"), scaled = small_layer(m, "scaled");
    ck_assert_int_eq(m->layer[swish].input[0], stem);
    ck_assert_int_eq(m->layer[small_layer(m, "mean")].input[0], swish);
    ck_assert_int_eq(m->layer[scaled].input[0], swish);
    ck_assert_int_eq(m->layer[scaled].input[1], gate);
    ck_assert_str_eq(m->layer[m->layers - 1].name, "logits.tanh");
    /* What a table reads has 8 bits and a sign; what it gives, the bits that the layer was asked to have. */
    const QuantParams *before = &m->layer[stem].out_q->qp, *after = &m->layer[swish].out_q->qp;
    ck_assert(before->bits == 8 && before->is_signed && after->bits == 5 && after->is_signed);
    const Quantizer *fixed = m->layer[gate].out_q;
    ck_assert(fixed->fixed && fixed->qp.bits == 4 && fixed->qp.scale[0] == 1.0f / 15 && fixed->params == 0);
    const QuantParams *logits = &m->layer[m->layers - 1].out_q->qp;
    ck_assert(logits->bits == 8 && logits->scale[0] == 1.0f / 128 && logits->zero_point == 0);
    arena_destroy(arena);
}
END_TEST

static void refused(Arena *arena, const char *model, const char *words)
{
    Model *m;
    ck_assert_int_ne(small_model_build(arena, model, NULL, &m), STATUS_OK);
    ck_assert_msg(strstr(status_message(), words) != NULL, "%s", status_message());
}

/* Messages count the layers of the config. */
START_TEST(places_in_the_config)
{
    Arena *arena = arena_create();
#define STEM "{\"type\":\"conv2d\",\"name\":\"stem\",\"filters\":4,\"kernel\":1,\"activation\":\"silu\"}"
    refused(arena, "{\"input\":[1,1,3],\"layers\":[" STEM ",{\"type\":\"dense\",\"units\":3,\"inputs\":\"stm\"}]}",
            "model.layers[1].inputs: \"stm\"; must be the name of a layer (did you mean \"stem\"?)");
    refused(arena,
            "{\"input\":[1,1,3],\"layers\":[" STEM ",{\"type\":\"dense\",\"units\":3,\"inputs\":\"stem.silu\"}]}",
            "model.layers[1].inputs: \"stem.silu\"; must be the name of a layer");
    refused(arena, "{\"input\":[1,1,3],\"layers\":[" STEM ",{\"type\":\"dense\",\"units\":3,\"name\":\"stem\"}]}",
            "model.layers[1].name: \"stem\" is also layers[0]'s");
    refused(arena, "{\"input\":[1,1,3],\"layers\":[" STEM ",{\"type\":\"dense\",\"units\":3,\"inputs\":\"input\"}]}",
            "model.layers[0] \"stem\": no layer reads its output");
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("curve", values_and_slopes, nearest_floats_everywhere, floats, grids_are_the_targets_own,
          every_code_is_the_nearest, codes_of_tables, codes_teach_the_range, layers_behind_layers, places_in_the_config)
