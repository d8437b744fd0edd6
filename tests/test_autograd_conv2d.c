/* op_conv2d, op_depthwise, op_dense: oracle in double and difference quotients over the ragged geometries, on floats,
 * on codes, and on codes by floats. */
#include "tests/support/gradcheck.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "tests/support/kernel_cases.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"

enum { ON_FLOATS, X_CODES, BOTH_CODES, PRECISIONS };

/* A convolution's operands in every form, and what it must give. */
typedef struct {
    const KernelCase *c;
    ConvGeom g;
    long nx, nw, ny;
    Shape xs, ws;
    float *x, *w, *b, *r;
    int8_t *qx, *qw;
    QuantParams gx, gw;
    float *sign;
} Problem;

static Problem make(Arena *arena, const KernelCase *c, uint64_t seed, bool per_channel)
{
    Problem p = {.c = c, .g = oracle_geom(c->g)};
    p.g.n = c->images;
    p.nx = (long)oracle_input_count(&p.g, c->images);
    p.ny = (long)oracle_output_count(&p.g, c->images);
    p.nw = (long)oracle_weight_count(&p.g);
    p.xs = shape_4(c->images, p.g.h, p.g.w, p.g.c);
    p.ws = c->depthwise ? shape_4(1, p.g.kh, p.g.kw, p.g.o) : shape_4(p.g.o, p.g.kh, p.g.kw, p.g.c / p.g.groups);
    p.x = random_values(arena, p.nx, seed);
    p.w = random_values(arena, p.nw, seed + 1);
    p.b = random_values(arena, p.g.o, seed + 2);
    p.r = random_values(arena, p.ny, seed + 3);
    p.qx = ARENA_ARRAY(arena, int8_t, p.nx);
    p.qw = ARENA_ARRAY(arena, int8_t, p.nw);
    oracle_fill_codes((size_t)p.nx, seed, p.qx);
    oracle_fill_codes((size_t)p.nw, seed + 1, p.qw);
    const int n = per_channel ? p.g.o : 1;
    p.gx =
        (QuantParams){.bits = 8, .qmin = -128, .qmax = 127, .axis = -1, .n = 1, .zero_point = (int)(seed % 200) - 100};
    p.gw = (QuantParams){.bits = 8, .is_signed = true, .qmin = -127, .qmax = 127, .axis = c->depthwise ? 3 : 0, .n = n};
    p.gx.scale = ARENA_ARRAY(arena, float, 1);
    p.gx.scale[0] = 0.0123f;
    p.gw.scale = ARENA_ARRAY(arena, float, n);
    for (int i = 0; i < n; i++) p.gw.scale[i] = 0.004f + 0.0007f * (float)(i % 5);
    if (per_channel) p.sign = ARENA_ARRAY(arena, float, n);
    for (int i = 0; per_channel && i < n; i++) p.sign[i] = i % 3 == 1 ? -1.0f : 1.0f;
    return p;
}

static float weight_scale(const Problem *p, long o)
{
    return p->gw.scale[p->gw.n == 1 ? 0 : o] * (p->sign == NULL ? 1.0f : p->sign[o]);
}

static Tensor *convolve(const Problem *p, Tape *t, Tensor *x, Tensor *w, Tensor *b)
{
    const ConvGeom g = {.sh = p->g.sh,
                        .sw = p->g.sw,
                        .dh = p->g.dh,
                        .dw = p->g.dw,
                        .pt = p->g.pt,
                        .pb = p->g.pb,
                        .pl = p->g.pl,
                        .pr = p->g.pr,
                        .groups = p->c->depthwise ? 0 : p->g.groups};
    return p->c->depthwise ? op_depthwise(t, x, w, b, &g) : op_conv2d(t, x, w, b, &g);
}

