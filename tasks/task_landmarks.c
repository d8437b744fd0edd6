/* Landmarks: named points in each picture, each visible or not.
 *
 * The network learns where a point lies about its mean place, in one unit for all: output 2 p + i of z stands for
 * coordinate i of point p, mean[2 p + i] + std * z[2 p + i], in pixels of the network's input; std^2 is the mean square
 * of all coordinates about their means.  A point that is not visible has no part in losses and metrics.
 *
 *     e(p) = |predicted - labelled| / d          d: the distance of two named points of the label, or the diagonal of
 *     NME = mean over pictures, mean over p, of e      the box around all its points, in each picture anew
 *     PCK@a = share of all points with e <= a
 *
 * (Sagonas et al. 2013; Yang and Ramanan 2013.)  A picture whose d is 0 or not known is not judged. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "tasks/task.h"

const Metric metric_nme = {
    .name = "nme", .label = "NME", .brief = "NME", .unit = " %", .factor = 100, .digits = 2, .none = DBL_MAX};
const Metric metric_pck = {.name = "pck",
                           .label = "PCK",
                           .brief = "PCK",
                           .unit = " %",
                           .factor = 100,
                           .digits = 2,
                           .higher_is_better = true,
                           .none = -1};

/* Point p of a sample's target. */
static const float *point_of(const float *target, int p) { return target + (size_t)p * POINT_FLOATS; }

static double value_of(const Task *task, int k, float z)
{
    return (double)task->scale.mean[k] + (double)task->scale.std[k] * (double)z;
}

/* How far the outputs have point p from its label, in pixels; -1: it is not visible. */
static double distance(const Task *task, const float *z, const float *target, int p)
{
    const float *at = point_of(target, p);
    if (!(at[POINT_VISIBLE] > 0)) return -1;
    return hypot(value_of(task, 2 * p, z[2 * p]) - (double)at[POINT_X],
                 value_of(task, 2 * p + 1, z[2 * p + 1]) - (double)at[POINT_Y]);
}

/* What errors of a picture are divided by; 0: it is not judged. */
static double normalizer(const Task *task, const float *target)
{
    const int *pair = task->normalizer;
    if (pair[0] >= 0 && pair[1] >= 0) {
        const float *a = point_of(target, pair[0]), *b = point_of(target, pair[1]);
        const double d = hypot((double)a[POINT_X] - (double)b[POINT_X], (double)a[POINT_Y] - (double)b[POINT_Y]);
        return d > 0 ? d : 0; /* of what is not known, too */
    }
    double low[2] = {DBL_MAX, DBL_MAX}, high[2] = {-DBL_MAX, -DBL_MAX};
    for (int p = 0; p < task->outputs / 2; p++)
        for (int i = 0; i < 2; i++) { /* fmin and fmax pass over NAN */
            low[i] = fmin(low[i], (double)point_of(target, p)[i]);
            high[i] = fmax(high[i], (double)point_of(target, p)[i]);
        }
    return high[0] >= low[0] && high[1] >= low[1] ? hypot(high[0] - low[0], high[1] - low[1]) : 0;
}

/* The mean error of a picture's visible points; -1: it is not judged. */
static double picture_error(const Task *task, const float *z, const float *target)
{
    const double unit = normalizer(task, target);
    double sum = 0;
    int visible = 0;
    for (int p = 0; p < task->outputs / 2; p++) {
        const double d = distance(task, z, target, p);
        if (d >= 0) sum += d, visible++;
    }
    return unit > 0 && visible > 0 ? sum / visible / unit : -1;
}

/* ---- what is learned --------------------------------------------------------------------------------------------- */

/* Coordinate k, of 2 for each point, of sample i as the network learns it; NAN: it is not learned. */
static double normal(const Task *task, Targets targets, int i, int k)
{
    const float *at = point_of(targets_from(targets, i).value, k / 2);
    if (!(at[POINT_VISIBLE] > 0)) return (double)NAN;
    return ((double)at[k % 2] - (double)task->scale.mean[k]) / (double)task->scale.std[k];
}

static void learn(const Task *task, const float *x, Targets targets, int n, float *learned, double *running)
{
    const int K = task->outputs;
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < K; k++) {
            const size_t at = (size_t)i * (size_t)K + (size_t)k;
            const double target = normal(task, targets, i, k);
            learned[at] = isnan(target) ? x[at] : (float)target;
        }
        *running += fmax(picture_error(task, x + (size_t)i * (size_t)K, targets_from(targets, i).value), 0.0);
    }
}

