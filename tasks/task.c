#include "tasks/task.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define TASK(name) &task_##name,
const TaskType *const task_types[] = {
#include "tasks/tasks.def"
    NULL};
#undef TASK
#define TASK(name) #name,
const char *const task_names[] = {
#include "tasks/tasks.def"
    NULL};
#undef TASK
#define LOSS(name) &loss_##name,
static const TaskLoss *const losses[] = {
#include "tasks/losses.def"
};
#undef LOSS
#define LOSS(name) #name,
const char *const loss_choices[] = {"auto",
#include "tasks/losses.def"
                                    NULL};
#undef LOSS
#define METRIC(name) &metric_##name,
static const Metric *const metrics[] = {
#include "tasks/metrics.def"
};
#undef METRIC
#define METRIC(name) #name,
const char *const metric_choices[] = {"auto",
#include "tasks/metrics.def"
                                      NULL};
#undef METRIC

const Field task_fields[] = {
    {"type", FIELD_ENUM, offsetof(TaskConfig, type), .names = task_names, .def = "\"classification\"",
     .doc = "what the targets are: classification, one class for each image; regression, real numbers (data.targets); "
            "next_token, the byte after each byte of a text; landmarks, points in the image (data.targets)"},
    {"loss", FIELD_ENUM, offsetof(TaskConfig, loss), .names = loss_choices, .def = "\"auto\"",
     .doc = "what training makes small; auto: cross_entropy of a classification, mse of a regression, "
            "token_cross_entropy of a text, wing of landmarks"},
    {"delta", FIELD_FLOAT, offsetof(TaskConfig, delta), .min = 1e-6, .max = 1e6, .def = "1",
     .doc = "huber: errors below it count by their square, larger ones by their size; in standard deviations of the "
            "target"},
    {"wing_width", FIELD_FLOAT, offsetof(TaskConfig, wing_width), .min = 1e-6, .max = 1e6, .def = "1",
     .doc = "wing: errors below it count by their logarithm, larger ones by their size; in standard deviations of the "
            "points"},
    {"wing_curvature", FIELD_FLOAT, offsetof(TaskConfig, wing_curvature), .min = 1e-6, .max = 1e6, .def = "0.2",
     .doc = "wing: the smaller, the more small errors count"},
    {"metric", FIELD_ENUM, offsetof(TaskConfig, metric), .names = metric_choices, .def = "\"auto\"",
     .doc = "what the best checkpoint is chosen by and tables compare; auto: accuracy of a classification, r2 of a "
            "regression, perplexity of a text, nme of landmarks"},
    {"normalizer", FIELD_STRINGS, offsetof(TaskConfig, normalizer), .max_count = 2, .min = 1, .max = 100, .def = "[]",
     .doc =
         "landmarks: two points, whose distance in each image is what errors are divided by; none: the diagonal of the "
         "box around all points"},
    {"pck_threshold", FIELD_FLOAT, offsetof(TaskConfig, pck_threshold), .min = 1e-6, .max = 10, .def = "0.1",
     .doc = "landmarks: pck is the share of points whose error is at most this share of the normalizer"},
    FIELD_END};

const Field distillation_fields[] = {
    {"alpha", FIELD_FLOAT, offsetof(Distillation, alpha), .min = 0, .max = 1, .def = "0.5",
     .doc = "share of the loss that is taken towards the teacher; the rest is the task's own loss"},
    {"temperature", FIELD_FLOAT, offsetof(Distillation, temperature), .min = 0.01, .max = 1000, .def = "4",
     .doc =
         "classification: what the outputs of both networks are divided by before their softmax; the higher, the more "
         "the classes count that the teacher thinks less likely"},
    FIELD_END};

const TaskType *task_type(const char *name)
{
    for (int i = 0; task_types[i] != NULL; i++)
        if (strcmp(task_types[i]->name, name) == 0) return task_types[i];
    return NULL;
}

