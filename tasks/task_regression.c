/* Regression: a vector of real numbers for each sample.
 *
 * The network learns targets of mean 0 and variance 1: output k stands for mean[k] + std[k] * z[k], with the mean and
 * the standard deviation of target k over the training samples.  Losses are of z, metrics of what it stands for. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "tasks/task.h"

const Metric metric_r2 = {.name = "r2",
                          .label = "R2",
                          .brief = "R2",
                          .unit = "",
                          .factor = 1,
                          .digits = 4,
                          .higher_is_better = true,
                          .none = -DBL_MAX};
const Metric metric_rmse = {.name = "rmse",
                            .label = "RMSE",
                            .brief = "RMSE",
                            .unit = "",
                            .factor = 1,
                            .digits = 4,
                            .any_size = true,
                            .none = DBL_MAX};
const Metric metric_mae = {.name = "mae",
                           .label = "MAE",
                           .brief = "MAE",
                           .unit = "",
                           .factor = 1,
                           .digits = 4,
                           .any_size = true,
                           .none = DBL_MAX};

/* Target k of a sample as the network learns it. */
static double normal(const Task *task, int k, float target)
{
    return ((double)target - (double)task->scale.mean[k]) / (double)task->scale.std[k];
}

static void learn(const Task *task, const float *x, Targets targets, int n, float *learned, double *running)
{
    const int K = task->outputs;
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < K; k++) {
            const size_t at = (size_t)i * (size_t)K + (size_t)k;
            learned[at] = (float)normal(task, k, targets.value[at]);
            sum += fabs((double)x[at] - (double)learned[at]) * (double)task->scale.std[k];
        }
        *running += sum / K;
    }
}

/* ---- scores ------------------------------------------------------------------------------------------------------ */

/* Sums over samples, of each output, in units of its standard deviation. */
typedef struct {
    double *absolute, *square;      /* of the errors */
    double *target, *target_square; /* of the targets */
    float *error;                   /* [n, outputs] */
} Sums;

static void *begin(Arena *arena, const Task *task, int n)
{
    const int K = task->outputs;
    Sums *s = ARENA_ARRAY(arena, Sums, 1);
    *s = (Sums){ARENA_ARRAY(arena, double, K), ARENA_ARRAY(arena, double, K), ARENA_ARRAY(arena, double, K),
                ARENA_ARRAY(arena, double, K), arena_alloc(arena, sizeof(float) * (size_t)n * (size_t)K)};
    return s;
}

static void add(Score *score, const float *outputs, Targets targets, int n)
{
    Sums *s = score->sums;
    const Task *task = score->task;
    const int K = task->outputs;
    float *error = s->error + (size_t)score->n * (size_t)K;
    for (int i = 0; i < n; i++) {
        double loss = 0;
        for (int k = 0; k < K; k++) {
            const size_t at = (size_t)i * (size_t)K + (size_t)k;
            const double target = normal(task, k, targets.value[at]), r = (double)outputs[at] - target;
            s->absolute[k] += fabs(r);
            s->square[k] += r * r;
            s->target[k] += target;
            s->target_square[k] += target * target;
            error[at] = (float)r;
            loss += task->loss->value(task, r);
        }
        score->loss += loss / K;
    }
}

/* The sum of squares of target k about its mean. */
static double variation(const Score *score, int k)
{
    const Sums *s = score->sums;
    return fmax(s->target_square[k] - s->target[k] * s->target[k] / score->n, 0.0);
}

static double r2(const Score *score, int k)
{
    const double square = ((const Sums *)score->sums)->square[k], about = variation(score, k);
    return about > 0 ? 1 - square / about : square > 0 ? 0 : 1;
}

static double mae(const Score *score, int k)
{
    return (double)score->task->scale.std[k] * ((const Sums *)score->sums)->absolute[k] / score->n;
}

static double mean_square(const Score *score, int k)
{
    const double std = (double)score->task->scale.std[k];
    return std * std * ((const Sums *)score->sums)->square[k] / score->n;
}

/* Over all outputs: the mean of each one's MAE, and of its R2; the root of the mean of all squares. */
static double value(const Score *score, const Metric *metric)
{
    const int K = score->task->outputs;
    double sum = 0;
    if (score->n == 0) return metric->none;
    for (int k = 0; k < K; k++)
        sum += metric == &metric_r2 ? r2(score, k) : metric == &metric_mae ? mae(score, k) : mean_square(score, k);
    return metric == &metric_rmse ? sqrt(sum / K) : sum / K;
}

