/* op_relu, op_add, op_concat, op_reshape and column_sums: outputs by the definition, gradients by differences; also
 * how the tape keeps the first failure and names both sides of a shape that does not fit. */
#include "tests/support/gradcheck.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "tests/support/suite.h"

static const Shape shapes[] = {
    {4, {1, 1, 1, 1}}, {4, {2, 3, 5, 7}}, {4, {1, 1, 17, 1}}, {4, {3, 8, 8, 16}}, {4, {5, 1, 1, 33}}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static Tensor *relu_graph(Tape *t, Tensor *const *in, void *context) { return op_relu(t, in[0], *(float *)context); }

START_TEST(relu)
{
    static float limits[] = {INFINITY, 6.0f, 0.5f};
    for (int s = 0; s < SHAPES; s++)
        for (int m = 0; m < 3; m++) {
            Bench b = bench_make();
            const long n = shape_elements(shapes[s]);
            /* 0, 0.5 and 6 are multiples of the 0.5 that values keep away from. */
            float *x = values_off_kinks(b.owner, n, (uint64_t)s, 9.0f, 0.5f, 0.1f);
            const Tensor *y = op_relu(b.tape, tape_leaf(b.tape, "x", shapes[s], x, NULL), limits[m]);
            for (long i = 0; i < n; i++) ck_assert(y->x[i] == fminf(fmaxf(x[i], 0.0f), limits[m]));
            const GradCheck c = {.name = "relu",
                                 .inputs = 1,
                                 .shape = {shapes[s]},
                                 .x = {x},
                                 .graph = relu_graph,
                                 .context = &limits[m],
                                 .samples = 50};
            ck_assert_int_eq(gradcheck(&c), 0);
            bench_end(&b);
        }
}
END_TEST

/* No gradient at 0 and at the limit themselves. */
START_TEST(relu_bounds)
{
    Bench b = bench_make();
    float x[] = {-0.0f, 0.0f, 6.0f, 3.0f, NAN}, dx[5] = {0}, one[] = {1, 1, 1, 1, 1};
    Tensor *y = op_relu(b.tape, tape_leaf(b.tape, "x", shape_1(5), x, dx), 6.0f);
    tape_backward(b.tape, weighted_sum(b.tape, y, one));
    static const float want[] = {0, 0, 0, 1, 0};
    ck_assert_mem_eq(dx, want, sizeof dx);
    bench_end(&b);
}
END_TEST

static Tensor *add_graph(Tape *t, Tensor *const *in, void *context)
{
    (void)context;
    return op_add(t, in[0], in[1]);
}

/* x + x: the same tensor on both sides collects both gradients. */
static Tensor *twice_graph(Tape *t, Tensor *const *in, void *context)
{
    (void)context;
    return op_add(t, in[0], op_add(t, in[0], in[0]));
}

START_TEST(add)
{
    for (int s = 0; s < SHAPES; s++) {
        Bench b = bench_make();
        const long n = shape_elements(shapes[s]);
        float *p = random_values(b.owner, n, 1), *q = random_values(b.owner, n, 2);
        const Tensor *y =
            op_add(b.tape, tape_leaf(b.tape, "a", shapes[s], p, NULL), tape_leaf(b.tape, "b", shapes[s], q, NULL));
        for (long i = 0; i < n; i++) ck_assert(y->x[i] == p[i] + q[i]);
        GradCheck c = {.name = "add",
                       .inputs = 2,
                       .shape = {shapes[s], shapes[s]},
                       .x = {p, q},
                       .graph = add_graph,
                       .samples = 30};
        ck_assert_int_eq(gradcheck(&c), 0);
        c.constant[1] = true;
        ck_assert_int_eq(gradcheck(&c), 0);
        c.inputs = 1;
        c.graph = twice_graph;
        ck_assert_int_eq(gradcheck(&c), 0);
        bench_end(&b);
    }
}
END_TEST

static Tensor *concat_graph(Tape *t, Tensor *const *in, void *context) { return op_concat(t, *(int *)context, in); }

START_TEST(concat)
{
    int counts[] = {1, 2, 3};
    for (int k = 0; k < 3; k++) {
        Bench b = bench_make();
        static const int channels[] = {3, 1, 16};
        GradCheck c = {
            .name = "concat", .inputs = counts[k], .graph = concat_graph, .context = &counts[k], .samples = 30};
        Tensor *in[3];
        int total = 0;
        for (int i = 0; i < counts[k]; i++) {
            c.shape[i] = shape_4(2, 3, 5, channels[i]);
            c.x[i] = random_values(b.owner, shape_elements(c.shape[i]), (uint64_t)i);
            in[i] = tape_leaf(b.tape, "x", c.shape[i], c.x[i], NULL);
            total += channels[i];
        }
        const Tensor *y = op_concat(b.tape, counts[k], in);
        ck_assert(shape_equal(y->shape, shape_4(2, 3, 5, total)));
        for (int row = 0; row < 30; row++)
            for (int i = 0, at = 0; i < counts[k]; at += channels[i++])
                for (int j = 0; j < channels[i]; j++)
                    ck_assert(y->x[row * total + at + j] == c.x[i][row * channels[i] + j]);
        ck_assert_int_eq(gradcheck(&c), 0);
        bench_end(&b);
    }
}
END_TEST

static Tensor *reshape_graph(Tape *t, Tensor *const *in, void *context)
{
    (void)context;
    return op_reshape(t, in[0], shape_2(6, 35));
}

START_TEST(reshape)
{
    Bench b = bench_make();
    float *x = random_values(b.owner, 210, 1);
    const GradCheck c = {
        .name = "reshape", .inputs = 1, .shape = {shape_4(2, 3, 5, 7)}, .x = {x}, .graph = reshape_graph};
    ck_assert_int_eq(gradcheck(&c), 0);
    int8_t codes[6] = {1, 2, 3, 4, 5, 6};
    float scale = 0.5f;
    const QuantParams qp = {.bits = 8, .qmin = -128, .qmax = 127, .axis = -1, .n = 1, .scale = &scale};
    Tensor *y = op_reshape(b.tape, leaf_codes(b.tape, shape_2(2, 3), codes, &qp, true), shape_4(1, 3, 1, 2));
    ck_assert(y->codes == codes && y->qp == &qp && y->x == NULL && y->needs_grad);
    ck_assert_ptr_null(op_reshape(b.tape, y, shape_2(7, 1)));
    ck_assert_str_eq(b.tape->message, "reshape \"\": [1,3,1,2] to [7,1]; the element counts must agree");
    bench_end(&b);
}
END_TEST

START_TEST(sums_of_columns)
{
    static const int sizes[][3] = {{1, 1, 1},   {5, 3, 3},    {16, 1, 16}, {17, 1, 17},
                                   {3, 341, 5}, {41, 25, 33}, {4099, 1, 2}};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        const int images = sizes[k][0], rows = images * sizes[k][1], c = sizes[k][2];
        float first[64];
        for (int threads = 1; threads <= 5; threads += 2) {
            Bench b = bench_make();
            parallel_set_threads(threads);
            const float *x = random_values(b.owner, (long)rows * c, k);
            float out[64];
            for (int i = 0; i < c; i++) out[i] = 100.0f;
            column_sums(b.tape, x, images, sizes[k][1], c, out);
            for (int i = 0; i < c; i++) {
                double sum = 100;
                for (int r = 0; r < rows; r++) sum += (double)x[r * c + i];
                ck_assert_double_eq_tol((double)out[i], sum, 2e-5);
            }
            if (threads == 1) memcpy(first, out, sizeof(float) * (size_t)c);
            ck_assert_mem_eq(out, first, sizeof(float) * (size_t)c);
            bench_end(&b);
        }
    }
    parallel_set_threads(2);
}
END_TEST