/* Forward and all three gradients against the oracles. */
static void check_oracle(const KernelCase *kase, uint64_t seed, int precision, bool with_bias)
{
    Bench bench = bench_make();
    Tape *t = bench.tape;
    Problem p = make(bench.owner, kase, seed, seed % 2 == 0);
    const int images = kase->images;
    float *x = p.x, *w = p.w;
    Tensor *tx, *tw, *tb = NULL;
    float *dw = ARENA_ARRAY(bench.owner, float, p.nw), *db = ARENA_ARRAY(bench.owner, float, p.g.o);
    float *dx = ARENA_ARRAY(bench.owner, float, p.nx);
    if (precision == ON_FLOATS) {
        tx = tape_leaf(t, "x", p.xs, p.x, dx);
    } else {
        tx = leaf_codes(t, p.xs, p.qx, &p.gx, true);
        x = ARENA_ARRAY(bench.owner, float, p.nx);
        for (long i = 0; i < p.nx; i++) x[i] = p.gx.scale[0] * (float)(p.qx[i] - p.gx.zero_point);
    }
    if (precision == BOTH_CODES) {
        tw = leaf_codes(t, p.ws, p.qw, &p.gw, true);
        tw->sign = p.sign;
        w = ARENA_ARRAY(bench.owner, float, p.nw);
        for (long i = 0; i < p.nw; i++)
            w[i] = weight_scale(&p, kase->depthwise ? i % p.g.o : i / (p.nw / p.g.o)) * (float)p.qw[i];
    } else {
        tw = tape_leaf(t, "w", p.ws, p.w, dw);
    }
    if (with_bias) tb = tape_leaf(t, "b", shape_1(p.g.o), p.b, db);

    Tensor *y = convolve(&p, t, tx, tw, tb);
    ck_assert_msg(y != NULL, "%s: %s", kase->name, t->message);
    ck_assert_str_eq(shape_text(y->shape).text, shape_text(shape_4(images, p.g.oh, p.g.ow, p.g.o)).text);
    double *want = ARENA_ARRAY(bench.owner, double, p.ny), *size = ARENA_ARRAY(bench.owner, double, p.ny);
    if (precision == BOTH_CODES) {
        int64_t *acc = ARENA_ARRAY(bench.owner, int64_t, p.ny);
        oracle_conv_s8(&p.g, kase->depthwise, images, p.qx, p.gx.zero_point, p.qw, acc);
        for (long i = 0; i < p.ny; i++) {
            const long o = i % p.g.o;
            const float exact = p.gx.scale[0] * weight_scale(&p, o) * (float)acc[i] + (with_bias ? p.b[o] : 0.0f);
            ck_assert_msg(y->x[i] == exact, "%s: output %ld is %.9g; must be %.9g", kase->name, i, (double)y->x[i],
                          (double)exact);
        }
    } else {
        oracle_conv_forward(&p.g, kase->depthwise, images, x, w, want, size);
        for (long i = 0; i < p.ny; i++) {
            if (with_bias) want[i] += (double)p.b[i % p.g.o];
            size[i] += 1;
        }
        ck_assert_msg(oracle_differences((size_t)p.ny, y->x, want, size, 2e-6) == 0, "%s", kase->name);
    }

    ck_assert_int_eq(tape_backward(t, weighted_sum(t, y, p.r)), STATUS_OK);
    const long most = p.nx > p.nw ? p.nx : p.nw;
    double *grad = ARENA_ARRAY(bench.owner, double, most), *reach = ARENA_ARRAY(bench.owner, double, most);
    oracle_conv_backward_data(&p.g, kase->depthwise, images, p.r, w, grad, reach);
    ck_assert_msg(oracle_differences((size_t)p.nx, tx->dx, grad, reach, 2e-6) == 0, "%s: dx", kase->name);
    oracle_conv_backward_weights(&p.g, kase->depthwise, images, x, p.r, grad, reach);
    ck_assert_msg(oracle_differences((size_t)p.nw, tw->dx, grad, reach, 4e-6) == 0, "%s: dw", kase->name);
    for (int o = 0; with_bias && o < p.g.o; o++) {
        double sum = 0, magnitude = 0;
        for (long i = o; i < p.ny; i += p.g.o) sum += (double)p.r[i], magnitude += fabs((double)p.r[i]);
        ck_assert_double_eq_tol((double)db[o], sum, 2e-6 * magnitude + 1e-9);
    }
    bench_end(&bench);
}

START_TEST(conv_oracle)
{
    for (int i = 0; i < kernel_case_count; i++)
        for (int precision = 0; precision < PRECISIONS; precision++)
            check_oracle(&kernel_cases[i], (uint64_t)(10 * i + precision), precision, (i + precision) % 2 == 0);
}
END_TEST

static Tensor *conv_graph(Tape *t, Tensor *const *in, void *context)
{
    return convolve(context, t, in[0], in[1], in[2]);
}

START_TEST(conv_gradients)
{
    for (int i = 0; i < kernel_case_count; i++) {
        Arena *arena = arena_create();
        Problem p = make(arena, &kernel_cases[i], (uint64_t)i + 500, false);
        const GradCheck c = {.name = kernel_cases[i].name,
                             .inputs = 3,
                             .shape = {p.xs, p.ws, shape_1(p.g.o)},
                             .x = {p.x, p.w, p.b},
                             .constant = {i % 5 == 4},
                             .graph = conv_graph,
                             .context = &p,
                             .samples = 6,
                             .h = 0.25f,
                             .tolerance = 2e-4};
        ck_assert_int_eq(gradcheck(&c), 0);
        arena_destroy(arena);
    }
}
END_TEST

static Tensor *dense_graph(Tape *t, Tensor *const *in, void *context)
{
    (void)context;
    return op_dense(t, in[0], in[1], in[2]);
}

