/* Gradients of every layer on grids, by the frozen residual.
 *
 * A straight-through estimator claims to be the gradient of a surrogate: with the rounding residual c frozen at the base
 * point, a quantizer is s * (clip(z / s) + c), which has an ordinary derivative.  So a layer on grids must have the
 * gradient of the layer in float, whose weights are the surrogate of its quantized weights and whose output goes through
 * the surrogate of its output's quantizer.  That is differentiated here, in each input, parameter and learned step, for
 * every quantizer and each way to compute on grids, and compared.
 */
#include <math.h>
#include <string.h>

#include "tests/support/conformance.h"
#include "tests/support/gradcheck.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"

static const double TOLERANCE = 0.01; /* of the largest gradient of the tensor */
static const float H = 0x1p-9f;       /* the difference's step */
static const double KINK = 0.02;      /* outputs so near a bound of the grid have no part in the loss */
enum { SAMPLES = 4 };

typedef struct {
    const char *what; /* for messages */
    Arena *arena;
    Tape *tape;
    Layer *l; /* on grids */
    Layer *f; /* the same in float */
    const ForwardMode *mode;
    Tensor in[LAYER_MAX_INPUTS]; /* codes, and the gradient that the layer's backward gave */
    float *x[LAYER_MAX_INPUTS];  /* their values, which the float layer reads */
    float *weight;               /* before their quantizer; the float layer's are the surrogate's */
    double *weight_residual, *residual;
    double *by_step; /* of each output, its derivative in its quantizer's step */
    long outputs;
    float *r;           /* loss = sum r * y */
    float *weight_step; /* scales of the quantizers, NULL: none */
    float step;
    int smooth, asked;
} Grids;

/* ---- the surrogate ----------------------------------------------------------------------------------------------- */

static double clip(double v, double lo, double hi) { return v < lo ? lo : v > hi ? hi : v; }

static long channel_of(const Layer *l, long i)
{
    const int axis = l->weight_q->qp.axis, rank = l->weight->shape.rank;
    const long channels = l->weight->shape.dim[axis == 0 ? 0 : rank - 1];
    return axis == 0 ? i / (l->weight->count / channels) : i % channels;
}

/* What the weights are multiplied with before they are quantized: batch norm's factor where one scale is for all of
 * them, else its sign. */
static double factor(const Grids *g, long channel)
{
    const Layer *f = g->f;
    if (f->norm == NULL) return 1.0;
    const double gamma = (double)f->gamma->x[channel];
    if (g->l->weight_q->qp.n > 1) return g->l->gamma->x[channel] < 0.0f ? -1.0 : 1.0;
    return gamma / sqrt((double)f->norm->var[channel] + (double)f->norm->epsilon);
}

/* freeze: takes the residuals. */
static void set_weights(const Grids *g, bool freeze)
{
    if (g->l->weight == NULL) return;
    const QuantParams *qp = &g->l->weight_q->qp;
    for (long i = 0; i < g->l->weight->count; i++) {
        const long c = channel_of(g->l, i);
        const double s = (double)g->weight_step[qp->n == 1 ? 0 : c], u = factor(g, c);
        const double v = clip(u * (double)g->weight[i] / s, qp->qmin, qp->qmax);
        if (freeze) g->weight_residual[i] = rint(v) - v;
        g->f->weight->x[i] = (float)(s * (v + g->weight_residual[i]) / u);
    }
}

/* What the layer gives in float, before its output's quantizer. */
static const float *float_values(const Grids *g)
{
    Tensor *x[LAYER_MAX_INPUTS];
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT, .batch_statistics = g->mode->batch_statistics};
    tape_reset(g->tape, false);
    for (int i = 0; i < g->f->inputs; i++) x[i] = tape_leaf(g->tape, "x", g->in[i].shape, g->x[i], NULL);
    const Tensor *y = g->f->type->forward(g->f, &mode, g->tape, x);
    ck_assert_msg(y != NULL, "%s: %s", g->what, g->tape->message);
    return y->x;
}

