#include "report/compare.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "deploy/grid_floor.h"
#include "deploy/lower.h"
#include "train/model_task.h"
#include "train/provenance.h"
#include "train/recipe.h"
#include "graph/plan.h"

int compare_seeds(const Config *config) { return config->compare.seeds.n > 0 ? config->compare.seeds.n : 1; }

uint64_t compare_seed(const Config *config, int k)
{
    return config->compare.seeds.n > 0 ? (uint64_t)config->compare.seeds.at[k] : config->seed;
}

/* The config of the row and seed; its quant section as the row wants it. */
static Config *row_config(Arena *arena, const Config *config, const RowPlan *plan, uint64_t seed)
{
    Config *c = ARENA_ARRAY(arena, Config, 1);
    *c = *config;
    c->seed = seed;
    c->name = arena_printf(arena, "%s-seed%llu", plan->label, (unsigned long long)seed);
    if (plan->kind == MODEL_FLOAT) return c;
    c->quant.weights.bits = c->quant.activations.bits = plan->bits;
    c->quant.first_last_bits = plan->ends;
    if (plan->kind == MODEL_PTQ) {
        c->quant.weights.granularity = plan->granularity;
        c->quant.activations.observer = 1 + plan->calibrator; /* 0 is "auto" */
        c->quant = ptq_quant_config(arena, &c->quant);
    }
    return c;
}

const char *row_folder(Arena *arena, const CompareJob *job, const RowPlan *plan, uint64_t seed)
{
    return file_join(arena, job->folder, arena_printf(arena, "%s-seed%llu", plan->label, (unsigned long long)seed));
}

Status row_model(Arena *arena, const CompareJob *job, const RowPlan *plan, uint64_t seed, Model **model)
{
    const Config *config = row_config(arena, job->config, plan, seed);
    TRY(experiment_model(arena, config, plan->kind == MODEL_FLOAT ? NULL : &config->quant, job->data, model));
    TrainState state;
    return checkpoint_read(file_join(arena, row_folder(arena, job, plan, seed), recipe_file(plan->kind)), *model, NULL,
                           &state);
}

/* ---- the rows asked for ------------------------------------------------------------------------------------------ */

static const char *const granularity_texts[] = {"per_channel", "per_tensor"};

/* Overrides can make rows of different widths look alike: the width that was asked for tells them apart. */
static bool name_taken(const RowPlan *plans, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(plans[i].name, name) == 0) return true;
    return false;
}

static const char *plan_name(Arena *arena, const RowPlan *p, const char *suffix)
{
    if (p->kind == MODEL_FLOAT) return "float";
    if (p->kind == MODEL_QAT) return arena_printf(arena, "qat %s%s", p->bits_text, suffix);
    return arena_printf(arena, "ptq %s%s %s %s", p->bits_text, suffix, granularity_texts[p->granularity],
                        calibrator_names[p->calibrator]);
}

typedef struct {
    Arena *arena;
    const Model *m;
    const QuantConfig *quant;
    RowPlan *plan;
    int n;
} Plans;

static void add_plan(Plans *plans, RowPlan p)
{
    Arena *arena = plans->arena;
    row_bits(arena, plans->m, &p, plans->quant);
    p.name = plan_name(arena, &p, "");
    if (name_taken(plans->plan, plans->n, p.name)) p.name = plan_name(arena, &p, arena_printf(arena, " of %d", p.bits));
    char *label = arena_strdup(arena, p.name);
    for (char *c = label; *c != '\0'; c++)
        if (*c == ' ') *c = '-';
    p.label = label;
    plans->plan[plans->n++] = p;
}

