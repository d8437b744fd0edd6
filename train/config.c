#include "train/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/field.h"
#include "base/file.h"
#include "base/json.h"
#include "quant/target.h"
#include "train/config_patch.h"

static const Field train_fields[] = {
    {"epochs", FIELD_INT, offsetof(TrainConfig, epochs), .min = 0, .max = 100000, .def = "5", .unit = "epochs",
     .doc = "passes over the training images, in float"},
    {"batch", FIELD_INT, offsetof(TrainConfig, batch), .min = 1, .max = 65536, .def = "128", .unit = "images",
     .doc = "images per step"},
    {"optimizer", FIELD_OBJECT, offsetof(TrainConfig, optimizer), .fields = optimizer_fields,
     .doc = "how a step moves"},
    {"schedule", FIELD_OBJECT, offsetof(TrainConfig, schedule), .fields = schedule_fields,
     .doc = "how the learning rate moves"},
    {"label_smoothing", FIELD_FLOAT, offsetof(TrainConfig, label_smoothing), .min = 0, .max = 0.9, .def = "0",
     .doc = "share of the target spread over all classes"},
    {"checkpoint_every", FIELD_INT, offsetof(TrainConfig, checkpoint_every), .min = 0, .max = 1000000000, .def = "0",
     .unit = "steps",
     .doc =
         "write last.safetensors every so many steps, besides every 5 seconds and at each epoch's end; 0: only those"},
    {"freeze", FIELD_STRINGS, offsetof(TrainConfig, freeze), .scalar_ok = true, .max_count = 512, .min = 1, .max = 100,
     .doc = "layers that `train` leaves as they are, by name or pattern with * and ?: parameters stay, batch norm uses "
            "its running statistics. Quantization-aware training trains all layers"},
    FIELD_END};

static const Field qat_fields[] = {
    {"epochs", FIELD_INT, offsetof(QatConfig, epochs), .min = 1, .max = 100000, .def = "2", .unit = "epochs",
     .doc = "passes over the training images with quantization in the loop, after float training"},
    {"lr", FIELD_FLOAT, offsetof(QatConfig, lr), .min = 0, .max = 1e30, .def = "0",
     .doc = "learning rate; 0: 1 % of train's where every layer has 8 bits, overrides included, else 20 % (from "
            "scratch: train's)"},
    {"weight_decay", FIELD_FLOAT, offsetof(QatConfig, weight_decay), .min = -1, .max = 10, .def = "-1",
     .doc = "weight decay; -1: train's"},
    {"clip_norm", FIELD_FLOAT, offsetof(QatConfig, clip_norm), .min = -1, .max = 1e30, .def = "1",
     .doc = "largest L2 norm of a step's gradient; 0: no limit, -1: train's. When batch norm is frozen nothing "
            "rescales the "
            "activations any more, and without a limit few-bit networks can diverge within some steps. From scratch: "
            "train's"},
    {"schedule", FIELD_OBJECT, offsetof(QatConfig, schedule), .fields = schedule_fields,
     .doc = "how the learning rate moves; the default's half cosine needs no warm-up after float training"},
    FIELD_END};

#define OBSERVER(name) #name,
const char *const calibrator_names[] = {
#include "quant/observers.def"
    NULL};
#undef OBSERVER

static const Field compare_fields[] = {
    {"seeds", FIELD_INTS, offsetof(CompareConfig, seeds), .min = 0, .max = 2147483647, .scalar_ok = true,
     .max_count = COMPARE_MAX_SEEDS,
     .doc = "every row is run once per seed and reported as mean and spread; default: once, with the config's seed"},
    {"ptq_bits", FIELD_INTS, offsetof(CompareConfig, ptq_bits), .min = QUANT_MIN_BITS, .max = QUANT_MAX_BITS,
     .scalar_ok = true, .max_count = 7, .def = "[8]", .unit = "bits", .doc = "widths of post-training quantization"},
    {"qat_bits", FIELD_INTS, offsetof(CompareConfig, qat_bits), .min = QUANT_MIN_BITS, .max = QUANT_MAX_BITS,
     .scalar_ok = true, .max_count = 7, .def = "[8, 4, 2]", .unit = "bits",
     .doc = "widths of quantization-aware training"},
    {"calibrators", FIELD_ENUMS, offsetof(CompareConfig, calibrators), .names = calibrator_names, .scalar_ok = true,
     .max_count = 8, .def = "[\"minmax\", \"percentile\", \"entropy\", \"mse\"]",
     .doc = "observers that set the activations' ranges in post-training quantization"},
    {"granularities", FIELD_ENUMS, offsetof(CompareConfig, granularities), .names = granularity_names,
     .scalar_ok = true, .max_count = 2, .def = "[\"per_tensor\", \"per_channel\"]",
     .doc = "of the weights in post-training quantization"},
    {"ends", FIELD_INTS, offsetof(CompareConfig, ends), .min = 0, .max = QUANT_MAX_BITS, .scalar_ok = true,
     .min_count = 1, .max_count = 3, .def = "[8]", .unit = "bits",
     .doc = "values of quant.first_last_bits to compare below 8 bits; 0: the ends as the rest"},
    {"rows", FIELD_JSON, offsetof(CompareConfig, rows),
     .doc =
         "rows of one's own: a list of {\"name\": ..., \"kind\": float, ptq or qat} with whatever keys of the config "
         "the row has otherwise, as objects or as paths (\"quant.weights.bits\": 4); with these or a grid, ptq_bits "
         "and "
         "qat_bits count only where they are given"},
    {"grid", FIELD_JSON, offsetof(CompareConfig, grid),
     .doc = "the product of lists of such patches: a row for each choice of one from every list, named by theirs"},
    FIELD_END};

