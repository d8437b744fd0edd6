/* Fused ops against the composition that is their specification: the outputs and the gradients of tensors bit for bit,
 * sums that the composition takes in another order (bias, learned step) within a bound. */
#include "quant/fake_quant.h"
#include "quant/fused_ops.h"

#include <math.h>
#include <string.h>

#include "tests/support/gradcheck.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"

typedef enum { END_FLOAT, END_OBSERVED, END_LEARNED } End;
typedef enum { NORM_NONE, NORM_RUNNING, NORM_BATCH } NormKind;

typedef struct {
    ConvKind kind;
    int n, h, w, c, o, kernel, stride, pad;
    NormKind norm;
    bool bias, codes; /* codes: x and w lie on grids */
    Activation act;
    End end;
} Case;

/* All that a run leaves behind. */
typedef struct {
    float *y;
    int8_t *codes;
    float *dx, *dw, *db, *dgamma, *dbeta, *mean, *var, step;
    float scale; /* of the output's grid after it learned */
    long ny;
} Outcome;

static const Activation NONE = {false, INFINITY}, RELU = {true, INFINITY}, RELU6 = {true, 6.0f};
static const float SUM_BOUND = 1e-5f; /* of float sums of the same terms in another order, relative */

static Quantizer *output_quantizer(Arena *arena, ParamSet *params, const Case *c)
{
    const QuantizerSpec spec = {.bits = c->end == END_LEARNED ? 3 : 8,
                                .narrow = true,
                                .type = quantizer_type(c->end == END_LEARNED ? "lsq" : "observed"),
                                .observer = observer_type("ema_minmax"),
                                .momentum = 0.5,
                                .percentile = 99.9};
    Quantizer *q = quantizer_create(arena, params, "q.out", &spec, (QuantizedTensor){.is_signed = !c->act.relu});
    ck_assert_int_eq(param_set_place(params, arena), STATUS_OK);
    quantizer_start(q, c->act.relu ? 0.0f : -1.1f, 1.3f);
    return q;
}

static Quantizer *weight_quantizer(Arena *arena, ParamSet *params, const Case *c)
{
    const QuantizerSpec spec = {.bits = 8,
                                .per_channel = true,
                                .narrow = true,
                                .symmetric = true,
                                .type = quantizer_type("observed"),
                                .observer = observer_type("max"),
                                .momentum = 0.5,
                                .percentile = 99.9};
    return quantizer_create(
        arena, params, "q.weight", &spec,
        (QuantizedTensor){.is_weight = true, .channels = c->o, .axis = c->kind == CONV_DEPTHWISE ? 3 : 0});
}

static QuantParams *input_grid(Arena *arena)
{
    QuantParams *qp = ARENA_ARRAY(arena, QuantParams, 1);
    *qp = (QuantParams){.bits = 8, .qmin = -128, .qmax = 127, .axis = -1, .n = 1, .zero_point = -7};
    qp->scale = ARENA_ARRAY(arena, float, 1);
    qp->scale[0] = 0.011f;
    return qp;
}

/* A leaf on that grid, whose gradient is added to dx. */
static Tensor *codes_of(Tape *t, Shape shape, const float *x, float *dx)
{
    const QuantParams *qp = input_grid(t->arena);
    const size_t n = (size_t)shape_elements(shape);
    int8_t *codes = arena_alloc(t->arena, n);
    quantize_tensor(x, n, qp->scale[0], qp->zero_point, qp->qmin, qp->qmax, codes, NULL);
    Tensor *leaf = leaf_codes(t, shape, codes, qp, true);
    leaf->dx = dx;
    return leaf;
}

static float *copy(Arena *arena, const float *x, long n)
{
    return memcpy(arena_alloc(arena, sizeof *x * (size_t)n), x, sizeof *x * (size_t)n);
}

/* The leaves of a case, and what its operations change. */
typedef struct {
    Tensor *x, *w, *bias, *gamma, *beta;
    BatchNormState state;
    ConvGeom geom;
    Quantizer *q; /* of the output, or NULL */
} Parts;