START_TEST(failures_stick)
{
    Bench b = bench_make();
    Tape *t = b.tape;
    t->where = "res2";
    Tensor *x = tape_tensor(t, "x", shape_4(1, 8, 8, 4)), *z = tape_tensor(t, "z", shape_4(1, 8, 7, 4));
    ck_assert_ptr_null(op_add(t, x, z));
    ck_assert_str_eq(t->message, "add \"res2\": W is 8 in a but 7 in b; contract a[N,H,W,C] b[N,H,W,C] -> y[N,H,W,C]");
    Tensor *in[] = {x, z};
    ck_assert_ptr_null(op_concat(t, 2, in));
    ck_assert_ptr_null(op_reshape(t, op_add(t, op_relu(t, NULL, 6.0f), NULL), shape_1(1)));
    ck_assert_msg(strncmp(t->message, "add \"res2\": W is 8", 18) == 0, "%s", t->message);
    ck_assert_int_eq(tape_backward(t, NULL), STATUS_SHAPE);
    tape_reset(t, true);
    ck_assert_int_eq(t->status, STATUS_OK);
    x = tape_tensor(t, "x", shape_4(1, 8, 8, 4)), z = tape_tensor(t, "z", shape_4(1, 8, 7, 4));
    in[0] = x, in[1] = z;
    ck_assert_ptr_null(op_concat(t, 2, in));
    ck_assert_str_eq(t->message, "concat \"\": [1,8,8,4] beside [1,8,7,4]; all lengths but the last must agree");
    bench_end(&b);
}
END_TEST

/* Evaluation records nothing, and neither does a graph without parameters. */
START_TEST(nothing_recorded)
{
    Bench b = bench_make();
    float x[4] = {1, 2, 3, 4}, dx[4];
    op_relu(b.tape, tape_leaf(b.tape, "x", shape_1(4), x, NULL), 6.0f);
    ck_assert_ptr_null(b.tape->last);
    tape_reset(b.tape, false);
    const Tensor *y = op_relu(b.tape, tape_leaf(b.tape, "x", shape_1(4), x, dx), 6.0f);
    ck_assert(b.tape->last == NULL && !y->needs_grad);
    bench_end(&b);
}
END_TEST

TEST_MAIN("autograd_elementwise", relu, relu_bounds, add, concat, reshape, sums_of_columns, failures_stick,
          nothing_recorded)
