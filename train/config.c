#include "train/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/field.h"
#include "base/file.h"
#include "base/json.h"
#include "train/config_old_keys.h"
#include "train/config_resolve.h"

static const char *const *copy_sets(Arena *arena, const char *const *sets)
{
    int n = 0;
    while (sets != NULL && sets[n] != NULL) n++;
    const char **copy = n == 0 ? NULL : ARENA_ARRAY(arena, const char *, n + 1);
    for (int i = 0; i < n; i++) copy[i] = arena_strdup(arena, sets[i]);
    return copy;
}

const cJSON *config_given(Arena *arena, const char *const *sets)
{
    cJSON *root = cJSON_CreateObject();
    for (int i = 0; sets != NULL && sets[i] != NULL; i++) (void)json_set(root, "--set", sets[i]);
    const cJSON *given = json_copy(arena, root);
    cJSON_Delete(root);
    return given;
}

static bool same_floats(const FloatList *a, const FloatList *b)
{
    for (int i = 0; i < a->n && i < b->n; i++)
        if (a->at[i] != b->at[i]) return false;
    return a->n == b->n;
}

/* Whether the assignments leave another normalisation than `before`, the file without them, has. */
static Status find_renormalized(Arena *arena, const cJSON *before, Config *c)
{
    const cJSON *given = json_get(json_get(c->assigned, "data"), "normalize");
    if (given == NULL || json_get(json_get(before, "data"), "normalize") == NULL) return STATUS_OK;
    Config *was = ARENA_ARRAY(arena, Config, 1);
    const cJSON *parsed;
    TRY(config_rename_keys(arena, before, c->path, &parsed));
    TRY(field_parse(config_fields, parsed, c->path, was, arena));
    const NormalizeConfig *a = &was->data.normalize, *b = &c->data.normalize;
    c->renormalized = !same_floats(&a->mean, &b->mean) || !same_floats(&a->std, &b->std);
    return STATUS_OK;
}

Status config_from_json(Arena *arena, cJSON *root, const char *path, const char *const *sets, Config **out)
{
    const Config origin = {.path = arena_strdup(arena, path),
                           .sets = copy_sets(arena, sets),
                           .file = sets == NULL || sets[0] == NULL ? NULL : json_copy(arena, root)};
    const cJSON *given = config_given(arena, sets), *unused;
    TRY(config_rename_keys(arena, given, "--set", &unused)); /* both, and they contradict */
    for (int i = 0; sets != NULL && sets[i] != NULL; i++) TRY(config_assign(arena, root, sets[i]));
    Config *c = ARENA_ARRAY(arena, Config, 1);
    const Status status = config_resolve(arena, root, origin.path, c);
    if (status != STATUS_OK) return config_blame(&origin, NULL, NULL, status);
    c->sets = origin.sets;
    c->file = origin.file;
    c->assigned = given;
    if (c->file != NULL) TRY(find_renormalized(arena, c->file, c));
    *out = c;
    return STATUS_OK;
}

Status config_read(Arena *arena, const char *path, const char *const *sets, Config **out)
{
    const bool model = file_ends(path, ".safetensors"), onnx = file_ends(path, ".onnx");
    if (model && file_exists(path))
        return status_fail(STATUS_FORMAT, "%s: a model; a config is required, such as the config.json beside it", path);
    if (onnx && file_exists(path))
        return status_fail(STATUS_FORMAT, "%s: an ONNX file; `bitfold import` makes it a model and the config it needs",
                           path);
    cJSON *root = NULL;
    TRY(json_read(arena, path, &root));
    const Status status = config_from_json(arena, root, path, sets, out);
    cJSON_Delete(root);
    return status;
}

/* A path without links and dots; false when there is nothing of that name. */
static Status real_path(const char *path, char real[PATH_MAX], bool *there)
{
    *there = realpath(path, real) != NULL;
    if (*there || errno == ENOENT || errno == ENOTDIR) return STATUS_OK;
    return status_fail(STATUS_IO, "%s: cannot find the way there: %s", path, strerror(errno));
}

static Status absolute_path(Arena *arena, const char *path, char **result)
{
    char folder[PATH_MAX];
    if (path[0] != '/' && getcwd(folder, sizeof folder) == NULL)
        return status_fail(STATUS_IO, "the working directory: cannot find the way there: %s", strerror(errno));
    *result = file_join(arena, folder, path);
    return STATUS_OK;
}

/* `path` as seen from the folder `from`, which both exist; otherwise `path` made absolute, which holds from anywhere. */
static Status relative_path(Arena *arena, const char *path, const char *from, char **result)
{
    char a[PATH_MAX], b[PATH_MAX];
    bool there, from_there;
    TRY(real_path(path, a, &there));
    TRY(real_path(from, b, &from_there));
    if (!there || !from_there) return absolute_path(arena, path, result);
    size_t common = 0;
    for (size_t i = 0;; i++) {
        const bool end_a = a[i] == '\0' || a[i] == '/', end_b = b[i] == '\0' || b[i] == '/';
        if (end_a && end_b) common = i;
        if (a[i] != b[i] || a[i] == '\0') break;
    }
    char *ups = arena_strdup(arena, "");
    for (const char *p = b + common; *p != '\0'; p++)
        if (*p == '/') ups = arena_printf(arena, "../%s", ups);
    const char *rest = a + common;
    while (*rest == '/') rest++;
    *result = arena_printf(arena, "%s%s", ups, rest);
    if (**result == '\0') *result = arena_strdup(arena, ".");
    return STATUS_OK;
}

Status config_text(Arena *arena, const Config *config, const char *folder, char **text)
{
    Config copy = *config;
    copy.schema = NULL;
    if (copy.data.dir != NULL) {
        char *dir = NULL;
        TRY(relative_path(arena, copy.data.path, folder, &dir));
        copy.data.dir = dir;
    }
    for (int qat = 0; qat < 2; qat++) {
        TeacherConfig *teacher = qat ? &copy.qat.teacher : &copy.train.teacher;
        if (!teacher_is_named(teacher) || strcmp(teacher->model, TEACHER_FLOAT) == 0) continue;
        char *model = NULL;
        TRY(relative_path(arena, teacher->path, folder, &model));
        teacher->model = model;
    }
    cJSON *root = field_dump(config_fields, &copy);
    *text = json_print(arena, root);
    cJSON_Delete(root);
    return STATUS_OK;
}

char *config_bits_text(Arena *arena, const QuantConfig *quant)
{
    const char *weights = quant_width(arena, quant->weights.format, quant->weights.bits);
    return arena_printf(arena, "W%sA%s", weights,
                        quant_width(arena, quant->activations.format, quant->activations.bits));
}

const TeacherConfig *config_teacher(const Config *c, bool qat) { return qat ? &c->qat.teacher : &c->train.teacher; }

PixelScale config_pixels(const Config *c)
{
    return (PixelScale){c->data.normalize.mean.n, c->data.normalize.mean.at, c->data.normalize.std.at};
}