static Parts parts_of(Arena *keep, const Bench *b, ParamSet *params, const Case *c, Outcome *out)
{
    Tape *t = b->tape;
    const bool dense = c->kind == CONV_DENSE;
    const Shape xs = dense ? shape_2(c->n, c->c) : shape_4(c->n, c->h, c->w, c->c);
    const Shape ws = dense                       ? shape_2(c->o, c->c)
                     : c->kind == CONV_DEPTHWISE ? shape_4(1, c->kernel, c->kernel, c->o)
                                                 : shape_4(c->o, c->kernel, c->kernel, c->c);
    const long nx = shape_elements(xs), nw = shape_elements(ws), O = c->o;
    Quantizer *weight_q = c->codes ? weight_quantizer(b->owner, params, c) : NULL;
    Parts p = {.q = c->end == END_FLOAT ? NULL : output_quantizer(b->owner, params, c),
               .geom = {.sh = c->stride,
                        .sw = c->stride,
                        .dh = 1,
                        .dw = 1,
                        .pt = c->pad,
                        .pb = c->pad,
                        .pl = c->pad,
                        .pr = c->pad,
                        .groups = 1}};
    if (p.q == NULL) ck_assert_int_eq(param_set_place(params, b->owner), STATUS_OK);
    out->dx = ARENA_ARRAY(keep, float, nx), out->dw = ARENA_ARRAY(keep, float, nw);
    out->db = ARENA_ARRAY(keep, float, O), out->dgamma = ARENA_ARRAY(keep, float, O);
    out->dbeta = ARENA_ARRAY(keep, float, O);

    const float *values = random_values(b->owner, nx, 1);
    p.x = c->codes ? codes_of(t, xs, values, out->dx) : tape_leaf(t, "x", xs, (float *)(uintptr_t)values, out->dx);
    if (!c->codes) p.x = op_relu(t, p.x, 0.9f); /* its gradient is made by the op under test */
    p.w = tape_leaf(t, "w", ws, random_values(b->owner, nw, 2), out->dw);
    if (c->codes) p.w = op_fake_quant_weights(t, p.w, weight_q, NULL);
    if (c->bias) p.bias = tape_leaf(t, "b", shape_1(c->o), random_values(b->owner, O, 3), out->db);
    out->mean = copy(keep, random_values(b->owner, O, 6), O);
    out->var = ARENA_ARRAY(keep, float, O);
    for (int o = 0; o < O; o++) out->var[o] = 0.7f + 0.01f * (float)o;
    p.state = (BatchNormState){.mean = out->mean, .var = out->var, .momentum = 0.1f, .epsilon = 1e-5f};
    if (c->norm == NORM_NONE) return p;
    p.gamma = tape_leaf(t, "gamma", shape_1(c->o), random_values(b->owner, O, 4), out->dgamma);
    p.beta = tape_leaf(t, "beta", shape_1(c->o), random_values(b->owner, O, 5), out->dbeta);
    return p;
}

static Tensor *fused_output(Tape *t, const Case *c, Parts *p)
{
    const ConvBlock block = {.kind = c->kind,
                             .geom = c->kind == CONV_DENSE ? NULL : &p->geom,
                             .bias = p->bias,
                             .gamma = p->gamma,
                             .beta = p->beta,
                             .norm = c->norm == NORM_NONE ? NULL : &p->state,
                             .batch_statistics = c->norm == NORM_BATCH,
                             .epilogue = {.act = c->act, .q = p->q, .learn = true}};
    return op_conv_block(t, p->x, p->w, &block);
}

static Tensor *composed_output(Tape *t, const Case *c, Parts *p)
{
    const bool dense = c->kind == CONV_DENSE;
    Tensor *y = dense                       ? op_dense(t, p->x, p->w, p->bias)
                : c->kind == CONV_DEPTHWISE ? op_depthwise(t, p->x, p->w, p->bias, &p->geom)
                                            : op_conv2d(t, p->x, p->w, p->bias, &p->geom);
    if (c->norm != NORM_NONE) {
        if (dense) y = op_reshape(t, y, shape_4(c->n, 1, 1, c->o));
        y = op_batchnorm(t, y, p->gamma, p->beta, &p->state, c->norm == NORM_BATCH);
        if (dense) y = op_reshape(t, y, shape_2(c->n, c->o));
    }
    if (p->q != NULL) return op_fake_quant(t, y, p->q, c->act, true);
    return c->act.relu ? op_relu(t, y, c->act.limit) : y;
}

