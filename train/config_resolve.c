#include "train/config_resolve.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/field.h"
#include "base/file.h"
#include "base/json.h"
#include "layers/model_output.h"
#include "quant/target.h"
#include "train/config_old_keys.h"

/* A width that may be left to another key by 0. */
static Status check_bits(const char *path, const char *key, int bits)
{
    if (bits == 0 || bits >= QUANT_MIN_BITS) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "%s: %s: %d; must be 0, or %d to %d", path, key, bits, QUANT_MIN_BITS,
                       QUANT_MAX_BITS);
}

/* A single mean with several stds, or the other way round, stands for all channels. */
static void broadcast(Arena *arena, FloatList *list, int n)
{
    if (list->n != 1 || n <= 1) return;
    double *all = ARENA_ARRAY(arena, double, n);
    for (int i = 0; i < n; i++) all[i] = list->at[0];
    *list = (FloatList){n, all};
}

static Status check(const Config *c)
{
    if (c->train.early_stopping > 0 && c->data.validation <= 0.0)
        return status_fail(STATUS_CONFIG,
                           "%s: train.early_stopping: %d with data.validation 0; must be 0, or images be held out by "
                           "data.validation",
                           c->path, c->train.early_stopping);
    if (c->train.ema > 0.0 && c->train.sparsity.target > 0.0)
        return status_fail(
            STATUS_CONFIG,
            "%s: train.ema: %g with train.sparsity.target %g; one of them must be 0: an average over steps "
            "has no weights that are 0",
            c->path, c->train.ema, c->train.sparsity.target);
    const TeacherConfig *teacher = &c->train.teacher;
    if (teacher_is_named(teacher) && strcmp(teacher->model, TEACHER_FLOAT) == 0)
        return status_fail(STATUS_CONFIG, "%s: train.teacher: \"%s\"; is for qat.teacher, here it must be a model",
                           c->path, TEACHER_FLOAT);
    const NormalizeConfig *n = &c->data.normalize;
    if (n->mean.n != n->std.n)
        return status_fail(STATUS_CONFIG,
                           "%s: data.normalize: %d means and %d stds; must be as many of one as of the other", c->path,
                           n->mean.n, n->std.n);
    for (int i = 0; i < n->std.n; i++)
        if (!(n->std.at[i] >= 1e-4))
            return status_fail(STATUS_CONFIG, "%s: data.normalize.std[%d]: %g; must be at least 0.0001", c->path, i,
                               n->std.at[i]);
    const QuantConfig *q = &c->quant;
    TRY(check_bits(c->path, "quant.first_last_bits", q->first_last_bits));
    TRY(check_bits(c->path, "quant.avgpool_input_bits", q->avgpool_input_bits));
    TRY(ptq_check(&c->ptq, c->path));
    for (int i = 0; i < c->compare.first_last_bits.n; i++)
        TRY(check_bits(c->path, "compare.first_last_bits", c->compare.first_last_bits.at[i]));
    return STATUS_OK;
}

/* What an assignment gave as seen from the working directory, made absolute; `before`: what was there. */
static Status make_absolute(Arena *arena, const char *assignment, const cJSON *before, cJSON *path)
{
    if (path == before || !cJSON_IsString(path) || path->valuestring[0] == '/') return STATUS_OK;
    char here[PATH_MAX];
    if (getcwd(here, sizeof here) == NULL)
        return status_fail(STATUS_IO, "--set %s: the working directory has no name; an absolute path is required",
                           assignment);
    const char *rest = path->valuestring;
    while (rest[0] == '.' && rest[1] == '/') rest += 2;
    const char *absolute = strcmp(rest, ".") == 0 || rest[0] == '\0' ? here : file_join(arena, here, rest);
    return cJSON_SetValuestring(path, absolute) != NULL ? STATUS_OK
                                                        : status_fail(STATUS_NOMEM, "%s: no memory", absolute);
}

/* The keys that are paths; "" and what names no file stay as they are. */
static const char *const path_keys[][2] = {{"data", "dir"}, {"train", "teacher"}, {"qat", "teacher"}};
enum { PATH_KEYS = sizeof path_keys / sizeof path_keys[0] };

static cJSON *path_of(const cJSON *root, int key)
{
    return json_get(json_get(root, path_keys[key][0]), path_keys[key][1]);
}

