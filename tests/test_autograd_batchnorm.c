/* op_batchnorm against the definition in double: outputs, gradients, running statistics. */
#include "tests/support/gradcheck.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"

static const float MOMENTUM = 0.1f, EPSILON = 1e-5f;

typedef struct {
    Shape shape;
    int c;
    long rows;
    float *x, *gamma, *beta, *r;
    float *mean, *var; /* running, before the step */
    bool batch_statistics;
} Problem;

/* offset: a mean far from 0 beside the deviation, where sums of squares would cancel. */
static Problem make(Arena *arena, Shape shape, bool batch_statistics, float offset)
{
    Problem p = {.shape = shape, .c = shape.dim[3], .batch_statistics = batch_statistics};
    const long n = shape_elements(shape);
    p.rows = n / p.c;
    p.x = random_values(arena, n, 1);
    p.r = random_values(arena, n, 2);
    p.gamma = random_values(arena, p.c, 3);
    p.beta = random_values(arena, p.c, 4);
    p.mean = random_values(arena, p.c, 5);
    p.var = random_values(arena, p.c, 6);
    for (long i = 0; i < n; i++) p.x[i] = p.x[i] * (1.0f + (float)(i % p.c) * 0.1f) + offset;
    for (int c = 0; c < p.c; c++) p.var[c] = 0.5f + p.var[c] * p.var[c];
    return p;
}

static BatchNormState state_copy(Tape *t, const Problem *p)
{
    const size_t bytes = sizeof(float) * (size_t)p->c;
    return (BatchNormState){.mean = memcpy(arena_alloc(t->arena, bytes), p->mean, bytes),
                            .var = memcpy(arena_alloc(t->arena, bytes), p->var, bytes),
                            .momentum = MOMENTUM,
                            .epsilon = EPSILON};
}

/* The moments of channel c that normalise: of the batch (biased), or the running ones. */
static void moments(const Problem *p, int c, double *mean, double *var)
{
    *mean = (double)p->mean[c], *var = (double)p->var[c];
    if (!p->batch_statistics) return;
    double sum = 0, square = 0;
    for (long r = 0; r < p->rows; r++) sum += (double)p->x[r * p->c + c];
    *mean = sum / (double)p->rows;
    for (long r = 0; r < p->rows; r++) square += pow((double)p->x[r * p->c + c] - *mean, 2);
    *var = square / (double)p->rows;
}

static void check_channel(const Problem *p, int c, const Tensor *y, const BatchNormState *state, const float *dx,
                          const float *dgamma, const float *dbeta, double tolerance)
{
    double mean, var;
    moments(p, c, &mean, &var);
    const double inv = 1 / sqrt(var + (double)EPSILON), gamma = (double)p->gamma[c], n = (double)p->rows;
    double sum_r = 0, sum_rx = 0;
    for (long r = 0; r < p->rows; r++) {
        const long i = r * p->c + c;
        const double xhat = ((double)p->x[i] - mean) * inv;
        ck_assert_double_eq_tol((double)y->x[i], gamma * xhat + (double)p->beta[c], tolerance * (1 + fabs(xhat)));
        sum_r += (double)p->r[i];
        sum_rx += (double)p->r[i] * xhat;
    }
    const double reach = sqrt(n) + 1;
    ck_assert_double_eq_tol((double)dbeta[c], sum_r, 1e-5 * reach);
    ck_assert_double_eq_tol((double)dgamma[c], sum_rx, tolerance * 10 * reach);
    for (long r = 0; r < p->rows; r++) {
        const long i = r * p->c + c;
        const double xhat = ((double)p->x[i] - mean) * inv;
        const double want = gamma * inv * ((double)p->r[i] - (p->batch_statistics ? (sum_r + xhat * sum_rx) / n : 0));
        ck_assert_double_eq_tol((double)dx[i], want, tolerance * 4 * (1 + inv));
    }
    const double unbiased = p->rows > 1 ? var * n / (n - 1) : var;
    const double move = p->batch_statistics ? (double)MOMENTUM : 0;
    ck_assert_double_eq_tol((double)state->mean[c], (1 - move) * (double)p->mean[c] + move * mean,
                            1e-6 * (1 + fabs(mean)));
    ck_assert_double_eq_tol((double)state->var[c], (1 - move) * (double)p->var[c] + move * unbiased,
                            1e-6 * (1 + unbiased));
}