static Outcome run(Arena *keep, const Case *c, bool fused)
{
    Bench b = bench_make();
    Tape *t = b.tape;
    ParamSet params = {0};
    Outcome out = {0};
    Parts p = parts_of(keep, &b, &params, c, &out);
    Tensor *y = fused ? fused_output(t, c, &p) : composed_output(t, c, &p);
    ck_assert_msg(y != NULL, "%s", t->message);
    out.ny = tensor_elements(y);
    if (p.q != NULL)
        out.codes = memcpy(arena_alloc(keep, (size_t)out.ny), y->codes, (size_t)out.ny);
    else
        out.y = copy(keep, y->x, out.ny);
    ck_assert_int_eq(tape_backward(t, weighted_sum(t, y, random_values(b.owner, out.ny, 7))), STATUS_OK);
    if (p.q != NULL) out.scale = p.q->qp.scale[0];
    if (c->end == END_LEARNED) out.step = p.q->param[0]->dx[0];
    bench_end(&b);
    return out;
}

/* Bit for bit, but -0 is 0. */
static void check_equal(const float *a, const float *b, long n, const char *what)
{
    for (long i = 0; i < n; i++) ck_assert_msg(a[i] == b[i], "%s[%ld]: %a and %a", what, i, (double)a[i], (double)b[i]);
}

static void check_sum(const float *a, const float *b, long n, const char *what)
{
    for (long i = 0; i < n; i++)
        ck_assert_msg(fabsf(a[i] - b[i]) <= SUM_BOUND * (1.0f + fabsf(a[i])), "%s[%ld]: %g and %g", what, i,
                      (double)a[i], (double)b[i]);
}

static void check(const Case *c)
{
    Arena *keep = arena_create();
    const Outcome want = run(keep, c, false), got = run(keep, c, true);
    const long nx = (long)c->n * (c->kind == CONV_DENSE ? 1 : c->h * c->w) * c->c;
    const long nw = c->kind == CONV_DENSE       ? (long)c->o * c->c
                    : c->kind == CONV_DEPTHWISE ? (long)c->kernel * c->kernel * c->o
                                                : (long)c->kernel * c->kernel * c->c * c->o;
    const size_t channels = sizeof(float) * (size_t)c->o;
    ck_assert_int_eq(got.ny, want.ny);
    if (c->end == END_FLOAT)
        check_equal(got.y, want.y, want.ny, "y");
    else
        ck_assert_mem_eq(got.codes, want.codes, (size_t)want.ny);
    ck_assert_mem_eq(got.mean, want.mean, channels);
    ck_assert_mem_eq(got.var, want.var, channels);
    check_equal(&got.scale, &want.scale, 1, "scale");
    check_equal(got.dx, want.dx, nx, "dx");
    check_equal(got.dw, want.dw, nw, "dw");
    ck_assert_mem_eq(got.dgamma, want.dgamma, channels);
    ck_assert_mem_eq(got.dbeta, want.dbeta, channels);
    check_sum(want.db, got.db, c->o, "bias");
    check_sum(&want.step, &got.step, 1, "step");
    float largest = 0;
    for (long i = 0; i < nx; i++) largest = fmaxf(largest, fabsf(got.dx[i]));
    ck_assert(largest > 0.0f);
    arena_destroy(keep);
}

/* Channels around vectors and tables, images around groups and chunks. */
static const Case shapes[] = {
    {CONV_FULL, 3, 7, 5, 3, 6, 3, 1, 1, .act = {false, INFINITY}},
    {CONV_FULL, 18, 9, 11, 16, 17, 3, 2, 1, .act = {false, INFINITY}},
    {CONV_FULL, 17, 6, 6, 8, 64, 1, 1, 0, .act = {false, INFINITY}},
    {CONV_FULL, 2, 61, 67, 1, 10, 2, 1, 0, .act = {false, INFINITY}}, /* an image is more than a group */
    {CONV_DEPTHWISE, 5, 9, 7, 24, 24, 3, 1, 1, .act = {false, INFINITY}},
    {CONV_DEPTHWISE, 33, 8, 8, 16, 16, 3, 2, 1, .act = {false, INFINITY}},
    {CONV_DENSE, 37, 1, 1, 29, 10, 1, 1, 0, .act = {false, INFINITY}},
    {CONV_DENSE, 4, 1, 1, 12, 2501, 1, 1, 0, .act = {false, INFINITY}}, /* a row is more than a piece */
};