static double surrogate(const Grids *g, double z, double c, double s)
{
    if (g->l->out_q == NULL) return z;
    const QuantParams *qp = &g->l->out_q->qp;
    return s * (clip(z / s, qp->qmin - qp->zero_point, qp->qmax - qp->zero_point) + c);
}

static double loss(const Grids *g)
{
    set_weights(g, false);
    const float *z = float_values(g);
    double sum = 0;
    for (long i = 0; i < g->outputs; i++)
        sum += (double)g->r[i] * surrogate(g, (double)z[i], g->residual[i], (double)g->step);
    return sum;
}

/* Codes of the layer become residuals, each of which a rounding explains. */
static void freeze(Grids *g, const Tensor *y)
{
    set_weights(g, true);
    const float *z = float_values(g);
    const QuantParams *qp = y->qp;
    for (long i = 0; i < g->outputs; i++) {
        const double s = (double)qp->scale[0], code = y->codes[i] - qp->zero_point, v = (double)z[i] / s;
        const double lo = qp->qmin - qp->zero_point, hi = qp->qmax - qp->zero_point, near = KINK / s;
        g->residual[i] = code - clip(v, lo, hi);
        ck_assert_msg(fabs(g->residual[i]) < 0.75, "%s: code %g for %g", g->what, code, v);
        g->by_step[i] = v < lo || v > hi ? clip(v, lo, hi) : g->residual[i];
        if (g->l->out_q != NULL && (fabs(v - lo) < near || fabs(v - hi) < near)) g->r[i] = 0;
    }
}

/* ---- the comparison ---------------------------------------------------------------------------------------------- */

/* The gradients `dx` of n values `at` against differences times `scale`, within a part of `size` or of the largest. */
static void compare(Grids *g, const char *name, float *at, const float *dx, long n, double scale, double size)
{
    double largest = 0;
    for (long i = 0; i < n; i++) largest = fmax(largest, fabs((double)dx[i]));
    ck_assert_msg(largest > 0, "%s: no gradient for %s", g->what, name);
    for (long i = 0; i < n; i += 1 + n / SAMPLES) {
        const float x = at[i], h = strstr(name, "step") != NULL ? H * x : H;
        at[i] = x + h;
        const double up = loss(g), right = (double)(at[i] - x);
        at[i] = x - h;
        const double down = loss(g), left = (double)(x - at[i]);
        at[i] = x;
        const double here = loss(g), above = scale * (up - here) / right, below = scale * (here - down) / left;
        const double slope = scale * (up - down) / (right + left), of = fmax(fmax(size, largest), fabs(slope));
        g->asked++;
        if (fabs(above - below) > TOLERANCE * of) continue; /* a ReLU or a maximum has its kink here */
        g->smooth++;
        ck_assert_msg(fabs(slope - (double)dx[i]) <= TOLERANCE * of,
                      "%s: gradient of %s[%ld] is %g; the surrogate's is %g (within %g)", g->what, name, i,
                      (double)dx[i], slope, TOLERANCE * of);
    }
}

/* What a step's gradient is the sum of, which may nearly vanish: the root of the sum of its parts' squares. */
static double length_of_product(const float *a, const double *b, long n)
{
    double squares = 0;
    for (long i = 0; i < n; i++) squares += pow((double)a[i] * b[i], 2);
    return sqrt(squares);
}

static void compare_param(Grids *g, const char *name, float *at, const Param *p)
{
    if (p != NULL) compare(g, name, at, p->dx, p->count, 1.0, 0);
}

