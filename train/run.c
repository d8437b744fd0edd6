#include "train/run.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/timing.h"
#include "deploy/grid_floor.h"
#include "deploy/lower.h"
#include "deploy/runtime_limits.h"
#include "train/config_notes.h"
#include "train/model_data.h"
#include "train/model_task.h"
#include "train/run_resume.h"
#include "train/run_source.h"
#include "train/tflite_note.h"
#include "train/transfer.h"

static const char *request_folder(Arena *arena, const RunRequest *r, const char *name)
{
    return r->out != NULL ? r->out : file_join(arena, "runs", name);
}

/* Scales that no floor mends: for other runtimes the model is as good as any. */
static void note_runtime(Arena *arena, const RunRequest *r, const Graph *g)
{
    const char *refusal = graph_runtime_refusal(arena, g);
    if (refusal != NULL) run_note(r, arena_printf(arena, "note: %s", refusal));
}

/* Tests the finished model and fills the outcome. */
static Status finish(Arena *arena, const RunRequest *r, const DataSplits *data, const char *file, RunOutcome *out)
{
    Graph *graph = NULL;
    if (out->model->quant != NULL) TRY(model_lower(arena, out->model, (Rounding)out->config->quant.rounding, &graph));
    if (graph != NULL) note_runtime(arena, r, graph);
    out->engine = graph == NULL ? ENGINE_FLOAT : ENGINE_INT8;
    out->model_path = file_join(arena, out->folder, file);
    const Task task = model_task(out->config, out->model);
    return evaluate(arena, &task, out->model, graph, &data->test, out->engine, &out->test);
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
    if (m->exact_pixels) return;
    run_note(r, arena_printf(arena,
                             "note: with this data.normalize the image's codes are not the pixels: each pixel is "
                             "rounded to a grid of %.4g, and firmware must do the same. One mean and std for "
                             "all channels, 255 * mean an integer, avoids it",
                             (double)m->input_grid.scale[0]));
}

static void note_floors(Arena *arena, const RunRequest *r, const Model *m)
{
    const char **notes = model_floor_notes(arena, m);
    for (int i = 0; notes[i] != NULL; i++) run_note(r, arena_printf(arena, "note: %s", notes[i]));
}

/* A run that goes on was told when it began. */
static void note_settings(Arena *arena, const RunRequest *r, const RunOutcome *out, ConfigUse use)
{
    const char **notes = config_notes(arena, out->config, use);
    for (int i = 0; notes[i] != NULL && !out->goes_on; i++) run_note(r, arena_printf(arena, "note: %s", notes[i]));
}

/* Takes the run directory; what stands in the way of the run is told before data are read. */
static Status open_folder(Arena *arena, const RunRequest *r, const char *folder, bool resumable, RunOutcome *out)
{
    out->folder = folder;
    const RunTerms terms = {.mode = run_mode(r->overwrite, r->resume),
                            .source = run_source_is_model(r->path) ? r->path : NULL,
                            .resumable = resumable,
                            .argc = r->argc,
                            .argv = r->argv};
    TRY(run_folder_open(arena, out->folder, &terms, &out->run));
    run_note(r, out->run.note);
    return STATUS_OK;
}

/* What the run is made of, in the folder it names or else the request, which is held then.  One that goes on needs no
 * model, and reads the config in its folder unless another is given. */
static Status read_config(Arena *arena, const RunRequest *r, RunSource *source, Config **config, RunOutcome *out)
{
    const char *folder = r->out == NULL && source->own ? r->path : r->out;
    *config = NULL;
    if (folder == NULL || !r->resume || !source->model) TRY(run_source_config(arena, r, source, config));
    if (folder == NULL) folder = request_folder(arena, r, (*config)->name);
    TRY(open_folder(arena, r, folder, true, out));
    if (out->run.goes_on && source->model) {
        TRY(config_read(arena, file_join(arena, out->folder, "config.json"), r->sets, config));
        (*config)->given = config_given(arena, r->sets); /* the file has every key */
    }
    return *config != NULL ? STATUS_OK : run_source_config(arena, r, source, config);
}

