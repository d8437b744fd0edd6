/* search: a format for each layer, by a tolerance or by budgets. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "cli/search_find.h"
#include "deploy/lower.h"
#include "report/report_trials.h"
#include "train/latency.h"
#include "train/run.h"

/* ---- options ----------------------------------------------------------------------------------------------------------- */

static const char *method_name(int i) { return search_methods[i] == NULL ? NULL : search_methods[i]->name; }

static Status read_minimize(const Options *o, CostKind *kind)
{
    if (o->minimize == NULL) return STATUS_OK;
    if (o->tolerance == NULL)
        return status_fail(STATUS_CONFIG,
                           "--minimize: \"%s\" without --tolerance: what is within the budgets is as good "
                           "as it can be, not as small",
                           o->minimize);
    for (*kind = 0; *kind < COSTS; (*kind)++)
        if (*kind != COST_RAM && strcmp(cost_types[*kind].name, o->minimize) == 0) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "--minimize: \"%s\"; must be flash, cycles, bops or latency", o->minimize);
}

static Status read_options(Arena *arena, const Options *o, SearchOptions *s)
{
    *s = (SearchOptions){.tolerance = (double)NAN, .measure = -1};
    TRY(search_budget_options(o, s));
    if (o->tolerance == NULL && o->flash == NULL && o->ram == NULL && o->cycles == NULL && o->bops == NULL &&
        o->latency == NULL)
        return status_fail(STATUS_CONFIG,
                           "--tolerance, --flash, --ram, --cycles, --bops or --latency: one at least is required");
    if (o->tolerance != NULL) TRY(tolerance_option(o->tolerance, &s->tolerance));
    if (o->method != NULL) TRY(choice_option(arena, "method", o->method, method_name, NULL, &s->method));
    TRY(read_minimize(o, &s->minimize));
    TRY(formats_option(arena, o->formats != NULL ? o->formats : "int8,int4,int2", &s->formats));
    if (s->formats.n < 2)
        return status_fail(STATUS_CONFIG, "--formats: \"%s\"; must be two formats or more to choose from", o->formats);
    if (o->order == NULL) return STATUS_OK;
    if (strcmp(o->order, "kl") == 0)
        s->measure = LOSS_KL;
    else if (strcmp(o->order, "loss") == 0)
        s->measure = LOSS_LOSS;
    else {
        int kind;
        TRY(choice_option(arena, "order", o->order, predictor_name, "kl, loss", &kind));
        s->measure = LOSS_PREDICTOR + kind;
    }
    return STATUS_OK;
}

typedef struct {
    SearchFound found;
    Measurement delivered; /* the model that was written, on the judge's images */
    EvalResult test;       /* the same on the test split */
    Latency latency;       /* of it as a whole, where latencies are asked for */
    SearchTrained qat;     /* with --qat */
} Delivered;

/* ---- what it leaves ---------------------------------------------------------------------------------------------------- */

static Status deliver(Arena *arena, SearchJob *job, const FormatChoice *choice, Delivered *d)
{
    Model *model;
    TRY(search_write_model(arena, job, choice, &model));
    Graph *graph;
    TRY(model_lower(arena, model, (Rounding)job->config->quant.rounding, &graph));
    TRY(judge_graph(&job->judge, graph, 0, NULL, NULL, &d->delivered));
    if (d->found.space.timed) TRY(latency_measure(arena, model, graph, &job->data.test, &d->latency));
    return evaluate(arena, &job->judge.task, model, graph, &job->data.test, ENGINE_INT8, &d->test);
}

static void add_formats(cJSON *json, const SearchFound *f)
{
    const SearchSpace *space = &f->space;
    const FormatGroups *g = &space->s->groups;
    const int *choice = f->trials.at[f->result.best].choice;
    cJSON *formats = cJSON_AddObjectToObject(json, "formats"), *outputs = cJSON_AddObjectToObject(json, "outputs");
    for (int i = 0; i < g->layers; i++) {
        const FormatLayer *l = &g->layer[i];
        const char *output = l->group < 0 || g->group[l->group].fixed
                                 ? NULL
                                 : format_choices[space->formats.at[choice[g->layers + l->group]]];
        const char *weights = l->has_weights ? format_choices[space->formats.at[choice[i]]] : output;
        if (weights != NULL) cJSON_AddStringToObject(formats, l->name, weights);
        if (output != NULL) cJSON_AddStringToObject(outputs, l->name, output);
    }
}

