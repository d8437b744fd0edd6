/* The loss of learning from another network, and its gradient. */
#include <math.h>

#include "tasks/task.h"
#include "tests/support/fixture.h"
#include "tests/support/gradcheck.h"
#include "tests/support/suite.h"

/* The definition, term by term. */
static double divergence(int n, int K, const float *z, const float *teacher, double T, double *dz)
{
    double loss = 0;
    for (int i = 0; i < n; i++) {
        double p_sum = 0, q_sum = 0;
        for (int k = 0; k < K; k++)
            p_sum += exp((double)teacher[i * K + k] / T), q_sum += exp((double)z[i * K + k] / T);
        for (int k = 0; k < K; k++) {
            const double p = exp((double)teacher[i * K + k] / T) / p_sum, q = exp((double)z[i * K + k] / T) / q_sum;
            loss += T * T * p * log(p / q) / n;
            dz[i * K + k] = T * (q - p) / n;
        }
    }
    return loss;
}

START_TEST(divergence_oracle)
{
    static const int sizes[][2] = {{1, 2}, {3, 10}, {17, 5}, {64, 3}, {130, 7}};
    static const double temperatures[] = {0.5, 1, 4, 20};
    for (int s = 0; s < 5; s++)
        for (int k = 0; k < 4; k++) {
            const int N = sizes[s][0], K = sizes[s][1];
            Bench b = bench_make();
            float *z = random_values(b.owner, N * K, (uint64_t)s + 1), *dz = ARENA_ARRAY(b.owner, float, N *K);
            float *teacher = random_values(b.owner, N * K, 77);
            double *want = ARENA_ARRAY(b.owner, double, N *K);
            for (int i = 0; i < N * K; i++) teacher[i] *= 6.0f, z[i] *= 3.0f;
            Tensor *loss =
                op_softmax_divergence(b.tape, tape_leaf(b.tape, "z", shape_2(N, K), z, dz), teacher, temperatures[k]);
            const double value = divergence(N, K, z, teacher, temperatures[k], want);
            ck_assert_double_gt(value, 0.0);
            ck_assert_double_eq_tol((double)loss->x[0], value, 1e-6 * (1 + value));
            must(tape_backward(b.tape, loss));
            for (int i = 0; i < N * K; i++) ck_assert_double_eq_tol((double)dz[i], want[i], 1e-6 / N);
            bench_end(&b);
        }
}
END_TEST

/* Outputs that a plain exponential of has no number for; of equal outputs nothing is left. */
START_TEST(divergence_of_large_and_equal_outputs)
{
    Bench b = bench_make();
    float z[] = {3000, -3000, 0, 1, 2, 3}, dz[6] = {0};
    const float teacher[] = {-3000, 3000, 0, 1, 2, 3};
    Tensor *loss = op_softmax_divergence(b.tape, tape_leaf(b.tape, "z", shape_2(2, 3), z, dz), teacher, 1.0);
    ck_assert_double_eq_tol((double)loss->x[0], 3000.0, 1e-2);
    must(tape_backward(b.tape, loss));
    ck_assert_double_eq_tol((double)dz[0], 0.5, 1e-6);
    ck_assert_double_eq_tol((double)dz[1], -0.5, 1e-6);
    for (int k = 3; k < 6; k++) ck_assert_double_eq_tol((double)dz[k], 0.0, 1e-7);
    bench_end(&b);
}
END_TEST

typedef struct {
    const Task *task;
    Targets targets;
} Lesson;

static Tensor *lesson(Tape *t, Tensor *const *in, void *context)
{
    const Lesson *l = context;
    double running = 0;
    return task_training_loss(t, l->task, in[0], l->targets, &running);
}

/* The whole loss of a batch against differences, for every share and task; where nobody is asked it is the task's own. */
START_TEST(gradients_of_the_mixed_loss)
{
    Arena *own = arena_create();
    static const int32_t label[] = {0, 2, 1, 2, 0}, other[] = {1, 1, 0, 2, 2};
    static const float share[] = {1, 0.7f, 0.5f, 0.25f, 0};
    float mean[3] = {0, 1, 2}, std[3] = {1, 2, 0.5f};
    for (int type = 0; task_types[type] != NULL; type++) {
        /* Points come in pairs of numbers, which three outputs are not. */
        if (task_types[type]->imitate == NULL || task_types[type]->point != NULL) continue;
        const TaskConfig config = {.type = type};
        const bool classes = task_types[type]->target == TARGET_CLASS;
        const TargetScale scale = classes ? (TargetScale){NULL, NULL} : (TargetScale){mean, std};
        Task task = task_make(&config, classes ? 0.1f : 0.0f, 3, NULL, scale);
        Lesson l = {&task, targets_values(3, random_values(own, 15, 5))};
        if (classes) l.targets = (Targets){.label = label, .other = other, .share = share};
        float *z = random_values(own, 15, 9);
        const float *teacher = random_values(own, 15, 4);
        double value[4];
        for (int k = 0; k < 4; k++) { /* nobody, then three shares */
            task.distillation = (Distillation){k == 0 ? 0.5 : 0.5 * (k - 1), 3.0};
            l.targets.teacher = k == 0 ? NULL : teacher;
            const GradCheck c = {.name = task.type->name,
                                 .inputs = 1,
                                 .shape = {shape_2(5, 3)},
                                 .x = {z},
                                 .graph = lesson,
                                 .context = &l,
                                 .tolerance = 2e-3};
            ck_assert_int_eq(gradcheck(&c), 0);
            Bench b = bench_make();
            Tensor *in = tape_leaf(b.tape, "z", shape_2(5, 3), z, NULL);
            value[k] = (double)lesson(b.tape, &in, &l)->x[0];
            bench_end(&b);
        }
        ck_assert_double_eq(value[0], value[1]);
        ck_assert_double_eq_tol(value[2], 0.5 * (value[1] + value[3]), 1e-6);
        ck_assert_double_gt(fabs(value[3] - value[1]), 1e-3);
    }
    arena_destroy(own);
}
END_TEST

TEST_MAIN("distillation_loss", divergence_oracle, divergence_of_large_and_equal_outputs, gradients_of_the_mixed_loss)
