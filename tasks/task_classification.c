/* Classification: one class for each sample, the largest output is the answer. */
#include <math.h>
#include <stdio.h>

#include "tasks/task.h"

const Metric metric_accuracy = {.name = "accuracy",
                                .label = "accuracy",
                                .brief = "acc",
                                .unit = " %",
                                .factor = 100,
                                .digits = 2,
                                .higher_is_better = true,
                                .proportion = true,
                                .none = -1};

static Tensor *cross_entropy(Tape *t, const Task *task, Tensor *z, Targets targets, double *running)
{
    int correct = 0;
    const CrossEntropy of = {.label = targets.label,
                             .other = targets.other,
                             .share = targets.share,
                             .smoothing = task->label_smoothing,
                             .weight = task->class_weight};
    Tensor *loss = op_cross_entropy(t, z, &of, &correct);
    *running += correct;
    return loss;
}

const TaskLoss loss_cross_entropy = {
    "cross_entropy", "softmax cross-entropy, with train.label_smoothing and train.class_weights", cross_entropy, NULL};

/* T^2 KL(softmax(teacher / T) || softmax(z / T)): Hinton et al. 2015. */
static Tensor *imitate(Tape *t, const Task *task, Tensor *z, const float *teacher)
{
    return op_softmax_divergence(t, z, teacher, task->distillation.temperature);
}

static int largest(const float *z, int n)
{
    int best = 0;
    for (int k = 1; k < n; k++)
        if (z[k] > z[best]) best = k;
    return best;
}

static void *begin(Arena *arena, const Task *task, int n)
{
    ClassAnswers *a = ARENA_ARRAY(arena, ClassAnswers, 1);
    *a = (ClassAnswers){.confusion = ARENA_ARRAY(arena, long, task->outputs * task->outputs),
                        .answer = ARENA_ARRAY(arena, int32_t, n),
                        .right = ARENA_ARRAY(arena, bool, n)};
    return a;
}

/* The loss is the cross-entropy without smoothing, in double. */
static void add(Score *s, const float *outputs, Targets targets, int n)
{
    ClassAnswers *a = s->sums;
    const int K = s->task->outputs;
    for (int i = 0; i < n; i++) {
        const float *z = outputs + (size_t)i * (size_t)K;
        const int best = largest(z, K), label = targets.label[i];
        double sum = 0;
        for (int k = 0; k < K; k++) sum += exp((double)z[k] - (double)z[best]);
        s->loss += log(fmax(sum, 1.0)) + /* the largest logit's own term is 1 */
                   (double)z[best] - (double)z[label];
        a->correct += best == label;
        a->confusion[label * K + best]++;
        a->answer[s->n + i] = best;
        a->right[s->n + i] = best == label;
    }
}

static double value(const Score *s, const Metric *metric)
{
    (void)metric;
    return s->n > 0 ? (double)((const ClassAnswers *)s->sums)->correct / s->n : 0.0;
}

static char *summary(Arena *arena, const Score *s)
{
    return arena_printf(arena, "accuracy %s (%ld of %d)", metric_text(arena, &metric_accuracy, value(s, NULL)),
                        ((const ClassAnswers *)s->sums)->correct, s->n);
}

static void json(const Score *s, cJSON *json)
{
    const ClassAnswers *a = s->sums;
    const int K = s->task->outputs;
    cJSON_AddItemToObject(json, "classes", cJSON_CreateStringArray(s->task->name, K));
    cJSON *confusion = cJSON_AddArrayToObject(json, "confusion");
    for (int i = 0; i < K; i++) {
        cJSON *row = cJSON_CreateArray();
        for (int k = 0; k < K; k++) cJSON_AddItemToArray(row, cJSON_CreateNumber((double)a->confusion[i * K + k]));
        cJSON_AddItemToArray(confusion, row);
    }
}

static char *line(Arena *arena, const Score *s, int i)
{
    enum { MOST_COLUMNS = 20 };
    const ClassAnswers *a = s->sums;
    const int K = s->task->outputs;
    if (i > K) return NULL;
    if (i == 0) return task_text(arena, "  %-16s %9s   answers (rows: label, columns: answer)", "class", "accuracy");
    const long *row = a->confusion + (size_t)(i - 1) * (size_t)K;
    long n = 0;
    for (int k = 0; k < K; k++) n += row[k];
    char share[16] = "-";
    if (n > 0) snprintf(share, sizeof share, "%.2f%%", 100.0 * (double)row[i - 1] / (double)n);
    char *text = task_text(arena, "  %-16.16s %9s  ", s->task->name[i - 1], share);
    for (int k = 0; k < K && K <= MOST_COLUMNS; k++) text = arena_printf(arena, "%s %5ld", text, row[k]);
    return text;
}

/* The class and its probability, the softmax of the outputs. */
static char *answer(Arena *arena, const Task *task, const float *z, cJSON *json)
{
    const int best = largest(z, task->outputs);
    double sum = 0;
    for (int k = 0; k < task->outputs; k++) sum += exp((double)z[k] - (double)z[best]);
    const double p = 1.0 / sum;
    cJSON_AddStringToObject(json, "class", task->name[best]);
    cJSON_AddNumberToObject(json, "index", best);
    cJSON_AddNumberToObject(json, "probability", p);
    return task_text(arena, "%s (%.1f %%)", task->name[best], 100.0 * p);
}

static void parts(const Score *s, const Metric *metric, double *part)
{
    (void)metric;
    for (int i = 0; i < s->n; i++) part[i] = ((const ClassAnswers *)s->sums)->right[i];
}

static void as_target(const Task *task, const float *z, Targets like, void *into)
{
    (void)like;
    *(int32_t *)into = largest(z, task->outputs);
}

const TaskType task_classification = {
    .name = "classification",
    .doc = "one class for each image; the largest output is the answer",
    .target = TARGET_CLASS,
    .losses = (const TaskLoss *const[]){&loss_cross_entropy, NULL},
    .metrics = (const Metric *const[]){&metric_accuracy, NULL},
    .running = &metric_accuracy,
    .least_outputs = 2,
    .outputs = "classes",
    .codes = "logits",
    .answers_class = true,
    .imitate = imitate,
    .as_target = as_target,
    .begin = begin,
    .add = add,
    .value = value,
    .summary = summary,
    .json = json,
    .parts = parts,
    .line = line,
    .answer = answer,
};
