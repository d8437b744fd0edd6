/* op_softmax_cross_entropy against the definition in double: smoothing, ties, large logits. */
#include "tests/support/gradcheck.h"

#include <math.h>

#include "tests/support/oracle.h"
#include "tests/support/suite.h"

enum { MOST = 128 };

/* loss = mean_n - sum_k target log softmax(z)_k and its gradient (p - target) / N, with the logits shifted by their
 * largest. */
static double oracle(int N, int K, const float *z, const int32_t *labels, double smoothing, double *dz)
{
    double loss = 0;
    for (int n = 0; n < N; n++) {
        double largest = -HUGE_VAL, sum = 0;
        for (int k = 0; k < K; k++) largest = fmax(largest, (double)z[n * K + k]);
        for (int k = 0; k < K; k++) sum += exp((double)z[n * K + k] - largest);
        for (int k = 0; k < K; k++) {
            const double log_p = (double)z[n * K + k] - largest - log(sum);
            const double target = (k == labels[n] ? 1 - smoothing : 0) + smoothing / K;
            loss -= target * log_p / N;
            dz[n * K + k] = (exp(log_p) - target) / N;
        }
    }
    return loss;
}

static void check(int N, int K, float *z, const int32_t *labels, float smoothing, int correct)
{
    Bench b = bench_make();
    Tape *t = b.tape;
    float *dz = ARENA_ARRAY(b.owner, float, N *K);
    double *want = ARENA_ARRAY(b.owner, double, N *K);
    int hits = -1;
    Tensor *loss = op_softmax_cross_entropy(t, tape_leaf(t, "z", shape_2(N, K), z, dz), labels, smoothing, &hits);
    const double value = oracle(N, K, z, labels, (double)smoothing, want);
    ck_assert_double_eq_tol((double)loss->x[0], value, 1e-6 * (1 + fabs(value)));
    ck_assert_int_eq(hits, correct);
    ck_assert_int_eq(tape_backward(t, loss), STATUS_OK);
    for (int i = 0; i < N * K; i++) ck_assert_double_eq_tol((double)dz[i], want[i], 1e-6 / N);
    bench_end(&b);
}

START_TEST(softmax_oracle)
{
    static const int sizes[][2] = {{1, 2}, {3, 10}, {17, 7}, {64, 100}, {5, 1001}};
    static const float smoothings[] = {0.0f, 0.1f, 1.0f};
    for (int s = 0; s < 5; s++)
        for (int m = 0; m < 3; m++) {
            const int N = sizes[s][0], K = sizes[s][1];
            Arena *arena = arena_create();
            float *z = random_values(arena, (long)N * K, (uint64_t)s + 1);
            int32_t labels[MOST];
            int correct = 0;
            for (int n = 0; n < N; n++) {
                int best = 0;
                for (int k = 0; k < K; k++) {
                    z[n * K + k] *= 8.0f;
                    if (z[n * K + k] > z[n * K + best]) best = k;
                }
                labels[n] = n % 2 == 0 ? best : (best + 1) % K;
                correct += n % 2 == 0;
            }
            check(N, K, z, labels, smoothings[m], correct);
            arena_destroy(arena);
        }
}
END_TEST

/* On a tie the lowest index wins; codes make ties common. */
START_TEST(softmax_ties)
{
    float z[] = {1, 3, 3, 0, 3, 1, 1, 1, 1, 1};
    check(2, 5, z, (const int32_t[]){1, 0}, 0.0f, 2);
    check(2, 5, z, (const int32_t[]){2, 4}, 0.1f, 0);
}
END_TEST

START_TEST(softmax_large)
{
    float z[] = {1e4f, -1e4f, 0, 3e38f, 2.9e38f, -3e38f, -1e4f, -1e4f, -1e4f};
    check(1, 3, z, (const int32_t[]){1}, 0.0f, 0);
    check(1, 3, z + 6, (const int32_t[]){2}, 0.1f, 0);
    check(1, 3, z + 3, (const int32_t[]){0}, 0.0f, 1);
}
END_TEST

static const int32_t graph_labels[] = {3, 0, 6, 6, 1};

static Tensor *softmax_graph(Tape *t, Tensor *const *in, void *context)
{
    return op_softmax_cross_entropy(t, in[0], graph_labels, *(const float *)context, NULL);
}

START_TEST(softmax_gradients)
{
    static float smoothings[] = {0.0f, 0.1f};
    Arena *arena = arena_create();
    for (int m = 0; m < 2; m++) {
        float *z = random_values(arena, 35, 9);
        for (int i = 0; i < 35; i++) z[i] *= 3.0f;
        const GradCheck c = {.name = "softmax",
                             .inputs = 1,
                             .shape = {shape_2(5, 7)},
                             .x = {z},
                             .graph = softmax_graph,
                             .context = &smoothings[m],
                             .tolerance = 2e-4};
        ck_assert_int_eq(gradcheck(&c), 0);
    }
    arena_destroy(arena);
}
END_TEST

