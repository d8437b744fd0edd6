#include "train/run.h"

#include <string.h>

#include "base/file.h"
#include "base/timing.h"
#include "deploy/grid_floor.h"
#include "deploy/lower.h"
#include "train/config_notes.h"
#include "train/model_data.h"
#include "train/tflite_note.h"

static const char *run_folder(Arena *arena, const RunRequest *r, const char *name)
{
    return r->out != NULL ? r->out : file_join(arena, "runs", name);
}

/* Tests the finished model and fills the outcome. */
static Status finish(Arena *arena, const DataSplits *data, const char *file, RunOutcome *out)
{
    QGraph *graph = NULL;
    if (out->model->quant != NULL) TRY(model_lower(arena, out->model, (Dialect)out->config->quant.dialect, &graph));
    out->engine = graph == NULL ? ENGINE_FLOAT : ENGINE_INT8;
    out->model_path = file_join(arena, out->folder, file);
    return evaluate(arena, out->model, graph, &data->test, out->engine, &out->test);
}

static Status train(Arena *arena, const RunRequest *r, TrainJob *job)
{
    TrainResult result;
    const double start = timing_seconds();
    const Status status = r->train != NULL ? r->train(r->context, arena, job, &result) : train_run(arena, job, &result);
    TRY(status);
    return run_folder_note(arena, job->folder, job->model, r->argc, r->argv, timing_seconds() - start);
}

static void note_pixels(Arena *arena, const RunRequest *r, const Model *m)
{
    if (m->exact_pixels || r->note == NULL) return;
    r->note(r->context,
            arena_printf(arena,
                         "note: with this data.normalize the image's codes are not the pixels: each pixel is "
                         "rounded to a grid of %.4g, and firmware must do the same. One mean and std for "
                         "all channels, 255 * mean an integer, avoids it",
                         (double)m->input_grid.scale[0]));
}

static void note_floors(Arena *arena, const RunRequest *r, const Model *m)
{
    const char **notes = model_floor_notes(arena, m);
    for (int i = 0; notes[i] != NULL && r->note != NULL; i++)
        r->note(r->context, arena_printf(arena, "note: %s", notes[i]));
}

/* A resumed run was told when it began. */
static void note_settings(Arena *arena, const RunRequest *r, const Config *config, ConfigUse use)
{
    const char **notes = config_notes(arena, config, use);
    for (int i = 0; notes[i] != NULL && r->note != NULL && !r->resume; i++)
        r->note(r->context, arena_printf(arena, "note: %s", notes[i]));
}

static void note_tflite(Arena *arena, const RunRequest *r, const Model *m)
{
    const char *note = r->note == NULL ? NULL : tflite_note(arena, m);
    if (note != NULL) r->note(r->context, note);
}

/* Takes the run directory; what stands in the way of the run is told before data are read. */
static Status open_folder(Arena *arena, const RunRequest *r, const char *name, bool resumable, RunOutcome *out)
{
    out->folder = run_folder(arena, r, name);
    const RunTerms terms = {
        .mode = run_mode(r->overwrite, r->resume), .resumable = resumable, .argc = r->argc, .argv = r->argv};
    TRY(run_folder_open(arena, out->folder, &terms, &out->run));
    if (out->run.note != NULL && r->note != NULL) r->note(r->context, out->run.note);
    return STATUS_OK;
}

/* A run from a config, or else from a model; one that goes on reads the config in its folder, which is held then. */
static Status read_config(Arena *arena, const RunRequest *r, bool of_model, const char *suffix, Config **config,
                          RunOutcome *out)
{
    if (!of_model) {
        TRY(config_read(arena, r->path, r->sets, config));
    } else {
        OpenModel from;
        TRY(model_open(arena, r->path, r->sets, &from));
        *config = ARENA_ARRAY(arena, Config, 1);
        **config = *from.config;
    }
    if (!file_ends((*config)->name, suffix)) (*config)->name = arena_printf(arena, "%s%s", (*config)->name, suffix);
    TRY(open_folder(arena, r, (*config)->name, true, out));
    if (!out->run.goes_on) return STATUS_OK;
    return config_read(arena, file_join(arena, out->folder, "config.json"), r->sets, config);
}