static TargetScale scale(Arena *arena, Targets targets, int n)
{
    const int K = 2 * targets.points;
    float *mean = ARENA_ARRAY(arena, float, K), *std = ARENA_ARRAY(arena, float, K);
    double squares = 0;
    long all = 0;
    for (int k = 0; k < K; k++) {
        double sum = 0;
        long visible = 0;
        for (int pass = 0; pass < 2; pass++) { /* the mean, then what lies about it */
            for (int i = 0; i < n; i++) {
                const float *at = point_of(targets_from(targets, i).value, k / 2);
                if (!(at[POINT_VISIBLE] > 0)) continue;
                const double d = (double)at[k % 2] - (double)mean[k];
                if (pass == 0)
                    sum += d, visible++;
                else
                    squares += d * d, all++;
            }
            if (pass == 0) mean[k] = (float)(visible > 0 ? sum / (double)visible : 0.0);
        }
    }
    const float unit = (float)(all > 0 ? sqrt(squares / (double)all) : 0.0);
    for (int k = 0; k < K; k++) std[k] = unit > 0.0f ? unit : 1.0f;
    return (TargetScale){mean, std};
}

static Status check(const TaskConfig *config, int outputs, const char *const *name, const char *where)
{
    if (outputs % 2 != 0)
        return status_fail(STATUS_SHAPE, "%s: %d outputs; of the task landmarks it must be two for each point", where,
                           outputs);
    if (config->normalizer.n == 1)
        return status_fail(STATUS_CONFIG, "%s: task.normalizer: one point; must be two, or none", where);
    for (int i = 0; i < config->normalizer.n && name != NULL; i++) {
        const int point = task_point(config->normalizer.at[i], outputs, name);
        if (point >= 0 && (i == 0 || point != task_point(config->normalizer.at[0], outputs, name))) continue;
        Arena *arena = arena_create();
        const char *known = point_name(arena, name[0]);
        for (int k = 2; k < outputs; k += 2) known = arena_printf(arena, "%s, %s", known, point_name(arena, name[k]));
        const Status status = status_fail(STATUS_CONFIG, "%s: task.normalizer: \"%s\"; must be two of the points: %s",
                                          where, config->normalizer.at[i], known);
        arena_destroy(arena);
        return status;
    }
    return STATUS_OK;
}

static void point(const Task *task, const float *outputs, int k, float *x, float *y)
{
    *x = (float)value_of(task, 2 * k, outputs[2 * k]);
    *y = (float)value_of(task, 2 * k + 1, outputs[2 * k + 1]);
}

static void as_target(const Task *task, const float *outputs, Targets like, void *into)
{
    float *to = into;
    for (int p = 0; p < task->outputs / 2; p++, to += POINT_FLOATS) {
        point(task, outputs, p, &to[POINT_X], &to[POINT_Y]);
        to[POINT_VISIBLE] = point_of(like.value, p)[POINT_VISIBLE];
    }
}

/* ---- scores ------------------------------------------------------------------------------------------------------ */

typedef struct {
    float *distance; /* [n, points] in pixels; -1: the point is not visible */
    double *unit;    /* [n] the normalizer; 0: the picture is not judged */
} Sums;

static void *begin(Arena *arena, const Task *task, int n)
{
    Sums *s = ARENA_ARRAY(arena, Sums, 1);
    s->distance = arena_alloc(arena, sizeof(float) * (size_t)n * (size_t)(task->outputs / 2));
    s->unit = ARENA_ARRAY(arena, double, n);
    return s;
}

static void add(Score *score, const float *outputs, Targets targets, int n)
{
    const Task *task = score->task;
    const int K = task->outputs, P = K / 2;
    Sums *s = score->sums;
    for (int i = 0; i < n; i++) {
        const float *z = outputs + (size_t)i * (size_t)K, *target = targets_from(targets, i).value;
        const size_t at = (size_t)score->n + (size_t)i;
        double loss = 0;
        for (int p = 0; p < P; p++) s->distance[at * (size_t)P + (size_t)p] = (float)distance(task, z, target, p);
        s->unit[at] = normalizer(task, target);
        for (int k = 0; k < K; k++) {
            const double wanted = normal(task, targets, i, k);
            if (!isnan(wanted)) loss += task->loss->value(task, (double)z[k] - wanted);
        }
        score->loss += loss / K;
    }
}

/* What is judged of point p, or of all points (-1), in a picture. */
typedef struct {
    int points, right; /* right: within the threshold */
    double error;      /* the sum of their errors, in units of the normalizer */
    double pixels;     /* the same in pixels */
} Judged;

static Judged judge(const Score *score, int i, int p)
{
    const Sums *s = score->sums;
    const int P = score->task->outputs / 2;
    Judged j = {0};
    for (int k = p < 0 ? 0 : p; k < (p < 0 ? P : p + 1); k++) {
        const double d = (double)s->distance[(size_t)i * (size_t)P + (size_t)k];
        if (d < 0 || !(s->unit[i] > 0)) continue;
        j.points++;
        j.pixels += d;
        j.error += d / s->unit[i];
        j.right += d / s->unit[i] <= score->task->pck_threshold;
    }
    return j;
}

/* Over all pictures; NME by pictures and, of one point, by itself. */
typedef struct {
    int pictures, points, right;
    double nme, pixels; /* sums of pictures' means */
} Total;