/* R2 is a mean over samples of 1 - n r^2 / variation; RMSE of r^2 / RMSE. */
static void parts(const Score *score, const Metric *metric, double *part)
{
    const Task *task = score->task;
    const int K = task->outputs;
    const double rmse = value(score, &metric_rmse);
    for (int i = 0; i < score->n; i++) {
        part[i] = 0;
        for (int k = 0; k < K; k++) {
            const double r = (double)((const Sums *)score->sums)->error[(size_t)i * (size_t)K + (size_t)k];
            const double std = (double)task->scale.std[k], about = variation(score, k);
            if (metric == &metric_r2)
                part[i] += (about > 0 ? 1 - score->n * r * r / about : r2(score, k)) / K;
            else if (metric == &metric_mae)
                part[i] += std * fabs(r) / K;
            else if (rmse > 0)
                part[i] += std * std * r * r / rmse / K;
        }
    }
}

static char *summary(Arena *arena, const Score *score)
{
    char *text = arena_strdup(arena, "");
    const Metric *const all[] = {&metric_r2, &metric_rmse, &metric_mae};
    for (int i = 0; i < 3; i++)
        text = arena_printf(arena, "%s%s%s %s", text, i == 0 ? "" : ", ", all[i]->label,
                            metric_text(arena, all[i], value(score, all[i])));
    return text;
}

static void json(const Score *score, cJSON *json)
{
    cJSON *list = cJSON_AddArrayToObject(json, "outputs");
    for (int k = 0; k < score->task->outputs && score->n > 0; k++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", score->task->name[k]);
        cJSON_AddNumberToObject(item, metric_r2.name, r2(score, k));
        cJSON_AddNumberToObject(item, metric_rmse.name, sqrt(mean_square(score, k)));
        cJSON_AddNumberToObject(item, metric_mae.name, mae(score, k));
        cJSON_AddItemToArray(list, item);
    }
}

static char *line(Arena *arena, const Score *score, int i)
{
    if (i > score->task->outputs) return NULL;
    if (i == 0)
        return task_text(arena, "  %-16s %12s %12s %12s", "output", metric_r2.label, metric_rmse.label,
                         metric_mae.label);
    return task_text(arena, "  %-16.16s %12.4f %12.6g %12.6g", score->task->name[i - 1], r2(score, i - 1),
                     sqrt(mean_square(score, i - 1)), mae(score, i - 1));
}

/* The values that the outputs stand for. */
static char *answer(Arena *arena, const Task *task, const float *z, cJSON *json)
{
    cJSON *values = cJSON_AddObjectToObject(json, "values");
    char *text = arena_strdup(arena, "");
    for (int k = 0; k < task->outputs; k++) {
        const double v = (double)task->scale.mean[k] + (double)task->scale.std[k] * (double)z[k];
        cJSON_AddNumberToObject(values, task->name[k], v);
        text = arena_printf(arena, "%s%s%s", text, k == 0 ? "" : ", ", task_text(arena, "%s %.6g", task->name[k], v));
    }
    return text;
}

static void as_target(const Task *task, const float *z, Targets like, void *into)
{
    (void)like;
    float *to = into;
    for (int k = 0; k < task->outputs; k++)
        to[k] = (float)((double)task->scale.mean[k] + (double)task->scale.std[k] * (double)z[k]);
}

const TaskType task_regression = {
    .name = "regression",
    .doc = "real numbers for each image",
    .target = TARGET_VALUES,
    .losses = (const TaskLoss *const[]){&loss_mse, &loss_huber, NULL},
    .metrics = (const Metric *const[]){&metric_r2, &metric_rmse, &metric_mae, NULL},
    .running = &metric_mae,
    .least_outputs = 1,
    .outputs = "outputs",
    .codes = "outputs",
    .output_bits = 16,
    .imitate = imitate_values,
    .learn = learn,
    .scale = task_scale,
    .as_target = as_target,
    .begin = begin,
    .add = add,
    .value = value,
    .parts = parts,
    .summary = summary,
    .json = json,
    .line = line,
    .answer = answer,
};
