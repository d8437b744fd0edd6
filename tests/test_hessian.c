/* Second derivatives by differences of gradients, against quadratics whose matrix is known, the closed form of softmax
 * regression, and second differences in double of a network with two layers. */
#include <math.h>
#include <string.h>

#include "search/model_loss.h"
#include "tests/support/fixture.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"

/* ---- a quadratic: 1/2 x'A x --------------------------------------------------------------------------------------- */

enum { N = 12 };

typedef struct {
    double a[N][N];
    float x[N];
    int calls;
} Quadratic;

static Status quadratic_gradient(void *context, double *g)
{
    Quadratic *q = context;
    q->calls++;
    for (int i = 0; i < N; i++) {
        g[i] = 0.0;
        for (int j = 0; j < N; j++) g[i] += q->a[i][j] * (double)q->x[j];
    }
    return STATUS_OK;
}

static Status quadratic_value(void *context, double *value)
{
    Quadratic *q = context;
    double g[N];
    TRY(quadratic_gradient(q, g));
    *value = 0.0;
    for (int i = 0; i < N; i++) *value += 0.5 * g[i] * (double)q->x[i];
    return STATUS_OK;
}

/* Q diag(value) Q with Q = I - 2 u u', u a unit vector: symmetric, with these eigenvalues. */
static LossSurface quadratic(Quadratic *q, const double value[N])
{
    double u[N], length = 0.0;
    for (int i = 0; i < N; i++) length += (i + 1.0) * (i + 1.0);
    for (int i = 0; i < N; i++) u[i] = (i + 1.0) / sqrt(length);
    memset(q, 0, sizeof *q);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            for (int k = 0; k < N; k++) {
                const double left = (i == k ? 1.0 : 0.0) - 2.0 * u[i] * u[k];
                const double right = (j == k ? 1.0 : 0.0) - 2.0 * u[j] * u[k];
                q->a[i][j] += left * value[k] * right;
            }
    for (int i = 0; i < N; i++) q->x[i] = 0.3f * (float)(i - 5);
    return (LossSurface){N, q->x, quadratic_gradient, quadratic_value, q};
}

static const double spectrum[N] = {4, -7.5, 0.5, 1, 2, 3, -1, 0.25, 0, 1.5, 2.5, -0.5};

START_TEST(products_are_those_of_the_matrix)
{
    Quadratic q;
    const LossSurface loss = quadratic(&q, spectrum);
    float before[N];
    memcpy(before, q.x, sizeof before);
    for (int round = 0; round < 2; round++) { /* then at the origin, where the point has no length */
        double v[N] = {0}, product[N], form = 0.0, want_form = 0.0;
        for (int i = 0; i < N - 3; i++) v[i] = 0.7 * sin(i + 1.0); /* the last three are not moved */
        must(hessian_product(&loss, v, product));
        must(hessian_form(&loss, v, &form));
        for (int i = 0; i < N; i++) {
            double want = 0.0;
            for (int j = 0; j < N; j++) want += q.a[i][j] * v[j];
            want_form += v[i] * want;
            ck_assert_double_eq_tol(product[i], want, 5e-3);
        }
        ck_assert_double_eq_tol(form, want_form, 1e-5);
        ck_assert_mem_eq(q.x, before, sizeof before);
        memset(q.x, 0, sizeof q.x);
        memset(before, 0, sizeof before);
    }
    const double nothing[N] = {0};
    double form = 1.0;
    q.calls = 0;
    must(hessian_form(&loss, nothing, &form));
    ck_assert_double_eq(form, 0.0);
    ck_assert_int_eq(q.calls, 0);
}
END_TEST

START_TEST(traces_come_with_their_error)
{
    Quadratic q;
    const LossSurface loss = quadratic(&q, spectrum);
    const ParamBlock block[] = {{0, 5}, {5, 7}};
    TraceEstimate t[2];
    must(hessian_traces(&loss, block, 2, 1, 400, 400, 0.0, t));
    for (int b = 0; b < 2; b++) {
        double trace = 0.0, variance = 0.0;
        for (long i = block[b].first; i < block[b].first + block[b].count; i++) {
            trace += q.a[i][i];
            for (int j = 0; j < N; j++) { /* pairs inside the block meet twice, with equal signs */
                const bool inside = j >= block[b].first && j < block[b].first + block[b].count;
                if (j != i) variance += q.a[i][j] * q.a[i][j] * (inside ? 2.0 : 1.0);
            }
        }
        ck_assert_int_eq(t[b].draws, 400);
        ck_assert_double_eq_tol(t[b].error, sqrt(variance / 400), 0.15 * sqrt(variance / 400));
        ck_assert_double_lt(fabs(t[b].mean - trace), 4 * t[b].error);
    }
    TraceEstimate again[2], other[2];
    must(hessian_traces(&loss, block, 2, 1, 400, 400, 0.0, again));
    ck_assert_double_eq(t[1].mean, again[1].mean);
    must(hessian_traces(&loss, block, 2, 2, 400, 400, 0.0, other));
    ck_assert_double_ne(t[1].mean, other[1].mean);

    must(hessian_traces(&loss, block, 2, 1, 2, 400, 0.2, t)); /* as soon as it is good enough */
    ck_assert_int_gt(t[0].draws, 2);
    ck_assert_int_lt(t[0].draws, 400);
}
END_TEST

