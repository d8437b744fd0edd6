/* workflow: from a config to a verified export, by as much as a tolerance needs and no more. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/search_find.h"
#include "cli/verify_model.h"
#include "deploy/exporter.h"
#include "deploy/lower.h"
#include "quant/observer.h"
#include "quant/quantizer.h"
#include "train/config_patch.h"
#include "train/export.h"

/* What can run where: the kind of export, and the formats that layers may have there beside int8. */
typedef struct {
    const char *target, *exporter, *wide;
    bool few_bits; /* less than 8 bits take less flash */
} Place;

static const Place places[] = {{"c", "c", "int16", true},
                               {"litert", "tflite", "int16", false},
                               {"tflite-micro", "tflite", "int16", false},
                               {"cmsis-nn", "tflite", "int16", false},
                               {"onnxruntime", "onnx", "float32", false}};
enum { PLACES = sizeof places / sizeof places[0], MAX_STAGES = 5 };

typedef struct {
    const char *name, *tried; /* what was tried, for people */
    Trial trial;              /* its best network, */
    FormatChoice choice;      /* the formats of that, */
    Config *config;           /* and its calibration */
    bool suffices;
} Stage;

typedef struct {
    Config *config;
    const char *label;
    Trial trial;
} Calibration;

typedef struct {
    Arena *arena;
    SearchJob job;
    SearchOptions options;
    const Place *place;
    Options settings;        /* the command's, with quant.target among its assignments */
    Calibration per_channel; /* the best of these at 8 bits */
    Stage stage[MAX_STAGES];
    int stages;
    SearchTrained trained;
    const char *model, *file; /* what is delivered, and its export */
    VerifyResult verified;
    EvalResult test;
} Workflow;

/* ---- options ----------------------------------------------------------------------------------------------------------- */

static const char *place_name(int i) { return i < PLACES ? places[i].target : NULL; }

static Status read_options(Arena *arena, const Options *o, Workflow *w)
{
    if (o->tolerance == NULL)
        return status_fail(STATUS_CONFIG, "--tolerance: is required: by how much the metric may fall");
    int place;
    TRY(choice_option(arena, "target", o->target != NULL ? o->target : "c", place_name, NULL, &place));
    w->place = &places[place];
    TRY(search_budget_options(o, &w->options));
    TRY(tolerance_option(o->tolerance, &w->options.tolerance));
    w->settings = *o;
    w->settings.sets = search_more_sets(arena, o->sets, arena_printf(arena, "quant.target=%s", w->place->target));
    w->job.o = &w->settings;
    return STATUS_OK;
}

/* ---- stages ------------------------------------------------------------------------------------------------------------ */

/* What a network that does not suffice lacks. */
static const char *shortfall(const Workflow *w, const Trial *t)
{
    for (CostKind k = 0; k < COSTS; k++)
        if (t->cost.of[k] > w->options.budget[k])
            return arena_printf(w->arena, "%s %s is over %s", cost_types[k].label,
                                cost_text(w->arena, k, t->cost.of[k]), cost_text(w->arena, k, w->options.budget[k]));
    return arena_printf(w->arena, "more than %.4g is lost", w->options.tolerance);
}

static void end_stage(Workflow *w, const char *name, const char *tried, const Trial *best, FormatChoice choice)
{
    Arena *arena = w->arena;
    const Metric *metric = w->job.judge.task.metric;
    Stage *s = &w->stage[w->stages++];
    *s = (Stage){name, tried, *best, choice, w->job.config, search_suffices(&w->options, best)};
    if (w->settings.json) return;
    const char *verdict = s->suffices ? arena_printf(arena, "flash %s: that suffices",
                                                     cost_text(arena, COST_FLASH, best->cost.of[COST_FLASH]))
                                      : arena_printf(arena, "%s, so it goes on", shortfall(w, best));
    cli_print("%-6s %s: %s %s, %+.2f, %s\n", name, tried, metric->label, metric_text(arena, metric, best->m.value),
              0.0 - best->drop, verdict);
    fflush(stdout);
}

