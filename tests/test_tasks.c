/* Tasks: what each of the registered ones owes, and what scores are, against their definitions. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "tasks/task.h"
#include "tests/support/gradcheck.h"
#include "tests/support/suite.h"

enum { N = 41, K = 5 };

static const char *const names[K] = {"one", "two\x1b[2J", "three", "four", "five"};

static Task of(const TaskConfig *config, int outputs)
{
    return task_make(config, 0.0f, outputs, names, (TargetScale){NULL, NULL});
}

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
        for (int k = 0; type->metrics[k] != NULL;
             k++) { /* with their unit at an axis, and as many digits as they have */
            const Metric *m = type->metrics[k];
            char axis[64], shown[64], want[64];
            metric_axis(axis, sizeof axis, m);
            snprintf(want, sizeof want, "%s%s", m->label, m->unit[0] == '\0' ? "" : ", %");
            ck_assert_str_eq(axis, want);
            metric_print(shown, sizeof shown, m, 12.3456789);
            ck_assert_str_eq(shown, m->any_size ? "12.35" : m->digits == 4 ? "12.3457" : "12.35");
            ck_assert(!m->proportion || (m->higher_is_better && m->factor == 100));
        }
        const TaskConfig config = {.type = i};
        const Task enough = of(&config, type->least_outputs), few = of(&config, type->least_outputs - 1);
        ck_assert_int_eq(task_check_head(&enough, "a.json", "fc", 0), STATUS_OK);
        ck_assert_int_eq(task_check_head(&few, "a.json", "fc", 0), STATUS_SHAPE);
    }
    ck_assert_ptr_null(task_type("sorting"));
}
END_TEST

