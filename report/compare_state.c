#include "report/compare_state.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "deploy/grid_floor.h"
#include "train/teacher.h"

static const char *row_label(Arena *arena, const CompareJob *job, const RowPlan *plan, int k)
{
    return arena_printf(arena, "%s-seed%llu", plan->label, (unsigned long long)compare_seed(job->config, k));
}

static Config *row_config(Arena *arena, const CompareJob *job, const RowPlan *plan, int k)
{
    Config *c = ARENA_ARRAY(arena, Config, 1);
    *c = *plan->config;
    c->seed = compare_seed(job->config, k);
    c->name = row_label(arena, job, plan, k);
    return c;
}

const char *row_folder(Arena *arena, const CompareJob *job, const RowPlan *plan, int k)
{
    return file_join(arena, job->folder, row_label(arena, job, plan, k));
}

bool row_is_trained(const CompareJob *job, const RowPlan *plan)
{
    return plan->kind == MODEL_QAT || (plan->kind == MODEL_FLOAT && job->from == NULL);
}

Status row_model(Arena *arena, const CompareJob *job, const RowPlan *plan, int k, Model **model)
{
    if (plan->model[k] == NULL) {
        const Config *config = row_config(arena, job, plan, k);
        const QuantConfig *quant = plan->kind == MODEL_FLOAT ? NULL : &config->quant;
        Model *m;
        TrainState state;
        TRY(experiment_model(arena, config, quant, job->data, &m));
        TRY(checkpoint_read(file_join(arena, row_folder(arena, job, plan, k), recipe_file(plan->kind)), m, NULL,
                            &state));
        plan->model[k] = m;
    }
    *model = plan->model[k];
    return STATUS_OK;
}

/* ---- what a model follows from ----------------------------------------------------------------------------------- */

/* A copied float network follows from the weights it is copied from. */
static Provenance provenance_of(Arena *arena, const CompareJob *job, const RowPlan *plan, const Config *config)
{
    const bool copied = plan->kind == MODEL_FLOAT && job->from != NULL;
    const RunStart start = {plan->kind,
                            copied                      ? provenance_weights(arena, job->from)
                            : plan->kind == MODEL_FLOAT ? "config"
                                                        : "model",
                            copied ? NULL : teacher_digest(arena, config, plan->kind)};
    return provenance_now(arena, config, start, job->data_text);
}

/* Of the row's kind and config, and of those of the rows it starts from, back to float. */
static const char *row_digest(Arena *arena, const CompareJob *job, const RowPlans *plans, const RowState *s)
{
    const char *text = arena_printf(arena, "%s %s", model_kind_names[s->plan->kind], s->provenance.config);
    for (int i = s->plan->start; i >= 0; i = plans->at[i].start) {
        const RowPlan *start = &plans->at[i];
        const Provenance p = provenance_of(arena, job, start, row_config(arena, job, start, s->seed));
        text = arena_printf(arena, "%s %s", text, p.config);
    }
    return arena_printf(arena, "%016llx", (unsigned long long)text_hash(text));
}

static Status write_digest(Arena *arena, const RowState *s)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", s->plan->name);
    cJSON_AddStringToObject(json, "kind", model_kind_names[s->plan->kind]);
    cJSON_AddStringToObject(json, "digest", s->digest);
    const char *text = json_print(arena, json);
    cJSON_Delete(json);
    return file_write(arena, file_join(arena, s->folder, "row.json"), text, strlen(text));
}

