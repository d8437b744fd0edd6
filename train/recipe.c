#include "train/recipe.h"

#include "base/file.h"
#include "base/timing.h"
#include "deploy/grid_floor.h"
#include "train/model_task.h"

/* ---- the steps --------------------------------------------------------------------------------------------------- */

static Status draw(Recipe *r, const PtqStep *ptq)
{
    (void)ptq;
    model_init(r->model, r->config->seed);
    return STATUS_OK;
}

/* Quantized models take all: a network that is another one learns to be it in float first. */
static Status take(Recipe *r, const PtqStep *ptq)
{
    (void)ptq;
    if (r->kind == MODEL_FLOAT) model_init(r->model, r->config->seed);
    model_transfer(r->arena, r->model, r->from, r->renewed, &r->transfer);
    if (r->kind == MODEL_FLOAT || (r->transfer.fresh.n == 0 && r->transfer.unused.n == 0)) return STATUS_OK;
    return status_fail(STATUS_STATE,
                       "%s: %s; %s must start from the same network: `bitfold train MODEL` gives a model new layers",
                       r->from_name, transfer_text(r->arena, &r->transfer, r->from_name),
                       r->kind == MODEL_QAT ? "quantization-aware training" : "post-training quantization");
}

static Status open_teacher(Recipe *r, const PtqStep *ptq)
{
    (void)ptq;
    return teacher_open(r->arena, r->config, r->kind, r->model, &r->teacher);
}

/* The images that steps see: the training's, or what ptq.calibration says. */
static Status calibration_images(Recipe *r, Dataset *images)
{
    const PtqCalibration *c = &r->config->ptq.calibration;
    *images = r->data->train;
    if (r->kind != MODEL_PTQ) return STATUS_OK;
    if (c->dir != NULL && c->dir[0] != '\0') {
        DataConfig config = r->config->data;
        config.dir = config.path = c->dir;
        config.validation = 0.0, config.train_limit = 0;
        DataSplits *other = ARENA_ARRAY(r->arena, DataSplits, 1);
        const Status status = dataset_load(&config, r->config->model.input.at, r->config->seed, r->arena, other);
        if (status != STATUS_OK) return status_prefix(status, "ptq.calibration.dir");
        *images = other->train;
    }
    if (c->corruption.corruption == CORRUPTION_NONE) return STATUS_OK;
    const Dataset plain = *images;
    return dataset_corrupt(r->arena, &plain, &c->corruption, r->config->seed, images);
}

static Status begin_ptq(Recipe *r)
{
    Dataset *train = ARENA_ARRAY(r->arena, Dataset, 1);
    TRY(calibration_images(r, train));
    Task *task = ARENA_ARRAY(r->arena, Task, 1);
    *task = model_task(r->config, r->model);
    const PtqContext context = {.train = train, .images = r->config->ptq.images, .seed = r->config->seed, .task = task};
    r->ptq = (PtqRun){.arena = r->arena, .model = r->model, .ptq = &r->config->ptq, .context = context};
    if (r->kind == MODEL_PTQ && r->folder != NULL) r->ptq.measured = &r->data->train;
    return STATUS_OK;
}

static Status run_ptq_step(Recipe *r, const PtqStep *step)
{
    PtqRun *run = &r->ptq;
    if (run->model == NULL) TRY(begin_ptq(r));
    TRY(ptq_run_step(run, step));
    if (run->measured == NULL || r->tell == NULL) return STATUS_OK;
    const PtqReport *report = run->report[run->reports - 1];
    r->tell(r->context, ptq_report_text(r->arena, run, report));
    for (int i = 0; i < report->told.n; i++) r->tell(r->context, arena_printf(r->arena, "  %s", report->told.line[i]));
    return STATUS_OK;
}

static Status floor_grids(Recipe *r, const PtqStep *ptq)
{
    (void)ptq;
    return model_floor_grids(r->model, (Rounding)r->model->quant->rounding);
}

static TrainJob job_of(const Recipe *r)
{
    return (TrainJob){.config = r->config,
                      .data = r->data,
                      .model = r->model,
                      .kind = r->kind,
                      .teacher = r->teacher,
                      .from_scratch = r->from_scratch,
                      .folder = r->folder,
                      .resume = r->last != NULL,
                      .last = r->last,
                      .epochs_may_differ = r->epochs_may_differ,
                      .allow_changed = r->allow_changed,
                      .provenance = r->provenance};
}