static RowPlan *make_plans(Arena *arena, const Config *config, const Model *m, int *n)
{
    const CompareConfig *c = &config->compare;
    Plans plans = {.arena = arena, .m = m, .quant = &config->quant};
    plans.plan = ARENA_ARRAY(
        arena, RowPlan,
        1 + c->ends.n * (c->qat_bits.n + c->ptq_bits.n * (c->granularities.n + 1) * (c->calibrators.n + 1)));
    add_plan(&plans, (RowPlan){.kind = MODEL_FLOAT});
    for (int kind = MODEL_PTQ; kind <= MODEL_QAT; kind++) {
        const IntList *widths = kind == MODEL_PTQ ? &c->ptq_bits : &c->qat_bits;
        for (int b = 0; b < widths->n; b++)
            for (int e = 0; e < (widths->at[b] < 8 ? c->ends.n : 1); e++) {
                RowPlan p = {.kind = (ModelKind)kind, .bits = widths->at[b], .ends = c->ends.at[e]};
                if (kind == MODEL_QAT) add_plan(&plans, p);
                for (int g = 0; g < c->granularities.n && kind == MODEL_PTQ; g++)
                    for (int k = 0; k < c->calibrators.n; k++) {
                        p.granularity = c->granularities.at[g];
                        p.calibrator = c->calibrators.at[k];
                        add_plan(&plans, p);
                    }
            }
    }
    *n = plans.n;
    return plans.plan;
}

/* ---- one model of a row ------------------------------------------------------------------------------------------ */

static bool is_trained(const CompareJob *job, const RowPlan *plan)
{
    return plan->kind == MODEL_QAT || (plan->kind == MODEL_FLOAT && job->from == NULL);
}

/* What is known of the model of (plan, seed) before it is made. */
typedef struct {
    const RowPlan *plan;
    Config *config;
    const char *folder;
    Provenance provenance;  /* what it would be made of now */
    const Checkpoint *last; /* a resumed table has it already; NULL: it must be made */
} RowState;

/* What the row's model follows from; a copied float network follows from the weights it is copied from. */
static Provenance row_provenance(Arena *arena, const CompareJob *job, const RowPlan *plan, const Config *config)
{
    const bool copied = plan->kind == MODEL_FLOAT && job->from != NULL;
    const RunStart start = {plan->kind, copied                      ? provenance_weights(arena, job->from)
                                        : plan->kind == MODEL_FLOAT ? "config"
                                                                    : "model"};
    return provenance_now(arena, config, start, job->data_text);
}

