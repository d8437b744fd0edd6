/* Products of activations: the rounding rules against the definitions, op_multiply by differences, op_multiply_int
 * against both and, by the frozen residual (test_fake_quant.c), its gradients. */
#include <math.h>
#include <string.h>

#include "kernels/requant_multiply.h"
#include "quant/int_ops.h"
#include "tests/support/gradcheck.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"

/* ---- the rule ---------------------------------------------------------------------------------------------------- */

static int want_code(Rounding rounding, const float s[3], int product, int z)
{
    const volatile float ab = s[0] * s[1], M = ab / s[2], scaled = (float)product * M,
                         shifted = scaled + (float)(z + 128);
    if (rounding == ROUNDING_XNNPACK) return (int)fmin(fmax(rint((double)scaled), -512), 512) + z;
    if (rounding == ROUNDING_ONNXRUNTIME) return (int)fmin(fmax(rint((double)shifted), -512), 512) - 128;
    int32_t m;
    int e;
    quantize_multiplier((double)s[0] * (double)s[1] / (double)s[2], &m, &e);
    return z + (rounding == ROUNDING_TFLITE_SINGLE ? requant_single(product, m, e) : requant_double(product, m, e));
}

START_TEST(codes_follow_the_rules)
{
    /* Ordinary scales; ties; the ends of what the float roundings take. */
    static const float scale[][3] = {{0.021f, 0.0173f, 0.03f},
                                     {0.5f, 0.25f, 0.25f},
                                     {0.1f, 0x1p-8f, 0.1f},
                                     {0x1p-8f, 0x1p-8f, 1.0f},
                                     {1.0f, 255.9f, 1.0f}};
    for (int d = 0; d < ROUNDINGS; d++)
        for (int z = -128, k = 0; z <= 127; z += 51, k++) {
            const float *s = scale[k % 5];
            MultiplyParams p;
            ck_assert(multiply_params_make((Rounding)d, s[0], z, s[1], -z - 1, s[2], z, -100, 127, &p));
            int8_t a[256], b[256], y[256];
            int wrong = 0;
            for (int q2 = -128; q2 < 128; q2++) {
                for (int i = 0; i < 256; i++) a[i] = (int8_t)(i - 128), b[i] = (int8_t)q2;
                requant_multiply_rows(&p, 256, a, b, y);
                for (int i = 0; i < 256; i++)
                    wrong += y[i] != clamp_int(want_code((Rounding)d, s, (a[i] - z) * (q2 + z + 1), z), -100, 127);
            }
            ck_assert_msg(wrong == 0, "%s, zero point %d: %d products differ", rounding_names[d], z, wrong);
        }
}
END_TEST

START_TEST(scales_without_numbers_are_refused)
{
    MultiplyParams p;
    for (int d = 0; d < ROUNDINGS; d++) {
        const bool real = rounding_is_float((Rounding)d);
        ck_assert(multiply_params_make((Rounding)d, 1.0f, 0, 255.9f, 0, 1.0f, 0, -128, 127, &p));
        ck_assert_int_eq(multiply_params_make((Rounding)d, 1.0f, 0, 256.0f, 0, 1.0f, 0, -128, 127, &p), !real);
        ck_assert_int_eq(multiply_params_make((Rounding)d, 1.0f, 0, 0x1.fp-17f, 0, 1.0f, 0, -128, 127, &p), !real);
        ck_assert(multiply_params_make((Rounding)d, 1.0f, 0, 0x1p-16f, 0, 1.0f, 0, -128, 127, &p));
        ck_assert(!multiply_params_make((Rounding)d, 1.0f, 0, 0x1p14f, 0, 1.0f, 0, -128, 127, &p));
    }
}
END_TEST

/* ---- floats ------------------------------------------------------------------------------------------------------ */

static Tensor *multiply_graph(Tape *t, Tensor *const *in, void *context)
{
    (void)context;
    return op_multiply(t, in[0], in[1]);
}

/* x (x x): the same tensor on both sides collects both gradients. */
static Tensor *cube_graph(Tape *t, Tensor *const *in, void *context)
{
    (void)context;
    return op_multiply(t, in[0], op_multiply(t, in[0], in[0]));
}

