/* prune: a smaller network of a trained one: channels are removed, and what is left is trained on. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/cli.h"
#include "compress/channel_scores.h"
#include "search/prune_plan.h"
#include "train/model_task.h"
#include "train/run_begin.h"

enum { SCORE_IMAGES = 1024 };

/* What is told of a network. */
typedef struct {
    PruneCost cost;
    double value; /* of the task's metric, on the test split */
} Facts;

typedef struct {
    const Options *o;
    int *exit_code;
    RunBegin begin;
    RunOutcome run;
    ChannelScore score;
    PruneBudget budget;
    Task task;
    PtqImages images;
    Config *config; /* of the network as it is by now */
    Model *model;
    const int *channels;         /* of each layer before anything was removed */
    Facts before, pruned, after; /* pruned: before the last training */
} Job;

static void show_note(void *context, const char *text)
{
    if (!((const Job *)context)->o->quiet) cli_note("%s\n", text);
}

static Status train_hook(void *context, Arena *arena, TrainJob *train, const char *label, TrainResult *result)
{
    const Job *job = context;
    cli_catch_signals();
    return cli_train(arena, job->o, train, label, result, job->exit_code);
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static Status read_score(const char *text, ChannelScore *score)
{
    *score = SCORE_TAYLOR;
    if (text == NULL) return STATUS_OK;
    const int found = name_find(channel_score_names, text);
    if (found < 0) return status_fail(STATUS_CONFIG, "--score: \"%s\"; must be taylor, l1 or gamma", text);
    *score = (ChannelScore)found;
    return STATUS_OK;
}

/* A share below 1, or a number of them: "6M". */
static Status read_macs(const char *text, double *macs)
{
    if (text == NULL) return STATUS_OK;
    if (cost_read(COST_BOPS, text, macs) == STATUS_OK) return STATUS_OK;
    return status_fail(STATUS_CONFIG,
                       "--macs: \"%s\"; must be a share between 0 and 1, as 0.5, or a number of them, as 6M", text);
}

static Status read_options(const Options *o, Job *job)
{
    const struct {
        const char *text;
        CostKind kind;
    } costs[] = {{o->flash, COST_FLASH}, {o->ram, COST_RAM}, {o->cycles, COST_CYCLES}};
    PruneBudget *b = &job->budget;
    TRY(read_score(o->score, &job->score));
    TRY(read_macs(o->macs, &b->macs));
    for (int i = 0; i < 3; i++)
        if (costs[i].text != NULL) TRY(cost_read(costs[i].kind, costs[i].text, &b->of[costs[i].kind]));
    if (o->macs != NULL || o->flash != NULL || o->ram != NULL || o->cycles != NULL) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "prune: no budget; --macs, --flash, --ram or --cycles is required");
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

static Status find_facts(const Job *job, const Config *config, Model *m, Facts *facts)
{
    Arena *own = arena_create();
    EvalResult test;
    Status status = prune_cost(config, m, &job->begin.data, &facts->cost);
    if (status == STATUS_OK) status = evaluate(own, &job->task, m, NULL, &job->begin.data.test, ENGINE_FLOAT, &test);
    if (status == STATUS_OK) facts->value = test.value;
    arena_destroy(own);
    return status;
}

static Status open_network(Arena *arena, Job *job)
{
    const Options *o = job->o;
    const char *path = o->argument[0];
    if (!run_source_is_model(path))
        return status_fail(STATUS_CONFIG, "%s: a config; pruning starts from a model that is trained", path);
    const RunRequest request = {.path = path,
                                .sets = o->sets,
                                .out = o->out,
                                .suffix = "-pruned",
                                .overwrite = o->overwrite,
                                .argc = o->argc,
                                .argv = o->argv,
                                .note = show_note,
                                .context = job};
    TRY(run_begin(arena, &request, MODEL_FLOAT, &job->begin, &job->run));
    const OpenModel *from = &job->begin.source.from;
    if (from->kind != MODEL_FLOAT)
        return status_fail(STATUS_STATE, "%s: a %s model; pruning starts from a float model", path,
                           model_kind_names[from->kind]);
    const Transfer *transfer = &job->begin.recipe.transfer;
    if (job->begin.recipe.renewed >= 0 || transfer->fresh.n > 0 || transfer->unused.n > 0)
        return status_fail(STATUS_STATE,
                           "%s: %s; must be the network and the classes of the model: `bitfold train MODEL` "
                           "gives it others first",
                           path, transfer_text(arena, transfer, path));
    cli_show_data(arena, o, &job->begin.data);
    job->config = ARENA_ARRAY(arena, Config, 1);
    *job->config = *job->run.config;
    job->config->train.epochs = o->epochs;
    job->model = job->run.model;
    job->task = model_task(job->config, job->model);
    int *channels = ARENA_ARRAY(arena, int, job->model->layers);
    for (int i = 0; i < job->model->layers; i++) channels[i] = job->model->layer[i].out.c;
    job->channels = channels;
    if (job->score == SCORE_TAYLOR)
        TRY(ptq_images_pick(arena, &job->begin.data.train, job->config->seed, 0,
                            o->images > 0 ? o->images : SCORE_IMAGES, &job->images));
    return find_facts(job, job->config, job->model, &job->before);
}

/* ---- one step ---------------------------------------------------------------------------------------------------- */

/* Shares become numbers. */
static void find_budget(Job *job)
{
    PruneBudget *b = &job->budget;
    const PruneCost *whole = &job->before.cost;
    if (b->macs < 1) b->macs *= whole->macs;
    for (int i = 0; i < COSTS; i++)
        if (b->of[i] < 1) b->of[i] *= whole->cost.of[i];
}

/* The budgets of step k of n: each goes down by the same factor, to the last one's. */
static PruneBudget budget_of_step(const Job *job, int k, int n)
{
    PruneBudget b = job->budget;
    const PruneCost *whole = &job->before.cost;
    const double part = (double)(k + 1) / n;
    if (k + 1 == n) return b;
    if (b.macs > 0) b.macs = whole->macs * pow(b.macs / whole->macs, part);
    for (int i = 0; i < COSTS; i++)
        if (b.of[i] > 0) b.of[i] = whole->cost.of[i] * pow(b.of[i] / whole->cost.of[i], part);
    return b;
}

/* The network without what the step removes takes the place of the one before. */
static Status remove_channels(Arena *arena, Job *job, PruneBudget budget)
{
    const ChannelGroups groups = channel_groups(arena, job->model);
    double *score = ARENA_ARRAY(arena, double, groups.n);
    bool *removed = ARENA_ARRAY(arena, bool, groups.n);
    TRY(channel_scores(job->score, &groups, job->model, &job->task, &job->images, score));
    const PrunePlan plan = {.config = job->config,
                            .model = job->model,
                            .data = &job->begin.data,
                            .groups = &groups,
                            .score = score,
                            .by_cost = job->score == SCORE_TAYLOR,
                            .budget = budget};
    TRY(prune_plan(arena, &plan, removed));
    return pruned_model(arena, &plan, removed, &job->config, &job->model);
}

/* Trains the network in a folder, or only writes it where no epochs are asked for. */
static Status make_model(Arena *arena, Job *job, const char *folder, const char *label)
{
    const char *data;
    TRY(provenance_data(arena, &job->begin.data, &data));
    const RunStart start = {MODEL_FLOAT, provenance_weights(arena, job->model),
                            teacher_digest(arena, job->config, MODEL_FLOAT)};
    Provenance *provenance = ARENA_ARRAY(arena, Provenance, 1);
    *provenance = provenance_now(arena, job->config, start, data);
    Recipe r = {.arena = arena,
                .config = job->config,
                .kind = MODEL_FLOAT,
                .data = &job->begin.data,
                .from = job->model,
                .from_name = job->o->argument[0],
                .renewed = -1,
                .untrained = job->o->epochs == 0,
                .provenance = provenance,
                .folder = folder,
                .label = label,
                .train = train_hook,
                .context = job,
                .argc = job->o->argc,
                .argv = job->o->argv};
    TRY(experiment_model(arena, job->config, NULL, &job->begin.data, &r.model));
    recipe_plan(&r);
    TRY(recipe_run(&r, RECIPE_MAKE));
    job->model = r.model;
    return STATUS_OK;
}

/* Of a step before the last: an ordinary run directory in that of the whole. */
static Status make_step(Arena *arena, Job *job, int k)
{
    const Options *o = job->o;
    const RunTerms terms = {.mode = RUN_REPLACE, .row = true, .argc = o->argc, .argv = o->argv};
    const char *label = arena_printf(arena, "step%d", k + 1);
    RunFolder folder;
    TRY(run_folder_open(arena, file_join(arena, job->run.folder, label), &terms, &folder));
    Status status = run_folder_begin(&folder, job->config);
    if (status == STATUS_OK) status = make_model(arena, job, folder.path, label);
    return run_folder_end(&folder, status);
}

static Status write_config(Arena *arena, const Job *job)
{
    char *text;
    TRY(config_text(arena, job->config, job->run.folder, &text));
    return file_write(arena, file_join(arena, job->run.folder, "config.json"), text, strlen(text));
}

static Status run_job(Arena *arena, Job *job)
{
    const int steps = job->o->steps > 0 ? job->o->steps : 1;
    TRY(read_options(job->o, job));
    TRY(open_network(arena, job));
    find_budget(job);
    if (prune_within(&job->budget, &job->before.cost))
        return status_fail(STATUS_STATE,
                           "%s: is within the budgets as it is; a budget must be smaller than what the network takes",
                           job->o->argument[0]);
    for (int k = 0; k < steps; k++) {
        TRY(remove_channels(arena, job, budget_of_step(job, k, steps)));
        if (k == 0) job->run.run.from_model = true;
        if (k == 0) TRY(run_folder_begin(&job->run.run, job->config));
        if (k + 1 < steps) TRY(make_step(arena, job, k));
    }
    TRY(write_config(arena, job));
    TRY(find_facts(job, job->config, job->model, &job->pruned));
    TRY(make_model(arena, job, job->run.folder, ""));
    return find_facts(job, job->config, job->model, &job->after);
}

/* ---- what is told ------------------------------------------------------------------------------------------------ */

static void add_facts(cJSON *json, const char *key, const Job *job, const Facts *f)
{
    cJSON *item = cJSON_AddObjectToObject(json, key);
    cJSON_AddNumberToObject(item, job->task.metric->name, f->value);
    cJSON_AddNumberToObject(item, "macs", f->cost.macs);
    cJSON_AddNumberToObject(item, "parameters", f->cost.parameters);
    for (int k = COST_FLASH; k <= COST_CYCLES; k++)
        cJSON_AddNumberToObject(item, cost_types[k].key, f->cost.cost.of[k]);
}

static void print_json(Arena *arena, const Job *job)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "folder", job->run.folder);
    cJSON_AddStringToObject(json, "score", channel_score_names[job->score]);
    add_facts(json, "before", job, &job->before);
    add_facts(json, "pruned", job, &job->pruned);
    add_facts(json, "after", job, &job->after);
    cJSON *layers = cJSON_AddArrayToObject(json, "layers");
    for (int i = 0; i < job->model->layers; i++) {
        const Layer *l = &job->model->layer[i];
        if (!layer_makes_channels(l)) continue;
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", l->name);
        cJSON_AddNumberToObject(item, "before", job->channels[i]);
        cJSON_AddNumberToObject(item, "channels", l->out.c);
        cJSON_AddItemToArray(layers, item);
    }
    cli_print_json(arena, json);
}