/* The recipe of the row's model, which is built but has no weights yet. */
static Status row_recipe(Arena *arena, const CompareJob *job, const RowState *s, const Model *from, Recipe *recipe)
{
    const ModelKind kind = s->plan->kind;
    *recipe = (Recipe){.arena = arena,
                       .config = s->config,
                       .kind = kind,
                       .data = job->data,
                       .from = kind == MODEL_FLOAT ? job->from : from,
                       .from_name = "float",
                       .renewed = -1,
                       .untrained = !is_trained(job, s->plan),
                       .last = is_trained(job, s->plan) ? s->last : NULL,
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

/* Whether the training of a row that is there can go on from its checkpoint, and how many steps are left. */
static Status check_training(Arena *arena, const CompareJob *job, const RowState *s, long *left)
{
    Recipe recipe;
    TRY(row_recipe(arena, job, s, NULL, &recipe));
    return recipe_check(&recipe, left);
}

/* Whether a resumed table has the model, made of what it would be made of now. */
static Status find_model(Arena *arena, const CompareJob *job, const RowPlan *plan, uint64_t seed, RowState *s)
{
    *s = (RowState){.plan = plan,
                    .config = row_config(arena, job->config, plan, seed),
                    .folder = row_folder(arena, job, plan, seed)};
    s->provenance = row_provenance(arena, job, plan, s->config);
    const char *file = file_join(arena, s->folder, recipe_file(plan->kind));
    Checkpoint *last = ARENA_ARRAY(arena, Checkpoint, 1);
    if (!job->resume || !file_exists(file_join(arena, s->folder, "config.json")) || !file_exists(file) ||
        checkpoint_open(arena, file, last) != STATUS_OK)
        return STATUS_OK;
    const char *note = NULL;
    TRY(provenance_check(arena, last, job->allow_changed, &s->provenance, &note));
    const bool changed = s->provenance.changed[0] != '\0';
    if (is_trained(job, plan) || !changed) s->last = last;
    if (note == NULL || job->note == NULL) return STATUS_OK;
    long left = 1;
    if (is_trained(job, plan) && changed) TRY(check_training(arena, job, s, &left));
    job->note(job->context, left > 0 ? note : provenance_without_effect(arena, note));
    return STATUS_OK;
}

/* Of a row that is trained the trainer tells it. */
static void note_floors(Arena *arena, const CompareJob *job, const RowPlan *plan, const Model *m)
{
    const char **notes = model_floor_notes(arena, m);
    for (int i = 0; notes[i] != NULL && job->note != NULL; i++)
        job->note(job->context, arena_printf(arena, "note: %s: %s", plan->name, notes[i]));
}

static Status fill_folder(RunFolder *folder, Recipe *recipe)
{
    TRY(run_folder_begin(folder, recipe->config));
    return recipe_run(recipe, RECIPE_MAKE);
}

/* Trains, calibrates or finds the model of (plan, seed); afterwards its file is complete. */
static Status make_model(Arena *arena, const CompareJob *job, const RowPlan *plan, const RowPlan *float_plan,
                         uint64_t seed, Model **model)
{
    RowState s;
    TRY(find_model(arena, job, plan, seed, &s));
    Model *from = NULL;
    if (plan->kind != MODEL_FLOAT && s.last == NULL) TRY(row_model(arena, job, float_plan, seed, &from));
    Recipe recipe;
    TRY(row_recipe(arena, job, &s, from, &recipe));
    *model = recipe.model;
    TrainState state;
    if (s.last != NULL && recipe.untrained) return checkpoint_load(s.last, *model, NULL, &state);
    TRY(recipe_run(&recipe, RECIPE_FIT));
    if (plan->kind == MODEL_PTQ) note_floors(arena, job, plan, *model);
    const RunTerms terms = {
        .mode = s.last != NULL ? RUN_RESUME : RUN_REPLACE, .row = true, .argc = job->argc, .argv = job->argv};
    RunFolder folder;
    TRY(run_folder_open(arena, s.folder, &terms, &folder));
    return run_folder_end(&folder, fill_folder(&folder, &recipe));
}

static void mean_and_spread(const double *x, int n, double *mean, double *spread)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    *mean = sum / n;
    for (int i = 0; i < n; i++) squares += (x[i] - *mean) * (x[i] - *mean);
    *spread = n > 1 ? sqrt(squares / (n - 1)) : 0.0;
}

/* Notes a model's answers: its part of how many seeds are right, and of the first seed the classes. */
static void note_answers(CompareResult *result, int row, int seed, const EvalResult *r)
{
    uint8_t *right = (uint8_t *)result->answers[row].right;
    const ClassAnswers *a = score_answers(&r->score);
    for (int i = 0; i < r->n; i++) right[i] = (uint8_t)(right[i] + a->right[i]);
    ((double *)result->answers[row].accuracy)[seed] = r->value;
    if (seed == 0) memcpy((int32_t *)result->answer[row], a->answer, sizeof(int32_t) * (size_t)r->n);
}

static Status test(Arena *arena, const CompareJob *job, Model *m, const Graph *graph, EngineKind engine, EvalResult *r)
{
    const Task task = model_task(job->config, m);
    return evaluate(arena, &task, m, graph, &job->data->test, engine, r);
}

static Status run_row(const CompareJob *job, const RowPlan *plan, const RowPlan *float_plan, CompareResult *result,
                      int i)
{
    CompareRow *row = &result->row[i];
    const int seeds = compare_seeds(job->config);
    double accuracy[COMPARE_MAX_SEEDS], integer[COMPARE_MAX_SEEDS], spread;
    for (int s = 0; s < seeds; s++) {
        Arena *own = arena_create();
        Model *m;
        Graph *graph = NULL;
        EvalResult r;
        Status status = make_model(own, job, plan, float_plan, compare_seed(job->config, s), &m);
        if (status == STATUS_OK) status = test(own, job, m, NULL, m->quant == NULL ? ENGINE_FLOAT : ENGINE_SIM, &r);
        if (status == STATUS_OK) accuracy[s] = r.value;
        if (status == STATUS_OK && m->quant != NULL) {
            status = model_lower(own, m, (Rounding)m->quant->rounding, &graph);
            if (status == STATUS_OK) status = test(own, job, m, graph, ENGINE_INT8, &r);
            if (status == STATUS_OK) integer[s] = r.value;
        }
        if (status == STATUS_OK) note_answers(result, i, s, &r);
        if (status == STATUS_OK && s == 0) {
            row->size_bytes = model_size_bytes(m);
            row->ram_bytes = graph == NULL ? 0 : (long)graph_arena_bytes(graph);
            for (int k = 0; k < m->layers; k++) row->macs += layer_macs(&m->layer[k]);
            status = latency_measure(own, m, graph, &job->data->test, &row->latency);
        }
        arena_destroy(own);
        if (status != STATUS_OK) return status_prefix(status, "%s", plan->name);
    }
    mean_and_spread(accuracy, seeds, &row->accuracy, &row->accuracy_std);
    row->accuracy_int8 = (double)NAN;
    if (plan->kind != MODEL_FLOAT) mean_and_spread(integer, seeds, &row->accuracy_int8, &spread);
    row->seeds = seeds;
    row->name = plan->name;
    row->kind = model_kind_names[plan->kind];
    row->weight_bits = plan->kind == MODEL_FLOAT ? 32 : plan->weight_bits;
    row->act_bits = plan->kind == MODEL_FLOAT ? 32 : plan->act_bits;
    row->ends = plan->kind != MODEL_FLOAT && plan->bits < 8 ? plan->ends : 0;
    row->granularity =
        plan->kind == MODEL_FLOAT
            ? ""
            : granularity_texts[plan->kind == MODEL_PTQ ? plan->granularity : job->config->quant.weights.granularity];
    row->calibrator = plan->kind == MODEL_PTQ ? calibrator_names[plan->calibrator] : "";
    return STATUS_OK;
}

/* What a table cannot go on with is told before any of its rows does. */
static Status check_rows(const CompareJob *job, const RowPlan *plans, int rows)
{
    CompareJob quiet = *job;
    quiet.note = NULL;
    for (int i = 0; i < rows * compare_seeds(job->config); i++) {
        Arena *own = arena_create();
        RowState state;
        const RowPlan *plan = &plans[i % rows];
        const uint64_t seed = compare_seed(job->config, i / rows);
        Status status = find_model(own, &quiet, plan, seed, &state);
        long left;
        if (status == STATUS_OK && state.last != NULL && is_trained(job, plan))
            status = check_training(own, job, &state, &left);
        arena_destroy(own);
        if (status != STATUS_OK) return status_prefix(status, "%s", plan->name);
    }
    return STATUS_OK;
}

Status compare_run(Arena *arena, const CompareJob *request, CompareResult *result)
{
    *result = (CompareResult){0};
    int rows = 0;
    CompareJob own = *request;
    const CompareJob *job = &own;
    TRY(provenance_data(arena, job->data, &own.data_text));
    Model *m;
    TRY(experiment_model(arena, job->config, NULL, job->data, &m));
    const RowPlan *plans = make_plans(arena, job->config, m, &rows);
    if (job->resume) TRY(check_rows(job, plans, rows));
    if (job->begin != NULL) TRY(job->begin(job->context));
    const int images = job->data->test.n, seeds = compare_seeds(job->config);
    result->row = ARENA_ARRAY(arena, CompareRow, rows);
    result->answers = ARENA_ARRAY(arena, Answers, rows);
    result->answer = ARENA_ARRAY(arena, const int32_t *, rows);
    for (int i = 0; i < rows; i++) {
        result->answers[i] =
            (Answers){images, seeds, ARENA_ARRAY(arena, uint8_t, images), ARENA_ARRAY(arena, double, seeds)};
        result->answer[i] = ARENA_ARRAY(arena, int32_t, images);
        TRY(run_row(job, &plans[i], &plans[0], result, i));
        result->rows++;
        if (job->row != NULL) job->row(job->context, &result->row[i], &result->row[0]);
        if (job->stop != NULL && *job->stop != 0)
            return status_fail(STATUS_INTERRUPTED, "stopped after row %d of %d", i + 1, rows);
    }
    compare_judge(arena, result->row, result->answers, result->rows);
    TRY(report_write_csv(arena, result->row, result->rows, file_join(arena, job->folder, "compare.csv")));
    return compare_report(arena, job, plans, result);
}