const Field config_fields[] = {
    {"$schema", FIELD_STRING, offsetof(Config, schema),
     .doc = "a JSON Schema for editors (configs/schema.json); not read"},
    {"name", FIELD_STRING, offsetof(Config, name), .max = 100,
     .doc = "of the experiment; default: the config file's name. The run directory is runs/<name>"},
    {"seed", FIELD_U64, offsetof(Config, seed), .def = "1",
     .doc = "all randomness: initial weights, order and augmentation of the images, splits, calibration images"},
    {"task", FIELD_OBJECT, offsetof(Config, task), .fields = task_fields, .doc = "what the network is for"},
    {"data", FIELD_OBJECT, offsetof(Config, data), .fields = data_fields, .required = true, .doc = "the images"},
    {"model", FIELD_OBJECT, offsetof(Config, model), .fields = model_fields, .required = true, .doc = "the network"},
    {"train", FIELD_OBJECT, offsetof(Config, train), .fields = train_fields, .doc = "float training"},
    {"quant", FIELD_OBJECT, offsetof(Config, quant), .fields = quant_fields, .doc = "grids of weights and activations"},
    {"ptq", FIELD_OBJECT, offsetof(Config, ptq), .fields = ptq_fields, .doc = "post-training quantization"},
    {"qat", FIELD_OBJECT, offsetof(Config, qat), .fields = qat_fields, .doc = "quantization-aware training"},
    {"compare", FIELD_OBJECT, offsetof(Config, compare), .fields = compare_fields, .doc = "the rows of the table"},
    FIELD_END};

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
    const QuantOverride *all = q->overrides.at;
    for (int i = 0; i < q->overrides.n; i++) {
        TRY(check_bits(c->path, "quant.overrides[].weight_bits", all[i].weight_bits));
        TRY(check_bits(c->path, "quant.overrides[].activation_bits", all[i].activation_bits));
    }
    TRY(ptq_check(&c->ptq, c->path));
    for (int i = 0; i < c->compare.ends.n; i++) TRY(check_bits(c->path, "compare.ends", c->compare.ends.at[i]));
    return STATUS_OK;
}

/* The same as quant.target, by its name in earlier versions: a rounding. */
static Status old_target(Arena *arena, const cJSON *root, const char *path, const cJSON **with)
{
    const cJSON *quant = json_get(root, "quant"), *old = json_get(quant, "dialect"),
                *target = json_get(quant, "target");
    *with = root;
    if (old == NULL) return STATUS_OK;
    const int rounding = name_find(rounding_names, cJSON_GetStringValue(old));
    if (rounding < 0)
        return status_fail(STATUS_CONFIG,
                           "%s: quant.dialect: %s; must be one of: xnnpack, tflite-single, tflite-double, onnxruntime",
                           path, json_brief(arena, old));
    const TargetType *named = target_of((Rounding)rounding);
    for (int i = 0; cJSON_IsString(target) && target_types[i] != NULL; i++)
        if (strcmp(target->valuestring, target_types[i]->name) == 0) named = target_types[i];
    if (named->rounding != (Rounding)rounding)
        return status_fail(STATUS_CONFIG,
                           "%s: quant.dialect: %s; contradicts quant.target, %s, of which it is the old name; one of "
                           "them is required to go",
                           path, json_brief(arena, old), json_brief(arena, target));
    cJSON *copy = cJSON_Duplicate(root, true), *section = cJSON_GetObjectItemCaseSensitive(copy, "quant");
    cJSON_DeleteItemFromObjectCaseSensitive(section, "dialect");
    if (target == NULL) cJSON_AddStringToObject(section, "target", named->name);
    *with = json_copy(arena, copy);
    cJSON_Delete(copy);
    return STATUS_OK;
}