static void print_row(const char *label, const char *before, const char *after)
{
    cli_print("%-20s %12s  %12s\n", label, before, after);
}

static void print_text(Arena *arena, const Job *job)
{
    const Facts *a = &job->before, *b = &job->after;
    const Metric *metric = job->task.metric;
    print_row("channels of", "before", "after");
    for (int i = 0; i < job->model->layers; i++) {
        const Layer *l = &job->model->layer[i];
        if (layer_makes_channels(l))
            print_row(arena_printf(arena, "  %s", l->name), arena_printf(arena, "%d", job->channels[i]),
                      arena_printf(arena, "%d", l->out.c));
    }
    print_row("MACs", cost_text(arena, COST_BOPS, a->cost.macs), cost_text(arena, COST_BOPS, b->cost.macs));
    print_row("parameters", arena_printf(arena, "%.0f", a->cost.parameters),
              arena_printf(arena, "%.0f", b->cost.parameters));
    for (int k = COST_FLASH; k <= COST_CYCLES; k++)
        print_row(cost_types[k].label, cost_text(arena, (CostKind)k, a->cost.cost.of[k]),
                  cost_text(arena, (CostKind)k, b->cost.cost.of[k]));
    print_row(arena_printf(arena, "test %s", metric->label), metric_text(arena, metric, a->value),
              metric_text(arena, metric, b->value));
    if (job->o->epochs > 0) print_row("  before training", "", metric_text(arena, metric, job->pruned.value));
    cli_print("%s\n", file_join(arena, job->run.folder, recipe_file(MODEL_FLOAT)));
}

static Status run_prune(Arena *arena, const Options *o, int *exit_code)
{
    Job job = {.o = o, .exit_code = exit_code};
    const Status status = run_job(arena, &job);
    /* What is left of one that was stopped is no pruned network yet, but its last training can go on. */
    TRY(run_folder_end(&job.run.run, status));
    if (o->json)
        print_json(arena, &job);
    else
        print_text(arena, &job);
    return STATUS_OK;
}

const Verb verb_prune = {
    "prune",
    "MODEL",
    "Removes channels until budgets are kept: a smaller network, trained on with --epochs, which quantizes and exports",
    "srwxnHhv1NUC",
    1,
    1,
    run_prune};
