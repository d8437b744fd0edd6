/* op_conv_int: the integers bit for bit against the formulas, and the gradients by the frozen residual
 * (test_fake_quant.c). */
#include "quant/int_ops.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "tests/support/gradcheck.h"
#include "tests/support/kernel_cases.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"

/* How one convolution is quantized. */
typedef struct {
    const char *quantizer; /* of the output */
    int weight_bits, out_bits;
    bool per_channel, with_u, with_b;
    Activation act;
    Rounding rounding;
} Setting;

static const Setting settings[] = {
    {"observed", 8, 8, true, true, true, {true, INFINITY}, ROUNDING_XNNPACK},
    {"lsq", 8, 8, true, true, true, {false, INFINITY}, ROUNDING_XNNPACK},
    {"lsq", 4, 4, true, true, true, {true, 6.0f}, ROUNDING_XNNPACK},
    {"observed", 8, 8, true, false, true, {false, INFINITY}, ROUNDING_TFLITE_SINGLE},
    {"lsq", 2, 2, true, true, true, {true, INFINITY}, ROUNDING_TFLITE_DOUBLE},
    {"observed", 4, 8, false, false, false, {true, 6.0f}, ROUNDING_TFLITE_SINGLE},
    {"observed", 3, 3, false, false, true, {true, INFINITY}, ROUNDING_TFLITE_DOUBLE},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

typedef struct {
    const Setting *s;
    bool depthwise, dense;
    ConvGeom g;
    long nx, nw, ny;
    int8_t *qx, *qw;
    float *x, *w, *u, *b, *r; /* x, w: what the codes stand for */
    float *sign;
    QuantParams gx, gw;
    Quantizer *out;
    ParamSet params;
    /* The surrogate: conv(x, w) where it was evaluated last, its frozen residuals, and how much the step's gradient may
     * be off because a rounding does not round every value to the nearest. */
    double *conv, *residual, flips;
} Problem;

static long channel_of(const Problem *p, long i) { return p->depthwise ? i % p->g.o : i / (p->nw / p->g.o); }

static void fill_weights(Arena *arena, Problem *p, uint64_t seed)
{
    const int n = p->s->per_channel ? p->g.o : 1, top = (1 << (p->s->weight_bits - 1)) - 1;
    p->gw = (QuantParams){.bits = p->s->weight_bits,
                          .is_signed = true,
                          .qmin = -top,
                          .qmax = top,
                          .axis = p->depthwise ? 3 : 0,
                          .n = n,
                          .scale = ARENA_ARRAY(arena, float, n)};
    for (int i = 0; i < n; i++) p->gw.scale[i] = (0.5f + 0.1f * (float)(i % 5)) / (float)top;
    oracle_fill_codes((size_t)p->nw, seed + 1, p->qw);
    for (long i = 0; i < p->nw; i++) {
        const long o = channel_of(p, i);
        p->qw[i] = (int8_t)(p->qw[i] % (top + 1));
        p->w[i] = p->gw.scale[n == 1 ? 0 : o] * (float)p->qw[i] * (p->sign == NULL ? 1.0f : p->sign[o]);
    }
}

static Problem make(Arena *arena, const KernelCase *kase, const Setting *s, uint64_t seed)
{
    Problem p = {.s = s, .depthwise = kase->depthwise, .g = oracle_geom(kase->g)};
    p.g.n = kase->images;
    p.dense = p.g.h * p.g.w * p.g.kh * p.g.kw == 1;
    p.nx = (long)oracle_input_count(&p.g, p.g.n);
    p.ny = (long)oracle_output_count(&p.g, p.g.n);
    p.nw = (long)oracle_weight_count(&p.g);
    p.qx = ARENA_ARRAY(arena, int8_t, p.nx);
    p.x = ARENA_ARRAY(arena, float, p.nx);
    p.gx = (QuantParams){.bits = 8,
                         .qmin = -128,
                         .qmax = 127,
                         .axis = -1,
                         .n = 1,
                         .zero_point = (int)(seed % 160) - 128,
                         .scale = ARENA_ARRAY(arena, float, 1)};
    p.gx.scale[0] = 0.0137f;
    oracle_fill_codes((size_t)p.nx, seed, p.qx);
    for (long i = 0; i < p.nx; i++) p.x[i] = p.gx.scale[0] * (float)(p.qx[i] - p.gx.zero_point);
    p.qw = ARENA_ARRAY(arena, int8_t, p.nw);
    p.w = ARENA_ARRAY(arena, float, p.nw);
    p.b = random_values(arena, p.g.o, seed + 2);
    if (s->with_u) {
        p.u = random_values(arena, p.g.o, seed + 3);
        p.sign = ARENA_ARRAY(arena, float, p.g.o);
        for (int o = 0; o < p.g.o; o++) {
            p.u[o] = copysignf(0.3f + fabsf(p.u[o]), p.u[o]);
            p.sign[o] = copysignf(1.0f, p.u[o]);
        }
    }
    fill_weights(arena, &p, seed);
    p.r = random_values(arena, p.ny, seed + 4);
    p.conv = ARENA_ARRAY(arena, double, p.ny);
    p.residual = ARENA_ARRAY(arena, double, p.ny);

    const QuantizerSpec spec = {
        .bits = s->out_bits, .type = quantizer_type(s->quantizer), .observer = observer_type("max"), .momentum = 1};
    p.out = quantizer_create(arena, &p.params, "conv.out", &spec, (QuantizedTensor){.is_signed = !s->act.relu});
    ck_assert_int_eq(param_set_place(&p.params, arena), STATUS_OK);
    /* A range that the largest outputs overshoot. */
    oracle_conv_forward(&p.g, p.depthwise, p.g.n, p.x, p.w, p.conv, NULL);
    double most = 0.1;
    for (long i = 0; i < p.ny; i++) most = fmax(most, fabs(p.conv[i] * (p.u == NULL ? 1 : (double)p.u[i % p.g.o])));
    quantizer_start(p.out, -0.6f * (float)most, 0.7f * (float)most);
    return p;
}

static Tensor *forward(Problem *p, Tape *t, Tensor *in[4])
{
    const ConvGeom g = {.sh = p->g.sh,
                        .sw = p->g.sw,
                        .dh = p->g.dh,
                        .dw = p->g.dw,
                        .pt = p->g.pt,
                        .pb = p->g.pb,
                        .pl = p->g.pl,
                        .pr = p->g.pr,
                        .groups = p->g.groups};
    const Shape xs = p->dense ? shape_2(p->g.n, p->g.c) : shape_4(p->g.n, p->g.h, p->g.w, p->g.c);
    const Shape ws = p->dense       ? shape_2(p->g.o, p->g.c)
                     : p->depthwise ? shape_4(1, p->g.kh, p->g.kw, p->g.o)
                                    : shape_4(p->g.o, p->g.kh, p->g.kw, p->g.c / p->g.groups);
    in[0] = leaf_codes(t, xs, p->qx, &p->gx, true);
    in[1] = leaf_codes(t, ws, p->qw, &p->gw, true);
    in[1]->x = p->w;
    in[1]->sign = p->sign;
    in[2] = p->u == NULL ? NULL : tape_leaf(t, "u", shape_1(p->g.o), p->u, NULL);
    in[3] = p->s->with_b ? tape_leaf(t, "b", shape_1(p->g.o), p->b, NULL) : NULL;
    for (int i = 2; i < 4; i++)
        if (in[i] != NULL) in[i]->needs_grad = true;
    const ConvIntConfig config = {.kind = p->dense       ? CONV_DENSE
                                          : p->depthwise ? CONV_DEPTHWISE
                                                         : CONV_FULL,
                                  .geom = p->dense ? NULL : &g,
                                  .out = p->out,
                                  .act = p->s->act,
                                  .rounding = p->s->rounding};
    return op_conv_int(t, in[0], in[1], in[2], in[3], &config);
}

/* ---- the integers ------------------------------------------------------------------------------------------------ */

/* M = s_x s_w / s_y applied to an accumulator, as the targets do it, from their documents. */
static int64_t rescale(Rounding rounding, int64_t acc, float s_x, float s_w, float s_y)
{
    if (rounding == ROUNDING_XNNPACK) {
        const float product = (float)acc * ((s_x * s_w) / s_y);
        return (int64_t)rint(fmax(fmin((double)product, 1e6), -1e6));
    }
    int e;
    const double f = frexp((double)s_x * (double)s_w / (double)s_y, &e);
    int64_t m = (int64_t)round(f * 2147483648.0);
    if (m == INT64_C(2147483648)) m /= 2, e++;
    if (e < -31) return 0;
    if (rounding == ROUNDING_TFLITE_SINGLE) return (int64_t)floor(ldexp((double)acc * (double)m, e - 31) + 0.5);
    /* A rounding doubling high multiply, half up; then a rounding shift, half away from zero. */
    const double high = floor(ldexp((double)acc * ldexp(1, e > 0 ? e : 0) * (double)m, -31) + 0.5);
    return (int64_t)round(ldexp(high, e > 0 ? 0 : e));
}

static void check_codes(const Problem *p, const Tensor *y, const char *name)
{
    Arena *arena = arena_create();
    const int shift = p->s->weight_bits < 7 ? 7 - p->s->weight_bits : 0;
    const float s_x = p->gx.scale[0], s_y = y->qp->scale[0];
    const int z = y->qp->zero_point;
    int lo = y->qp->qmin, hi = y->qp->qmax;
    if (p->s->act.relu && z > lo) lo = z;
    if (p->s->act.limit < INFINITY && rintf(p->s->act.limit / s_y) + (float)z < (float)hi)
        hi = z + (int)rintf(p->s->act.limit / s_y);
    int64_t *acc = ARENA_ARRAY(arena, int64_t, p->ny);
    oracle_conv_s8(&p->g, p->depthwise, p->g.n, p->qx, p->gx.zero_point, p->qw, acc);
    long differ = 0;
    for (long i = 0; i < p->ny; i++) {
        const long o = i % p->g.o;
        const float s_w =
            p->gw.scale[p->gw.n == 1 ? 0 : o] * (p->u == NULL ? 1.0f : fabsf(p->u[o])) / (float)(1 << shift);
        const double bias = p->s->with_b ? rint((double)p->b[o] / ((double)s_x * (double)s_w)) : 0;
        const int64_t v = z + rescale(p->s->rounding, acc[i] * (1 << shift) + (int64_t)bias, s_x, s_w, s_y);
        differ += y->codes[i] != (v < lo ? lo : v > hi ? hi : v);
    }
    ck_assert_msg(differ == 0, "%s, %s: %ld of %ld codes differ", name, p->s->quantizer, differ, p->ny);
    arena_destroy(arena);
}

START_TEST(conv_int_codes)
{
    for (int k = 0; k < kernel_case_count; k++)
        for (int s = k % 2; s < SETTINGS; s += 2) {
            Bench b = bench_make();
            Problem p = make(b.owner, &kernel_cases[k], &settings[s], (uint64_t)(17 * k + s));
            Tensor *in[4], *y = forward(&p, b.tape, in);
            ck_assert_msg(y != NULL, "%s: %s", kernel_cases[k].name, b.tape->message);
            check_codes(&p, y, kernel_cases[k].name);
            bench_end(&b);
        }
}
END_TEST

/* ---- the gradients ----------------------------------------------------------------------------------------------- */

/* The surrogate y = s (clip(u conv(x, w) + b) / s + c) of output i, c frozen; `freeze` takes c from the codes
 * instead. */
static double surrogate(Problem *p, long i, double s, const Tensor *freeze)
{
    const long o = i % p->g.o;
    const double bound_lo = p->s->act.relu ? 0 : s * (p->out->qp.qmin - p->out->qp.zero_point);
    const double bound_hi = fmin(s * (p->out->qp.qmax - p->out->qp.zero_point), (double)p->s->act.limit);
    const double real = (p->u == NULL ? 1 : (double)p->u[o]) * p->conv[i] + (p->s->with_b ? (double)p->b[o] : 0);
    const double v = fmin(fmax(real, bound_lo), bound_hi) / s;
    if (freeze != NULL) {
        p->residual[i] = freeze->codes[i] - p->out->qp.zero_point - v;
        if (fabs(p->residual[i]) > 0.4999) p->flips += fabs((double)p->r[i]);
        /* Near a bend differences say nothing: such outputs are left out of the loss. */
        if (fabs(real - bound_lo) < 0.05 * s || fabs(real - bound_hi) < 0.05 * s) p->r[i] = 0;
    }
    return s * (v + p->residual[i]);
}

static double surrogate_loss(Problem *p, double s)
{
    oracle_conv_forward(&p->g, p->depthwise, p->g.n, p->x, p->w, p->conv, NULL);
    double loss = 0;
    for (long i = 0; i < p->ny; i++) loss += (double)p->r[i] * surrogate(p, i, s, NULL);
    return loss;
}

/* A few elements of one operand. */
static void check_operand(Problem *p, const char *name, const char *operand, float *values, const Tensor *t, float h)
{
    if (t == NULL) return;
    const long n = tensor_elements(t), samples = n < 5 ? n : 5;
    const double s = (double)p->out->qp.scale[0];
    double largest = 0;
    for (long i = 0; i < n; i++) largest = fmax(largest, fabs((double)t->dx[i]));
    for (long k = 0; k < samples; k++) {
        const long i = k * n / samples;
        const float before = values[i], up = before + h, down = before - h;
        values[i] = up;
        double want = surrogate_loss(p, s);
        values[i] = down;
        want = (want - surrogate_loss(p, s)) / ((double)up - (double)down);
        values[i] = before;
        ck_assert_msg(fabs(want - (double)t->dx[i]) <= 1e-4 * fmax(largest, fabs(want)) + 1e-5,
                      "%s, %s, %d bits: d%s[%ld] is %g; must be %g", name, p->s->quantizer, p->s->weight_bits, operand,
                      i, (double)t->dx[i], want);
    }
}

static void check_gradients(const KernelCase *kase, const Setting *setting, uint64_t seed)
{
    Bench b = bench_make();
    Problem p = make(b.owner, kase, setting, seed);
    Tensor *in[4], *y = forward(&p, b.tape, in);
    const double s = (double)p.out->qp.scale[0];
    for (long i = 0; i < p.ny; i++) surrogate(&p, i, s, y);
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, p.r)), STATUS_OK);
    check_operand(&p, kase->name, "x", p.x, in[0], 0.001f * (float)s);
    check_operand(&p, kase->name, "w", p.w, in[1], 0.001f * (float)s);
    check_operand(&p, kase->name, "u", p.u, in[2], 0.0005f * (float)s);
    check_operand(&p, kase->name, "b", p.b, in[3], 0.01f * (float)s);
    if (p.out->params > 0) {
        const double h = 1e-6 * s, per_image = (double)p.ny / p.g.n;
        const double scale = sqrt(per_image * (p.out->qp.qmax - p.out->qp.zero_point));
        const double slope = (surrogate_loss(&p, s + h) - surrogate_loss(&p, s - h)) / (2 * h);
        const double want = slope / scale;
        ck_assert_msg(fabs(want - (double)p.out->param[0]->dx[0]) <= 1e-3 * (1 + fabs(want)) + p.flips / scale,
                      "%s, %d bits: the step's gradient is %g; must be %g", kase->name, setting->weight_bits,
                      (double)p.out->param[0]->dx[0], want);
    }
    bench_end(&b);
}

START_TEST(conv_int_gradients)
{
    for (int k = 0; k < kernel_case_count; k++) {
        const ConvGeom g = oracle_geom(kernel_cases[k].g);
        if ((double)oracle_output_count(&g, kernel_cases[k].images) * g.kh * g.kw * g.c / g.groups > 1e6) continue;
        for (int s = k % 2; s < SETTINGS; s += 2)
            check_gradients(&kernel_cases[k], &settings[s], (uint64_t)(31 * k + s));
    }
}
END_TEST
TEST_MAIN("int_ops", conv_int_codes, conv_int_gradients)