/* The float network, into DIR/float. */
static Status train_float(Workflow *w, const char *path)
{
    const char *out = file_join(w->arena, w->job.folder, "float");
    const bool exists = file_exists(out);
    Config *config;
    TRY(config_read(w->arena, path, w->settings.sets, &config));
    if (config->data.validation <= 0.0) {
        w->settings.sets = search_more_sets(w->arena, w->settings.sets, "data.validation=0.1");
        if (!w->settings.quiet)
            cli_note("note: data.validation is 0; a tenth of the training images is held out to measure on\n");
    }
    const RunRequest request = {.path = path,
                                .sets = w->settings.sets,
                                .out = out,
                                .resume = exists && w->settings.resume,
                                .overwrite = exists && !w->settings.resume,
                                .row = true,
                                .argc = w->settings.argc,
                                .argv = w->settings.argv,
                                .train = search_train_hook,
                                .context = &w->job};
    RunOutcome out_come;
    TRY(run_train(w->arena, &request, &out_come));
    TRY(search_open(w->arena, out, "workflow", &w->job));
    search_note_tolerance(&w->job, w->options.tolerance);
    if (!w->settings.json)
        cli_print("float  trained: %s %s on %d held-out images\n", w->job.judge.task.metric->label,
                  metric_text(w->arena, w->job.judge.task.metric, w->job.judge.floats.value), w->job.judge.sample.n);
    fflush(stdout);
    return STATUS_OK;
}

/* The network in a choice of formats by a calibration, which is a patch of a config. */
static Status try_calibration(Workflow *w, const Config *config, cJSON *patch, const FormatChoice *choice,
                              Calibration *c)
{
    const Status status = config_patch(w->arena, config, patch, "workflow", &c->config);
    cJSON_Delete(patch);
    TRY(status);
    c->config->name = w->job.config->name;
    search_set_config(&w->job, c->config);
    TRY(judge_choice(&w->job.judge, &w->job.groups, choice, &c->trial.m, &c->trial.cost));
    c->trial.drop = judge_drop(&w->job.judge, &c->trial.m);
    return STATUS_OK;
}

/* Less is lost, or as much and the loss is less; what was not measured has no config. */
static bool better(const Calibration *a, const Calibration *b)
{
    return b->config == NULL || a->trial.drop < b->trial.drop ||
           (a->trial.drop == b->trial.drop && a->trial.m.loss < b->trial.m.loss);
}

/* 8 bits throughout, by every observer, per channel and per tensor. */
static Status calibrate(Workflow *w)
{
    const int int8 = name_find(format_choices, "int8");
    const FormatChoice choice = format_choice(w->arena, &w->job.groups, int8, int8);
    Calibration best = {0};
    int n = 0;
    for (int g = 0; g <= GRANULARITY_PER_TENSOR; g++)
        for (int i = 1; observer_choices[i] != NULL; i++, n++) {
            Calibration c = {.label = arena_printf(w->arena, "%s, %s", observer_choices[i],
                                                   g == GRANULARITY_PER_CHANNEL ? "per channel" : "per tensor")};
            cJSON *patch = cJSON_CreateObject();
            cJSON_AddStringToObject(patch, "quant.weights.granularity", granularity_names[g]);
            cJSON_AddStringToObject(patch, "quant.activations.observer", observer_choices[i]);
            TRY(try_calibration(w, w->job.open.config, patch, &choice, &c));
            if (better(&c, &best)) best = c;
            if (g == GRANULARITY_PER_CHANNEL && better(&c, &w->per_channel)) w->per_channel = c;
        }
    search_set_config(&w->job, best.config);
    end_stage(w, "ptq", arena_printf(w->arena, "8 bits, the best of %d calibrations (%s)", n, best.label), &best.trial,
              choice);
    return STATUS_OK;
}

/* Cures of the float network whose causes are found, on top of the best calibration and of the best per channel. */
static Status cure(Workflow *w)
{
    const int int8 = name_find(format_choices, "int8");
    const FormatChoice choice = format_choice(w->arena, &w->job.groups, int8, int8);
    const Calibration before = {.config = w->job.config, .trial = w->stage[0].trial};
    const Config *from[] = {before.config, w->per_channel.config};
    Calibration best = before;
    for (int i = 0; i < (from[0] == from[1] ? 1 : 2); i++) {
        Calibration c = {0};
        cJSON *patch = cJSON_CreateObject();
        cJSON_AddStringToObject(patch, "ptq.steps", "auto");
        TRY(try_calibration(w, from[i], patch, &choice, &c));
        if (better(&c, &best)) best = c;
        if (from[i] == w->per_channel.config && better(&c, &w->per_channel)) w->per_channel = c;
    }
    search_set_config(&w->job, best.config);
    if (best.config != before.config)
        end_stage(w, "cures", "8 bits, with what cures the float network", &best.trial, choice);
    else if (!w->settings.json)
        cli_print("cures  none helps, so it goes on\n");
    return STATUS_OK;
}

/* With few bits a scale for each channel matters more than at 8, and what finds it does: of all observers of weights the
 * one whose network loses least with weights of 4 bits. */