/* Whether a resumed run has something to go on from; one that was stopped before its first checkpoint starts again. */
static Status find_checkpoint(RunOutcome *out, ModelKind wanted)
{
    const char *path = file_join(out->run.arena, out->folder, "last.safetensors");
    ModelKind kind;
    out->goes_on = out->run.goes_on && file_exists(path);
    if (!out->goes_on) return STATUS_OK;
    TRY(checkpoint_kind(path, &kind));
    if (kind == wanted) return STATUS_OK;
    return status_fail(STATUS_STATE, "%s: a %s model; the run to go on with must be one of a %s model", path,
                       model_kind_names[kind], model_kind_names[wanted]);
}

static void show_data(Arena *arena, const RunRequest *r, const DataSplits *data)
{
    if (r->data != NULL) r->data(r->context, data_line(arena, data));
    for (int i = 0; i < data->notes && r->warn != NULL; i++) r->warn(r->context, data->note[i]);
}

/* The data and an untrained model of it, with the classes of the model it starts from (`from`, may be NULL); a resumed
 * run keeps those it began with. */
static Status begin_training(Arena *arena, const RunRequest *r, const QuantConfig *quant, const Model *from,
                             DataSplits *data, RunOutcome *out)
{
    ModelClasses classes;
    if (from != NULL) classes = model_classes(r->path, from);
    if (out->goes_on) {
        StringList names;
        classes.where = file_join(arena, out->folder, "last.safetensors");
        TRY(checkpoint_classes(arena, classes.where, &names));
        classes.n = names.n, classes.name = names.at;
    }
    TRY(model_data(arena, out->config, from != NULL || out->goes_on ? &classes : NULL, true, data));
    TRY(experiment_model(arena, out->config, quant, data, &out->model));
    data_check_training(arena, out->config, out->model->classes, data);
    return STATUS_OK;
}

/* What the result will follow from, and that it is what the run began with. */
static Status trace(Arena *arena, const RunRequest *r, RunStart start, const DataSplits *data, RunOutcome *out)
{
    const char *note = NULL;
    out->provenance = provenance_now(arena, out->config, start, provenance_data(arena, data));
    if (out->goes_on)
        TRY(provenance_check(arena, file_join(arena, out->folder, "last.safetensors"), r->allow_changed,
                             &out->provenance, &note));
    if (note != NULL && r->note != NULL) r->note(r->context, note);
    return STATUS_OK;
}

static Status train_in_folder(Arena *arena, const RunRequest *r, RunOutcome *out)
{
    Config *config;
    TRY(read_config(arena, r, false, "", &config, out));
    TRY(find_checkpoint(out, MODEL_FLOAT));
    out->config = config;
    DataSplits data;
    TRY(begin_training(arena, r, NULL, NULL, &data, out));
    model_init(out->model, config->seed);
    TRY(model_freeze(out->model, &config->train.freeze, config->path)); /* refused before anything is written */
    TRY(trace(arena, r, (RunStart){MODEL_FLOAT, "config"}, &data, out));
    TRY(run_folder_begin(&out->run, config));
    show_data(arena, r, &data);
    note_settings(arena, r, config, USE_TRAIN);
    TrainJob job = {.config = config,
                    .data = &data,
                    .model = out->model,
                    .kind = MODEL_FLOAT,
                    .folder = out->folder,
                    .resume = out->goes_on,
                    .allow_changed = r->allow_changed,
                    .provenance = &out->provenance};
    TRY(train(arena, r, &job));
    return finish(arena, &data, "last.safetensors", out);
}