START_TEST(conv_block)
{
    const Activation acts[] = {NONE, RELU, RELU6};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int norm = 0; norm < 3; norm++)
            for (int end = 0; end < 3; end++)
                for (int a = 0; a < 3; a++) {
                    if (end == END_LEARNED && a == 2) continue; /* nothing reaches 6 on a grid of 3 bits */
                    Case c = shapes[s];
                    c.norm = (NormKind)norm, c.end = (End)end, c.act = acts[a];
                    c.bias = norm == NORM_NONE && (a + end) % 2 == 0;
                    c.codes = (a + end + norm) % 2 == 0;
                    check(&c);
                }
}
END_TEST

/* ---- add --------------------------------------------------------------------------------------------------------- */

enum { ADD_N = 3, ADD_COUNT = ADD_N * 9 * 11 * 13 };

static void check_add(Activation act, End end, bool codes_a, bool codes_b)
{
    Arena *keep = arena_create();
    float *dx[2][2], step[2], scale[2], *y[2];
    int8_t *codes[2] = {NULL, NULL};
    for (int fused = 0; fused < 2; fused++) {
        Bench b = bench_make();
        Tape *t = b.tape;
        ParamSet params = {0};
        const Case c = {.act = act, .end = end};
        Quantizer *q = end == END_FLOAT ? NULL : output_quantizer(b.owner, &params, &c);
        const Shape s = shape_4(ADD_N, 9, 11, 13);
        Tensor *in[2];
        for (int i = 0; i < 2; i++) {
            dx[fused][i] = ARENA_ARRAY(keep, float, ADD_COUNT);
            const float *x = random_values(b.owner, ADD_COUNT, 10 + (uint64_t)i);
            if (i == 0 ? codes_a : codes_b) {
                in[i] = codes_of(t, s, x, dx[fused][i]);
            } else {
                in[i] = op_relu(t, tape_leaf(t, "x", s, copy(b.owner, x, ADD_COUNT), dx[fused][i]), INFINITY);
            }
        }
        Tensor *out;
        if (fused) {
            out = op_add_block(t, in[0], in[1], &(EpilogueConfig){.act = act, .q = q, .learn = true});
        } else {
            out = op_add(t, in[0], in[1]);
            if (q != NULL)
                out = op_fake_quant(t, out, q, act, true);
            else if (act.relu)
                out = op_relu(t, out, act.limit);
        }
        ck_assert_msg(out != NULL, "%s", t->message);
        if (q != NULL)
            codes[fused] = memcpy(arena_alloc(keep, ADD_COUNT), out->codes, ADD_COUNT);
        else
            y[fused] = copy(keep, out->x, ADD_COUNT);
        ck_assert_int_eq(tape_backward(t, weighted_sum(t, out, random_values(b.owner, ADD_COUNT, 12))), STATUS_OK);
        step[fused] = end == END_LEARNED ? q->param[0]->dx[0] : 0.0f;
        scale[fused] = q == NULL ? 0.0f : q->qp.scale[0];
        bench_end(&b);
    }
    if (end == END_FLOAT)
        ck_assert_mem_eq(y[0], y[1], sizeof(float) * ADD_COUNT);
    else
        ck_assert_mem_eq(codes[0], codes[1], ADD_COUNT);
    for (int i = 0; i < 2; i++) check_equal(dx[0][i], dx[1][i], ADD_COUNT, "dx");
    check_equal(&scale[0], &scale[1], 1, "scale");
    check_sum(&step[0], &step[1], 1, "step");
    arena_destroy(keep);
}

