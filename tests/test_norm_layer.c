/* What a convolution with batch norm hands back to W, gamma and beta in quantized training, against the formulas
 * evaluated in double on the layer's own codes.  g is the gradient that passes the output's grid, x the input's real
 * values.
 *
 * Per channel, V = Q(W), z = conv(x, V):
 *   running statistics   y = u z + beta - mean u:   dbeta = sum g;  dgamma = (sum g z - mean sum g) / sd;  dW = u
 * corr(x, g)
 *   the batch's          y = BN(z):                 dz by BN;  dW = corr(x, dz)
 * Per tensor, V = Q(u W), z = conv(x, V):
 *   running statistics   y = z + beta - mean u:     dV = corr(x, g);  dW = u dV;  dgamma = (sum dV W - mean sum g) / sd
 *   the batch's          y = BN(k), k = z / u:      dk by BN;  dV = corr(x, dk / u);  dW = u dV;
 *                        dgamma = sum g khat + (sum dV W - sum dk z / u^2) / sd          (sd, u: of the running
 * statistics) */
#include <math.h>
#include <string.h>

#include "quant/int_ops.h"
#include "tests/support/gradcheck.h"
#include "tests/support/oracle.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"

enum { MOST_CHANNELS = 8, MOST_OUTPUTS = SMALL_IMAGES * 64 * MOST_CHANNELS, MOST_WEIGHTS = 512 };

typedef struct {
    Layer *l;
    ForwardMode mode;
    bool depthwise, per_tensor;
    ConvGeom g;
    long ny, nw, rows;
    int o;
    const float *x;
    float r[MOST_OUTPUTS];
    double mean[MOST_CHANNELS], sd[MOST_CHANNELS], u[MOST_CHANNELS]; /* of the running statistics, before the step */
    float v[MOST_WEIGHTS];                                           /* the quantized weights */
    double z[MOST_OUTPUTS], dz[MOST_OUTPUTS], dv[MOST_WEIGHTS];
    double gamma[MOST_CHANNELS], beta[MOST_CHANNELS]; /* the gradients that are wanted */
} Problem;

static long channel_of(const Problem *p, long i) { return p->depthwise ? i % p->o : i / (p->nw / p->o); }

static void running(Problem *p)
{
    for (int c = 0; c < p->o; c++) {
        p->mean[c] = (double)p->l->norm->mean[c];
        p->sd[c] = sqrt((double)p->l->norm->var[c] + (double)p->l->norm->epsilon);
        p->u[c] = (double)p->l->gamma->x[c] / p->sd[c];
    }
}

/* v as the layer's own quantizer makes it from W, or from u W. */
static void quantized_weights(Problem *p, Tape *t)
{
    float *w = arena_alloc(t->arena, sizeof(float) * (size_t)p->nw),
          *sign = arena_alloc(t->arena, sizeof(float) * MOST_CHANNELS);
    for (int c = 0; c < p->o; c++) sign[c] = copysignf(1.0f, p->l->gamma->x[c]);
    for (long i = 0; i < p->nw; i++) {
        const float u = (float)p->u[channel_of(p, i)];
        w[i] = p->l->weight->x[i] * (p->per_tensor ? u : 1.0f);
    }
    const Tensor *v = op_fake_quant_weights(t, tape_leaf(t, "w", p->l->weight->shape, w, NULL), p->l->weight_q,
                                            p->per_tensor ? NULL : sign);
    memcpy(p->v, v->x, sizeof(float) * (size_t)p->nw);
}

/* The output of row r before the grid: k normalised, shifted. */
typedef struct {
    double mean, sd; /* that normalise k */
} Moments;

static Moments moments_of(const Problem *p, int c)
{
    if (!p->mode.batch_statistics) return (Moments){p->mean[c], p->sd[c]};
    const double u = p->per_tensor ? p->u[c] : 1;
    double mean = 0, var = 0;
    for (long i = c; i < p->ny; i += p->o) mean += p->z[i] / u / (double)p->rows;
    for (long i = c; i < p->ny; i += p->o) var += pow(p->z[i] / u - mean, 2) / (double)p->rows;
    return (Moments){mean, sqrt(var + (double)p->l->norm->epsilon)};
}

/* Fills dz and the wanted gradients of channel c; leaves outputs near the ends of the grid out of the loss. */
static void channel(Problem *p, int c, const QuantParams *grid)
{
    const double u = p->per_tensor ? p->u[c] : 1, gamma = (double)p->l->gamma->x[c], beta = (double)p->l->beta->x[c];
    const double s = (double)grid->scale[0], top = s * (grid->qmax - grid->zero_point);
    const Moments m = moments_of(p, c);
    double sum = 0, sum_hat = 0;
    for (long i = c; i < p->ny; i += p->o) {
        const double hat = (p->z[i] / u - m.mean) / m.sd, y = gamma * hat + beta;
        if (fabs(y) < 1e-3 * s || fabs(y - top) < 1e-3 * s) p->r[i] = 0;
        p->dz[i] = y > 0 && y < top ? (double)p->r[i] : 0; /* g, for now */
        sum += p->dz[i];
        sum_hat += p->dz[i] * hat;
    }
    double through_u = 0; /* sum dk z / u^2 */
    for (long i = c; i < p->ny; i += p->o) {
        const double hat = (p->z[i] / u - m.mean) / m.sd;
        const double centred = p->mode.batch_statistics ? (sum + hat * sum_hat) / (double)p->rows : 0;
        const double dk = gamma / m.sd * (p->dz[i] - centred);
        through_u += dk * p->z[i] / (u * u);
        p->dz[i] = dk / u;
    }
    p->beta[c] = sum;
    p->gamma[c] = sum_hat;
    if (p->per_tensor)
        p->gamma[c] = p->mode.batch_statistics ? sum_hat - through_u / p->sd[c] : -p->mean[c] * sum / p->sd[c];
}