static const Shape shapes[][2] = {{{4, {1, 1, 1, 1}}, {4, {1, 1, 1, 1}}},  {{4, {2, 3, 5, 7}}, {4, {2, 3, 5, 7}}},
                                  {{4, {2, 3, 5, 7}}, {4, {2, 1, 1, 7}}},  {{4, {3, 8, 8, 16}}, {4, {3, 1, 1, 16}}},
                                  {{4, {1, 17, 1, 3}}, {4, {1, 1, 1, 3}}}, {{4, {5, 1, 1, 33}}, {4, {5, 1, 1, 33}}}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static long in_image_of(const Shape *s) { return shape_elements(*s) / s->dim[0]; }

START_TEST(products)
{
    for (int s = 0; s < SHAPES; s++) {
        Bench b = bench_make();
        const Shape *a = &shapes[s][0], *f = &shapes[s][1];
        const long n = shape_elements(*a), each = in_image_of(a), factors = in_image_of(f);
        float *p = random_values(b.owner, n, 1), *q = random_values(b.owner, shape_elements(*f), 2);
        const Tensor *y = op_multiply(b.tape, tape_leaf(b.tape, "a", *a, p, NULL), tape_leaf(b.tape, "b", *f, q, NULL));
        for (long i = 0; i < n; i++) ck_assert(y->x[i] == p[i] * q[i / each * factors + i % factors]);
        GradCheck c = {
            .name = "multiply", .inputs = 2, .shape = {*a, *f}, .x = {p, q}, .graph = multiply_graph, .samples = 30};
        ck_assert_int_eq(gradcheck(&c), 0);
        for (int k = 0; k < 2; k++) {
            c.constant[0] = k == 0, c.constant[1] = k == 1;
            ck_assert_int_eq(gradcheck(&c), 0);
        }
        c = (GradCheck){.name = "cube", .inputs = 1, .shape = {*a}, .x = {p}, .graph = cube_graph, .samples = 30};
        ck_assert_int_eq(gradcheck(&c), 0);
        bench_end(&b);
    }
}
END_TEST

START_TEST(shapes_that_do_not_fit)
{
    static const Shape other[] = {{4, {2, 3, 4, 5}}, {4, {2, 1, 1, 4}}, {4, {1, 1, 1, 5}}, {2, {2, 5}}};
    for (int i = 0; i < 4; i++) {
        Bench b = bench_make();
        float x[2 * 3 * 4 * 5] = {0};
        Tensor *a = tape_leaf(b.tape, "a", (Shape){4, {2, 3, 3, 5}}, x, NULL);
        ck_assert_ptr_null(op_multiply(b.tape, a, tape_leaf(b.tape, "b", other[i], x, NULL)));
        ck_assert_int_eq(b.tape->status, STATUS_SHAPE);
        ck_assert_ptr_nonnull(strstr(b.tape->message, "multiply \"\": [2,3,3,5] by ["));
        bench_end(&b);
    }
}
END_TEST

/* ---- integers ---------------------------------------------------------------------------------------------------- */

enum { N = 3, CELLS = 35, CHANNELS = 5, COUNT = N * CELLS * CHANNELS };

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
    {"lsq", 8, false, {true, INFINITY}, {0.05f, 1.0f / 256}, {-128, -128}, 6.0f},
    {"lsq", 4, false, {true, 6.0f}, {0.08f, 0.04f}, {-128, 12}, 7.5f},
    {"observed", 3, false, {true, 6.0f}, {0.06f, 0.03f}, {-100, 5}, 8.0f},
    {"lsq", 2, true, {false, INFINITY}, {0.03f, 0.05f}, {0, 0}, 3.0f},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

/* d quant(act(real)) / d real and / d step, the residual of the code frozen. */
static void slopes(const Setting *s, const QuantParams *q, double real, int code, double *inside, double *step)
{
    const double scale = (double)q->scale[0], lo = s->act.relu ? 0 : scale * (q->qmin - q->zero_point);
    const double top = scale * (q->qmax - q->zero_point), hi = fmin(top, (double)s->act.limit);
    const double v = fmin(fmax(real, lo), hi) / scale;
    *inside = real > lo && real < hi;
    *step = code - q->zero_point - v;
    if (real > hi && top <= (double)s->act.limit) *step += q->qmax - q->zero_point;
    if (real < lo && !s->act.relu) *step += q->qmin - q->zero_point;
}

static void check_int(const Setting *s, Rounding rounding, bool cell)
{
    Bench b = bench_make();
    int8_t codes[2][COUNT];
    QuantParams grid[2];
    float scale[2];
    Tensor *in[2];
    for (int k = 0; k < 2; k++) {
        scale[k] = s->scale[k];
        grid[k] = (QuantParams){.bits = 8,
                                .qmin = -128,
                                .qmax = 127,
                                .axis = -1,
                                .n = 1,
                                .scale = &scale[k],
                                .zero_point = s->zero_point[k]};
        oracle_fill_codes(COUNT, (uint64_t)k + 7, codes[k]);
        const Shape shape = k == 1 && cell ? shape_4(N, 1, 1, CHANNELS) : shape_4(N, 7, 5, CHANNELS);
        in[k] = leaf_codes(b.tape, shape, codes[k], &grid[k], true);
    }
    ParamSet params = {0};
    const QuantizerSpec spec = {
        .bits = s->bits, .type = quantizer_type(s->quantizer), .observer = observer_type("max"), .momentum = 1};
    Quantizer *out =
        quantizer_create(b.owner, &params, "product.out", &spec, (QuantizedTensor){.is_signed = s->is_signed});
    ck_assert_int_eq(param_set_place(&params, b.owner), STATUS_OK);
    quantizer_start(out, s->is_signed ? -s->range : 0.0f, s->range);
    float *r = random_values(b.owner, COUNT, 5);
    Tensor *y = op_multiply_int(b.tape, in[0], in[1], out, s->act, rounding);
    ck_assert_msg(y != NULL, "%s", b.tape->message);
    const QuantParams *q = y->qp;
    MultiplyParams p;
    int lo, hi;
    activation_clamp(q, s->act, &lo, &hi);
    ck_assert(multiply_params_make(rounding, scale[0], grid[0].zero_point, scale[1], grid[1].zero_point, q->scale[0],
                                   q->zero_point, lo, hi, &p));
    double want[2][COUNT] = {{0}}, step = 0, flips = 0;
    for (int i = 0; i < COUNT; i++) {
        const int j = cell ? i / (CELLS * CHANNELS) * CHANNELS + i % CHANNELS : i;
        const double va = (double)scale[0] * (codes[0][i] - grid[0].zero_point);
        const double vb = (double)scale[1] * (codes[1][j] - grid[1].zero_point);
        ck_assert_int_eq(y->codes[i], requant_multiply(&p, codes[0][i], codes[1][j]));
        const double v = fmin(fmax(va * vb / (double)q->scale[0], lo - q->zero_point), hi - q->zero_point);
        const double off = fabs(y->codes[i] - q->zero_point - v);
        ck_assert_msg(off < (rounding == ROUNDING_TFLITE_DOUBLE ? 1.01 : 0.501), "%g is %d", v,
                      y->codes[i] - q->zero_point);
        double inside, of_step;
        slopes(s, q, va * vb, y->codes[i], &inside, &of_step);
        const double edge = fmin(fabs(va * vb / (double)q->scale[0] - (lo - q->zero_point)),
                                 fabs(va * vb / (double)q->scale[0] - (hi - q->zero_point)));
        if (edge < 1e-3 || (s->act.limit < INFINITY && fabs(va * vb - (double)s->act.limit) < 1e-4)) r[i] = 0;
        if (off > 0.499) flips += fabs((double)r[i]);
        want[0][i] += (double)r[i] * inside * vb;
        want[1][j] += (double)r[i] * inside * va;
        step += (double)r[i] * of_step;
    }
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, r)), STATUS_OK);
    for (int i = 0; i < COUNT; i++) ck_assert_double_eq_tol((double)in[0]->dx[i], want[0][i], 1e-5);
    for (int i = 0; i < (cell ? N * CHANNELS : COUNT); i++)
        ck_assert_double_eq_tol((double)in[1]->dx[i], want[1][i], 1e-4);
    if (out->params > 0) {
        const double norm = sqrt((double)CELLS * CHANNELS * (out->qp.qmax - out->qp.zero_point));
        ck_assert_double_eq_tol((double)out->param[0]->dx[0], step / norm,
                                1e-4 * (1 + fabs(step / norm)) + flips / norm);
    }
    bench_end(&b);
}