/* Whether a resumed run has something to go on from, and how it began; one that was stopped before its first checkpoint
 * starts again. */
static Status find_checkpoint(Arena *arena, const RunRequest *r, const RunSource *source, RunStart *start,
                              RunOutcome *out)
{
    const char *path = file_join(arena, out->folder, "last.safetensors");
    ModelKind kind;
    out->goes_on = out->run.goes_on && file_exists(path);
    if (out->run.goes_on && !out->goes_on) TRY(run_source_again(source, start->kind, &out->run));
    if (!out->goes_on) return run_source_start(arena, source, start->kind, NULL, start);
    TRY(checkpoint_kind(path, &kind));
    if (kind != start->kind)
        return status_fail(STATUS_STATE, "%s: a %s model; the run to go on with must be one of a %s model", path,
                           model_kind_names[kind], model_kind_names[start->kind]);
    TRY(run_source_unread(arena, r, source, out->folder));
    return run_source_start(arena, source, kind, path, start);
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

/* The same for a float model that starts from another model's parameters, where they fit. */
static Status begin_tuning(Arena *arena, const RunRequest *r, Config *config, const Model *from, DataSplits *data,
                           RunOutcome *out)
{
    int renewed;
    Transfer transfer;
    TRY(experiment_model(arena, config, NULL, NULL, &out->model));
    model_init(out->model, config->seed);
    TRY(transfer_data(arena, config, out->model, from, r->path, data, &renewed));
    if (config->data.classes > 0) config->data.classes = data->train.classes;
    model_transfer(arena, out->model, from, renewed, &transfer);
    if (transfer.taken == 0)
        return status_fail(
            STATUS_STATE,
            "%s: none of its parameters has the name and shape of one of this network; some must, or the "
            "training is one from a config",
            r->path);
    run_note(r, arena_printf(arena, "note: %s", transfer_text(arena, &transfer, r->path)));
    data_check_training(arena, config, out->model->classes, data);
    return STATUS_OK;
}

/* Trains what is ready in the outcome.  What a run that goes on could be refused for comes before its folder is
 * changed. */
static Status train_from(Arena *arena, const RunRequest *r, const DataSplits *data, RunStart start, RunOutcome *out)
{
    const bool qat = start.kind == MODEL_QAT;
    TrainJob job = {.config = out->config,
                    .data = data,
                    .model = out->model,
                    .kind = start.kind,
                    .from_scratch = qat && run_from_config(start),
                    .folder = out->folder,
                    .resume = out->goes_on,
                    .epochs_may_differ = out->same_but_epochs,
                    .allow_changed = r->allow_changed,
                    .provenance = &out->provenance};
    long left = 1;
    if (job.resume) TRY(train_check(&job, &left));
    TRY(run_tell_changes(arena, r, left, out));
    if (!out->goes_on) out->run.from_model = !run_from_config(start);
    TRY(run_folder_begin(&out->run, out->config));
    show_data(arena, r, data);
    note_settings(arena, r, out, !qat ? USE_TRAIN : job.from_scratch ? USE_QAT_SCRATCH : USE_QAT);
    if (left == 0)
        run_note(
            r, arena_printf(arena,
                            "note: %s: finished at epoch %d, nothing to do; --set %s.epochs=N with a larger N goes on",
                            out->folder, train_epochs(&job), qat && !job.from_scratch ? "qat" : "train"));
    TRY(train(arena, r, &job));
    return finish(arena, r, data, "last.safetensors", out);
}

static Status train_in_folder(Arena *arena, const RunRequest *r, RunOutcome *out)
{
    Config *config;
    RunSource source = run_source(arena, r, MODEL_FLOAT);
    RunStart start = {.kind = MODEL_FLOAT};
    TRY(read_config(arena, r, &source, &config, out));
    TRY(find_checkpoint(arena, r, &source, &start, out));
    TRY(run_compare_config(arena, r, config, false, out));
    out->config = config;
    DataSplits data;
    const bool resume = out->goes_on;
    if (source.model && !source.own && !resume) {
        if (source.from.model == NULL) TRY(model_open(arena, r->path, NULL, &source.from));
        TRY(begin_tuning(arena, r, config, source.from.model, &data, out));
        start.start = provenance_weights(arena, source.from.model);
    } else {
        TRY(begin_training(arena, r, NULL, NULL, &data, out));
        model_init(out->model, config->seed);
        if (config->train.freeze.n > 0 && !resume)
            run_note(
                r,
                "note: train.freeze without a model to start from: the frozen layers keep their random first values");
    }
    TRY(experiment_freeze(config, out->model)); /* refused before anything is written */
    TRY(run_trace(arena, r, start, &data, out));
    return train_from(arena, r, &data, start, out);
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
    TRY(open_folder(arena, r, request_folder(arena, r, config->name), false, out));
    DataSplits data;
    const ModelClasses classes = model_classes(r->path, from.model);
    TRY(model_data(arena, config, &classes, false, &data));
    const double start = timing_seconds();
    TRY(quantize_from(arena, config, &config->quant, from.model, &data, &out->model));
    note_pixels(arena, r, out->model);
    run_note(r, tflite_note(arena, out->model));
    out->config = config;
    Graph *graph; /* what cannot be deployed is refused before anything is written */
    TRY(model_lower(arena, out->model, (Rounding)config->quant.rounding, &graph));
    out->run.from_model = true;
    TRY(run_folder_begin(&out->run, config));
    show_data(arena, r, &data);
    note_settings(arena, r, out, USE_PTQ);
    const TrainState state = {.kind = MODEL_PTQ, .seed = config->seed, .best = -1.0};
    TRY(checkpoint_write(file_join(arena, out->folder, "model.safetensors"), out->model, NULL, &state));
    TRY(run_folder_note(arena, out->folder, out->model, r->argc, r->argv, timing_seconds() - start));
    note_floors(arena, r, out->model);
    return finish(arena, r, &data, "model.safetensors", out);
}

/* Of the model that quantization-aware training starts from, all parameters: a network that is another one learns to be
 * it in float first. */
static Status take_all(Arena *arena, const RunRequest *r, Model *to, const OpenModel *from)
{
    Transfer transfer;
    model_transfer(arena, to, from->model, -1, &transfer);
    if (transfer.fresh.n > 0 || transfer.unused.n > 0)
        return status_fail(STATUS_STATE,
                           "%s: %s; quantization-aware training must start from the same network: `bitfold "
                           "train MODEL` gives a model new layers",
                           r->path, transfer_text(arena, &transfer, r->path));
    if (from->kind != MODEL_FLOAT)
        run_note(r, arena_printf(arena,
                                 "note: %s: a %s model; its weights and batch norm are taken, quantizers are made and "
                                 "ranges calibrated anew",
                                 r->path, model_kind_names[from->kind]));
    return STATUS_OK;
}

static Status qat_in_folder(Arena *arena, const RunRequest *r, RunOutcome *out)
{
    Config *config;
    RunSource source = run_source(arena, r, MODEL_QAT);
    OpenModel *from = &source.from;
    RunStart start = {.kind = MODEL_QAT};
    TRY(read_config(arena, r, &source, &config, out));
    TRY(find_checkpoint(arena, r, &source, &start, out));
    TRY(run_compare_config(arena, r, config, !run_from_config(start), out));
    const bool resume = out->goes_on;
    if (source.model && !resume && from->model == NULL) TRY(model_open(arena, r->path, NULL, from));
    const bool starts = from->model != NULL && !resume;
    DataSplits data;
    out->config = config;
    TRY(begin_training(arena, r, &config->quant, starts ? from->model : NULL, &data, out));
    note_pixels(arena, r, out->model);
    run_note(r, tflite_note(arena, out->model));
    if (starts)
        TRY(take_all(arena, r, out->model, from));
    else
        model_init(out->model, config->seed);
    if (config->train.freeze.n > 0 && !resume)
        run_note(r, "note: train.freeze is of float training; quantization-aware training trains all layers");
    TRY(run_trace(arena, r, start, &data, out));
    if (!out->goes_on) TRY(calibrate(out->model, &data.train, config->ptq.images, config->seed));
    return train_from(arena, r, &data, start, out);
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
