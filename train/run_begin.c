#include "train/run_begin.h"

#include <string.h>

#include "base/file.h"
#include "train/model_data.h"
#include "train/oscillations.h"
#include "train/run_resume.h"
#include "train/tflite_note.h"

/* ---- what it is made of ------------------------------------------------------------------------------------------ */

/* Takes the run directory; what stands in the way of the run is told before data are read. */
static Status open_folder(Arena *arena, const RunRequest *r, const char *folder, bool resumable, RunOutcome *out)
{
    out->folder = folder;
    const RunTerms terms = {.mode = run_mode(r->overwrite, r->resume),
                            .row = r->row,
                            .source = run_source_is_model(r->path) ? r->path : NULL,
                            .resumable = resumable,
                            .argc = r->argc,
                            .argv = r->argv};
    TRY(run_folder_open(arena, out->folder, &terms, &out->run));
    run_note(r, out->run.note);
    return STATUS_OK;
}

static const char *request_folder(Arena *arena, const RunRequest *r, const char *name)
{
    return r->out != NULL ? r->out : file_join(arena, "runs", name);
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
static Status find_checkpoint(Arena *arena, const RunRequest *r, RunBegin *b, RunOutcome *out)
{
    const char *path = file_join(arena, out->folder, "last.safetensors");
    const ModelKind kind = b->start.kind;
    if (!out->run.goes_on || !file_exists(path)) {
        if (out->run.goes_on) TRY(run_source_again(&b->source, kind, &out->run));
        return run_source_start(arena, &b->source, kind, NULL, &b->start);
    }
    Checkpoint *last = ARENA_ARRAY(arena, Checkpoint, 1);
    TRY(checkpoint_open(arena, path, last));
    out->last = last;
    if (last->kind != kind)
        return status_fail(STATUS_STATE, "%s: a %s model; the run to go on with must be one of a %s model", path,
                           model_kind_names[last->kind], model_kind_names[kind]);
    TRY(run_source_unread(arena, r, &b->source, out->folder));
    return run_source_start(arena, &b->source, kind, last, &b->start);
}

/* "float" is the model that the run starts from, which a run that goes on does not read otherwise. */
static Status name_teacher(const RunRequest *r, const RunBegin *b, Config *config)
{
    TeacherConfig *teacher = &config->qat.teacher;
    const RunSource *source = &b->source;
    if (b->start.kind != MODEL_QAT || !teacher_is_named(teacher) || strcmp(teacher->model, TEACHER_FLOAT) != 0)
        return STATUS_OK;
    if (!source->model)
        return status_fail(
            STATUS_CONFIG,
            "%s: qat.teacher: \"float\"; training from a config starts from no float network: must be a model",
            config->path);
    if (source->own)
        return status_fail(STATUS_CONFIG,
                           "%s: qat.teacher: \"float\"; a run goes on with the teacher it began with: must be left out",
                           config->path);
    if (source->from.model != NULL && source->from.kind != MODEL_FLOAT)
        return status_fail(STATUS_STATE, "%s: a %s model; with qat.teacher \"float\" it must be a float model", r->path,
                           model_kind_names[source->from.kind]);
    teacher->model = teacher->path = r->path;
    return STATUS_OK;
}

/* Config, folder and checkpoint of a training; the model it starts from, unless it goes on. */
static Status open_training(Arena *arena, const RunRequest *r, RunBegin *b, RunOutcome *out)
{
    Config *config;
    TRY(read_config(arena, r, &b->source, &config, out));
    out->config = config;
    TRY(find_checkpoint(arena, r, b, out));
    TRY(name_teacher(r, b, config));
    TRY(run_compare_config(arena, r, config, b->start.kind == MODEL_QAT && !run_from_config(b->start), out));
    if (!b->source.model || b->source.own || out->last != NULL || b->source.from.model != NULL) return STATUS_OK;
    return model_open(arena, r->path, NULL, &b->source.from);
}

/* Post-training quantization goes on with nothing; the assignments are for the model itself. */
static Status open_ptq(Arena *arena, const RunRequest *r, RunBegin *b, RunOutcome *out)
{
    OpenModel *from = &b->source.from;
    TRY(model_open(arena, r->path, r->sets, from));
    if (from->kind != MODEL_FLOAT)
        return status_fail(STATUS_STATE, "%s: a %s model; post-training quantization starts from a float model",
                           r->path, model_kind_names[from->kind]);
    Config *config = ARENA_ARRAY(arena, Config, 1);
    *config = *from->config;
    if (!file_ends(config->name, "-ptq")) config->name = arena_printf(arena, "%s-ptq", config->name);
    config->quant = ptq_quant_config(arena, &config->quant);
    out->config = config;
    b->start.start = "model";
    return open_folder(arena, r, request_folder(arena, r, config->name), false, out);
}

/* ---- data and model ---------------------------------------------------------------------------------------------- */

/* The data, with the classes of the model it starts from; a resumed run keeps those it began with. */
static Status read_data(Arena *arena, const RunRequest *r, RunBegin *b, const RunOutcome *out)
{
    const Model *from = b->source.from.model;
    ModelClasses classes;
    if (from != NULL) classes = model_classes(r->path, from);
    if (out->last != NULL) {
        StringList names;
        TRY(checkpoint_classes(out->last, &names));
        classes = (ModelClasses){.where = out->last->path, .n = names.n, .name = names.at};
    }
    const bool known = from != NULL || out->last != NULL;
    return model_data(arena, out->config, known ? &classes : NULL, b->start.kind != MODEL_PTQ, &b->data);
}

/* A float model that takes the parameters of another one, where they fit. */
static Status begin_tuning(Arena *arena, const RunRequest *r, RunBegin *b, RunOutcome *out)
{
    Config *config = ARENA_ARRAY(arena, Config, 1);
    *config = *out->config;
    out->config = b->recipe.config = config;
    TRY(experiment_model(arena, config, NULL, NULL, &b->recipe.model));
    TRY(transfer_data(arena, config, b->recipe.model, b->recipe.from, r->path, &b->data, &b->recipe.renewed));
    if (config->data.classes > 0) config->data.classes = b->data.train.classes;
    recipe_plan(&b->recipe);
    TRY(recipe_run(&b->recipe, RECIPE_BEGIN));
    const Transfer *transfer = &b->recipe.transfer;
    if (transfer->taken == 0)
        return status_fail(
            STATUS_STATE,
            "%s: none of its parameters has the name and shape of one of this network; some must, or the "
            "training is one from a config",
            r->path);
    run_note(r, arena_printf(arena, "note: %s", transfer_text(arena, transfer, r->path)));
    b->start.start = provenance_weights(arena, b->recipe.from);
    return STATUS_OK;
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

/* Of a model that is drawn, goes on, or is quantized. */
static Status begin_model(Arena *arena, const RunRequest *r, RunBegin *b, RunOutcome *out)
{
    const Config *config = out->config;
    const ModelKind kind = b->start.kind;
    const OpenModel *from = &b->source.from;
    TRY(read_data(arena, r, b, out));
    TRY(experiment_model(arena, config, kind == MODEL_FLOAT ? NULL : &config->quant, &b->data, &b->recipe.model));
    if (kind == MODEL_QAT) TRY(oscillations_watch(&config->qat.oscillation, b->recipe.model, config->path));
    if (kind != MODEL_FLOAT) {
        note_pixels(arena, r, b->recipe.model);
        run_note(r, tflite_note(arena, b->recipe.model));
    }
    recipe_plan(&b->recipe);
    TRY(recipe_run(&b->recipe, RECIPE_BEGIN));
    if (kind == MODEL_QAT && b->recipe.from != NULL && from->kind != MODEL_FLOAT)
        run_note(r, arena_printf(arena,
                                 "note: %s: a %s model; its weights and batch norm are taken, quantizers are made and "
                                 "ranges calibrated anew",
                                 r->path, model_kind_names[from->kind]));
    if (config->train.freeze.n > 0 && out->last == NULL && kind != MODEL_PTQ)
        run_note(r, kind == MODEL_QAT
                        ? "note: train.freeze is of float training; quantization-aware training trains all layers"
                        : "note: train.freeze without a model to start from: the frozen layers keep their random first "
                          "values");
    return STATUS_OK;
}

Status run_begin(Arena *arena, const RunRequest *r, ModelKind kind, RunBegin *b, RunOutcome *out)
{
    *b = (RunBegin){.source = run_source(arena, r, kind), .start = {.kind = kind}};
    TRY(kind == MODEL_PTQ ? open_ptq(arena, r, b, out) : open_training(arena, r, b, out));
    b->recipe = (Recipe){.arena = arena,
                         .config = out->config,
                         .kind = kind,
                         .data = &b->data,
                         .from = out->last == NULL ? b->source.from.model : NULL,
                         .from_name = r->path,
                         .renewed = -1,
                         .from_scratch = kind == MODEL_QAT && run_from_config(b->start),
                         .last = out->last,
                         .epochs_may_differ = out->same_but_epochs,
                         .allow_changed = r->allow_changed,
                         .folder = out->folder,
                         .label = "",
                         .train = r->train,
                         .tell = r->note,
                         .context = r->context,
                         .argc = r->argc,
                         .argv = r->argv};
    const bool tuning = kind == MODEL_FLOAT && b->recipe.from != NULL;
    TRY(tuning ? begin_tuning(arena, r, b, out) : begin_model(arena, r, b, out));
    out->model = b->recipe.model;
    if (b->recipe.teacher != NULL) b->start.teacher = b->recipe.teacher->digest;
    if (kind == MODEL_PTQ) return STATUS_OK;
    data_check_training(arena, out->config, out->model->classes, &b->data);
    if (kind == MODEL_FLOAT) TRY(experiment_freeze(out->config, out->model));
    Sparsity *unused;
    return sparsity_watch(arena, &out->config->train.sparsity, out->model, false, out->config->path, &unused);
}
