/* compare: the table. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/timing.h"
#include "cli/cli.h"
#include "report/compare.h"
#include "train/config_notes.h"
#include "train/model_data.h"

typedef struct {
    const Options *o;
    int *exit_code;
    Arena *arena;
    int rows;
    RunFolder *run;
    const Config *config;
    DataSplits *data;
} Context;

static Status begin(void *context)
{
    const Context *c = context;
    TRY(run_folder_begin(c->run, c->config));
    cli_show_data(c->arena, c->o, c->data);
    const char **notes = config_notes(c->arena, c->config, USE_COMPARE);
    for (int i = 0; notes[i] != NULL && !c->o->quiet && !c->run->goes_on; i++) cli_note("note: %s\n", notes[i]);
    cli_catch_signals();
    return STATUS_OK;
}

static Status train(void *context, Arena *arena, TrainJob *job, const char *label, TrainResult *result)
{
    Context *c = context;
    return cli_train(arena, c->o, job, label, result, c->exit_code);
}

static void show_note(void *context, const char *text)
{
    if (!((const Context *)context)->o->quiet) cli_note("%s\n", text);
}

static void show_row(void *context, const CompareRow *row, const CompareRow *float_row)
{
    Context *c = context;
    if (c->o->json) return;
    if (c->rows++ == 0) cli_print_lines(report_text_head(c->arena, row->metric));
    cli_print("%s\n", report_text_row(c->arena, row, float_row->accuracy));
    fflush(stdout);
}

static void add_range(cJSON *json, const char *key, Interval range)
{
    cJSON_AddItemToObject(json, key, cJSON_CreateDoubleArray((double[]){range.low, range.high}, 2));
}

/* {"accuracy_std": x}, of the row's metric; null for none. */
static void add_value(Arena *arena, cJSON *json, const CompareRow *r, const char *suffix, double value)
{
    const char *key = arena_printf(arena, "%s%s", r->metric->name, suffix);
    if (isnan(value))
        cJSON_AddNullToObject(json, key);
    else
        cJSON_AddNumberToObject(json, key, value);
}

static cJSON *row_json(Arena *arena, const CompareRow *r)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", r->name);
    cJSON_AddStringToObject(json, "kind", r->kind);
    cJSON_AddNumberToObject(json, "weight_bits", r->weight_bits);
    cJSON_AddNumberToObject(json, "act_bits", r->act_bits);
    cJSON_AddNumberToObject(json, "first_last_bits", r->first_last_bits);
    if (r->floats != NULL) cJSON_AddStringToObject(json, "floats", r->floats);
    cJSON_AddStringToObject(json, "granularity", r->granularity);
    cJSON_AddStringToObject(json, "observer", r->observer);
    if (r->error != NULL) {
        cJSON_AddStringToObject(json, "error", r->error);
        return json;
    }
    add_value(arena, json, r, "", r->accuracy);
    add_value(arena, json, r, "_std", r->accuracy_std);
    cJSON_AddNumberToObject(json, "seeds", r->seeds);
    add_value(arena, json, r, "_int8", r->accuracy_int8);
    cJSON_AddNumberToObject(json, "size_bytes", (double)r->size_bytes);
    if (r->ram_bytes > 0) cJSON_AddNumberToObject(json, "ram_bytes", (double)r->ram_bytes);
    cJSON_AddNumberToObject(json, "macs", (double)r->macs);
    add_range(json, arena_printf(arena, "%s_range", r->metric->name), r->accuracy_range);
    if (!isnan(r->p)) {
        add_range(json, "drop_range", r->drop_range);
        cJSON_AddNumberToObject(json, "p_value", r->p);
    }
    cJSON_AddNumberToObject(json, "latency_us", r->latency.least_us);
    cJSON_AddNumberToObject(json, "latency_median_us", r->latency.median_us);
    cJSON_AddBoolToObject(json, "latency_disturbed", latency_disturbed(&r->latency));
    return json;
}