START_TEST(integer_products)
{
    for (int s = 0; s < SETTINGS; s++)
        for (int d = 0; d < ROUNDINGS; d++)
            for (int cell = 0; cell < 2; cell++) check_int(&settings[s], (Rounding)d, cell == 1);
}
END_TEST

START_TEST(integer_products_refused)
{
    Bench b = bench_make();
    int8_t codes[CHANNELS] = {0};
    float scale = 1e-5f;
    const QuantParams grid = {.bits = 8, .qmin = -128, .qmax = 127, .axis = -1, .n = 1, .scale = &scale};
    Tensor *x = leaf_codes(b.tape, shape_4(1, 1, 1, CHANNELS), codes, &grid, true);
    ParamSet params = {0};
    const QuantizerSpec spec = {
        .bits = 8, .type = quantizer_type("observed"), .observer = observer_type("max"), .momentum = 1};
    Quantizer *out = quantizer_create(b.owner, &params, "product.out", &spec, (QuantizedTensor){.is_signed = true});
    quantizer_start(out, -1.0f, 1.0f);
    ck_assert_ptr_null(op_multiply_int(b.tape, x, x, out, (Activation){.limit = INFINITY}, ROUNDING_XNNPACK));
    ck_assert_int_eq(b.tape->status, STATUS_NUMERIC);
    ck_assert_msg(strstr(b.tape->message, "product.out: multiplies scales 1e-05 and 1e-05 to ") != NULL &&
                      strstr(b.tape->message, "; xnnpack needs a product's ratio in [2^-16, 2^8)") != NULL,
                  "%s", b.tape->message);
    bench_end(&b);
}
END_TEST

TEST_MAIN("multiply", codes_follow_the_rules, scales_without_numbers_are_refused, products, shapes_that_do_not_fit,
          integer_products, integer_products_refused)
