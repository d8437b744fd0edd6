#include "train/experiment.h"

#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/parallel.h"
#include "datasets/classes.h"
#include "deploy/exporter.h"
#include "deploy/lower.h"
#include "quant/override_check.h"
#include "quant/split_weights.h"
#include "train/integers.h"
#include "train/model_file.h"
#include "train/model_task.h"
#include "train/teacher.h"

/* An accuracy says nothing of a class that is not tested. */
static void check_tested(Arena *arena, DataSplits *data)
{
    const Dataset *test = &data->test;
    if (test->targets.width > 0) return;
    const bool *seen = classes_seen(arena, test);
    const char **missing = ARENA_ARRAY(arena, const char *, test->classes);
    int n = 0;
    for (int k = 0; k < test->classes; k++)
        if (!seen[k]) missing[n++] = data->class_names[k];
    if (n > 0 && test->n > 0) data_note(arena, data, "no test image of class %s", classes_text(arena, missing, n));
}

Status experiment_data(Arena *arena, const Config *config, DataSplits *data)
{
    const Status status = dataset_load(&config->data, config->model.input.at, config->seed, arena, data);
    if (status == STATUS_OK) {
        check_tested(arena, data);
        return task_check_outputs(&config->task, data->train.classes, data->class_names, config->path);
    }
    if (status == STATUS_IO && !file_is_dir(config->data.path)) /* a run that was moved away from its data */
        status_fail(status,
                    "data.dir: there is no folder \"%s\": %s; if the data is elsewhere, --set data.dir=FOLDER says "
                    "where",
                    config->data.path, status_message());
    return config_blame_key(config, status);
}

static Status check_overrides(Arena *arena, const Config *config, const Model *m)
{
    OverriddenLayer *layer = ARENA_ARRAY(arena, OverriddenLayer, m->layers);
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        layer[i] = (OverriddenLayer){.name = l->name,
                                     .has_weights = l->type->has_weights,
                                     .has_grid = !l->type->keeps_grid || l->out_q != NULL || m->quant == NULL,
                                     .keeps_format = l->type->keeps_grid};
    }
    const Status status = quant_check_overrides(arena, &config->quant, m->layers, layer);
    return status == STATUS_OK ? STATUS_OK : status_prefix(status, "%s", config->path);
}

static Status check_class_weights(const Config *config, const Task *task)
{
    const FloatList *weights = &config->train.class_weights;
    double most = 0.0;
    for (int i = 0; i < weights->n; i++) most = fmax(most, weights->at[i]);
    if (weights->n == 0 || (task->type->answers_class && weights->n == task->outputs && most > 0.0)) return STATUS_OK;
    if (!task->type->answers_class)
        return status_fail(STATUS_CONFIG, "%s: train.class_weights: the task %s has no classes; must be left out",
                           config->path, task->type->name);
    return status_fail(STATUS_CONFIG,
                       "%s: train.class_weights: %d of them, the largest %g; must be one for each of %d "
                       "classes, not all 0",
                       config->path, weights->n, most, task->outputs);
}

/* Images are mixed where an answer is a class: a share of two classes is a distribution over them. */
static Status check_mixes(const Config *config, const Task *task)
{
    const AugmentConfig *augment = &config->data.augment;
    const bool mixup = augment->mixup > 0;
    if (task->type->answers_class || !(mixup || augment->cutmix > 0)) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "%s: data.augment.%s: %g; of the task %s, which has no classes, it must be 0",
                       config->path, mixup ? "mixup" : "cutmix", mixup ? augment->mixup : augment->cutmix,
                       task->type->name);
}

static Status check_jpeg(const Config *config, const Model *m)
{
    const int quality = config->data.augment.jpeg_quality, channels = m->input.c;
    if (quality == 0 || channels == 1 || channels == 3) return STATUS_OK;
    return status_fail(STATUS_CONFIG,
                       "%s: data.augment.jpeg_quality: %d; of images of %d channels, which no JPEG has, it must be 0",
                       config->path, quality, channels);
}

static Status build(Arena *arena, const Config *config, const QuantConfig *quant, const DataSplits *data, Model **model)
{
    TRY(model_build(arena, &config->model, config_pixels(config), quant, config->path, model));
    Model *m = *model;
    m->name = config->name;
    TRY(check_overrides(arena, config, m));
    const Task task = model_task(config, m);
    TRY(check_class_weights(config, &task));
    TRY(check_mixes(config, &task));
    TRY(check_jpeg(config, m));
    const int targets = data == NULL ? 0 : data->train.classes;
    TRY(task_check_head(&task, config->path, m->layer[m->layers - 1].name, targets));
    /* Of a text outputs are bytes at positions, and have no names. */
    const bool named = task.type->target != TARGET_TOKENS;
    m->class_names = named ? ARENA_ARRAY(arena, const char *, m->classes) : NULL;
    for (int i = 0; named && i < m->classes; i++)
        m->class_names[i] =
            data != NULL && i < data->train.classes ? data->class_names[i] : arena_printf(arena, "%d", i);
    model_set_task(arena, config, data, m);
    return STATUS_OK;
}

