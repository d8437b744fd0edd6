/* op_mse, op_huber and op_wing against the definition in double, and their gradients against differences. */
#include "tests/support/gradcheck.h"

#include <math.h>

#include "tests/support/oracle.h"
#include "tests/support/suite.h"

/* delta INFINITY: mse; below 0: wing, with a width of -delta and a curvature of a fifth of that. */
static double oracle(int n, const float *z, const float *target, double delta, double *dz)
{
    double loss = 0;
    for (int i = 0; i < n; i++) {
        const double r = (double)z[i] - (double)target[i];
        if (delta < 0 && fabs(r) < -delta)
            loss += -delta * log(1 - 5 * fabs(r) / delta) / n, dz[i] = copysign(-delta / (-delta / 5 + fabs(r)), r) / n;
        else if (delta < 0)
            loss += (fabs(r) + delta - delta * log(6)) / n, dz[i] = copysign(1, r) / n;
        else if (isinf(delta))
            loss += r * r / n, dz[i] = 2 * r / n;
        else if (fabs(r) <= delta)
            loss += 0.5 * r * r / n, dz[i] = r / n;
        else
            loss += delta * (fabs(r) - 0.5 * delta) / n, dz[i] = (r > 0 ? delta : -delta) / n;
    }
    return loss;
}

static Tensor *run(Tape *t, Tensor *z, const float *target, double delta)
{
    if (delta < 0) return op_wing(t, z, target, (float)-delta, (float)-delta / 5);
    return isinf(delta) ? op_mse(t, z, target) : op_huber(t, z, target, (float)delta);
}

START_TEST(residual_oracle)
{
    static const int sizes[][2] = {{1, 1}, {3, 2}, {17, 7}, {64, 1}, {5, 101}};
    static const double deltas[] = {0.25, 1, 8, (double)INFINITY, -0.5, -1, -4};
    for (int s = 0; s < 5; s++)
        for (int d = 0; d < 7; d++) {
            const int N = sizes[s][0], K = sizes[s][1];
            Bench b = bench_make();
            float *z = random_values(b.owner, N * K, (uint64_t)s + 1), *dz = ARENA_ARRAY(b.owner, float, N *K);
            float *target = random_values(b.owner, N * K, 77);
            double *want = ARENA_ARRAY(b.owner, double, N *K);
            Tensor *loss = run(b.tape, tape_leaf(b.tape, "z", shape_2(N, K), z, dz), target, deltas[d]);
            const double value = oracle(N * K, z, target, deltas[d], want);
            ck_assert_double_eq_tol((double)loss->x[0], value, 1e-6 * (1 + value));
            ck_assert_int_eq(tape_backward(b.tape, loss), STATUS_OK);
            for (int i = 0; i < N * K; i++) ck_assert_double_eq_tol((double)dz[i], want[i], 1e-6 / N);
            bench_end(&b);
        }
}
END_TEST

typedef struct {
    const float *target;
    double delta;
} Residuals;

static Tensor *graph(Tape *t, Tensor *const *in, void *context)
{
    const Residuals *r = context;
    return run(t, in[0], r->target, r->delta);
}

START_TEST(residual_gradients)
{
    Arena *arena = arena_create();
    for (int d = 0; d < 2; d++) {
        Residuals r = {random_values(arena, 35, 4), d == 0 ? 0.7 : (double)INFINITY};
        const GradCheck c = {.name = "residual",
                             .inputs = 1,
                             .shape = {shape_2(5, 7)},
                             .x = {random_values(arena, 35, 9)},
                             .graph = graph,
                             .context = &r,
                             .tolerance = 2e-3};
        ck_assert_int_eq(gradcheck(&c), 0);
    }
    arena_destroy(arena);
}
END_TEST

/* Codes reach the loss as the real numbers they stand for. */
START_TEST(residual_on_codes)
{
    Bench b = bench_make();
    int8_t codes[] = {-128, 0, 127, 5, 5, -9};
    float scale = 0.05f, z[6];
    const float target[] = {1, 0, -1, 0.5f, 2, 3};
    const QuantParams qp = {.bits = 8, .qmin = -128, .qmax = 127, .axis = -1, .n = 1, .scale = &scale, .zero_point = 3};
    for (int i = 0; i < 6; i++) z[i] = scale * (float)(codes[i] - 3);
    double want[6];
    Tensor *x = leaf_codes(b.tape, shape_2(2, 3), codes, &qp, true), *loss = op_huber(b.tape, x, target, 1.0f);
    ck_assert_double_eq_tol((double)loss->x[0], oracle(6, z, target, 1, want), 1e-6);
    tape_backward(b.tape, loss);
    for (int i = 0; i < 6; i++) ck_assert_double_eq_tol((double)x->dx[i], want[i], 1e-6);
    bench_end(&b);
}
END_TEST

/* Where an output is what it should be nothing pulls, though the slope beside it is steepest. */
START_TEST(wing_rests_where_it_is_right)
{
    Bench b = bench_make();
    float z[3] = {1, 2, 3}, dz[3] = {0};
    const float target[3] = {1, 2.001f, 2.999f};
    Tensor *loss = op_wing(b.tape, tape_leaf(b.tape, "z", shape_2(1, 3), z, dz), target, 1.0f, 0.2f);
    tape_backward(b.tape, loss);
    ck_assert(dz[0] == 0 && dz[1] < -1.6f && dz[2] > 1.6f);
    bench_end(&b);
}
END_TEST

TEST_MAIN("autograd_residual", wing_rests_where_it_is_right, residual_oracle, residual_gradients, residual_on_codes)