/* The rows' config; for a float model the config next to it, and the model itself in *from. */
static Status open_argument(Arena *arena, const Options *o, Config **config, const Model **from)
{
    const char *path = o->argument[0];
    *from = NULL;
    if (!file_ends(path, ".safetensors") && !file_is_dir(path)) return config_read(arena, path, o->sets, config);
    OpenModel open;
    TRY(model_open(arena, path, o->sets, &open));
    if (open.kind != MODEL_FLOAT)
        return status_fail(STATUS_STATE, "%s: a %s model; the table starts from a float model or a config", path,
                           model_kind_names[open.kind]);
    *config = ARENA_ARRAY(arena, Config, 1);
    **config = *open.config;
    (*config)->name = arena_printf(arena, "%s-compare", open.config->name);
    *from = open.model;
    return STATUS_OK;
}

/* In the folder that `run` holds. */
static Status make_table(Context *c, const Model *from, CompareResult *result)
{
    Arena *arena = c->arena;
    const Config *config = c->config;
    const RunFolder *run = c->run;
    const Options *o = c->o;
    DataSplits *data = c->data;
    ModelClasses classes;
    if (from != NULL) classes = model_classes(o->argument[0], from);
    TRY(model_data(arena, config, from != NULL ? &classes : NULL, true, data));
    Model *m; /* a network that cannot be built, in float or quantized, is refused before anything is written */
    TRY(experiment_model(arena, config, NULL, data, &m));
    TRY(experiment_model(arena, config, &config->quant, data, &m));
    data_check_training(arena, config, m->classes, data);
    const CompareJob job = {.config = config,
                            .data = data,
                            .from = from,
                            .folder = run->path,
                            .resume = run->goes_on,
                            .allow_changed = o->allow_changed,
                            .stop = &cli_stop,
                            .command = cli_command(arena, o),
                            .argc = o->argc,
                            .argv = o->argv,
                            .train = train,
                            .begin = begin,
                            .note = show_note,
                            .row = show_row,
                            .context = c};
    const double start = timing_seconds();
    const Status status = compare_run(arena, &job, result);
    if (status == STATUS_INTERRUPTED && *c->exit_code == EXIT_OK) {
        cli_note("bitfold: %s; the same command with --resume goes on\n", status_message());
        *c->exit_code = 128 + (int)cli_stop;
    }
    TRY(status);
    TRY(run_folder_note(arena, run->path,
                        &(RunNote){.model = m, .argc = o->argc, .argv = o->argv, .seconds = timing_seconds() - start}));
    return compare_note(arena, run->path, result);
}

/* The table stands, and so do its other rows; --resume tries again those that are not there. */
static Status rows_failed(const CompareResult *result)
{
    if (result->failed == 0) return STATUS_OK;
    if (result->failed == 1) return status_fail(result->status, "%s", result->message);
    return status_fail(result->status, "%s (and %d row%s more)", result->message, result->failed - 1,
                       result->failed == 2 ? "" : "s");
}

static Status run_compare(Arena *arena, const Options *o, int *exit_code)
{
    Config *config;
    const Model *from;
    TRY(open_argument(arena, o, &config, &from));
    const char *folder = cli_run_folder(arena, o, config->name);
    const RunTerms terms = {.mode = run_mode(o->overwrite, o->resume),
                            .source = from != NULL ? o->argument[0] : NULL,
                            .resumable = true,
                            .argc = o->argc,
                            .argv = o->argv};
    RunFolder run;
    TRY(run_folder_open(arena, folder, &terms, &run));
    if (run.note != NULL && !o->quiet) cli_note("%s\n", run.note);
    Context context = {.o = o, .exit_code = exit_code, .arena = arena, .run = &run, .config = config};
    DataSplits data = {0};
    context.data = &data;
    CompareResult result;
    TRY(run_folder_end(&run, make_table(&context, from, &result)));
    if (o->json) {
        cJSON *json = cJSON_CreateObject(), *rows = cJSON_AddArrayToObject(json, "rows");
        cJSON_AddStringToObject(json, "folder", folder);
        for (int i = 0; i < result.rows; i++) cJSON_AddItemToArray(rows, row_json(arena, &result.row[i]));
        cli_print_json(arena, json);
    } else {
        cli_print("\n");
        cli_print_lines(report_text_foot(arena, result.row, result.rows, data.test.n));
        cli_print("\n%s\n", file_join(arena, folder, "compare.csv"));
        if (result.row[0].error == NULL) cli_print("%s\n", file_join(arena, folder, "report.html"));
    }
    return rows_failed(&result);
}

const Verb verb_compare = {
    "compare", "CONFIG|MODEL", "Float, post-training and quantization-aware training in one table", "srwcAx", 1,
    1,         run_compare};