/* NULL: the folder has none, as earlier versions left it. */
static const char *read_digest(Arena *arena, const RowState *s)
{
    cJSON *json = NULL;
    const char *path = file_join(arena, s->folder, "row.json");
    if (!file_exists(path) || json_read(arena, path, &json) != STATUS_OK) return NULL;
    const char *text = cJSON_GetStringValue(json_get(json, "digest"));
    const char *digest = text == NULL ? NULL : arena_strdup(arena, text);
    cJSON_Delete(json);
    return digest;
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

/* Whether the model in the folder is of another config, its own or that of the row it starts from; *what: says of
 * which, "" if that is not known. */
static Status find_changes(Arena *arena, const RowPlans *plans, RowState *s, const Checkpoint *last, const char **what)
{
    const char *was = read_digest(arena, s);
    TRY(provenance_config_changes(arena, last, &s->provenance, what));
    const bool start = s->plan->start >= 0 && plans->at[s->plan->start].renewed[s->seed];
    s->changed = was == NULL ? (*what)[0] != '\0' || start : strcmp(was, s->digest) != 0;
    return STATUS_OK;
}

static void note(const CompareJob *job, const char *text)
{
    if (job->note != NULL) job->note(job->context, text);
}

static Status find_allowed(Arena *arena, const CompareJob *job, RowState *s, const Checkpoint *last)
{
    const char *text = NULL;
    TRY(provenance_check(arena, last, job->allow_changed, &s->provenance, &text));
    const bool changed = s->provenance.changed[0] != '\0', trained = row_is_trained(job, s->plan);
    if (trained || !changed) s->last = last;
    if (text == NULL || job->note == NULL) return STATUS_OK;
    long left = 1;
    if (trained && changed) TRY(row_check_training(arena, job, s, &left));
    note(job, left > 0 ? text : provenance_without_effect(arena, text));
    return STATUS_OK;
}

Status row_find(Arena *arena, const CompareJob *job, const RowPlans *plans, int row, int k, RowState *s)
{
    RowPlan *plan = &plans->at[row];
    *s = (RowState){.plan = plan, .seed = k, .config = row_config(arena, job, plan, k)};
    s->folder = row_folder(arena, job, plan, k);
    s->provenance = provenance_of(arena, job, plan, s->config);
    s->digest = row_digest(arena, job, plans, s);
    const char *file = file_join(arena, s->folder, recipe_file(plan->kind)), *what;
    Checkpoint *last = ARENA_ARRAY(arena, Checkpoint, 1);
    if (!job->resume || !file_exists(file_join(arena, s->folder, "config.json")) || !file_exists(file) ||
        checkpoint_open(arena, file, last) != STATUS_OK)
        return STATUS_OK;
    TRY(find_changes(arena, plans, s, last, &what));
    if (job->allow_changed || !s->changed) return find_allowed(arena, job, s, last);
    note(job, arena_printf(arena, "note: %s: made again: %s", plan->name,
                           what[0] != '\0' ? what : "the row it starts from is another one"));
    return STATUS_OK;
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

/* The recipe of the row's model, which is built but has no weights yet. */
static Status row_recipe(Arena *arena, const CompareJob *job, const RowState *s, const char *from_name,
                         const Model *from, Recipe *recipe)
{
    const ModelKind kind = s->plan->kind;
    const bool trained = row_is_trained(job, s->plan);
    *recipe = (Recipe){.arena = arena,
                       .config = s->config,
                       .kind = kind,
                       .data = job->data,
                       .from = kind == MODEL_FLOAT ? job->from : from,
                       .from_name = from_name,
                       .renewed = -1,
                       .untrained = !trained,
                       .last = trained ? s->last : NULL,
                       .allow_changed = job->allow_changed,
                       .provenance = &s->provenance,
                       .folder = s->folder,
                       .label = s->config->name,
                       .train = job->train,
                       .context = job->context,
                       .argc = job->argc,
                       .argv = job->argv};
    TRY(experiment_model(arena, s->config, kind == MODEL_FLOAT ? NULL : &s->config->quant, job->data, &recipe->model));
    recipe_plan(recipe);
    return STATUS_OK;
}

/* The float network that a row starts from, or the one before it did. */
static const RowPlan *float_start(const RowPlans *plans, const RowPlan *plan)
{
    while (plan->start >= 0) plan = &plans->at[plan->start];
    return plan;
}

/* A row that learns from "float" learns from its float row's model, which is there by now. */
static void name_teacher(Arena *arena, const CompareJob *job, const RowPlans *plans, RowState *s)
{
    TeacherConfig *teacher = &s->config->qat.teacher;
    if (s->plan->kind != MODEL_QAT || !teacher_is_named(teacher) || strcmp(teacher->model, TEACHER_FLOAT) != 0) return;
    const char *folder = row_folder(arena, job, float_start(plans, s->plan), s->seed);
    teacher->model = teacher->path = file_join(arena, folder, recipe_file(MODEL_FLOAT));
}

Status row_check_training(Arena *arena, const CompareJob *job, const RowState *s, long *left)
{
    Recipe recipe;
    TRY(row_recipe(arena, job, s, "", NULL, &recipe));
    return recipe_check(&recipe, left);
}

/* Of a row that is trained the trainer tells it. */
static void note_floors(Arena *arena, const CompareJob *job, const RowPlan *plan, const Model *m)
{
    const char **notes = model_floor_notes(arena, m);
    for (int i = 0; notes[i] != NULL; i++) note(job, arena_printf(arena, "note: %s: %s", plan->name, notes[i]));
}

/* A finished training that goes on all the same stays what it was, and so does what it says it is of. */
static Status fill_folder(Arena *arena, RunFolder *folder, const RowState *s, Recipe *recipe)
{
    long left = 1;
    if (recipe->last != NULL) TRY(recipe_check(recipe, &left));
    TRY(run_folder_begin(folder, recipe->config));
    if (left > 0 || !s->changed) TRY(write_digest(arena, s));
    return recipe_run(recipe, RECIPE_MAKE);
}

Status row_make(Arena *arena, const CompareJob *job, const RowPlans *plans, int row, int k, Model **model)
{
    RowState s;
    TRY(row_find(arena, job, plans, row, k, &s));
    RowPlan *plan = s.plan;
    plan->renewed[k] = s.changed && s.last == NULL;
    Model *from = NULL;
    if (plan->start >= 0 && s.last == NULL) TRY(row_model(job->arena, job, &plans->at[plan->start], k, &from));
    Recipe recipe;
    name_teacher(arena, job, plans, &s);
    TRY(row_recipe(arena, job, &s, plan->start >= 0 ? plans->at[plan->start].name : "float", from, &recipe));
    *model = recipe.model;
    TrainState state;
    if (s.last != NULL && recipe.untrained) return checkpoint_load(s.last, *model, NULL, &state);
    TRY(recipe_run(&recipe, RECIPE_FIT));
    if (plan->kind == MODEL_PTQ) note_floors(arena, job, plan, *model);
    const RunTerms terms = {
        .mode = s.last != NULL ? RUN_RESUME : RUN_REPLACE, .row = true, .argc = job->argc, .argv = job->argv};
    RunFolder folder;
    TRY(run_folder_open(arena, s.folder, &terms, &folder));
    return run_folder_end(&folder, fill_folder(arena, &folder, &s, &recipe));
}