static cJSON *as_json(const SearchJob *job, const SearchOptions *o, const Delivered *d)
{
    const SearchFound *f = &d->found;
    const Trial *best = &f->trials.at[f->result.best];
    const Metric *metric = job->judge.task.metric;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "folder", job->folder);
    cJSON_AddStringToObject(json, "method", search_methods[o->method]->name);
    cJSON_AddBoolToObject(json, "within", f->result.within);
    cJSON_AddNumberToObject(json, metric->name, d->delivered.value);
    cJSON_AddNumberToObject(json, "drop", judge_drop(&job->judge, &d->delivered));
    for (int k = 0; k < space_costs(&f->space); k++) cJSON_AddNumberToObject(json, cost_types[k].key, best->cost.of[k]);
    if (f->space.timed) {
        cJSON *latency = cJSON_AddObjectToObject(json, "latency");
        cJSON_AddStringToObject(latency, "machine", f->latency.machine);
        cJSON_AddStringToObject(latency, "isa", f->latency.isa);
        cJSON_AddNumberToObject(latency, "layers_us", best->cost.of[COST_LATENCY]);
        cJSON_AddNumberToObject(latency, "whole_us", d->latency.median_us);
        cJSON_AddNumberToObject(latency, "repeats", d->latency.repeats);
        cJSON_AddBoolToObject(latency, "disturbed", latency_disturbed(&d->latency));
    }
    add_formats(json, f);
    cJSON_AddNumberToObject(json, "evaluations", f->trials.n);
    search_add_test(json, &d->test);
    if (d->qat.run.folder != NULL) {
        cJSON *qat = cJSON_AddObjectToObject(json, "qat");
        cJSON_AddStringToObject(qat, "folder", d->qat.run.folder);
        cJSON_AddNumberToObject(qat, metric->name, d->qat.m.value);
        cJSON_AddNumberToObject(qat, "drop", judge_drop(&job->judge, &d->qat.m));
        search_add_test(qat, &d->qat.run.test);
    }
    search_add_seconds(json, &f->sensitivity);
    return json;
}

static void show(Arena *arena, const SearchJob *job, const SearchOptions *o, const Delivered *d)
{
    const SearchFound *f = &d->found;
    const Metric *metric = job->judge.task.metric;
    cli_print_lines(search_table(arena, o, &f->trials, &f->result));
    cli_print("\ntest %s %s on %d images\n", metric->label, metric_text(arena, metric, d->test.value), d->test.n);
    if (f->space.timed)
        cli_print("latency %s by layers (%s, %s); as a whole %.1f us, the median of %d%s\n",
                  cost_text(arena, COST_LATENCY, f->trials.at[f->result.best].cost.of[COST_LATENCY]),
                  f->latency.machine, f->latency.isa, d->latency.median_us, d->latency.repeats,
                  latency_disturbed(&d->latency) ? "; the machine was busy" : "");
    if (d->qat.run.folder != NULL)
        cli_print("trained: %s %s on the held-out images, test %s %s (%s)\n", metric->label,
                  metric_text(arena, metric, d->qat.m.value), metric->label,
                  metric_text(arena, metric, d->qat.run.test.value), d->qat.run.folder);
    cli_print("%s\n%s\n", file_join(arena, job->folder, recipe_file(MODEL_PTQ)),
              file_join(arena, job->folder, "report.html"));
}

static Status search(Arena *arena, SearchJob *job, SearchOptions *options, Delivered *d)
{
    SearchFound *f = &d->found;
    TRY(search_find(arena, job, options, f));
    if (f->result.best < 0)
        return status_fail(STATUS_STATE, "no network that was tried is within the budgets; %d were", f->trials.n);
    TRY(search_leave(arena, job, options, f));
    const FormatChoice choice = space_formats(arena, &f->space, f->trials.at[f->result.best].choice);
    TRY(search_report(
        arena, job, "a format for each layer",
        (SearchReport){.sensitivity = &f->sensitivity, .trials = &f->trials, .found = &f->result, .sought = options}));
    TRY(deliver(arena, job, &choice, d));
    return job->o->qat ? search_train(arena, job, &choice, &d->qat) : STATUS_OK;
}

static Status run_search(Arena *arena, const Options *o, int *exit_code)
{
    SearchOptions options;
    TRY(read_options(arena, o, &options));
    SearchJob job = {0};
    Delivered d = {0};
    Status status = search_begin(arena, o, "search", exit_code, &job);
    if (status == STATUS_OK && !isnan(options.tolerance)) search_note_tolerance(&job, options.tolerance);
    if (status == STATUS_OK) status = search(arena, &job, &options, &d);
    TRY(search_end(&job, status));
    if (o->json)
        cli_print_json(arena, as_json(&job, &options, &d));
    else
        show(arena, &job, &options, &d);
    const double drop = judge_drop(&job.judge, &d.delivered);
    if (isnan(options.tolerance) || drop_within(drop, options.tolerance)) return STATUS_OK;
    return status_fail(STATUS_STATE, "no network is within %.4g of float: the best of %d is %.4g below it; it is in %s",
                       options.tolerance, d.found.trials.n, drop, job.folder);
}

const Verb verb_search = {
    "search", "MODEL", "A format for each layer, by a tolerance or by budgets", "srwcxnYLRGzNUCPyq", 1, 1, run_search};