static void compare_all(Grids *g)
{
    const Layer *l = g->l, *f = g->f;
    for (int i = 0; i < l->inputs; i++)
        compare(g, "an input", g->x[i], g->in[i].dx, tensor_elements(&g->in[i]), 1.0, 0);
    compare_param(g, "the weights", g->weight, l->weight);
    compare_param(g, "the bias", f->bias == NULL ? NULL : f->bias->x, l->bias);
    compare_param(g, "gamma", f->gamma == NULL ? NULL : f->gamma->x, l->gamma);
    compare_param(g, "beta", f->beta == NULL ? NULL : f->beta->x, l->beta);
    if (l->weight_q != NULL && l->weight_q->step != NULL) {
        const QuantParams *qp = &l->weight_q->qp;
        const double scale = 1.0 / sqrt((double)l->weight->count / qp->n * qp->qmax);
        const double parts = length_of_product(l->weight->dx, g->weight_residual, l->weight->count);
        compare(g, "weight step", g->weight_step, l->weight_q->step->dx, qp->n, scale, scale * parts);
    }
    if (l->out_q != NULL && l->out_q->step != NULL) {
        const QuantParams *qp = &l->out_q->qp;
        const double scale = 1.0 / sqrt((double)g->outputs / SMALL_IMAGES * (qp->qmax - qp->zero_point));
        const double parts = length_of_product(g->r, g->by_step, g->outputs);
        /* In integers the bias and the multiplier are rounded, too, which moves what is rounded in the end. */
        const double size = scale * parts * (g->mode->arithmetic == ARITHMETIC_INT ? 10 : 1);
        compare(g, "output step", &g->step, l->out_q->step->dx, 1, scale, size);
    }
}

/* ---- one layer --------------------------------------------------------------------------------------------------- */

static float *copy(Arena *arena, const float *x, long n)
{
    float *y = ARENA_ARRAY(arena, float, n);
    memcpy(y, x, sizeof *x * (size_t)n);
    return y;
}

static void copy_values(Param *to, const Param *from)
{
    if (to != NULL) memcpy(to->x, from->x, sizeof(float) * (size_t)to->count);
}

/* A grid that some outputs lie beyond. */
static void tighten(Quantizer *q)
{
    if (q == NULL) return;
    for (int i = 0; i < q->qp.n; i++) {
        q->qp.scale[i] *= 0.6f;
        if (q->step != NULL) q->step->x[i] = q->qp.scale[i];
    }
}

/* The codes that the layer reads in a pass of the whole model. */
static void take_inputs(Grids *g, Model *m, const uint8_t *pixels)
{
    ForwardMode whole = *g->mode;
    whole.keep_outputs = true;
    tape_reset(g->tape, false);
    ck_assert_msg(model_forward(m, g->tape, &whole, pixels, SMALL_IMAGES) != NULL, "%s: %s", g->what, g->tape->message);
    for (int i = 0; i < g->l->inputs; i++) {
        const Tensor *x = g->l->input[i] < 0 ? m->image : m->out[g->l->input[i]];
        const long n = tensor_elements(x);
        int8_t *codes = ARENA_ARRAY(g->arena, int8_t, n);
        QuantParams *qp = ARENA_ARRAY(g->arena, QuantParams, 1);
        memcpy(codes, x->codes, (size_t)n);
        *qp = *x->qp;
        qp->scale = copy(g->arena, x->qp->scale, x->qp->n);
        g->in[i] = (Tensor){.name = "x", .shape = x->shape, .codes = codes, .qp = qp, .needs_grad = true};
        g->x[i] = ARENA_ARRAY(g->arena, float, n);
        dequantize_tensor(codes, (size_t)n, qp->scale[0], qp->zero_point, g->x[i]);
    }
}

static Tensor *run(Grids *g, bool grad)
{
    Tensor *x[LAYER_MAX_INPUTS];
    tape_reset(g->tape, grad);
    for (int i = 0; i < g->l->inputs; i++) g->in[i].needs_grad = grad, x[i] = &g->in[i];
    Tensor *y = g->l->type->forward(g->l, g->mode, g->tape, x);
    ck_assert_msg(y != NULL, "%s: %s", g->what, g->tape->message);
    return y;
}