static Status calibrate_few(Workflow *w)
{
    const int int8 = name_find(format_choices, "int8"), int4 = name_find(format_choices, "int4");
    const FormatChoice narrow = format_choice(w->arena, &w->job.groups, int4, int8);
    Calibration best = {0};
    for (int i = 1; observer_choices[i] != NULL; i++) {
        Calibration c = {.label = observer_choices[i]};
        cJSON *patch = cJSON_CreateObject();
        cJSON_AddStringToObject(patch, "quant.weights.observer", observer_choices[i]);
        TRY(try_calibration(w, w->per_channel.config, patch, &narrow, &c));
        if (better(&c, &best)) best = c;
    }
    search_set_config(&w->job, best.config);
    return STATUS_OK;
}

/* A curve is a table of int8 codes, and takes no int16. */
static bool has_curves(const Model *m)
{
    for (int i = 0; i < m->layers; i++)
        if (m->layer[i].type->real != NULL && m->layer[i].type->real(&m->layer[i]).curve != NULL) return true;
    return false;
}

static bool ended(const Workflow *w) { return w->stages > 0 && w->stage[w->stages - 1].suffices; }

/* Wider formats for layers that need them; fewer bits where there is a budget and they take less. */
static Status mix(Workflow *w)
{
    const Trial *eight = &w->stage[w->stages - 1].trial; /* of 8 bits throughout */
    const bool few = w->place->few_bits && !search_within_budgets(&w->options, &eight->cost);
    const bool wide = !drop_within(eight->drop, w->options.tolerance) &&
                      !(strcmp(w->place->wide, "int16") == 0 && has_curves(w->job.open.model));
    const char *names =
        arena_printf(w->arena, "%s%sint8%s", wide ? w->place->wide : "", wide ? "," : "", few ? ",int4,int2" : "");
    if (strcmp(names, "int8") == 0) {
        if (!w->settings.json)
            cli_print("mixed  nothing to try: %s\n",
                      w->place->few_bits ? "a curve takes no 16 bits" : "in this export fewer bits take no less");
        return STATUS_OK;
    }
    if (few) TRY(calibrate_few(w));
    TRY(formats_option(w->arena, names, &w->options.formats));
    SearchFound found;
    TRY(search_find(w->arena, &w->job, &w->options, &found));
    if (found.result.best < 0) return STATUS_OK;
    const Trial *best = &found.trials.at[found.result.best];
    end_stage(w, "mixed", arena_printf(w->arena, "%s by layer, %d networks", names, found.trials.n), best,
              space_formats(w->arena, &found.space, best->choice));
    return search_leave(w->arena, &w->job, &w->options, &found);
}

/* The stage whose network is delivered: the last if it suffices, else the one within the budgets that lost least. */
static const Stage *best_stage(const Workflow *w)
{
    const Stage *best = &w->stage[0];
    for (int i = 1; i < w->stages; i++) {
        const Stage *s = &w->stage[i];
        const bool fits = search_within_budgets(&w->options, &s->trial.cost);
        const bool did = search_within_budgets(&w->options, &best->trial.cost);
        if (s->suffices || (fits && !did) || (fits == did && s->trial.drop < best->trial.drop)) best = s;
    }
    return best;
}

/* Training in the best formats there are within the budgets. */
static Status train(Workflow *w)
{
    const Stage *from = best_stage(w);
    if (!search_within_budgets(&w->options, &from->trial.cost)) return STATUS_OK;
    search_set_config(&w->job, from->config);
    TRY(search_train(w->arena, &w->job, &from->choice, &w->trained));
    Trial t = {.m = w->trained.m, .cost = network_cost(w->arena, w->trained.graph, NULL)};
    t.drop = judge_drop(&w->job.judge, &t.m);
    end_stage(w, "qat", arena_printf(w->arena, "trained from there for %d epochs", w->trained.run.config->qat.epochs),
              &t, from->choice);
    return STATUS_OK;
}

/* ---- what is delivered ------------------------------------------------------------------------------------------------- */

static Status deliver(Workflow *w)
{
    Arena *arena = w->arena;
    const Stage *best = best_stage(w);
    Model *model;
    search_set_config(&w->job, best->config);
    TRY(search_write_model(arena, &w->job, &best->choice, &model));
    w->model = file_join(arena, w->job.folder, recipe_file(MODEL_PTQ));
    if (strcmp(best->name, "qat") == 0) w->model = w->trained.run.model_path;
    const ExporterType *type = exporter_find(w->place->exporter);
    w->file = arena_printf(arena, "%s/model%s", w->job.folder, type->extension);
    ExportModel m;
    TRY(export_open(arena, w->model, NULL, type, &m));
    TRY(exporter_write(type, arena, m.graph, w->file, NULL));
    TRY(verify_model(arena, m.open.model, m.graph, &w->job.data.test, &w->verified));
    return evaluate(arena, &w->job.judge.task, m.open.model, m.graph, &w->job.data.test, ENGINE_INT8, &w->test);
}

