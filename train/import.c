#include "train/import.h"

#include <string.h>

#include "deploy/safetensors/export_safetensors.h"
#include "base/file.h"
#include "base/json.h"
#include "base/timing.h"
#include "datasets/classes.h"
#include "quant/target.h"
#include "train/checkpoint.h"
#include "train/integers.h"
#include "graph/graph_check.h"

/* One number where all are equal. */
static void add_numbers(cJSON *json, const char *key, const float *x, int n)
{
    int equal = 1;
    while (equal < n && x[equal] == x[0]) equal++;
    if (equal == n)
        cJSON_AddNumberToObject(json, key, (double)x[0]);
    else
        cJSON_AddItemToObject(json, key, cJSON_CreateFloatArray(x, n));
}

/* The keys that are not the user's to begin with; takes m->model. */
static cJSON *config_json(ImportedModel *m)
{
    cJSON *root = cJSON_CreateObject(), *data = cJSON_AddObjectToObject(root, "data");
    const float *mean = m->graph != NULL ? m->graph->mean : m->mean, *std = m->graph != NULL ? m->graph->std : m->std;
    cJSON_AddStringToObject(data, "dataset", "synthetic");
    cJSON_AddNumberToObject(data, "classes", m->classes);
    if (mean != NULL) {
        cJSON *normalize = cJSON_AddObjectToObject(data, "normalize");
        add_numbers(normalize, "mean", mean, m->input[2]);
        add_numbers(normalize, "std", std, m->input[2]);
    }
    if (m->graph != NULL) {
        m->model = cJSON_CreateObject();
        cJSON_AddItemToObject(m->model, "input", cJSON_CreateIntArray(m->input, 3));
        cJSON_AddArrayToObject(m->model, "layers");
        cJSON_AddStringToObject(
            cJSON_AddObjectToObject(root, "quant"), "target",
            target_of(m->rounding != NULL ? (Rounding)name_find(rounding_names, m->rounding) : ROUNDING_ONNXRUNTIME)
                ->name);
    }
    cJSON_AddItemToObject(root, "model", m->model);
    m->model = NULL;
    return root;
}

static bool good_name(const char *name)
{
    return name != NULL && name[0] != '\0' && name[0] != '.' && strlen(name) <= 100 && strchr(name, '/') == NULL;
}

/* Whether an assignment is to `key` or to the object it is in. */
static bool assigned(const ImportRequest *r, const char *object, const char *key)
{
    const size_t n = strlen(object), k = strlen(key);
    for (int i = 0; r->sets != NULL && r->sets[i] != NULL; i++) {
        const char *set = r->sets[i];
        if (strncmp(set, object, n) != 0) continue;
        if (set[n] == '=') return true;
        if (set[n] == '.' && strncmp(set + n + 1, key, k) == 0 && strchr("=.[", set[n + 1 + k]) != NULL) return true;
    }
    return false;
}

static void add_note(Arena *arena, ImportedModel *m, const char *text)
{
    const char **all = ARENA_ARRAY(arena, const char *, m->notes + 1);
    if (m->notes > 0) memcpy(all, m->note, sizeof *all * (size_t)m->notes);
    all[m->notes++] = text;
    m->note = all;
}

/* What a user would take for known although neither the file nor an assignment says it. */
static void note_assumptions(Arena *arena, const ImportRequest *r, ImportedModel *m, const cJSON *root)
{
    if (!assigned(r, "data", "dataset"))
        add_note(arena, m,
                 m->graph != NULL ? "no data.dataset was given: config.json names synthetic images, which are noise, "
                                    "and eval would measure on them until data.dataset and data.dir are set"
                                  : "no data.dataset was given: config.json names synthetic images, which are noise, "
                                    "and ptq and qat would calibrate on them until data.dataset and data.dir are set");
    if (json_get(json_get(root, "data"), "normalize") == NULL)
        add_note(arena, m,
                 "no data.normalize was given: mean 0 and std 1 of pixels / 255 are assumed; if the network was "
                 "trained with others, set data.normalize.mean and data.normalize.std");
    else if (m->graph != NULL && m->mean == NULL && !assigned(r, "data", "normalize"))
        add_note(arena, m,
                 "no data.normalize was given: the pixels are assumed to be the codes of the input; if the network was "
                 "trained otherwise, set data.normalize.mean and data.normalize.std");
}

static Status check_data(Arena *arena, const ImportRequest *r, const Config *config)
{
    const DataConfig *data = &config->data;
    if (dataset_known(arena, data->dataset) != STATUS_OK) return config_blame_key(config, STATUS_CONFIG);
    if (strcmp(data->dataset, "synthetic") == 0 || !assigned(r, "data", "dir") || data->dir == NULL) return STATUS_OK;
    if (file_is_dir(data->path)) return STATUS_OK;
    status_fail(STATUS_CONFIG, "data.dir: \"%s\"; must be a folder that exists", data->dir);
    return config_blame_key(config, STATUS_CONFIG);
}

/* The config's name is the file's own if it says one, else the folder's. */
static Status make_config(Arena *arena, const ImportRequest *r, ImportedModel *m, Config **config)
{
    if (m->graph != NULL) TRY(integers_settable(r->path, r->sets, true));
    cJSON *root = config_json(m);
    size_t n = strlen(r->out);
    while (n > 1 && r->out[n - 1] == '/') n--;
    const char *slash = memrchr(r->out, '/', n), *name = slash == NULL || n == 1 ? r->out : slash + 1;
    const char *stem = good_name(m->title) ? m->title : arena_printf(arena, "%.*s", (int)(r->out + n - name), name);
    if (good_name(stem)) cJSON_AddStringToObject(root, "name", stem);
    const Status status = config_from_json(arena, root, file_join(arena, r->out, "config.json"), r->sets, config);
    if (status == STATUS_OK) note_assumptions(arena, r, m, root);
    cJSON_Delete(root);
    TRY(status);
    return check_data(arena, r, *config);
}