START_TEST(a_diagonal_has_its_trace_in_every_draw)
{
    Quadratic q;
    const LossSurface loss = quadratic(&q, spectrum);
    memset(q.a, 0, sizeof q.a);
    for (int i = 0; i < N; i++) q.a[i][i] = spectrum[i];
    TraceEstimate t;
    must(hessian_traces(&loss, &(ParamBlock){0, N}, 1, 1, 2, 2, 0.0, &t));
    ck_assert_double_eq_tol(t.mean, 5.75, 1e-2);
    ck_assert_double_lt(t.error, 1e-2);
}
END_TEST

START_TEST(the_largest_eigenvalue_keeps_its_sign)
{
    Quadratic q;
    const LossSurface loss = quadratic(&q, spectrum);
    EigenEstimate e;
    must(hessian_eigenvalue(&loss, (ParamBlock){0, N}, 1, 100, 1e-4, &e));
    ck_assert(e.converged);
    ck_assert_double_eq_tol(e.value, -7.5, 0.02);
    must(hessian_eigenvalue(&loss, (ParamBlock){0, N}, 1, 2, 1e-9, &e));
    ck_assert(!e.converged);
    ck_assert_int_eq(e.iterations, 2);
    memset(q.a, 0, sizeof q.a); /* of a flat surface */
    must(hessian_eigenvalue(&loss, (ParamBlock){3, 4}, 1, 100, 1e-4, &e));
    ck_assert(e.converged);
    ck_assert_double_eq(e.value, 0.0);
}
END_TEST

/* Where a kink lies on the way the form is that of the whole step, and moves with v no faster than v: at x = 1/2,
 * max(x, 0) has no second derivative, and moved by v it is 1/2 + v, or 0 beyond -1/2. */
static Status kink_value(void *context, double *value)
{
    const float *x = context;
    *value = fmax((double)x[0], 0.0);
    return STATUS_OK;
}

START_TEST(kinks_count_by_how_far_they_are_crossed)
{
    float x[1] = {0.5f};
    const LossSurface loss = {1, x, NULL, kink_value, x};
    const double steps[] = {0.25, 0.499999, 0.500001, 0.75, -1.0, 3.0};
    for (int i = 0; i < 6; i++) {
        double form;
        must(hessian_form(&loss, &steps[i], &form));
        ck_assert_double_eq_tol(form, fmax(fabs(steps[i]) - 0.5, 0.0), 1e-6);
        ck_assert_double_eq((double)x[0], 0.5);
    }
}
END_TEST

static Status no_value(void *context, double *value)
{
    (void)context, (void)value;
    return status_fail(STATUS_NUMERIC, "no value here");
}

static Status no_gradient(void *context, double *g)
{
    (void)context, (void)g;
    return status_fail(STATUS_NUMERIC, "no gradient here");
}

START_TEST(a_failure_leaves_the_point_where_it_was)
{
    float x[N] = {1.0f, 2.0f}, before[N];
    memcpy(before, x, sizeof before);
    const LossSurface loss = {N, x, no_gradient, no_value, NULL};
    const double v[N] = {1.0, -1.0};
    double product[N], form;
    TraceEstimate t;
    EigenEstimate e;
    refused(hessian_product(&loss, v, product), "no gradient here");
    refused(hessian_form(&loss, v, &form), "no value here");
    refused(hessian_traces(&loss, &(ParamBlock){0, N}, 1, 1, 2, 2, 0.0, &t), "no gradient here");
    refused(hessian_eigenvalue(&loss, (ParamBlock){0, N}, 1, 5, 0.1, &e), "no gradient here");
    ck_assert_mem_eq(x, before, sizeof before);
}
END_TEST

/* ---- networks ------------------------------------------------------------------------------------------------------ */