static cJSON *as_json(const Workflow *w)
{
    const Metric *metric = w->job.judge.task.metric;
    const Stage *best = best_stage(w);
    cJSON *json = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(json, "stages");
    for (int i = 0; i < w->stages; i++) {
        const Stage *s = &w->stage[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "stage", s->name);
        cJSON_AddStringToObject(item, "tried", s->tried);
        cJSON_AddNumberToObject(item, metric->name, s->trial.m.value);
        cJSON_AddNumberToObject(item, "drop", s->trial.drop);
        for (int k = 0; k < COST_LATENCY; k++) cJSON_AddNumberToObject(item, cost_types[k].key, s->trial.cost.of[k]);
        cJSON_AddBoolToObject(item, "suffices", s->suffices);
        cJSON_AddItemToArray(list, item);
    }
    cJSON_AddStringToObject(json, "stage", best->name);
    cJSON_AddNumberToObject(json, "drop", best->trial.drop);
    cJSON_AddBoolToObject(json, "suffices", best->suffices);
    cJSON_AddStringToObject(json, "model", w->model);
    cJSON_AddStringToObject(json, "export", w->file);
    cJSON *verified = cJSON_AddObjectToObject(json, "verify");
    cJSON_AddNumberToObject(verified, "values", (double)w->verified.values);
    cJSON_AddNumberToObject(verified, "different", (double)w->verified.different);
    search_add_test(json, &w->test);
    return json;
}

static Status work(Workflow *w, const char *path)
{
    TRY(train_float(w, path));
    cli_catch_signals();
    TRY(calibrate(w));
    if (!ended(w) && !drop_within(w->stage[0].trial.drop, w->options.tolerance)) TRY(cure(w));
    if (!ended(w)) TRY(mix(w));
    if (!ended(w)) TRY(train(w));
    TRY(deliver(w));
    cJSON *json = as_json(w);
    const char *text = json_print(w->arena, json);
    cJSON_Delete(json);
    return file_write(w->arena, file_join(w->arena, w->job.folder, "workflow.json"), text, strlen(text));
}

static Status begin(Workflow *w, const Options *o)
{
    Config *config;
    if (!file_ends(o->argument[0], ".json"))
        return status_fail(STATUS_INVALID,
                           "%s: workflow starts from a config, a .json file; from a trained model `bitfold "
                           "search` finds formats",
                           o->argument[0]);
    TRY(config_read(w->arena, o->argument[0], w->settings.sets, &config));
    TRY(search_check_config(config, "workflow"));
    const char *folder = cli_run_folder(w->arena, o, arena_printf(w->arena, "%s-workflow", config->name));
    TRY(search_take_folder(w->arena, o, folder, &w->job));
    return run_folder_begin(&w->job.run, config);
}

static Status run_workflow(Arena *arena, const Options *o, int *exit_code)
{
    Workflow w = {.arena = arena, .options = {.measure = -1}, .job = {.exit_code = exit_code}};
    TRY(read_options(arena, o, &w));
    Status status = begin(&w, o);
    if (status == STATUS_OK) status = work(&w, o->argument[0]);
    TRY(search_end(&w.job, status));
    const Stage *best = best_stage(&w);
    const Metric *metric = w.job.judge.task.metric;
    if (o->json)
        cli_print_json(arena, as_json(&w));
    else
        cli_print("test   %s %s on %d images; %ld codes verified, %ld different\n%s\n%s\n", metric->label,
                  metric_text(arena, metric, w.test.value), w.test.n, w.verified.values, w.verified.different, w.model,
                  w.file);
    if (w.verified.different != 0) *exit_code = EXIT_FAIL;
    if (best->suffices) return STATUS_OK;
    if (!search_within_budgets(&w.options, &best->trial.cost))
        return status_fail(STATUS_STATE, "no network is within the budgets: %s; the best is in %s",
                           shortfall(&w, &best->trial), w.job.folder);
    return status_fail(STATUS_STATE, "no network is within %.4g of float: the best is %.4g below it; it is in %s",
                       w.options.tolerance, best->trial.drop, w.job.folder);
}

const Verb verb_workflow = {
    "workflow",     "CONFIG", "From a config to a verified export: as much quantization effort as a tolerance needs",
    "srwcxnLgNUCP", 1,        1,
    run_workflow};