/* Integer logits reach the loss as the real numbers they stand for. */
START_TEST(softmax_on_codes)
{
    Bench b = bench_make();
    int8_t codes[] = {-128, 0, 127, 5, 5, -9};
    float scale = 0.05f, z[6];
    const QuantParams qp = {.bits = 8, .qmin = -128, .qmax = 127, .axis = -1, .n = 1, .scale = &scale, .zero_point = 3};
    for (int i = 0; i < 6; i++) z[i] = scale * (float)(codes[i] - 3);
    const int32_t labels[] = {1, 0};
    double want[6];
    Tensor *x = leaf_codes(b.tape, shape_2(2, 3), codes, &qp, true);
    int hits;
    Tensor *loss = op_softmax_cross_entropy(b.tape, x, labels, 0.0f, &hits);
    ck_assert_double_eq_tol((double)loss->x[0], oracle(2, 3, z, labels, 0, want), 1e-6);
    ck_assert_int_eq(hits, 1);
    tape_backward(b.tape, loss);
    for (int i = 0; i < 6; i++) ck_assert_double_eq_tol((double)x->dx[i], want[i], 1e-6);
    bench_end(&b);
}
END_TEST

/* With factors: each image's loss and gradient times its class's, the sum by the number of images as before. */
START_TEST(softmax_weights)
{
    enum { N = 6, K = 3 };
    static const double weight[K] = {0.5, 0, 4};
    static const int32_t labels[N] = {0, 1, 2, 2, 1, 0};
    Bench b = bench_make();
    float *z = random_values(b.owner, (long)N * K, 3), *dz = ARENA_ARRAY(b.owner, float, N *K);
    double loss = 0, one[N * K];
    Tensor *got = op_cross_entropy(b.tape, tape_leaf(b.tape, "z", shape_2(N, K), z, dz),
                                   &(CrossEntropy){.label = labels, .smoothing = 0.1f, .weight = weight}, NULL);
    ck_assert_int_eq(tape_backward(b.tape, got), STATUS_OK);
    for (int n = 0; n < N; n++) {
        loss += weight[labels[n]] * oracle(1, K, z + n * K, labels + n, 0.1, one) / N;
        for (int k = 0; k < K; k++)
            ck_assert_double_eq_tol((double)dz[n * K + k], weight[labels[n]] * one[k] / N, 1e-6);
    }
    ck_assert_double_eq_tol((double)got->x[0], loss, 1e-6);
    bench_end(&b);
}
END_TEST

/* Mixed targets: the loss and gradient of each of two classes in its share, with smoothing and factors; the answer is
 * compared with the class of the larger share. */
START_TEST(softmax_mixes)
{
    enum { N = 5, K = 3 };
    static const double weight[K] = {0.5, 1, 4};
    static const int32_t labels[N] = {0, 1, 2, 2, 1}, other[N] = {1, 1, 0, 1, 2};
    static const float share[N] = {0.75f, 0.3f, 1, 0, 0.5f};
    Bench b = bench_make();
    float *z = random_values(b.owner, (long)N * K, 3), *dz = ARENA_ARRAY(b.owner, float, N *K);
    double loss = 0, one[2][K];
    int hits = 0, want_hits = 0;
    const CrossEntropy of = {.label = labels, .other = other, .share = share, .smoothing = 0.1f, .weight = weight};
    Tensor *got = op_cross_entropy(b.tape, tape_leaf(b.tape, "z", shape_2(N, K), z, dz), &of, &hits);
    ck_assert_int_eq(tape_backward(b.tape, got), STATUS_OK);
    for (int n = 0; n < N; n++) {
        const double s = (double)share[n], f[2] = {s * weight[labels[n]], (1 - s) * weight[other[n]]};
        loss += f[0] * oracle(1, K, z + n * K, labels + n, 0.1, one[0]) / N;
        loss += f[1] * oracle(1, K, z + n * K, other + n, 0.1, one[1]) / N;
        int best = 0;
        for (int k = 0; k < K; k++) {
            ck_assert_double_eq_tol((double)dz[n * K + k], (f[0] * one[0][k] + f[1] * one[1][k]) / N, 1e-6);
            if (z[n * K + k] > z[n * K + best]) best = k;
        }
        want_hits += best == (s >= 0.5 ? labels[n] : other[n]);
    }
    ck_assert_double_eq_tol((double)got->x[0], loss, 1e-6);
    ck_assert_int_eq(hits, want_hits);
    bench_end(&b);
}
END_TEST

TEST_MAIN("autograd_softmax", softmax_mixes, softmax_weights, softmax_oracle, softmax_ties, softmax_large,
          softmax_gradients, softmax_on_codes)
