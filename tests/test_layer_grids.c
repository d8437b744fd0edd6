/* Gradients of every layer on grids, by the frozen residual.
 *
 * With the rounding residual frozen a quantizer has an ordinary derivative (QuantizerType.surrogate).  So a layer on grids
 * must have the gradient of the layer in float, with the surrogates of its weights and output: in each input and parameter,
 * for every quantizer and each way to compute, and for plain_quantizers.h, which are not fused. */
#include <math.h>
#include <string.h>

#include "tests/support/conformance.h"
#include "tests/support/gradcheck.h"
#include "tests/support/oracle.h"
#include "tests/support/plain_quantizers.h"
#include "tests/support/suite.h"
#include "tests/support/surrogate.h"

static const double TOLERANCE = 0.01; /* of the largest gradient of the tensor */
/* The same where a gradient depends on the residual, which in integers the rounding of bias and multiplier moves. */
static const double IN_INTEGERS = 0.03;
static const float H = 0x1p-9f; /* the difference's step, of what quantizers learn a part of it */
/* and of smaller ones of this, as the network rounds to float32: of steps, and of what may be below 0. */
static const float LEAST_STEP = 0.015f, LEAST_REAL = 2.0f;
static const double KINK = 0.02; /* outputs so near a bound of the grid have no part in the loss */
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
    double *weight_place, *place; /* the values of which those are */
    long outputs;
    float *r;                          /* loss = sum r * y */
    float *weight_scale, out_scale;    /* of the grids at the base point */
    float **weight_param, **out_param; /* the quantizers' own */
    float least;
    int smooth, asked;
} Grids;