const TaskType *graph_task(const Graph *g)
{
    const TaskType *type = g->task == NULL ? NULL : task_type(g->task);
    const bool fits = type != NULL && (type->scale != NULL) == (g->scale.mean != NULL);
    return fits ? type : task_types[0];
}

/* ---- metrics ----------------------------------------------------------------------------------------------------- */

const Metric *metric_default(void) { return task_types[0]->metrics[0]; }

int metric_print(char *text, size_t size, const Metric *m, double shown)
{
    return snprintf(text, size, m->any_size ? "%.*g" : "%.*f", m->digits, shown);
}

char *metric_number(Arena *arena, const Metric *m, double value)
{
    char text[400];
    metric_print(text, sizeof text, m, m->factor * value);
    return arena_strdup(arena, text);
}

char *metric_text(Arena *arena, const Metric *m, double value)
{
    return arena_printf(arena, "%s%s", metric_number(arena, m, value), m->unit);
}

int metric_axis(char *text, size_t size, const Metric *m)
{
    return snprintf(text, size, "%s%s%s", m->label, m->unit[0] == '\0' ? "" : ",", m->unit);
}

double metric_drop(const Metric *m, double reference, double value)
{
    return m->factor * (m->higher_is_better ? reference - value : value - reference);
}

bool metric_as_good(const Metric *m, double value, double other)
{
    return m->higher_is_better ? value >= other : value <= other;
}

/* ---- a network's task -------------------------------------------------------------------------------------------- */

static Status check_choice(const TaskType *type, const char *where, const char *key, const char *given, bool offered,
                           const char *known)
{
    if (offered) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "%s%stask.%s: \"%s\"; of a %s it must be one of: auto, %s",
                       where == NULL ? "" : where, where == NULL ? "" : ": ", key, given, type->name, known);
}

Status task_check(Arena *arena, const TaskConfig *config, const char *where)
{
    const TaskType *type = task_types[config->type];
    const char *known = type->losses[0]->name;
    bool offered = config->loss == 0 || losses[config->loss - 1] == type->losses[0];
    for (int i = 1; type->losses[i] != NULL; i++) {
        known = arena_printf(arena, "%s, %s", known, type->losses[i]->name);
        offered = offered || losses[config->loss - 1] == type->losses[i];
    }
    TRY(check_choice(type, where, "loss", loss_choices[config->loss], offered, known));
    known = type->metrics[0]->name;
    offered = config->metric == 0 || metrics[config->metric - 1] == type->metrics[0];
    for (int i = 1; type->metrics[i] != NULL; i++) {
        known = arena_printf(arena, "%s, %s", known, type->metrics[i]->name);
        offered = offered || metrics[config->metric - 1] == type->metrics[i];
    }
    return check_choice(type, where, "metric", metric_choices[config->metric], offered, known);
}

int task_point(const char *wanted, int outputs, const char *const *name)
{
    const size_t n = strlen(wanted);
    for (int k = 0; k + 1 < outputs; k += 2)
        if (strncmp(name[k], wanted, n) == 0 && strcmp(name[k] + n, "_x") == 0) return k / 2;
    return -1;
}

/* Which point the normalizer's i-th is; -1: none. */
static int normalizer_point(const TaskConfig *config, int i, int outputs, const char *const *name)
{
    return config->normalizer.n != 2 || name == NULL ? -1 : task_point(config->normalizer.at[i], outputs, name);
}

Task task_make(const TaskConfig *config, float label_smoothing, int outputs, const char *const *name, TargetScale scale)
{
    const TaskType *type = task_types[config->type];
    return (Task){
        .type = type,
        .loss = config->loss == 0 ? type->losses[0] : losses[config->loss - 1],
        .metric = config->metric == 0 ? type->metrics[0] : metrics[config->metric - 1],
        .label_smoothing = label_smoothing,
        .delta = (float)config->delta,
        .wing_width = (float)config->wing_width,
        .wing_curvature = (float)config->wing_curvature,
        .normalizer = {normalizer_point(config, 0, outputs, name), normalizer_point(config, 1, outputs, name)},
        .pck_threshold = config->pck_threshold,
        .outputs = outputs,
        .name = name,
        .scale = scale};
}