static void check_close(const char *what, long n, const float *got, const double *want)
{
    double largest = 1e-3;
    for (long i = 0; i < n; i++) largest = fmax(largest, fabs(want[i]));
    for (long i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - want[i]) <= 1e-4 * largest, "%s[%ld] is %g; must be %g", what, i,
                      (double)got[i], want[i]);
}

static void check(const char *layer, bool depthwise, bool per_tensor, ForwardMode mode)
{
    Bench b = bench_make();
    Arena *arena = arena_create();
    Model *m = small_model(
        arena, arena_printf(arena, "{\"input\":[8,8,4],\"layers\":[%s,{\"type\":\"dense\",\"units\":3}]}", layer),
        per_tensor ? "{\"weights\":{\"granularity\":\"per_tensor\"}}" : "{}", 41);
    Problem *p = ARENA_ARRAY(arena, Problem, 1);
    *p = (Problem){.l = &m->layer[0],
                   .mode = mode,
                   .depthwise = depthwise,
                   .per_tensor = per_tensor,
                   .o = m->layer[0].out.c,
                   .nw = m->layer[0].weight->count};
    p->rows = (long)SMALL_IMAGES * p->l->out.h * p->l->out.w;
    p->ny = p->rows * p->o;
    p->g = oracle_geom((ConvGeom){.n = SMALL_IMAGES,
                                  .h = 8,
                                  .w = 8,
                                  .c = 4,
                                  .o = p->o,
                                  .kh = 3,
                                  .kw = 3,
                                  .sh = 1,
                                  .sw = 1,
                                  .dh = 1,
                                  .dw = 1,
                                  .pt = 1,
                                  .pb = 1,
                                  .pl = 1,
                                  .pr = 1,
                                  .groups = depthwise ? 4 : 1});
    oracle_fill((size_t)p->ny, 43, p->r);
    running(p);
    /* The gradient of the layer's output is r: nothing else of the model reaches the loss. */
    ck_assert(model_forward(m, b.tape, &mode, small_pixels(arena, m, 42), SMALL_IMAGES) != NULL);
    Tensor *y = m->out[0];
    p->x = tensor_values(b.tape, m->image);
    quantized_weights(p, b.tape);
    oracle_conv_forward(&p->g, depthwise, SMALL_IMAGES, p->x, p->v, p->z, NULL);
    for (int c = 0; c < p->o; c++) channel(p, c, y->qp);
    param_set_zero_grad(&m->params);
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, p->r)), STATUS_OK);

    float *dz = ARENA_ARRAY(arena, float, p->ny);
    for (long i = 0; i < p->ny; i++) dz[i] = (float)p->dz[i];
    oracle_conv_backward_weights(&p->g, depthwise, SMALL_IMAGES, p->x, dz, p->dv, NULL);
    for (long i = 0; i < p->nw; i++) {
        const long c = channel_of(p, i);
        if (per_tensor) p->gamma[c] += p->dv[i] * (double)p->l->weight->x[i] / p->sd[c];
        p->dv[i] *= per_tensor ? p->u[c] : 1; /* dW */
    }
    check_close("dW", p->nw, p->l->weight->dx, p->dv);
    check_close("dgamma", p->o, p->l->gamma->dx, p->gamma);
    check_close("dbeta", p->o, p->l->beta->dx, p->beta);
    bench_end(&b);
    arena_destroy(arena);
}

START_TEST(gradients_by_the_formulas)
{
    static const ForwardMode passes[] = {{.arithmetic = ARITHMETIC_INT},
                                         {.arithmetic = ARITHMETIC_FAKE},
                                         {.arithmetic = ARITHMETIC_FAKE, .batch_statistics = true}};
    for (int pass = 0; pass < 3; pass++)
        for (int per_tensor = 0; per_tensor < 2; per_tensor++) {
            check("{\"type\":\"conv2d\",\"filters\":5,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"}", false,
                  per_tensor == 1, passes[pass]);
            check("{\"type\":\"depthwise_conv2d\",\"multiplier\":2,\"kernel\":3,\"batch_norm\":true,\"activation\":"
                  "\"relu\"}",
                  true, per_tensor == 1, passes[pass]);
        }
}
END_TEST

TEST_MAIN("norm_layer", gradients_by_the_formulas)