/* What is assigned takes the place of what the file says under the other name. */
static void choose_target(cJSON *root, const char *assignment)
{
    static const char *const names[] = {"dialect", "target"};
    for (int i = 0; i < 2; i++) {
        const char *start = i == 0 ? "quant.dialect=" : "quant.target=";
        if (strncmp(assignment, start, strlen(start)) == 0)
            cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(root, "quant"), names[1 - i]);
    }
}

/* Applies an assignment.  A folder that it gives is one as seen from the working directory, where the user is; made
 * absolute, it holds wherever the config is kept. */
static Status assign(Arena *arena, cJSON *root, const char *assignment)
{
    const cJSON *before = json_get(json_get(root, "data"), "dir");
    TRY(json_set(root, "--set", assignment));
    choose_target(root, assignment);
    cJSON *dir = json_get(json_get(root, "data"), "dir");
    if (dir == before || !cJSON_IsString(dir) || dir->valuestring[0] == '/') return STATUS_OK;
    char here[PATH_MAX];
    if (getcwd(here, sizeof here) == NULL)
        return status_fail(STATUS_IO, "--set %s: the working directory has no name; an absolute path is required",
                           assignment);
    const char *rest = dir->valuestring;
    while (rest[0] == '.' && rest[1] == '/') rest += 2;
    const char *absolute = strcmp(rest, ".") == 0 || rest[0] == '\0' ? here : file_join(arena, here, rest);
    return cJSON_SetValuestring(dir, absolute) != NULL ? STATUS_OK
                                                       : status_fail(STATUS_NOMEM, "%s: no memory", absolute);
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
    TRY(old_target(arena, before, c->path, &parsed));
    TRY(field_parse(config_fields, parsed, c->path, was, arena));
    const NormalizeConfig *a = &was->data.normalize, *b = &c->data.normalize;
    c->renormalized = !same_floats(&a->mean, &b->mean) || !same_floats(&a->std, &b->std);
    return STATUS_OK;
}

/* Rows of one's own stand for the default ones, unless those are given as well. */
static void choose_rows(const cJSON *root, CompareConfig *c)
{
    if (cJSON_GetArraySize(c->rows) == 0 && cJSON_GetArraySize(c->grid) == 0) return;
    const cJSON *compare = json_get(root, "compare");
    if (json_get(compare, "ptq_bits") == NULL) c->ptq_bits.n = 0;
    if (json_get(compare, "qat_bits") == NULL) c->qat_bits.n = 0;
}

/* The config in `root`, to which the assignments have been made. */
static Status resolve(Arena *arena, const cJSON *root, const char *path, Config *c)
{
    const cJSON *parsed;
    TRY(old_target(arena, root, path, &parsed));
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
    broadcast(arena, &c->data.normalize.mean, c->data.normalize.std.n);
    broadcast(arena, &c->data.normalize.std, c->data.normalize.mean.n);
    TRY(task_check(arena, &c->task, path));
    c->data.target = task_types[c->task.type]->target;
    TRY(config_check_rows(path, c->compare.rows, c->compare.grid));
    choose_rows(root, &c->compare);
    return check(c);
}

Status config_with(Arena *arena, const Config *config, int n, Config **some)
{
    cJSON *root = cJSON_Duplicate(config->file, true);
    Status status = STATUS_OK;
    for (int i = 0; i < n && status == STATUS_OK; i++) status = assign(arena, root, config->sets[i]);
    *some = ARENA_ARRAY(arena, Config, 1);
    if (status == STATUS_OK) status = resolve(arena, root, config->path, *some);
    cJSON_Delete(root);
    return status;
}

static const char *const *copy_sets(Arena *arena, const char *const *sets)
{
    int n = 0;
    while (sets != NULL && sets[n] != NULL) n++;
    const char **copy = n == 0 ? NULL : ARENA_ARRAY(arena, const char *, n + 1);
    for (int i = 0; i < n; i++) copy[i] = arena_strdup(arena, sets[i]);
    return copy;
}

Status config_from_json(Arena *arena, cJSON *root, const char *path, const char *const *sets, Config **out)
{
    const Config origin = {.path = arena_strdup(arena, path),
                           .sets = copy_sets(arena, sets),
                           .file = sets == NULL || sets[0] == NULL ? NULL : json_copy(arena, root)};
    const cJSON *given = config_given(arena, sets), *unused;
    TRY(old_target(arena, given, "--set", &unused)); /* both, and they contradict */
    for (int i = 0; sets != NULL && sets[i] != NULL; i++) TRY(assign(arena, root, sets[i]));
    Config *c = ARENA_ARRAY(arena, Config, 1);
    const Status status = resolve(arena, root, origin.path, c);
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

/* A folder's path without links and dots; false when there is no such folder. */
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

/* `path` as seen from `from`, both folders that exist; otherwise `path` made absolute, which holds from anywhere. */
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

PixelScale config_pixels(const Config *c)
{
    return (PixelScale){c->data.normalize.mean.n, c->data.normalize.mean.at, c->data.normalize.std.at};
}
