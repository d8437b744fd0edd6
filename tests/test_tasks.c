/* Tasks: what each of the registered ones owes, and what scores are, against their definitions. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "tasks/task.h"
#include "tests/support/gradcheck.h"
#include "tests/support/suite.h"

enum { N = 41, K = 5 };

static const char *const names[K] = {"one", "two\x1b[2J", "three", "four", "five"};

static Task of(const TaskConfig *config, int outputs) { return task_make(config, 0.0f, outputs, names); }

START_TEST(every_task_has_what_is_asked_of_it)
{
    for (int i = 0; task_types[i] != NULL; i++) {
        const TaskType *type = task_types[i];
        ck_assert_str_eq(type->name, task_names[i]);
        ck_assert_ptr_eq(task_type(type->name), type);
        ck_assert(type->doc != NULL && type->losses[0] != NULL && type->metrics[0] != NULL);
        for (int k = 0; type->metrics[k] != NULL; k++) {
            const Metric *m = type->metrics[k];
            const double better = m->higher_is_better ? 0.6 : 0.4;
            ck_assert(metric_as_good(m, better, 0.5) && metric_as_good(m, 0.5, 0.5) && !metric_as_good(m, 0.5, better));
            ck_assert(metric_as_good(m, 0.5, m->none) && metric_measured(m, 0.5) && !metric_measured(m, m->none));
        }
        const TaskConfig config = {.type = i};
        const Task enough = of(&config, type->least_outputs), few = of(&config, type->least_outputs - 1);
        ck_assert_int_eq(task_check_head(&enough, "a.json", "fc"), STATUS_OK);
        ck_assert_int_eq(task_check_head(&few, "a.json", "fc"), STATUS_SHAPE);
    }
    ck_assert_ptr_null(task_type("sorting"));
}
END_TEST

START_TEST(a_head_that_is_too_small_is_refused)
{
    const TaskConfig config = {0};
    const Task task = of(&config, 1);
    ck_assert_int_eq(task_check_head(&task, "a.json", "fc"), STATUS_SHAPE);
    ck_assert_str_eq(
        status_message(),
        "a.json: layer \"fc\" gives 1 x 1 x 1; the last layer must give 1 x 1 x classes, at least 2 classes");
}
END_TEST

static int largest(const float *z)
{
    int best = 0;
    for (int k = 1; k < K; k++)
        if (z[k] > z[best]) best = k;
    return best;
}

/* Accuracy, cross-entropy, confusion, answers; added in uneven pieces. */
START_TEST(the_score_of_a_classification)
{
    Arena *arena = arena_create();
    const TaskConfig config = {0};
    const Task task = of(&config, K);
    float *z = random_values(arena, N * K, 3);
    int32_t label[N];
    long correct = 0, confusion[K][K] = {{0}};
    double loss = 0;
    for (int i = 0; i < N; i++) {
        const float *zi = z + i * K;
        label[i] = i % 3 == 0 ? largest(zi) : i % K;
        correct += largest(zi) == label[i];
        confusion[label[i]][largest(zi)]++;
        double sum = 0;
        for (int k = 0; k < K; k++) sum += exp((double)zi[k]);
        loss += log(sum) - (double)zi[label[i]];
    }
    Score s = score_begin(arena, &task, N);
    for (int i = 0, n; i < N; i += n) {
        n = 1 + i % 7 < N - i ? 1 + i % 7 : N - i;
        score_add(&s, z + i * K, targets_from(targets_classes(label), i), n);
    }
    ck_assert_int_eq(s.n, N);
    ck_assert_double_eq(score_value(&s, task.metric), (double)correct / N);
    ck_assert_double_eq_tol(score_loss(&s), loss / N, 1e-12);
    const ClassAnswers *a = score_answers(&s);
    ck_assert_mem_eq(a->confusion, confusion, sizeof confusion);
    double part[N], sum = 0;
    task.type->parts(&s, task.metric, part);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(a->answer[i], largest(z + i * K));
        ck_assert(a->right[i] == (a->answer[i] == label[i]) && part[i] == a->right[i]);
        sum += part[i];
    }
    ck_assert_double_eq(sum / N, score_value(&s, task.metric));
    arena_destroy(arena);
}
END_TEST

/* Names of classes are of others: no line of them reaches a terminal as it is. */
START_TEST(what_is_told_is_safe_for_a_terminal)
{
    Arena *arena = arena_create();
    const TaskConfig config = {0};
    const Task task = of(&config, K);
    const float z[K] = {0, 1, 0, 0, 0};
    Score s = score_begin(arena, &task, 1);
    score_add(&s, z, targets_classes((const int32_t[]){1}), 1);
    int lines = 0;
    for (const char *line; (line = task.type->line(arena, &s, lines)) != NULL; lines++)
        ck_assert_ptr_null(strchr(line, '\x1b'));
    ck_assert_int_eq(lines, K + 1);
    cJSON *json = cJSON_CreateObject();
    const char *answer = task.type->answer(arena, &task, z, json);
    ck_assert_str_eq(answer, "two\\x1b[2J (40.5 %)");
    ck_assert_str_eq(json_get(json, "class")->valuestring, names[1]);
    ck_assert_double_eq_tol(json_get(json, "probability")->valuedouble, exp(1) / (exp(1) + 4), 1e-12);
    cJSON_Delete(json);
    ck_assert_str_eq(task.type->summary(arena, &s), "accuracy 100.00 % (1 of 1)");
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("tasks", every_task_has_what_is_asked_of_it, a_head_that_is_too_small_is_refused,
          the_score_of_a_classification, what_is_told_is_safe_for_a_terminal)