START_TEST(a_head_that_is_too_small_is_refused)
{
    const TaskConfig config = {0};
    const Task task = of(&config, 1);
    ck_assert_int_eq(task_check_head(&task, "a.json", "fc", 0), STATUS_SHAPE);
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

/* R2, RMSE and MAE against their definitions, in the targets' units; parts are what each sample is to them. */
START_TEST(the_score_of_a_regression)
{
    enum { R = 3 };
    Arena *arena = arena_create();
    const TaskConfig config = {.type = 1, .delta = 0.5};
    float *z = random_values(arena, N * R, 3), *t = random_values(arena, N * R, 5);
    for (int i = 0; i < N * R; i++) t[i] = 2 * t[i] + (float)(10 * (i % R)), z[i] += 0.3f * t[i];
    const Targets targets = targets_values(R, t);
    const Task task = task_make(&config, 0, R, names, task_scale(arena, targets, N));
    Score s = score_begin(arena, &task, N);
    for (int i = 0, n; i < N; i += n) {
        n = 1 + i % 7 < N - i ? 1 + i % 7 : N - i;
        score_add(&s, z + i * R, targets_from(targets, i), n);
    }
    double mae = 0, mse = 0, r2 = 0, loss = 0;
    for (int k = 0; k < R; k++) {
        double mean = 0, about = 0, squares = 0;
        for (int i = 0; i < N; i++) mean += (double)t[i * R + k] / N;
        ck_assert_double_eq_tol((double)task.scale.mean[k], mean, 1e-5);
        for (int i = 0; i < N; i++) {
            const double d = (double)t[i * R + k] - mean;
            const double std = (double)task.scale.std[k];
            const double e = (double)task.scale.mean[k] + std * (double)z[i * R + k] - (double)t[i * R + k];
            about += d * d, squares += e * e, mae += fabs(e) / N / R;
            loss += e * e / std / std / N / R;
        }
        ck_assert_double_eq_tol((double)task.scale.std[k], sqrt(about / N), 1e-5);
        r2 += (1 - squares / about) / R, mse += squares / N / R;
    }
    ck_assert_double_eq_tol(score_value(&s, &metric_r2), r2, 1e-9);
    ck_assert_double_eq_tol(score_value(&s, &metric_rmse), sqrt(mse), 1e-9);
    ck_assert_double_eq_tol(score_value(&s, &metric_mae), mae, 1e-9);
    ck_assert_double_eq_tol(score_loss(&s), loss, 1e-9);
    ck_assert_ptr_null(score_answers(&s));
    for (int m = 0; task.type->metrics[m] != NULL; m++) {
        double part[N], sum = 0;
        task.type->parts(&s, task.type->metrics[m], part);
        for (int i = 0; i < N; i++) sum += part[i];
        ck_assert_double_eq_tol(sum / N, score_value(&s, task.type->metrics[m]), 1e-6);
    }
    arena_destroy(arena);
}
END_TEST

/* The loss of a batch is that of its score, and its running sum the mean absolute errors'. */
START_TEST(losses_agree_with_scores)
{
    enum { R = 2 };
    for (int loss = 0; loss < 2; loss++) { /* mse, huber */
        Bench b = bench_make();
        const TaskConfig config = {.type = 1, .loss = 2 + loss, .delta = 0.5};
        float *z = random_values(b.owner, N * R, 3), *t = random_values(b.owner, N * R, 5);
        const Targets targets = targets_values(R, t);
        const Task task = task_make(&config, 0, R, names, task_scale(b.owner, targets, N));
        ck_assert_str_eq(task.loss->name, loss_choices[config.loss]);
        Score s = score_begin(b.owner, &task, N);
        score_add(&s, z, targets, N);
        double running = 0;
        Tensor *y = tape_leaf(b.tape, "z", shape_2(N, R), z, NULL);
        const Tensor *l = task.loss->run(b.tape, &task, y, targets, &running);
        ck_assert_double_eq_tol((double)l->x[0], score_loss(&s), 1e-6);
        ck_assert_double_eq_tol(running / N, score_value(&s, &metric_mae), 1e-6);
        bench_end(&b);
    }
}
END_TEST

/* ---- landmarks --------------------------------------------------------------------------------------------------- */

enum { P = 4 };
static const char *const coordinates[2 * P] = {"eye_x",  "eye_y",  "ear_x",  "ear_y",
                                               "nose_x", "nose_y", "chin_x", "chin_y"};
static const char *eyes[] = {"eye", "ear"};

/* Points anywhere in 40 x 40 pixels; some are not visible, of some of these nothing is known. */
static Targets some_points(Arena *a)
{
    float *at = random_values(a, (long)N * P * POINT_FLOATS, 5);
    for (int i = 0; i < N * P; i++) {
        float *p = at + POINT_FLOATS * i;
        p[POINT_X] = 20 + 20 * p[POINT_X], p[POINT_Y] = 20 + 20 * p[POINT_Y];
        p[POINT_VISIBLE] = i % 5 != 0;
        if (i % 15 == 0) p[POINT_X] = p[POINT_Y] = NAN;
    }
    return targets_points(P, at);
}

static Task landmarks_of(Arena *a, Targets t, bool named, int loss)
{
    const TaskConfig config = {.type = name_find(task_names, "landmarks"),
                               .loss = loss,
                               .wing_width = 1,
                               .wing_curvature = 0.2,
                               .pck_threshold = 0.5,
                               .normalizer = {named ? 2 : 0, eyes}};
    return task_make(&config, 0, 2 * P, coordinates, task_landmarks.scale(a, t, N));
}

/* What is right by the definition; judged by pictures and points. */
typedef struct {
    double nme, pck, part[N];
} Known;

static Known known_score(const Task *task, const float *z, Targets t, bool named)
{
    double nme[N], right = 0;
    int points = 0, pictures = 0;
    for (int i = 0; i < N; i++) {
        const float *at = t.value + POINT_FLOATS * P * i;
        double unit = hypot((double)at[0] - (double)at[3], (double)at[1] - (double)at[4]), low[2] = {99, 99},
               high[2] = {-99, -99}, sum = 0;
        int visible = 0;
        for (int p = 0; p < P; p++)
            for (int k = 0; k < 2; k++)
                if (!isnan(at[3 * p + k]))
                    low[k] = fmin(low[k], (double)at[3 * p + k]), high[k] = fmax(high[k], (double)at[3 * p + k]);
        if (!named) unit = hypot(high[0] - low[0], high[1] - low[1]);
        nme[i] = (double)NAN;
        if (!(unit > 0)) continue;
        for (int p = 0; p < P; p++) {
            if (at[3 * p + 2] == 0) continue;
            double square = 0;
            for (int k = 0; k < 2; k++) {
                const int j = 2 * p + k;
                const double v = (double)task->scale.mean[j] + (double)task->scale.std[j] * (double)z[2 * P * i + j];
                square += (v - (double)at[3 * p + k]) * (v - (double)at[3 * p + k]);
            }
            sum += sqrt(square) / unit, visible++;
            right += sqrt(square) / unit <= 0.5;
        }
        nme[i] = sum / visible;
        points += visible, pictures++;
    }
    Known k = {.pck = right / points};
    for (int i = 0; i < N; i++) {
        k.part[i] = isnan(nme[i]) ? 0 : nme[i] * N / pictures;
        k.nme += k.part[i] / N;
    }
    return k;
}

START_TEST(the_score_of_landmarks)
{
    Arena *arena = arena_create();
    const Targets t = some_points(arena);
    for (int named = 0; named < 2; named++) {
        const Task task = landmarks_of(arena, t, named, 0);
        float *z = random_values(arena, 2 * P * N, 3);
        for (int k = 1; k < 2 * P; k++) ck_assert(task.scale.std[k] == task.scale.std[0]); /* one unit for all */
        ck_assert_str_eq(task.loss->name, "wing");
        const Known known = known_score(&task, z, t, named);
        Score s = score_begin(arena, &task, N);
        for (int i = 0, n; i < N; i += n) {
            n = 1 + i % 7 < N - i ? 1 + i % 7 : N - i;
            score_add(&s, z + 2 * P * i, targets_from(t, i), n);
        }
        double part[N];
        ck_assert_double_eq_tol(score_value(&s, &metric_nme), known.nme, 1e-6);
        ck_assert_double_eq_tol(score_value(&s, &metric_pck), known.pck, 1e-9);
        task.type->parts(&s, &metric_nme, part);
        for (int i = 0; i < N; i++) ck_assert_double_eq_tol(part[i], known.part[i], 1e-5);
        double sum = 0;
        task.type->parts(&s, &metric_pck, part);
        for (int i = 0; i < N; i++) sum += part[i] / N;
        ck_assert_double_eq_tol(sum, known.pck, 1e-9);
        const char *text = task.type->summary(arena, &s);
        ck_assert_ptr_nonnull(strstr(text, named ? " of the distance of eye and ear, PCK@0.5 "
                                                 : " of the diagonal of the points' box, PCK@0.5 "));
        int lines = 0;
        while (task.type->line(arena, &s, lines) != NULL) lines++;
        ck_assert_int_eq(lines, P + 1);
    }
    arena_destroy(arena);
}
END_TEST

/* A point that is not visible has no gradient and no part in the loss; the others' are as the score has them. */
START_TEST(what_is_not_visible_is_not_learned)
{
    for (int loss = 0; loss < 2; loss++) {
        Bench b = bench_make();
        const Targets t = some_points(b.owner);
        const Task task = landmarks_of(b.owner, t, true, loss == 0 ? 0 : 2);
        ck_assert_str_eq(task.loss->name, loss == 0 ? "wing" : "mse");
        float *z = random_values(b.owner, 2 * P * N, 3), *dz = ARENA_ARRAY(b.owner, float, 2 * P * N);
        Score s = score_begin(b.owner, &task, N);
        score_add(&s, z, t, N);
        double running = 0;
        Tensor *y = tape_leaf(b.tape, "z", shape_2(N, 2 * P), z, dz),
               *l = task.loss->run(b.tape, &task, y, t, &running);
        ck_assert_double_eq_tol((double)l->x[0], score_loss(&s), 1e-6);
        ck_assert_int_eq(tape_backward(b.tape, l), STATUS_OK);
        for (int i = 0; i < N * P; i++) {
            const bool visible = t.value[3 * i + 2] > 0;
            ck_assert((dz[2 * i] != 0) == visible && (dz[2 * i + 1] != 0) == visible);
        }
        bench_end(&b);
    }
}
END_TEST

/* Every task can hold one network against the answers of another: of itself they are right. */
START_TEST(answers_as_targets)
{
    for (int i = 0; task_types[i] != NULL; i++) {
        Arena *arena = arena_create();
        const TaskType *type = task_types[i];
        const TaskConfig config = {.type = i, .pck_threshold = 0.1, .delta = 1, .wing_width = 1, .wing_curvature = 1};
        const int outputs = type->target == TARGET_TOKENS ? 512 : 2 * P;
        const Targets like = type->target == TARGET_POINTS ? some_points(arena)
                             : type->target == TARGET_VALUES
                                 ? targets_values(outputs, random_values(arena, outputs * N, 1))
                             : type->target == TARGET_TOKENS ? targets_values(2, ARENA_ARRAY(arena, float, 2 * N))
                                                             : targets_classes(ARENA_ARRAY(arena, int32_t, N));
        const TargetScale scale = type->scale == NULL ? (TargetScale){NULL, NULL} : type->scale(arena, like, N);
        const Task task = task_make(&config, 0, outputs, outputs == 2 * P ? coordinates : NULL, scale);
        float *z = random_values(arena, outputs * N, 3);
        char *room = arena_alloc(arena, N * target_bytes(like));
        for (int n = 0; n < N; n++)
            type->as_target(&task, z + outputs * n, targets_from(like, n), room + (size_t)n * target_bytes(like));
        Score s = score_begin(arena, &task, N);
        score_add(&s, z, targets_in(like, room), N);
        if (type->target == TARGET_TOKENS)
            ck_assert(score_value(&s, &metric_token_accuracy) == 1);
        else
            ck_assert_double_eq_tol(score_value(&s, task.metric), task.metric->higher_is_better ? 1 : 0, 1e-6);
        arena_destroy(arena);
    }
}
END_TEST

START_TEST(points_must_be_there)
{
    const char *nobody[] = {"eye", "tail"}, *twice[] = {"eye", "eye"};
    const struct {
        int outputs;
        StringList normalizer;
        const char *sentence;
    } bad[] = {{5, {0, NULL}, "a.json: 5 outputs; of the task landmarks it must be two for each point"},
               {8, {1, eyes}, "a.json: task.normalizer: one point; must be two, or none"},
               {8, {2, nobody}, "a.json: task.normalizer: \"tail\"; must be two of the points: eye, ear, nose, chin"},
               {8, {2, twice}, "a.json: task.normalizer: \"eye\"; must be two of the points: eye, ear, nose, chin"}};
    for (int i = 0; i < 4; i++) {
        const TaskConfig config = {.type = name_find(task_names, "landmarks"), .normalizer = bad[i].normalizer};
        ck_assert(task_check_outputs(&config, bad[i].outputs, coordinates, "a.json") != STATUS_OK);
        ck_assert_str_eq(status_message(), bad[i].sentence);
    }
    const TaskConfig good = {.type = name_find(task_names, "landmarks"), .normalizer = {2, eyes}};
    ck_assert_int_eq(task_check_outputs(&good, 2 * P, coordinates, "a.json"), STATUS_OK);
}
END_TEST

TEST_MAIN("tasks", the_score_of_landmarks, what_is_not_visible_is_not_learned, answers_as_targets, points_must_be_there,
          the_score_of_a_regression, losses_agree_with_scores, every_task_has_what_is_asked_of_it,
          a_head_that_is_too_small_is_refused, the_score_of_a_classification, what_is_told_is_safe_for_a_terminal)