static void backward(Grids *g, Model *m)
{
    static const float there = 0.5f; /* the gradient that another reader left, to which the layer adds */
    param_set_zero_grad(&m->params);
    for (int i = 0; i < g->l->inputs; i++) {
        const long n = tensor_elements(&g->in[i]);
        g->in[i].dx = ARENA_ARRAY(g->arena, float, n);
        for (long k = 0; k < n; k++) g->in[i].dx[k] = there;
    }
    Tensor *y = run(g, true);
    ck_assert_int_eq(tape_backward(g->tape, weighted_sum(g->tape, y, g->r)), STATUS_OK);
    for (int i = 0; i < g->l->inputs; i++)
        for (long k = 0; k < tensor_elements(&g->in[i]); k++) g->in[i].dx[k] -= there;
}

static void check_layer(const char *model, const char *quant, const ForwardMode *mode)
{
    Arena *arena = arena_create();
    Bench b = bench_make();
    Model *m = small_model(arena, model, quant, 3), *in_float = small_model(arena, model, NULL, 3);
    const int index = small_layer(m, "tested");
    Grids g = {.what = arena_printf(arena, "%s, arithmetic %d", quant, (int)mode->arithmetic),
               .arena = arena,
               .tape = b.tape,
               .l = &m->layer[index],
               .f = &in_float->layer[index],
               .mode = mode};
    tighten(g.l->out_q);
    take_inputs(&g, m, small_pixels(arena, m, 4));
    Param *const to[] = {g.f->weight, g.f->bias, g.f->gamma, g.f->beta};
    const Param *const from[] = {g.l->weight, g.l->bias, g.l->gamma, g.l->beta};
    for (int i = 0; i < 4; i++) copy_values(to[i], from[i]);
    if (g.l->norm != NULL) { /* the statistics stay what they are */
        const size_t bytes = sizeof(float) * (size_t)g.l->gamma->count;
        memcpy(g.f->norm->mean, g.l->norm->mean, bytes), memcpy(g.f->norm->var, g.l->norm->var, bytes);
        g.l->norm->momentum = g.f->norm->momentum = 0.0f;
    }
    const Tensor *y = run(&g, false);
    g.outputs = tensor_elements(y);
    g.residual = ARENA_ARRAY(arena, double, g.outputs);
    g.by_step = ARENA_ARRAY(arena, double, g.outputs);
    g.r = random_values(arena, g.outputs, 77);
    if (g.l->out_q != NULL) g.step = g.l->out_q->qp.scale[0];
    if (g.l->weight != NULL) {
        g.weight = copy(arena, g.l->weight->x, g.l->weight->count);
        g.weight_residual = ARENA_ARRAY(arena, double, g.l->weight->count);
        g.weight_step = copy(arena, g.l->weight_q->qp.scale, g.l->weight_q->qp.n);
    }
    const int8_t *codes = memcpy(ARENA_ARRAY(arena, int8_t, g.outputs), y->codes, (size_t)g.outputs);
    QuantParams qp = *y->qp;
    qp.scale = copy(arena, y->qp->scale, 1);
    freeze(&g, &(Tensor){.codes = (int8_t *)(uintptr_t)codes, .qp = &qp});
    backward(&g, m);
    compare_all(&g);
    ck_assert_msg(2 * g.smooth >= g.asked, "%s: %d of %d differences", g.what, g.smooth, g.asked);
    bench_end(&b);
    arena_destroy(arena);
}

static void check_example(const LayerType *type, const char *example, const char *model)
{
    (void)type;
    (void)example;
    static const ForwardMode passes[] = {{.arithmetic = ARITHMETIC_FAKE, .batch_statistics = true},
                                         {.arithmetic = ARITHMETIC_FAKE},
                                         {.arithmetic = ARITHMETIC_INT}};
    static const int widths[] = {8, 4, 3};
    Arena *arena = arena_create();
    for (int q = 0; quantizer_types[q] != NULL; q++)
        for (int w = 0; w < 3; w++)
            for (int p = 0; p < 3; p++) {
                const char *quant = conformance_quant(arena, quantizer_types[q], widths[w], (q + w + p) % 2 == 1);
                check_layer(model, quant, &passes[p]);
            }
    arena_destroy(arena);
}

START_TEST(frozen_residual) { for_each_layer_example(check_example); }
END_TEST

TEST_MAIN("layer grids", frozen_residual)