enum { IMAGES = 4 * SMALL_IMAGES, PIXELS = 4, CLASSES = 3, HIDDEN = 2 };
static const int32_t labels[IMAGES] = {0, 2, 1, 2, 0, 1, 1, 2, 0, 0, 2, 1, 0, 2, 2, 1, 0, 1, 2, 0};

typedef struct {
    Model *model;
    Sample sample;
    Task task;
    ModelLoss loss;
} Network;

static void begin_network(Network *n, const char *json)
{
    static const TaskConfig config;
    begin();
    n->model = small_model(arena, json, NULL, 3);
    n->sample = (Sample){IMAGES, PIXELS, small_pixels(arena, n->model, 4), targets_classes(labels)};
    n->task = task_make(&config, 0.0f, CLASSES, NULL, (TargetScale){NULL, NULL});
    model_loss_begin(&n->loss, n->model, &n->task, &n->sample, NULL);
}

/* The input of image i, and the softmax of z[CLASSES]. */
static void reals(const Network *n, int i, double x[PIXELS])
{
    for (int k = 0; k < PIXELS; k++) x[k] = ((double)n->sample.pixels[i * PIXELS + k] / 255 - 0.4) / 0.25;
}

static void softmax(const double z[CLASSES], double p[CLASSES])
{
    double sum = 0.0;
    for (int c = 0; c < CLASSES; c++) sum += p[c] = exp(z[c]);
    for (int c = 0; c < CLASSES; c++) p[c] /= sum;
}

/* v'Hv of forms of two short steps, whose errors are in the ratio of the steps' squares. */
static double limit_of_forms(const LossSurface *loss, const double *v)
{
    double *d = ARENA_ARRAY(arena, double, loss->n), form[2];
    for (int k = 0; k < 2; k++) {
        const double step = k == 0 ? 0.02 : 0.01;
        for (long i = 0; i < loss->n; i++) d[i] = step * v[i];
        must(hessian_form(loss, d, &form[k]));
        form[k] /= step * step;
    }
    return (4 * form[1] - form[0]) / 3;
}

/* Products and forms with random vectors against the matrix h[n][n], whose rows are the parameters at[n] of the surface. */
static void compare_products(const LossSurface *loss, const double *h, const long *at, int n)
{
    Rng rng = rng_make(1, RNG_TEST, 0);
    double *v = ARENA_ARRAY(arena, double, loss->n), *product = ARENA_ARRAY(arena, double, loss->n);
    for (int round = 0; round < 8; round++) {
        double size = 0.0, want_form = 0.0, form = 0.0;
        for (int i = 0; i < n; i++) v[at[i]] = (double)rng_normal(&rng);
        must(hessian_product(loss, v, product));
        form = limit_of_forms(loss, v);
        for (int i = 0; i < n; i++) {
            double want = 0.0;
            for (int j = 0; j < n; j++) want += h[i * n + j] * v[at[j]];
            size = fmax(size, fabs(want));
            want_form += v[at[i]] * want;
        }
        ck_assert_double_gt(size, 0.1);
        for (int i = 0; i < n; i++) {
            double want = 0.0;
            for (int j = 0; j < n; j++) want += h[i * n + j] * v[at[j]];
            ck_assert_double_eq_tol(product[at[i]], want, 2e-3 * size);
        }
        ck_assert_double_eq_tol(form, want_form, 4e-3 * size * sqrt(n));
    }
}

/* H = 1/n sum_i (diag(p_i) - p_i p_i') (x) x_i x_i'. */
START_TEST(softmax_regression_has_a_closed_form)
{
    Network n;
    begin_network(&n, "{\"input\": [2, 2, 1], \"layers\": [{\"type\": \"flatten\"},"
                      "{\"type\": \"dense\", \"name\": \"logits\", \"units\": 3}]}");
    const Layer *l = &n.model->layer[1];
    const ParamBlock block = weight_block(l);
    ck_assert_int_eq(block.count, CLASSES * PIXELS);
    double h[CLASSES * PIXELS][CLASSES * PIXELS] = {{0}};
    for (int i = 0; i < IMAGES; i++) {
        double x[PIXELS], z[CLASSES], p[CLASSES];
        reals(&n, i, x);
        for (int c = 0; c < CLASSES; c++) {
            z[c] = l->bias == NULL ? 0.0 : (double)l->bias->x[c];
            for (int k = 0; k < PIXELS; k++) z[c] += (double)l->weight->x[c * PIXELS + k] * x[k];
        }
        softmax(z, p);
        for (int a = 0; a < CLASSES * PIXELS; a++)
            for (int b = 0; b < CLASSES * PIXELS; b++)
                h[a][b] += ((a / PIXELS == b / PIXELS ? p[a / PIXELS] : 0.0) - p[a / PIXELS] * p[b / PIXELS]) *
                           x[a % PIXELS] * x[b % PIXELS] / IMAGES;
    }
    double trace = 0.0;
    long at[CLASSES * PIXELS];
    const LossSurface *loss = &n.loss.surface;
    for (int a = 0; a < CLASSES * PIXELS; a++) {
        at[a] = block.first + a;
        trace += h[a][a];
    }
    compare_products(loss, h[0], at, CLASSES * PIXELS);
    TraceEstimate t;
    must(hessian_traces(loss, &block, 1, 1, 60, 60, 0.0, &t));
    ck_assert_double_lt(fabs(t.mean - trace), 4 * t.error);
    ck_assert_double_lt(t.error, 0.2 * trace);
    model_loss_end(&n.loss);
    end();
}
END_TEST