/* A file that names no classes gets those of the data it was given, which trained it. */
static Status name_classes(Arena *arena, const ImportRequest *r, const Config *config, ImportedModel *m)
{
    const ModelClasses own = {r->path, m->classes, m->class_names};
    if (m->class_names != NULL && classes_named(&own)) return STATUS_OK;
    if (!assigned(r, "data", "dataset") || !assigned(r, "data", "dir")) return STATUS_OK;
    StringList names;
    TRY(dataset_class_names(&config->data, arena, &names));
    if (names.n == 0) return STATUS_OK;
    if (names.n != m->classes) {
        add_note(
            arena, m,
            arena_printf(arena,
                         "the network has %d outputs, the data %d classes: the outputs stay without names; `bitfold "
                         "train` gives it a last layer for these classes",
                         m->classes, names.n));
        return STATUS_OK;
    }
    m->class_names = names.at;
    if (m->graph != NULL) m->graph->class_names = names.at;
    add_note(arena, m,
             arena_printf(arena, "the outputs are named after the data's classes, in their order: %s",
                          classes_text(arena, names.at, names.n)));
    return STATUS_OK;
}

/* ---- float ------------------------------------------------------------------------------------------------------- */

/* Every value of the model must come from the file: a config that was changed by an assignment has others. */
static Status fill_model(Model *m, const ImportedModel *from, const char *where)
{
    long filled = 0;
    for (int i = 0; i < from->arrays; i++) {
        const ImportedArray *a = &from->array[i];
        long count = 0;
        float *to = model_values(m, a->name, &count);
        if (to == NULL || count != a->count)
            return status_fail(STATUS_SHAPE,
                               "%s: %s: %ld numbers for %ld; the assignments must leave the network as it is", where,
                               a->name, a->count, count);
        memcpy(to, a->values, sizeof *to * (size_t)count);
        filled++;
    }
    long wanted = m->params.n;
    for (int i = 0; i < m->layers; i++) wanted += m->layer[i].norm != NULL ? 2 : 0;
    if (filled != wanted)
        return status_fail(STATUS_SHAPE, "%s: %ld parameters for %ld; the assignments must leave the network as it is",
                           where, filled, wanted);
    return STATUS_OK;
}

static Status write_float(Arena *arena, const ImportRequest *r, ImportOutcome *out)
{
    TRY(experiment_model(arena, out->config, NULL, NULL, &out->model));
    if (out->imported.class_names != NULL && out->model->classes == out->imported.classes)
        out->model->class_names = out->imported.class_names;
    TRY(fill_model(out->model, &out->imported, r->path));
    TRY(run_folder_begin(&out->run, out->config));
    out->model_path = file_join(arena, r->out, "last.safetensors");
    const TrainState state = {.kind = MODEL_FLOAT, .seed = out->config->seed};
    return checkpoint_write(out->model_path, out->model, NULL, &state);
}

/* ---- integers ---------------------------------------------------------------------------------------------------- */

static Status write_graph(Arena *arena, const ImportRequest *r, ImportOutcome *out)
{
    Graph *g = out->imported.graph;
    const PixelScale pixels = config_pixels(out->config);
    if (pixels.n != 1 && pixels.n != g->channels)
        return status_fail(STATUS_CONFIG, "%s: data.normalize: %d means; must be 1, or %d like the image's channels",
                           r->path, pixels.n, g->channels);
    float *mean = ARENA_ARRAY(arena, float, g->channels), *std = ARENA_ARRAY(arena, float, g->channels);
    for (int c = 0; c < g->channels; c++) {
        mean[c] = (float)pixels.mean[pixels.n == 1 ? 0 : c];
        std[c] = (float)pixels.std[pixels.n == 1 ? 0 : c];
    }
    g->mean = mean;
    g->std = std;
    g->rounding = (Rounding)out->config->quant.rounding;
    g->model_name = out->config->name;
    if (graph_check(g) != STATUS_OK) return status_prefix(STATUS_UNSUPPORTED, "%s", r->path);
    TRY(run_folder_begin(&out->run, out->config));
    out->model_path = file_join(arena, r->out, "model.safetensors");
    return export_safetensors(arena, g, out->model_path);
}

static Status import(Arena *arena, const ImportRequest *r, ImportOutcome *out)
{
    const double start = timing_seconds();
    TRY(import_onnx(arena, r->path, &out->imported));
    Config *config;
    TRY(make_config(arena, r, &out->imported, &config));
    out->config = config;
    TRY(name_classes(arena, r, config, &out->imported));
    const RunTerms terms = {.mode = run_mode(r->overwrite, false), .argc = r->argc, .argv = r->argv};
    TRY(run_folder_open(arena, r->out, &terms, &out->run));
    if (out->run.note != NULL) add_note(arena, &out->imported, out->run.note);
    TRY(out->imported.graph != NULL ? write_graph(arena, r, out) : write_float(arena, r, out));
    if (out->model == NULL) return STATUS_OK;
    const RunNote note = {.model = out->model, .argc = r->argc, .argv = r->argv, .seconds = timing_seconds() - start};
    return run_folder_note(arena, r->out, &note);
}

Status run_import(Arena *arena, const ImportRequest *r, ImportOutcome *out)
{
    *out = (ImportOutcome){0};
    const Status status = import(arena, r, out);
    return run_folder_end(&out->run, status);
}