typedef struct {
    const Config *config;
    const QuantConfig *quant;
    const DataSplits *data;
} BuildRequest;

/* Whether the network can be built of another form of the config. */
static Status check_build(Arena *arena, const Config *config, const void *context)
{
    const BuildRequest *r = context;
    Model *unused;
    return build(arena, config, r->quant == &r->config->quant ? &config->quant : r->quant, r->data, &unused);
}

Status experiment_model(Arena *arena, const Config *config, const QuantConfig *quant, const DataSplits *data,
                        Model **model)
{
    const Status status = build(arena, config, quant, data, model);
    if (status == STATUS_OK) return STATUS_OK;
    return config_blame(config, check_build, &(BuildRequest){config, quant, data}, status);
}

static Status check_freeze(Arena *arena, const Config *config, const void *context)
{
    (void)context;
    Model *m;
    TRY(build(arena, config, NULL, NULL, &m));
    return model_freeze(m, &config->train.freeze, config->path);
}

Status experiment_freeze(const Config *config, Model *m)
{
    const Status status = model_freeze(m, &config->train.freeze, config->path);
    return status == STATUS_OK ? STATUS_OK : config_blame(config, check_freeze, NULL, status);
}

static Status read_classes(const Checkpoint *c, Model *m)
{
    StringList classes;
    TRY(checkpoint_classes(c, &classes));
    if (m->class_names == NULL && classes.n == 0) return STATUS_OK;
    if (classes.n != m->classes)
        return status_fail(STATUS_FORMAT, "%s: classes: must be a list of %d names", c->path, m->classes);
    m->class_names = classes.at;
    return STATUS_OK;
}

/* What a file that is no model is, as far as its name tells. */
static Status no_model(const char *path)
{
    if (file_ends(path, ".json"))
        return status_fail(STATUS_FORMAT, "%s: a config; a model is required, a .safetensors file", path);
    if (file_ends(path, ".onnx"))
        return status_fail(STATUS_FORMAT,
                           "%s: an ONNX file; a .safetensors file is required, such as `bitfold import` makes of it",
                           path);
    return STATUS_FORMAT;
}

/* What the model of the checkpoint was made of. */
static QuantConfig ptq_config_of(Arena *arena, const Checkpoint *c, const QuantConfig *quant)
{
    return checkpoint_has_levels(c) ? ptq_quant_config(arena, quant) : ptq_observed_config(arena, quant);
}

/* Whether the checkpoint is of the network that another form of the config describes. */
static Status check_read(Arena *arena, const Config *config, const void *context)
{
    const Checkpoint *c = context;
    Model *m;
    TrainState state;
    QuantConfig quant = config->quant;
    if (c->kind == MODEL_PTQ) quant = ptq_config_of(arena, c, &quant);
    TRY(build(arena, config, c->kind == MODEL_FLOAT ? NULL : &quant, NULL, &m));
    return checkpoint_load(c, m, NULL, &state);
}

/* The quantizers of its output are those of one width. */
static Status check_output_bits(const Config *config, const Config *own)
{
    const int now = quant_output_bits(&config->quant), was = quant_output_bits(&own->quant);
    if (now == was) return STATUS_OK;
    return status_fail(STATUS_CONFIG,
                       "quant.output_bits: %d bits; the model was quantized with an output of %d: quantize it again "
                       "(bitfold ptq or bitfold qat)",
                       now, was);
}

Status model_open(Arena *arena, const char *path, const char *const *sets, OpenModel *open)
{
    TRY(model_file(arena, path, &path));
    const char *folder = file_dirname(arena, path), *config_path = file_join(arena, folder, "config.json");
    Checkpoint c;
    const Status status = checkpoint_open(arena, path, &c);
    if (status == STATUS_FORMAT) return no_model(path);
    TRY(status);
    open->kind = c.kind;
    Config *config, *own;
    if (!file_exists(config_path))
        return status_fail(STATUS_IO, "%s: there is no config.json beside it; a model is read together with its config",
                           path);
    TRY(config_read(arena, config_path, NULL, &own));
    TRY(config_read(arena, config_path, sets, &config));
    config->given = config_given(arena, sets); /* the file has every key */
    if (open->kind != MODEL_FLOAT) TRY(check_output_bits(config, own));
    if (open->kind == MODEL_PTQ) config->quant = ptq_config_of(arena, &c, &config->quant); /* to train from, perhaps */
    open->config = config;
    open->trained = (Rounding)own->quant.rounding;
    TRY(experiment_model(arena, config, open->kind == MODEL_FLOAT ? NULL : &config->quant, NULL, &open->model));
    const Status read = checkpoint_load(&c, open->model, NULL, &open->state);
    if (read != STATUS_OK) return config_blame(config, check_read, &c, read);
    return read_classes(&c, open->model);
}