Status task_check_head(const Task *task, const char *where, const char *layer, int targets)
{
    const TaskType *type = task->type;
    if (task->outputs < type->least_outputs)
        return status_fail(STATUS_SHAPE,
                           "%s: layer \"%s\" gives 1 x 1 x %d; the last layer must give 1 x 1 x %s, at least %d %s",
                           where, layer, task->outputs, type->outputs, type->least_outputs, type->outputs);
    if (type->check != NULL) TRY(type->check(&(TaskConfig){0}, task->outputs, NULL, where));
    const bool values = type->target != TARGET_CLASS;
    if (targets == 0 || targets == task->outputs || (!values && targets < task->outputs)) return STATUS_OK;
    return status_fail(STATUS_SHAPE, "%s: layer \"%s\" gives %d %s, the data has %d %s; must be %s many", where, layer,
                       task->outputs, type->codes, targets, type->target == TARGET_VALUES ? "targets" : type->outputs,
                       values ? "as" : "at least as");
}

Status task_check_outputs(const TaskConfig *config, int outputs, const char *const *name, const char *where)
{
    const TaskType *type = task_types[config->type];
    return type->check == NULL ? STATUS_OK : type->check(config, outputs, name, where);
}

TargetScale task_scale(Arena *arena, Targets targets, int n)
{
    const int K = targets.width;
    float *mean = ARENA_ARRAY(arena, float, K), *std = ARENA_ARRAY(arena, float, K);
    for (int k = 0; k < K; k++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < n; i++) sum += (double)targets.value[(size_t)i * (size_t)K + (size_t)k];
        mean[k] = (float)(n > 0 ? sum / n : 0.0);
        for (int i = 0; i < n; i++) {
            const double d = (double)targets.value[(size_t)i * (size_t)K + (size_t)k] - (double)mean[k];
            squares += d * d;
        }
        std[k] = (float)(n > 0 ? sqrt(squares / n) : 0.0);
        if (!(std[k] > 0.0f)) std[k] = 1.0f;
    }
    return (TargetScale){mean, std};
}

Tensor *task_training_loss(Tape *t, const Task *task, Tensor *z, Targets targets, double *running)
{
    Tensor *loss = task->loss->run(t, task, z, targets, running);
    if (targets.teacher == NULL) return loss;
    Tensor *distance = tape_failed(t) ? NULL : task->type->imitate(t, task, z, targets.teacher);
    return op_mix_losses(t, loss, distance, (float)task->distillation.alpha);
}

/* ---- scores ------------------------------------------------------------------------------------------------------ */

Score score_begin(Arena *arena, const Task *task, int n)
{
    return (Score){.task = task, .sums = task->type->begin(arena, task, n)};
}

void score_add(Score *s, const float *outputs, Targets targets, int n)
{
    s->task->type->add(s, outputs, targets, n);
    s->n += n;
}

double score_loss(const Score *s) { return s->n > 0 ? s->loss / s->n : 0.0; }

double score_value(const Score *s, const Metric *metric) { return s->task->type->value(s, metric); }

void score_json(const Score *s, cJSON *json)
{
    for (int i = 0; s->task->type->metrics[i] != NULL; i++) {
        const Metric *m = s->task->type->metrics[i];
        cJSON_AddNumberToObject(json, m->name, score_value(s, m));
    }
}

const ClassAnswers *score_answers(const Score *s) { return s->task->type->answers_class ? s->sums : NULL; }

char *task_text(Arena *arena, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    text_vformat(line, sizeof line, format, args);
    va_end(args);
    return arena_strdup(arena, line);
}