static Total total(const Score *score, int p)
{
    Total t = {0};
    for (int i = 0; i < score->n; i++) {
        const Judged j = judge(score, i, p);
        if (j.points == 0) continue;
        t.pictures++;
        t.points += j.points;
        t.right += j.right;
        t.nme += j.error / j.points;
        t.pixels += j.pixels / j.points;
    }
    return t;
}

static double value(const Score *score, const Metric *metric)
{
    const Total t = total(score, -1);
    if (t.pictures == 0) return metric->none;
    return metric == &metric_nme ? t.nme / t.pictures : (double)t.right / t.points;
}

static void parts(const Score *score, const Metric *metric, double *part)
{
    const Total t = total(score, -1);
    for (int i = 0; i < score->n; i++) {
        const Judged j = judge(score, i, -1);
        part[i] = 0;
        if (j.points == 0) continue;
        part[i] = metric == &metric_nme ? j.error / j.points / t.pictures : (double)j.right / t.points;
        part[i] *= score->n;
    }
}

static char *number(Arena *arena, const Metric *metric, double v)
{
    return metric_measured(metric, v) ? metric_text(arena, metric, v) : arena_strdup(arena, "not known");
}

/* "the distance of a and b". */
static char *unit_text(Arena *arena, const Task *task)
{
    const int *pair = task->normalizer;
    if (pair[0] < 0 || pair[1] < 0) return arena_strdup(arena, "the diagonal of the points' box");
    return task_text(arena, "the distance of %s and %s", point_name(arena, task->name[2 * pair[0]]),
                     point_name(arena, task->name[2 * pair[1]]));
}

static char *summary(Arena *arena, const Score *score)
{
    return task_text(arena, "NME %s of %s, PCK@%g %s", number(arena, &metric_nme, value(score, &metric_nme)),
                     unit_text(arena, score->task), score->task->pck_threshold,
                     number(arena, &metric_pck, value(score, &metric_pck)));
}

static void json(const Score *score, cJSON *json)
{
    Arena *arena = arena_create();
    const Task *task = score->task;
    cJSON_AddStringToObject(json, "normalizer", unit_text(arena, task));
    cJSON_AddNumberToObject(json, "pck_threshold", task->pck_threshold);
    cJSON_AddNumberToObject(json, "judged_images", total(score, -1).pictures);
    cJSON *list = cJSON_AddArrayToObject(json, "points");
    for (int p = 0; p < task->outputs / 2; p++) {
        const Total t = total(score, p);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", point_name(arena, task->name[2 * p]));
        cJSON_AddNumberToObject(item, "images", t.pictures);
        if (t.pictures > 0) {
            cJSON_AddNumberToObject(item, metric_nme.name, t.nme / t.pictures);
            cJSON_AddNumberToObject(item, metric_pck.name, (double)t.right / t.points);
            cJSON_AddNumberToObject(item, "pixels", t.pixels / t.pictures);
        }
        cJSON_AddItemToArray(list, item);
    }
    arena_destroy(arena);
}

static char *line(Arena *arena, const Score *score, int i)
{
    const Task *task = score->task;
    if (i > task->outputs / 2) return NULL;
    if (i == 0) return task_text(arena, "  %-20s %8s %8s %8s %8s", "point", "images", "NME %", "PCK %", "pixels");
    const Total t = total(score, i - 1);
    const char *name = point_name(arena, task->name[2 * (i - 1)]);
    if (t.pictures == 0) return task_text(arena, "  %-20.20s %8d", name, 0);
    return task_text(arena, "  %-20.20s %8d %8.2f %8.2f %8.2f", name, t.pictures, 100 * t.nme / t.pictures,
                     100.0 * t.right / t.points, t.pixels / t.pictures);
}

static char *answer(Arena *arena, const Task *task, const float *z, cJSON *json)
{
    cJSON *points = cJSON_AddObjectToObject(json, "points");
    char *text = arena_strdup(arena, "");
    for (int p = 0; p < task->outputs / 2; p++) {
        float at[2];
        point(task, z, p, &at[0], &at[1]);
        const char *name = point_name(arena, task->name[2 * p]);
        cJSON_AddItemToObject(points, name, cJSON_CreateFloatArray(at, 2));
        text = arena_printf(arena, "%s%s%s", text, p == 0 ? "" : ", ",
                            task_text(arena, "%s (%.1f, %.1f)", name, (double)at[0], (double)at[1]));
    }
    return text;
}

const TaskType task_landmarks = {
    .name = "landmarks",
    .doc = "points in each image",
    .target = TARGET_POINTS,
    .losses = (const TaskLoss *const[]){&loss_wing, &loss_mse, NULL},
    .metrics = (const Metric *const[]){&metric_nme, &metric_pck, NULL},
    .running = &metric_nme,
    .least_outputs = 4,
    .outputs = "coordinates",
    .codes = "coordinates",
    .output_bits = 16,
    .check = check,
    .imitate = imitate_values,
    .learn = learn,
    .scale = scale,
    .point = point,
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