static void check_oracle(Shape shape, bool batch_statistics, float offset, double tolerance)
{
    Bench b = bench_make();
    Tape *t = b.tape;
    const Problem p = make(b.owner, shape, batch_statistics, offset);
    BatchNormState state = state_copy(t, &p);
    float *dx = ARENA_ARRAY(b.owner, float, shape_elements(shape));
    float *dgamma = ARENA_ARRAY(b.owner, float, p.c), *dbeta = ARENA_ARRAY(b.owner, float, p.c);
    Tensor *y = op_batchnorm(t, tape_leaf(t, "x", shape, p.x, dx), tape_leaf(t, "gamma", shape_1(p.c), p.gamma, dgamma),
                             tape_leaf(t, "beta", shape_1(p.c), p.beta, dbeta), &state, batch_statistics);
    const Tensor *kept = held(t, y);
    ck_assert_int_eq(tape_backward(t, weighted_sum(t, y, p.r)), STATUS_OK);
    for (int c = 0; c < p.c; c++) check_channel(&p, c, kept, &state, dx, dgamma, dbeta, tolerance);
    bench_end(&b);
}

/* Rows around the 32 of a block and the 16 chunks, channels around the vector widths. */
static const Shape shapes[] = {{4, {1, 1, 2, 1}},   {4, {2, 1, 1, 7}},   {4, {1, 3, 5, 16}},   {4, {1, 4, 4, 17}},
                               {4, {1, 1, 17, 3}},  {4, {31, 1, 1, 8}},  {4, {4, 8, 16, 5}},   {4, {3, 19, 9, 33}},
                               {4, {16, 32, 1, 2}}, {4, {7, 11, 13, 4}}, {4, {2, 23, 29, 64}}, {4, {1, 1, 513, 1}}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

START_TEST(norm_oracle)
{
    for (int i = 0; i < SHAPES; i++) {
        check_oracle(shapes[i], true, 0.0f, 2e-5);
        check_oracle(shapes[i], false, 0.0f, 1e-5);
    }
    /* The variance survives an offset of a thousand deviations: what is lost is only x's own precision. */
    check_oracle(shape_4(4, 8, 16, 5), true, 1000.0f, 2e-3);
    check_oracle(shape_4(1, 1, 1, 4), false, 0.0f, 1e-5);
}
END_TEST

static Tensor *norm_graph(Tape *t, Tensor *const *in, void *context)
{
    const Problem *p = context;
    BatchNormState *state = arena_alloc(t->arena, sizeof *state);
    *state = state_copy(t, p);
    return op_batchnorm(t, in[0], in[1], in[2], state, p->batch_statistics);
}

START_TEST(norm_gradients)
{
    for (int i = 2; i < SHAPES; i++) /* two rows normalise to +-1 whatever they are: nothing for differences to see */
        for (int batch = 0; batch < 2; batch++) {
            Arena *arena = arena_create();
            Problem p = make(arena, shapes[i], batch == 1, 0.0f);
            const GradCheck c = {.name = batch ? "batchnorm, batch statistics" : "batchnorm, running statistics",
                                 .inputs = 3,
                                 .shape = {p.shape, shape_1(p.c), shape_1(p.c)},
                                 .x = {p.x, p.gamma, p.beta},
                                 .graph = norm_graph,
                                 .context = &p,
                                 .samples = 12,
                                 .tolerance = 2e-3};
            ck_assert_msg(gradcheck(&c) == 0, "%s", shape_text(p.shape).text);
            arena_destroy(arena);
        }
}
END_TEST

START_TEST(norm_threads)
{
    Bench first = bench_make();
    Problem p = make(first.owner, shape_4(5, 13, 17, 19), true, 0.0f);
    static const int threads[] = {1, 2, 5};
    const Tensor *kept[4] = {NULL};
    for (int k = 0; k < 3; k++) {
        Bench other = k == 0 ? first : bench_make();
        Tape *t = other.tape;
        parallel_set_threads(threads[k]);
        BatchNormState state = state_copy(t, &p);
        Tensor *in[] = {tape_leaf(t, "x", p.shape, p.x, NULL), tape_leaf(t, "gamma", shape_1(p.c), p.gamma, NULL),
                        tape_leaf(t, "beta", shape_1(p.c), p.beta, NULL)};
        for (int i = 0; i < 3; i++) in[i]->needs_grad = true;
        Tensor *y = op_batchnorm(t, in[0], in[1], in[2], &state, true);
        const Tensor *y_kept = held(t, y);
        ck_assert_int_eq(tape_backward(t, weighted_sum(t, y, p.r)), STATUS_OK);
        for (int i = 0; i < 3; i++) {
            if (k == 0) kept[i] = in[i];
            ck_assert_mem_eq(in[i]->dx, kept[i]->dx, sizeof(float) * (size_t)tensor_elements(in[i]));
        }
        if (k == 0) kept[3] = y_kept;
        ck_assert_mem_eq(y_kept->x, kept[3]->x, sizeof(float) * (size_t)tensor_elements(y));
        if (k > 0) bench_end(&other);
    }
    bench_end(&first);
    parallel_set_threads(2);
}
END_TEST

TEST_MAIN("autograd_batchnorm", norm_oracle, norm_gradients, norm_threads)