static Status ptq_in_folder(Arena *arena, const RunRequest *r, RunOutcome *out)
{
    OpenModel from;
    TRY(model_open(arena, r->path, r->sets, &from));
    if (from.kind != MODEL_FLOAT)
        return status_fail(STATUS_STATE, "%s: a %s model; post-training quantization starts from a float model",
                           r->path, model_kind_names[from.kind]);
    Config *config = ARENA_ARRAY(arena, Config, 1);
    *config = *from.config;
    if (!file_ends(config->name, "-ptq")) config->name = arena_printf(arena, "%s-ptq", config->name);
    config->quant = ptq_quant_config(arena, &config->quant);
    TRY(open_folder(arena, r, config->name, false, out));
    DataSplits data;
    const ModelClasses classes = model_classes(r->path, from.model);
    TRY(model_data(arena, config, &classes, false, &data));
    const double start = timing_seconds();
    TRY(quantize_from(arena, config, &config->quant, from.model, &data, &out->model));
    note_pixels(arena, r, out->model);
    note_tflite(arena, r, out->model);
    out->config = config;
    QGraph *graph; /* what cannot be deployed is refused before anything is written */
    TRY(model_lower(arena, out->model, (Dialect)config->quant.dialect, &graph));
    TRY(run_folder_begin(&out->run, config));
    show_data(arena, r, &data);
    note_settings(arena, r, config, USE_PTQ);
    const TrainState state = {.kind = MODEL_PTQ, .seed = config->seed, .best_accuracy = -1.0};
    TRY(checkpoint_write(file_join(arena, out->folder, "model.safetensors"), out->model, NULL, &state));
    TRY(run_folder_note(arena, out->folder, out->model, r->argc, r->argv, timing_seconds() - start));
    note_floors(arena, r, out->model);
    return finish(arena, &data, "model.safetensors", out);
}

static Status qat_in_folder(Arena *arena, const RunRequest *r, RunOutcome *out)
{
    const bool scratch = file_ends(r->path, ".json");
    Config *config;
    TRY(read_config(arena, r, !scratch, "-qat", &config, out));
    TRY(find_checkpoint(out, MODEL_QAT));
    out->config = config;
    OpenModel from = {0};
    if (!scratch && !out->goes_on) {
        TRY(model_open(arena, r->path, r->sets, &from));
        if (from.kind != MODEL_FLOAT)
            return status_fail(STATUS_STATE,
                               "%s: a %s model; quantization-aware training starts from a float model or a config",
                               r->path, model_kind_names[from.kind]);
    }
    DataSplits data;
    TRY(begin_training(arena, r, &config->quant, from.model, &data, out));
    note_pixels(arena, r, out->model);
    note_tflite(arena, r, out->model);
    if (from.model != NULL)
        model_copy_network(out->model, from.model);
    else
        model_init(out->model, config->seed);
    TRY(trace(arena, r, (RunStart){MODEL_QAT, scratch ? "config" : "model"}, &data, out));
    if (!out->goes_on) TRY(calibrate(out->model, &data.train, config->ptq.images, config->seed));
    TRY(run_folder_begin(&out->run, config));
    show_data(arena, r, &data);
    note_settings(arena, r, config, USE_QAT);
    TrainJob job = {.config = config,
                    .data = &data,
                    .model = out->model,
                    .kind = MODEL_QAT,
                    .from_scratch = scratch,
                    .folder = out->folder,
                    .resume = out->goes_on,
                    .allow_changed = r->allow_changed,
                    .provenance = &out->provenance};
    TRY(train(arena, r, &job));
    return finish(arena, &data, "last.safetensors", out);
}

/* Whatever happens in between, the folder is given back. */
static Status whole(Arena *arena, const RunRequest *r, RunOutcome *out,
                    Status (*run)(Arena *arena, const RunRequest *r, RunOutcome *out))
{
    *out = (RunOutcome){0};
    const Status status = run(arena, r, out);
    return run_folder_end(&out->run, status);
}

Status run_train(Arena *arena, const RunRequest *r, RunOutcome *out) { return whole(arena, r, out, train_in_folder); }
Status run_ptq(Arena *arena, const RunRequest *r, RunOutcome *out) { return whole(arena, r, out, ptq_in_folder); }
Status run_qat(Arena *arena, const RunRequest *r, RunOutcome *out) { return whole(arena, r, out, qat_in_folder); }