/* The mean loss of tanh(x'A + a)'B + b in double. */
static double reference(const Network *n, const double *a, const double *b)
{
    const Layer *first = &n->model->layer[1], *last = &n->model->layer[n->model->layers - 1];
    double sum = 0.0;
    for (int i = 0; i < IMAGES; i++) {
        double x[PIXELS], y[HIDDEN], z[CLASSES], p[CLASSES];
        reals(n, i, x);
        for (int j = 0; j < HIDDEN; j++) {
            y[j] = (double)first->bias->x[j];
            for (int k = 0; k < PIXELS; k++) y[j] += a[j * PIXELS + k] * x[k];
            y[j] = tanh(y[j]);
        }
        for (int c = 0; c < CLASSES; c++) {
            z[c] = (double)last->bias->x[c];
            for (int j = 0; j < HIDDEN; j++) z[c] += b[c * HIDDEN + j] * y[j];
        }
        softmax(z, p);
        sum -= log(p[labels[i]]);
    }
    return sum / IMAGES;
}

START_TEST(two_layers_against_second_differences)
{
    Network n;
    begin_network(&n, "{\"input\": [2, 2, 1], \"layers\": [{\"type\": \"flatten\"},"
                      "{\"type\": \"dense\", \"name\": \"fc\", \"units\": 2, \"activation\": \"tanh\"},"
                      "{\"type\": \"dense\", \"name\": \"logits\", \"units\": 3}]}");
    const Layer *first = &n.model->layer[1], *last = &n.model->layer[n.model->layers - 1];
    enum { A = HIDDEN * PIXELS, B = CLASSES * HIDDEN };
    double w[A + B], sum_of_blocks[2] = {0};
    const ParamBlock block[2] = {weight_block(first), weight_block(last)};
    for (int i = 0; i < A; i++) w[i] = (double)first->weight->x[i];
    for (int i = 0; i < B; i++) w[A + i] = (double)last->weight->x[i];
    const LossSurface *loss = &n.loss.surface;
    const double e = 1e-4;
    double h[A + B][A + B];
    long at[A + B];
    for (int i = 0; i < A + B; i++) {
        at[i] = i < A ? block[0].first + i : block[1].first + i - A;
        for (int j = 0; j < A + B; j++) {
            double f[4];
            for (int k = 0; k < 4; k++) {
                double moved[A + B];
                memcpy(moved, w, sizeof moved);
                moved[i] += (k & 1) != 0 ? e : -e;
                moved[j] += (k & 2) != 0 ? e : -e;
                f[k] = reference(&n, moved, moved + A);
            }
            h[i][j] = (f[3] - f[2] - f[1] + f[0]) / (4 * e * e);
        }
        sum_of_blocks[i >= A] += h[i][i];
    }
    compare_products(loss, h[0], at, A + B);
    TraceEstimate t[2];
    must(hessian_traces(loss, block, 2, 1, 100, 100, 0.0, t));
    for (int b = 0; b < 2; b++) ck_assert_double_lt(fabs(t[b].mean - sum_of_blocks[b]), 4 * t[b].error);
    model_loss_end(&n.loss);
    end();
}
END_TEST

TEST_MAIN("hessian", products_are_those_of_the_matrix, traces_come_with_their_error,
          a_diagonal_has_its_trace_in_every_draw, the_largest_eigenvalue_keeps_its_sign,
          kinks_count_by_how_far_they_are_crossed, a_failure_leaves_the_point_where_it_was,
          softmax_regression_has_a_closed_form, two_layers_against_second_differences)