static long channel_of(const Layer *l, long i)
{
    const ChannelView by = channel_view(l->weight->shape, l->weight_q->qp.axis == 0);
    return channel_at(&by, i);
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

static double sign_of(double x) { return x < 0 ? -1 : 1; }

/* Of weight i; it passes a gradient on with its sign, times that of its factor. */
static QuantizerRun weight_run(const Grids *g, long i)
{
    const Quantizer *q = g->l->weight_q;
    const ChannelView by = channel_view(g->l->weight->shape, q->qp.axis == 0);
    const long channel = channel_of(g->l, i), scale = weight_scale_at(&q->qp, &by, i);
    QuantizerRun run = surrogate_run(q, (int)scale, g->weight_scale[scale], surrogate_sharing(q, &by, scale));
    run.dy_sign = sign_of((double)g->l->weight->dx[i] * factor(g, channel));
    run.place = g->weight_place[i];
    return run;
}

static QuantizerRun out_run(const Grids *g, long i)
{
    QuantizerRun run = surrogate_run(g->l->out_q, 0, g->out_scale, g->outputs / SMALL_IMAGES);
    run.dy_sign = sign_of((double)g->r[i]);
    run.place = g->place[i];
    return run;
}

/* The weights that the float layer has: the surrogate of each.  freeze: takes the residuals from the codes. */
static void set_weights(const Grids *g, const int16_t *freeze)
{
    const Quantizer *q = g->l->weight_q;
    for (long i = 0; q != NULL && i < g->l->weight->count; i++) {
        const double u = factor(g, channel_of(g->l, i)), x = u * (double)g->weight[i];
        if (freeze != NULL) g->weight_place[i] = x;
        const QuantizerRun run = weight_run(g, i);
        const double s = (double)run.scale;
        if (freeze != NULL) g->weight_residual[i] = freeze[i] - surrogate_value(q, &run, g->weight_param, 0, x) / s;
        g->f->weight->x[i] = (float)(surrogate_value(q, &run, g->weight_param, g->weight_residual[i], x) / u);
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

static double loss(const Grids *g)
{
    set_weights(g, NULL);
    const float *z = float_values(g);
    const Quantizer *q = g->l->out_q;
    double sum = 0;
    for (long i = 0; i < g->outputs; i++) {
        const double x = (double)z[i];
        QuantizerRun run = {0};
        if (q != NULL) run = out_run(g, i);
        sum += (double)g->r[i] * (q == NULL ? x : surrogate_value(q, &run, g->out_param, g->residual[i], x));
    }
    return sum;
}

/* Codes become residuals, each of which a rounding explains. */
static void freeze(Grids *g, const Tensor *y, const int16_t *weight_codes)
{
    set_weights(g, weight_codes);
    const float *z = float_values(g);
    const QuantParams *qp = y->qp;
    const double most = grid_is_signs(qp) ? 1.05 : grid_is_signs(g->in[0].qp) ? 2 : 0.75; /* signs: a coarse bias */
    for (long i = 0; i < g->outputs; i++) {
        const double s = (double)qp->scale[0], code = y->codes[i] - qp->zero_point, v = (double)z[i] / s;
        const double lo = qp->qmin - qp->zero_point, hi = qp->qmax - qp->zero_point, near = KINK / s;
        ck_assert_msg(fabs(code - fmin(fmax(v, lo), hi)) < most, "%s: code %g for %g", g->what, code, v);
        if (g->l->out_q == NULL) continue;
        g->place[i] = (double)z[i];
        const QuantizerRun run = out_run(g, i);
        g->residual[i] = code - surrogate_value(g->l->out_q, &run, g->out_param, 0, (double)z[i]) / s;
        const bool tie = fabs(fabs(v - rint(v)) - 0.5) < 1e-3; /* which runtimes round as they like */
        if (tie || fabs(v - lo) < near || fabs(v - hi) < near) g->r[i] = 0;
    }
}

/* The codes of the layer's weights less their zero points, as its forward makes them. */
static const int16_t *weight_codes(const Grids *g)
{
    const Layer *l = g->l;
    if (l->weight == NULL) return NULL;
    const Shape shape = l->weight->shape;
    const int channels = channel_view(shape, l->weight_q->qp.axis == 0).channels;
    float *x = ARENA_ARRAY(g->arena, float, l->weight->count), *sign = ARENA_ARRAY(g->arena, float, channels);
    const bool by_sign = l->norm != NULL && l->weight_q->qp.n > 1;
    for (long i = 0; i < l->weight->count; i++) {
        const long c = channel_of(l, i);
        sign[c] = by_sign && factor(g, c) < 0 ? -1.0f : 1.0f;
        x[i] = (float)(by_sign ? 1.0 : factor(g, c)) * l->weight->x[i];
    }
    tape_reset(g->tape, false);
    Tensor *y = op_fake_quant_weights(g->tape, tape_leaf(g->tape, "w", shape, x, NULL), l->weight_q, sign);
    ck_assert_msg(y != NULL, "%s: %s", g->what, g->tape->message);
    return surrogate_codes(g->arena, l->weight_q, y);
}

/* The gradients `dx` of n values `at` against differences times `scale`, within a part of `size` or of the largest. */
static void compare(Grids *g, const char *name, float *at, const float *dx, long n, double scale, double size)
{
    const Quantizer *q = g->mode->arithmetic == ARITHMETIC_INT ? g->l->out_q : NULL;
    const double tolerance = q != NULL && !quantizer_is_fused(q) ? IN_INTEGERS : TOLERANCE;
    double largest = 0;
    for (long i = 0; i < n; i++) largest = fmax(largest, fabs((double)dx[i]));
    const bool given = g->l->out_q != NULL && g->l->out_q->fixed; /* a grid that all values may lie beyond */
    ck_assert_msg(largest > 0 || given, "%s: no gradient for %s", g->what, name);
    for (long i = 0; i < n; i += 1 + n / SAMPLES) {
        const float x = at[i], h = strstr(name, "quantizer") != NULL ? H * fmaxf(fabsf(x), g->least) : H;
        at[i] = x + h;
        const double up = loss(g), right = (double)(at[i] - x);
        at[i] = x - h;
        const double down = loss(g), left = (double)(x - at[i]);
        at[i] = x;
        const double here = loss(g), above = scale * (up - here) / right, below = scale * (here - down) / left;
        const double slope = scale * (up - down) / (right + left), of = fmax(fmax(size, largest), fabs(slope));
        g->asked++;
        if (fabs(above - below) > tolerance * of) continue; /* a ReLU or a maximum has its kink here */
        g->smooth++;
        ck_assert_msg(fabs(slope - (double)dx[i]) <= tolerance * of,
                      "%s: gradient of %s[%ld] is %g; the surrogate's is %g (within %g)", g->what, name, i,
                      (double)dx[i], slope, tolerance * of);
    }
}

static void compare_weight_quantizer(Grids *g)
{
    const Layer *l = g->l;
    const Quantizer *q = l->weight_q;
    for (int k = 0; q != NULL && k < q->params; k++) {
        g->least = q->param[k]->rule.least < 0 ? LEAST_REAL : LEAST_STEP;
        double squares = 0; /* the sum may nearly vanish: it is held to the root of its parts' squares */
        for (long i = 0; i < l->weight->count; i++) {
            const QuantizerRun run = weight_run(g, i);
            const double x = factor(g, channel_of(l, i)) * (double)g->weight[i];
            const double part = surrogate_slope(q, &run, g->weight_param, k, H, g->weight_residual[i], x);
            squares += pow((double)l->weight->dx[i] * part, 2);
        }
        if (squares == 0) continue; /* it is of a few weights, at which no gradient arrives */
        const QuantizerRun run = weight_run(g, 0);
        const double scale = surrogate_scale(q, &run, k);
        const double size = scale * sqrt(squares) * (g->mode->arithmetic == ARITHMETIC_INT ? 3 : 1);
        compare(g, "weight quantizer", g->weight_param[k], surrogate_gradient(g->arena, q, l->weight->shape, k),
                q->param[k]->count, scale, size);
    }
}

static void compare_out_quantizer(Grids *g)
{
    const Quantizer *q = g->l->out_q;
    for (int k = 0; q != NULL && k < q->params; k++) {
        g->least = q->param[k]->rule.least < 0 ? LEAST_REAL : LEAST_STEP;
        set_weights(g, NULL);
        const float *z = float_values(g);
        double squares = 0;
        for (long i = 0; i < g->outputs; i++) {
            const QuantizerRun run = out_run(g, i);
            squares +=
                pow((double)g->r[i] * surrogate_slope(q, &run, g->out_param, k, H, g->residual[i], (double)z[i]), 2);
        }
        if (squares < 1e-12) continue; /* sums of powers of two may all lie on the grid, and within it */
        const QuantizerRun run = out_run(g, 0);
        /* In integers the bias and the multiplier are rounded, too, which moves what is rounded in the end. */
        const double scale = surrogate_scale(q, &run, k);
        const double size = scale * sqrt(squares) * (g->mode->arithmetic == ARITHMETIC_INT ? 10 : 1);
        compare(g, "output quantizer", g->out_param[k], q->param[k]->dx, q->param[k]->count, scale, size);
    }
}

static void compare_all(Grids *g)
{
    const Layer *l = g->l, *f = g->f;
    for (int i = 0; i < l->inputs; i++)
        compare(g, "an input", g->x[i], g->in[i].dx, tensor_elements(&g->in[i]), 1.0, 0);
    const struct {
        const char *name;
        const Param *p, *at;
    } params[] = {{"the bias", l->bias, f->bias}, {"gamma", l->gamma, f->gamma}, {"beta", l->beta, f->beta}};
    if (l->weight != NULL) compare(g, "the weights", g->weight, l->weight->dx, l->weight->count, 1.0, 0);
    for (int i = 0; i < 3; i++)
        if (params[i].p != NULL)
            compare(g, params[i].name, params[i].at->x, params[i].p->dx, params[i].p->count, 1.0, 0);
    compare_weight_quantizer(g);
    compare_out_quantizer(g);
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
        qp->scale = copied_values(g->arena, x->qp->scale, x->qp->n);
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

/* The tested layer's quantizers become another type's, where it is for them. */
static void replace_types(const Layer *l, const QuantizerType *type)
{
    if (type == NULL) return;
    if (l->weight_q != NULL) l->weight_q->type = type;
    if (l->out_q != NULL && !l->out_q->fixed && type->uses != QUANTIZES_WEIGHTS) l->out_q->type = type;
}

static void check_layer(const char *model, const char *quant, const ForwardMode *mode, const QuantizerType *type)
{
    Arena *arena = arena_create();
    Bench b = bench_make();
    Model *m = small_model(arena, model, quant, 3), *in_float = small_model(arena, model, NULL, 3);
    const int index = small_layer(m, "tested");
    Grids g = {.what = arena_printf(arena, "%s, %s, arithmetic %d", quant, type == NULL ? "as it is" : type->name,
                                    (int)mode->arithmetic),
               .arena = arena,
               .tape = b.tape,
               .l = &m->layer[index],
               .f = &in_float->layer[index],
               .mode = mode};
    replace_types(g.l, type);
    /* A grid that some outputs lie beyond. */
    if (g.l->out_q != NULL) quantizer_set_scale(g.l->out_q, 0.6f * g.l->out_q->qp.scale[0]);
    take_inputs(&g, m, small_pixels(arena, m, 4));
    Param *const to[] = {g.f->weight, g.f->bias, g.f->gamma, g.f->beta};
    const Param *const from[] = {g.l->weight, g.l->bias, g.l->gamma, g.l->beta};
    for (int i = 0; i < 4; i++)
        if (to[i] != NULL) memcpy(to[i]->x, from[i]->x, sizeof(float) * (size_t)to[i]->count);
    if (g.l->norm != NULL) { /* the statistics stay what they are */
        const size_t bytes = sizeof(float) * (size_t)g.l->gamma->count;
        memcpy(g.f->norm->mean, g.l->norm->mean, bytes), memcpy(g.f->norm->var, g.l->norm->var, bytes);
        g.l->norm->momentum = g.f->norm->momentum = 0.0f;
    }
    const Tensor *y = run(&g, false);
    g.outputs = tensor_elements(y);
    g.residual = ARENA_ARRAY(arena, double, g.outputs);
    g.place = ARENA_ARRAY(arena, double, g.outputs);
    g.r = random_values(arena, g.outputs, 77);
    if (g.l->out_q != NULL) g.out_scale = g.l->out_q->qp.scale[0];
    if (g.l->out_q != NULL) g.out_param = surrogate_params(arena, g.l->out_q);
    if (g.l->weight_q != NULL) g.weight_param = surrogate_params(arena, g.l->weight_q);
    if (g.l->weight != NULL) {
        g.weight = copied_values(arena, g.l->weight->x, g.l->weight->count);
        g.weight_residual = ARENA_ARRAY(arena, double, g.l->weight->count);
        g.weight_place = ARENA_ARRAY(arena, double, g.l->weight->count);
        g.weight_scale = copied_values(arena, g.l->weight_q->qp.scale, g.l->weight_q->qp.n);
    }
    const int8_t *codes = memcpy(ARENA_ARRAY(arena, int8_t, g.outputs), y->codes, (size_t)g.outputs);
    QuantParams qp = *y->qp;
    qp.scale = copied_values(arena, y->qp->scale, 1);
    freeze(&g, &(Tensor){.codes = (int8_t *)(uintptr_t)codes, .qp = &qp}, weight_codes(&g));
    backward(&g, m);
    compare_all(&g);
    ck_assert_msg(4 * g.smooth >= g.asked, "%s: %d of %d differences", g.what, g.smooth, g.asked);
    bench_end(&b);
    arena_destroy(arena);
}

/* Of a type for weights alone, or for signs: a layer that has none, widths that it cannot have, all but one pass for each. */
static bool adds_nothing(const LayerType *layer, const QuantizerType *type, const int *widths, int w, bool first)
{
    const bool outputs = (type->uses & QUANTIZES_SIGNED) != 0 && layer->gives_signs && w == 0;
    if (outputs || (type->uses & QUANTIZES_UNSIGNED) != 0) return false;
    return !layer->has_weights || !first ||
           (w > 0 && conformance_bits(type, widths[w]) == conformance_bits(type, widths[w - 1]));
}

static void check_example(const LayerType *type, const char *example, const char *model)
{
    (void)example;
    static const ForwardMode passes[] = {{.arithmetic = ARITHMETIC_FAKE, .batch_statistics = true},
                                         {.arithmetic = ARITHMETIC_FAKE},
                                         {.arithmetic = ARITHMETIC_INT}};
    static const int widths[] = {8, 4, 3};
    Arena *arena = arena_create();
    for (const QuantizerType *const *q = quantizer_types; *q != NULL; q++)
        for (int turn = conformance_turn(*q), w = 0; w < 3; w++)
            for (int p = 0; p < 3; p++) {
                if (adds_nothing(type, *q, widths, w, p == (turn + w) % 3)) continue;
                check_layer(model, conformance_quant(arena, model, *q, widths[w], (turn + w + p) % 2 == 1), &passes[p],
                            NULL);
            }
    static int split;
    for (int p = 0; p < 3 && type->has_weights; p++)
        check_layer(model, conformance_split_quant(arena, split++), &passes[p], NULL);
    PlainQuantizer plain[PLAIN_QUANTIZERS];
    plain_quantizers(plain);
    for (int q = 0; q < PLAIN_QUANTIZERS; q++)
        for (int p = 0; p < 3; p++) {
            const char *quant =
                conformance_quant(arena, model, quantizer_type(plain[q].of), widths[(q + p) % 3], q == p);
            check_layer(model, quant, &passes[p], &plain[q].type);
        }
    arena_destroy(arena);
}

START_TEST(frozen_residual) { for_each_layer_example(check_example); }
END_TEST

TEST_MAIN("layer grids", frozen_residual)