/* Two convolutions whose normalization is left to the add that reads them. */
static void run_deferred(Arena *keep, bool defer, float *y, float *grads[4])
{
    enum { H = 7, C = 13 };
    Bench b = bench_make();
    Tape *t = b.tape;
    const Shape s = shape_4(ADD_N, H, H, C), ws = shape_4(C, 1, 1, C);
    const long n = shape_elements(s);
    const ConvGeom geom = {.sh = 1, .sw = 1, .dh = 1, .dw = 1, .groups = 1};
    Tensor *in[2];
    for (int i = 0; i < 2; i++) {
        const uint64_t seed = 20 + 10 * (uint64_t)i;
        grads[2 * i] = ARENA_ARRAY(keep, float, n), grads[2 * i + 1] = ARENA_ARRAY(keep, float, C);
        BatchNormState *state = ARENA_ARRAY(b.owner, BatchNormState, 1);
        *state = (BatchNormState){.mean = ARENA_ARRAY(b.owner, float, C),
                                  .var = ARENA_ARRAY(b.owner, float, C),
                                  .momentum = 0.1f,
                                  .epsilon = 1e-5f};
        const ConvBlock block = {
            .geom = &geom,
            .gamma = tape_leaf(t, "gamma", shape_1(C), random_values(b.owner, C, seed + 1), grads[2 * i + 1]),
            .beta = tape_leaf(t, "beta", shape_1(C), random_values(b.owner, C, seed + 2), NULL),
            .norm = state,
            .batch_statistics = true,
            .epilogue = {.act = NONE},
            .defer = defer};
        in[i] = op_conv_block(t, tape_leaf(t, "x", s, random_values(b.owner, n, seed), grads[2 * i]),
                              tape_leaf(t, "w", ws, random_values(b.owner, C * C, seed + 3), NULL), &block);
        ck_assert((in[i]->deferred_norm != NULL) == defer);
    }
    Tensor *out = op_add_block(t, in[0], in[1], &(EpilogueConfig){.act = RELU});
    memcpy(y, out->x, sizeof *y * (size_t)n);
    ck_assert_int_eq(tape_backward(t, weighted_sum(t, out, random_values(b.owner, n, 12))), STATUS_OK);
    bench_end(&b);
}

START_TEST(deferred_normalization)
{
    enum { N_VALUES = ADD_N * 7 * 7 * 13 };
    Arena *keep = arena_create();
    float y[2][N_VALUES], *grads[2][4];
    for (int defer = 0; defer < 2; defer++) run_deferred(keep, defer, y[defer], grads[defer]);
    check_equal(y[0], y[1], N_VALUES, "y");
    for (int i = 0; i < 4; i++) check_equal(grads[0][i], grads[1][i], i % 2 == 0 ? N_VALUES : 13, "gradient");
    arena_destroy(keep);
}
END_TEST

START_TEST(add_block)
{
    const Activation acts[] = {NONE, RELU, RELU6};
    for (int a = 0; a < 3; a++)
        for (int end = 0; end < 3; end++)
            for (int codes = 0; codes < 4; codes++) check_add(acts[a], (End)end, codes & 1, codes & 2);
}
END_TEST

/* The gate on z is exactly the interval on z / scale. */
START_TEST(gate_bounds)
{
    const float scales[] = {1.0f, 0.3f, 1e-3f, 7.7e-8f, 1e9f, 3.0f};
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++)
        for (int relu = 0; relu < 2; relu++) {
            Bench b = bench_make();
            ParamSet params = {0};
            const Case c = {.act = relu ? RELU : NONE, .end = END_OBSERVED};
            Quantizer *q = output_quantizer(b.owner, &params, &c);
            q->qp.scale[0] = scales[i];
            const EpilogueConfig config = {.act = c.act, .q = q};
            const Epilogue *epilogue = epilogue_make(b.tape, "y", shape_1(1), &config);
            const float s = epilogue->grid.scale, around[] = {epilogue->lo, epilogue->hi};
            for (int k = 0; k < 2; k++) {
                const float outside = nextafterf(around[k], k == 0 ? -INFINITY : INFINITY);
                ck_assert(around[k] / s >= epilogue->run.gate.lo && around[k] / s <= epilogue->run.gate.hi);
                ck_assert(!(outside / s >= epilogue->run.gate.lo && outside / s <= epilogue->run.gate.hi));
            }
            bench_end(&b);
        }
}
END_TEST

TEST_MAIN("fused", conv_block, deferred_normalization, add_block, gate_bounds)