/* y[n,o] = b[o] + sum_i x[n,i] w[o,i] */
START_TEST(dense_oracle_and_gradients)
{
    static const int sizes[][3] = {{1, 1, 1}, {3, 15, 16}, {2, 16, 17}, {5, 17, 15}, {33, 31, 10}, {2, 257, 97}};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        const int N = sizes[k][0], I = sizes[k][1], O = sizes[k][2];
        Bench bench = bench_make();
        Tape *t = bench.tape;
        float *x = random_values(bench.owner, (long)N * I, k), *w = random_values(bench.owner, (long)O * I, k + 1);
        float *b = random_values(bench.owner, O, k + 2);
        const Tensor *y = op_dense(t, tape_leaf(t, "x", shape_2(N, I), x, NULL),
                                   tape_leaf(t, "w", shape_2(O, I), w, NULL), tape_leaf(t, "b", shape_1(O), b, NULL));
        for (int n = 0; n < N; n++)
            for (int o = 0; o < O; o++) {
                double sum = (double)b[o], size = fabs(sum);
                for (int i = 0; i < I; i++) {
                    const double term = (double)x[n * I + i] * (double)w[o * I + i];
                    sum += term, size += fabs(term);
                }
                ck_assert_double_eq_tol((double)y->x[n * O + o], sum, 2e-6 * size);
            }
        const GradCheck c = {.name = "dense",
                             .inputs = 3,
                             .shape = {shape_2(N, I), shape_2(O, I), shape_1(O)},
                             .x = {x, w, b},
                             .graph = dense_graph,
                             .samples = 20,
                             .h = 0.25f,
                             .tolerance = 2e-4};
        ck_assert_int_eq(gradcheck(&c), 0);
        bench_end(&bench);
    }
}
END_TEST

/* Outputs and gradients are the same bytes with any number of threads. */
START_TEST(conv_threads)
{
    static const int threads[] = {1, 2, 5};
    for (int i = 0; i < kernel_case_count; i += 3) {
        Bench first = bench_make();
        Problem p = make(first.owner, &kernel_cases[i], 900, true);
        Tensor *in0[3] = {NULL}, *y0 = NULL;
        for (int k = 0; k < 3; k++) {
            Bench other = k == 0 ? first : bench_make();
            parallel_set_threads(threads[k]);
            Tape *t = other.tape;
            Tensor *in[] = {leaf_codes(t, p.xs, p.qx, &p.gx, true), tape_leaf(t, "w", p.ws, p.w, NULL),
                            tape_leaf(t, "b", shape_1(p.g.o), p.b, NULL)};
            in[1]->needs_grad = in[2]->needs_grad = true;
            Tensor *y = convolve(&p, t, in[0], in[1], in[2]);
            Tensor *kept = held(t, y);
            ck_assert_int_eq(tape_backward(t, weighted_sum(t, y, p.r)), STATUS_OK);
            if (k == 0) {
                memcpy(in0, in, sizeof in);
                y0 = kept;
                continue;
            }
            ck_assert_mem_eq(kept->x, y0->x, sizeof(float) * (size_t)p.ny);
            for (int j = 0; j < 3; j++)
                ck_assert_mem_eq(in[j]->dx, in0[j]->dx, sizeof(float) * (size_t)tensor_elements(in[j]));
            bench_end(&other);
        }
        bench_end(&first);
    }
    parallel_set_threads(2);
}
END_TEST

static void refused(const char *part, Shape xs, Shape ws, ConvGeom g)
{
    Bench bench = bench_make();
    Tape *t = bench.tape;
    t->where = "stem";
    Tensor *x = tape_tensor(t, "x", xs), *w = tape_tensor(t, "w", ws);
    ck_assert_ptr_null(op_conv2d(t, x, w, NULL, &g));
    ck_assert_int_eq(t->status, STATUS_SHAPE);
    ck_assert_msg(strstr(t->message, part) != NULL, "%s", t->message);
    ck_assert_ptr_null(op_relu(t, x, INFINITY)); /* later ops do nothing and the first failure stays */
    ck_assert_msg(strstr(t->message, part) != NULL, "%s", t->message);
    bench_end(&bench);
}

START_TEST(conv_refusals)
{
    const ConvGeom g = {.sh = 1, .sw = 1, .dh = 1, .dw = 1, .groups = 1};
    refused("conv2d \"stem\": 3 channels in x", shape_4(1, 5, 5, 3), shape_4(4, 3, 3, 16), g);
    refused("rank 4 is required", shape_2(1, 5), shape_4(4, 3, 3, 16), g);
    refused("the window must fit at least once", shape_4(1, 2, 5, 3), shape_4(4, 3, 3, 3), g);
    ConvGeom grouped = g;
    grouped.groups = 2;
    refused("groups: 2; must divide both the 3 input", shape_4(1, 5, 5, 3), shape_4(4, 3, 3, 1), grouped);
}
END_TEST

TEST_MAIN("autograd_conv2d", conv_oracle, conv_gradients, dense_oracle_and_gradients, conv_threads, conv_refusals)