Status any_open(Arena *arena, const char *path, const char *const *sets, OpenModel *open, Graph **graph)
{
    *open = (OpenModel){0};
    *graph = NULL;
    TRY(model_file(arena, path, &path));
    if (exporter_made(exporter_find("safetensors"), path)) return integers_open(arena, path, sets, open, graph);
    TRY(model_open(arena, path, sets, open));
    if (open->kind == MODEL_FLOAT) return STATUS_OK;
    return model_lower(arena, open->model, (Rounding)open->config->quant.rounding, graph);
}

Status graph_open(Arena *arena, const char *path, const char *const *sets, OpenModel *open, Graph **graph)
{
    TRY(any_open(arena, path, sets, open, graph));
    if (*graph != NULL) return STATUS_OK;
    return status_fail(STATUS_STATE, "%s: a float model; quantize it first (bitfold ptq or bitfold qat)", path);
}

/* {"stem": "gemm_f32__avx512", ...} */
static void note_kernels(Arena *arena, cJSON *run, const char *key, const Model *m, bool codes)
{
    cJSON *list = cJSON_AddObjectToObject(run, key);
    for (int i = 0; i < m->layers; i++) {
        const char *kernel = layer_kernel(arena, &m->layer[i], codes);
        if (kernel != NULL) cJSON_AddStringToObject(list, m->layer[i].name, kernel);
    }
}

void model_note_kernels(Arena *arena, cJSON *json, const Model *m)
{
    note_kernels(arena, json, "kernels", m, m->quant != NULL);
    if (m->quant != NULL) note_kernels(arena, json, "kernels_backward", m, false);
}

/* {"changed": ["other config: seed is 9, was 3", ...]} of a run that went on all the same. */
static void note_changes(Arena *arena, const char *changed, cJSON *run)
{
    if (changed == NULL || changed[0] == '\0') return;
    cJSON *list = cJSON_AddArrayToObject(run, "changed");
    char *rest = arena_strdup(arena, changed);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) cJSON_AddItemToArray(list, cJSON_CreateString(line));
}

Status run_folder_note(Arena *arena, const char *folder, const RunNote *note)
{
    char host[256] = "", date[64];
    gethostname(host, sizeof host - 1);
    const time_t now = time(NULL);
    struct tm tm;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    cJSON *run = cJSON_CreateObject(), *command = cJSON_AddArrayToObject(run, "command");
    for (int i = 0; i < note->argc; i++) cJSON_AddItemToArray(command, cJSON_CreateString(note->argv[i]));
    cJSON_AddStringToObject(run, "date", date);
    cJSON_AddStringToObject(run, "host", host);
    cJSON_AddNumberToObject(run, "threads", parallel_threads());
    cJSON_AddStringToObject(run, "isa", kernels()->isa);
    cJSON_AddNumberToObject(run, "seconds", note->seconds);
    model_note_kernels(arena, run, note->model);
    note_changes(arena, note->changed, run);
    if (note->teacher != NULL) {
        cJSON *teacher = cJSON_AddObjectToObject(run, "teacher");
        cJSON_AddStringToObject(teacher, "model", note->teacher->path);
        cJSON_AddStringToObject(teacher, "digest", note->teacher->digest);
    }
    if (note->ptq != NULL) cJSON_AddItemToObject(run, "ptq", note->ptq);
    const char *text = json_print(arena, run);
    cJSON_Delete(run);
    return file_write(arena, file_join(arena, folder, "run.json"), text, strlen(text));
}

long layer_size_bytes(const Layer *l)
{
    if (l->weight == NULL) return 0;
    if (l->weight_q != NULL)
        return (l->weight->count * grid_bits(&l->weight_q->qp) + 7) / 8 + 4L * l->out.c +
               grid_scale_bytes(&l->weight_q->qp);
    if (format_is_float(l->weight_format))
        return l->weight->count * (long)format_bytes(l->weight_format) + 4L * l->out.c;
    Param *params[LAYER_PARAMS];
    const int n = layer_params(l, params);
    long floats = 0;
    for (int i = 0; i < n; i++) floats += params[i]->count;
    return 4 * floats;
}

long model_size_bytes(const Model *m)
{
    if (m->quant == NULL) return 4 * model_parameters(m);
    long bytes = 0;
    for (int i = 0; i < m->layers; i++) bytes += layer_size_bytes(&m->layer[i]);
    return bytes;
}