/* Adds run.json; `changed`: what was changed on the way to the model. */
static Status note(const Recipe *r, const char *changed)
{
    cJSON *ptq = r->ptq.measured == NULL ? NULL : ptq_reports_json(&r->ptq);
    const RunNote facts = {.model = r->model,
                           .argc = r->argc,
                           .argv = r->argv,
                           .seconds = timing_seconds() - r->start,
                           .changed = changed,
                           .teacher = r->teacher,
                           .ptq = ptq};
    return run_folder_note(r->arena, r->folder, &facts);
}

static Status train_model(Recipe *r, const PtqStep *ptq)
{
    (void)ptq;
    TrainResult result;
    TrainJob job = job_of(r);
    const char *changed = r->provenance == NULL ? "" : r->provenance->changed;
    if (r->finished) changed = checkpoint_provenance(r->last).changed; /* it stays what it was */
    TRY(r->train != NULL ? r->train(r->context, r->arena, &job, r->label, &result)
                         : train_run(r->arena, &job, &result));
    return note(r, changed);
}

static Status write_model(Recipe *r, const PtqStep *ptq)
{
    (void)ptq;
    const TrainState state = {.kind = r->kind, .seed = r->config->seed, .provenance = r->provenance};
    TRY(checkpoint_write(file_join(r->arena, r->folder, recipe_file(r->kind)), r->model, NULL, &state));
    return note(r, "");
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static void add(Recipe *r, RecipeStep step)
{
    ASSERT(r->steps < RECIPE_STEPS);
    r->step[r->steps++] = step;
}

void recipe_plan(Recipe *r)
{
    r->steps = r->done = 0;
    if (r->from == NULL || r->last != NULL)
        add(r, (RecipeStep){RECIPE_BEGIN, "draw", draw, NULL});
    else
        add(r, (RecipeStep){RECIPE_BEGIN, "take", take, NULL});
    const bool trained = r->kind != MODEL_PTQ && !r->untrained;
    if (trained && teacher_is_named(config_teacher(r->config, r->kind == MODEL_QAT)))
        add(r, (RecipeStep){RECIPE_BEGIN, "teacher", open_teacher, NULL});
    const IntList *steps = &r->config->ptq.steps;
    for (int i = 0; r->kind == MODEL_PTQ && i < steps->n; i++)
        add(r, (RecipeStep){RECIPE_FIT, ptq_steps[steps->at[i]]->name, run_ptq_step, ptq_steps[steps->at[i]]});
    if (r->kind == MODEL_QAT && r->last == NULL)
        add(r, (RecipeStep){RECIPE_FIT, ptq_step_calibrate.name, run_ptq_step, &ptq_step_calibrate});
    if (r->kind != MODEL_FLOAT && r->last == NULL) add(r, (RecipeStep){RECIPE_FIT, "floor", floor_grids, NULL});
    if (!trained)
        add(r, (RecipeStep){RECIPE_MAKE, "write", write_model, NULL});
    else
        add(r, (RecipeStep){RECIPE_MAKE, "train", train_model, NULL});
}

Status recipe_run(Recipe *r, RecipePhase last)
{
    for (; r->done < r->steps && r->step[r->done].phase <= last; r->done++) {
        const RecipeStep *step = &r->step[r->done];
        if (step->phase > RECIPE_BEGIN && r->start == 0.0) r->start = timing_seconds();
        TRY(step->run(r, step->ptq));
    }
    return STATUS_OK;
}

Status recipe_check(Recipe *r, long *left)
{
    const TrainJob job = job_of(r);
    const Status status = train_check(&job, left);
    r->finished = status == STATUS_OK && *left == 0;
    return status;
}

const char *recipe_file(ModelKind kind) { return kind == MODEL_PTQ ? "model.safetensors" : "last.safetensors"; }

Status quantize_from(Arena *arena, const Config *config, const QuantConfig *quant, const Model *from,
                     const DataSplits *data, Model **model)
{
    Recipe r = {.arena = arena,
                .config = config,
                .kind = MODEL_PTQ,
                .data = data,
                .from = from,
                .from_name = config->path,
                .renewed = -1};
    TRY(experiment_model(arena, config, quant, data, &r.model));
    recipe_plan(&r);
    TRY(recipe_run(&r, RECIPE_FIT));
    *model = r.model;
    return STATUS_OK;
}
