#include "train/run.h"

#include "base/file.h"
#include "deploy/grid_floor.h"
#include "deploy/lower.h"
#include "deploy/runtime_limits.h"
#include "train/config_notes.h"
#include "train/model_data.h"
#include "train/model_task.h"
#include "train/run_begin.h"
#include "train/run_resume.h"

/* ---- what the user is told --------------------------------------------------------------------------------------- */

/* Scales that no floor mends: for other runtimes the model is as good as any. */
static void note_runtime(Arena *arena, const RunRequest *r, const Graph *g)
{
    const char *refusal = graph_runtime_refusal(arena, g);
    if (refusal != NULL) run_note(r, arena_printf(arena, "note: %s", refusal));
}

static void note_floors(Arena *arena, const RunRequest *r, const Model *m)
{
    const char **notes = model_floor_notes(arena, m);
    for (int i = 0; notes[i] != NULL; i++) run_note(r, arena_printf(arena, "note: %s", notes[i]));
}

/* A run that goes on was told when it began. */
static void note_settings(Arena *arena, const RunRequest *r, const RunOutcome *out, const Recipe *recipe)
{
    const ConfigUse use = recipe->kind == MODEL_FLOAT ? USE_TRAIN
                          : recipe->kind == MODEL_PTQ ? USE_PTQ
                          : recipe->from_scratch      ? USE_QAT_SCRATCH
                                                      : USE_QAT;
    const char **notes = config_notes(arena, out->config, use);
    for (int i = 0; notes[i] != NULL && out->last == NULL; i++) run_note(r, arena_printf(arena, "note: %s", notes[i]));
}

static void note_finished(Arena *arena, const RunRequest *r, const RunOutcome *out, const Recipe *recipe)
{
    const bool qat = recipe->kind == MODEL_QAT && !recipe->from_scratch;
    run_note(r, arena_printf(
                    arena, "note: %s: finished at epoch %d, nothing to do; --set %s.epochs=N with a larger N goes on",
                    out->folder, qat ? out->config->qat.epochs : out->config->train.epochs, qat ? "qat" : "train"));
}

static void show_data(Arena *arena, const RunRequest *r, const DataSplits *data)
{
    if (r->data != NULL) r->data(r->context, data_line(arena, data));
    for (int i = 0; i < data->notes && r->warn != NULL; i++) r->warn(r->context, data->note[i]);
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

/* Tests the finished model and fills the outcome. */
static Status finish(Arena *arena, const RunRequest *r, const DataSplits *data, ModelKind kind, RunOutcome *out)
{
    Graph *graph = NULL;
    if (kind != MODEL_FLOAT) TRY(model_lower(arena, out->model, (Rounding)out->config->quant.rounding, &graph));
    if (graph != NULL) note_runtime(arena, r, graph);
    out->engine = graph == NULL ? ENGINE_FLOAT : ENGINE_INT8;
    out->model_path = file_join(arena, out->folder, recipe_file(kind));
    const Task task = model_task(out->config, out->model);
    return evaluate(arena, &task, out->model, graph, &data->test, out->engine, &out->test);
}

/* What a run could still be refused for: a training, by what it goes on from; another model, by what cannot be
 * deployed.  *left: whether anything is left to be done. */
static Status check(Arena *arena, const RunRequest *r, Recipe *recipe, RunOutcome *out, long *left)
{
    Graph *unused;
    *left = 1;
    if (recipe->kind == MODEL_PTQ)
        return model_lower(arena, out->model, (Rounding)out->config->quant.rounding, &unused);
    if (recipe->last != NULL) TRY(recipe_check(recipe, left));
    return run_tell_changes(arena, r, *left, out);
}

/* The one path of all three verbs. */
static Status make(Arena *arena, const RunRequest *r, ModelKind kind, RunOutcome *out)
{
    RunBegin b;
    Recipe *recipe = &b.recipe;
    TRY(run_begin(arena, r, kind, &b, out));
    if (kind != MODEL_PTQ) {
        TRY(run_trace(arena, r, b.start, &b.data, out));
        recipe->provenance = &out->provenance;
    }
    TRY(recipe_run(recipe, RECIPE_FIT));
    long left;
    TRY(check(arena, r, recipe, out, &left));
    if (out->last == NULL) out->run.from_model = !run_from_config(b.start);
    TRY(run_folder_begin(&out->run, out->config));
    show_data(arena, r, &b.data);
    note_settings(arena, r, out, recipe);
    if (left == 0) note_finished(arena, r, out, recipe);
    TRY(recipe_run(recipe, RECIPE_MAKE));
    if (kind == MODEL_PTQ) note_floors(arena, r, out->model);
    return finish(arena, r, &b.data, kind, out);
}

/* Whatever happens in between, the folder is given back. */
static Status whole(Arena *arena, const RunRequest *r, ModelKind kind, RunOutcome *out)
{
    *out = (RunOutcome){0};
    const Status status = make(arena, r, kind, out);
    return run_folder_end(&out->run, status);
}

Status run_train(Arena *arena, const RunRequest *r, RunOutcome *out) { return whole(arena, r, MODEL_FLOAT, out); }
Status run_ptq(Arena *arena, const RunRequest *r, RunOutcome *out) { return whole(arena, r, MODEL_PTQ, out); }
Status run_qat(Arena *arena, const RunRequest *r, RunOutcome *out) { return whole(arena, r, MODEL_QAT, out); }