static bool is_no_path(const cJSON *teacher)
{
    const char *text = cJSON_GetStringValue(teacher);
    return text == NULL || text[0] == '\0' || strcmp(text, TEACHER_FLOAT) == 0;
}

Status config_assign(Arena *arena, cJSON *root, const char *assignment)
{
    const cJSON *before[PATH_KEYS];
    for (int i = 0; i < PATH_KEYS; i++) before[i] = path_of(root, i);
    TRY(json_set(root, "--set", assignment));
    config_drop_other_name(root, assignment);
    for (int i = 0; i < PATH_KEYS; i++) {
        cJSON *path = path_of(root, i);
        if (i == 0 || !is_no_path(path)) TRY(make_absolute(arena, assignment, before[i], path));
    }
    return STATUS_OK;
}

static void find_teacher(Arena *arena, const Config *c, TeacherConfig *t)
{
    if (teacher_is_named(t)) t->path = file_join(arena, c->folder, t->model);
}

/* Rows of one's own, and progressive ones, stand for the default ones, unless those are given as well. */
static void choose_rows(const cJSON *root, CompareConfig *c)
{
    if (cJSON_GetArraySize(c->rows) == 0 && cJSON_GetArraySize(c->grid) == 0 && c->progressive.n == 0) return;
    const cJSON *compare = json_get(root, "compare");
    if (json_get(compare, "ptq_bits") == NULL) c->ptq_bits.n = 0;
    if (json_get(compare, "qat_bits") == NULL) c->qat_bits.n = 0;
}

/* Of a section that has every other key: a run of an earlier version wrote it down, whose outputs had 8 bits. */
static bool is_written_down(const cJSON *quant)
{
    for (const Field *f = quant_fields; f->name != NULL; f++)
        if (strcmp(f->name, "output_bits") != 0 && json_get(quant, f->name) == NULL) return false;
    return true;
}

/* An output that the config says nothing of has the task's width. */
static void choose_output_bits(const cJSON *root, Config *c)
{
    const cJSON *quant = json_get(root, "quant");
    const int bits = task_types[c->task.type]->output_bits;
    if (json_get(quant, "output_bits") != NULL || is_written_down(quant)) return;
    if (bits > 0 && model_output_may_be_wide(&c->model, &c->quant)) c->quant.output_bits = bits;
}

Status config_resolve(Arena *arena, const cJSON *root, const char *path, Config *c)
{
    const cJSON *parsed;
    TRY(config_rename_keys(arena, root, path, &parsed));
    TRY(field_parse(config_fields, parsed, path, c, arena));
    c->quant.rounding = (int)target_types[c->quant.target]->rounding;
    c->path = path;
    c->folder = file_dirname(arena, path);
    c->given = json_copy(arena, root);
    if (c->name == NULL || c->name[0] == '\0') c->name = file_stem(arena, path);
    if (strchr(c->name, '/') != NULL || c->name[0] == '.')
        return status_fail(STATUS_CONFIG, "%s: name: \"%s\"; must be a file name without '/', not beginning with '.'",
                           path, c->name);
    const bool here = c->data.dir != NULL && strcmp(c->data.dir, ".") == 0;
    c->data.path = c->data.dir == NULL ? "" : here ? c->folder : file_join(arena, c->folder, c->data.dir);
    find_teacher(arena, c, &c->train.teacher);
    find_teacher(arena, c, &c->qat.teacher);
    broadcast(arena, &c->data.normalize.mean, c->data.normalize.std.n);
    broadcast(arena, &c->data.normalize.std, c->data.normalize.mean.n);
    TRY(task_check(arena, &c->task, path));
    choose_output_bits(parsed, c);
    c->data.target = task_types[c->task.type]->target;
    TRY(config_check_rows(path, c->compare.rows, c->compare.grid));
    choose_rows(root, &c->compare);
    return check(c);
}

Status config_with(Arena *arena, const Config *config, int n, Config **some)
{
    cJSON *root = cJSON_Duplicate(config->file, true);
    Status status = STATUS_OK;
    for (int i = 0; i < n && status == STATUS_OK; i++) status = config_assign(arena, root, config->sets[i]);
    *some = ARENA_ARRAY(arena, Config, 1);
    if (status == STATUS_OK) status = config_resolve(arena, root, config->path, *some);
    cJSON_Delete(root);
    return status;
}
