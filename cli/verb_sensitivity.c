/* sensitivity: which layers cost the accuracy, and in which formats. */
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/cli.h"
#include "report/report_sensitivity.h"
#include "search/sensitivity_rank.h"
#include "search/sensitivity_state.h"
#include "train/model_data.h"
#include "train/provenance.h"
#include "train/run_folder.h"

enum { IMAGES = 2000, PREDICTOR_IMAGES = 256, TRACE_DRAWS = 32 };

typedef struct {
    const Options *o;
    OpenModel open;
    Config *config;
    DataSplits data;
    const Dataset *held_out;
    SensitivityJob job;
    Judge judge;
    Sensitivity result;
    int *exit_code;
} Context;

static int format_named(const char *name)
{
    for (int i = 1; format_choices[i] != NULL; i++)
        if (strcmp(format_choices[i], name) == 0) return i;
    return -1;
}

/* "int8,int4,2": names of formats, and numbers of bits. */
static Status read_formats(Arena *arena, const char *text, IntList *formats)
{
    int *at = ARENA_ARRAY(arena, int, strlen(text) + 1);
    int n = 0;
    for (char *rest = arena_strdup(arena, text), *word; (word = strsep(&rest, ",")) != NULL;) {
        int format = format_named(word);
        if (format < 0) format = format_named(arena_printf(arena, "int%s", word));
        if (format < 0)
            return status_fail(STATUS_CONFIG,
                               "--formats: \"%s\"; must be formats with commas between them: int2 to int8, "
                               "float16, ...",
                               word);
        for (int i = 0; i < n; i++)
            if (at[i] == format) return status_fail(STATUS_CONFIG, "--formats: \"%s\" stands twice", word);
        at[n++] = format;
    }
    *formats = (IntList){.n = n, .at = at};
    return STATUS_OK;
}

static Status read_parts(Arena *arena, const char *text, bool part[PART_BOTH + 1])
{
    memset(part, 0, sizeof *part * (PART_BOTH + 1));
    for (char *rest = arena_strdup(arena, text), *word; (word = strsep(&rest, ",")) != NULL;) {
        int p = 0;
        while (format_part_names[p] != NULL && strcmp(format_part_names[p], word) != 0) p++;
        if (format_part_names[p] == NULL)
            return status_fail(STATUS_CONFIG, "--parts: \"%s\"; must be weights, activations or both", word);
        part[p] = true;
    }
    return STATUS_OK;
}

static void show_progress(void *context, const Sensitivity *s, int done, double left)
{
    const Context *c = context;
    const SensitivityRow *row = &s->row[done - 1];
    if (c->o->quiet) return;
    cli_note("%d/%d  %s %s in %s: loss %+.4f  %d:%02d left\n", done, s->rows, row->layer, format_part_names[row->part],
             format_choices[row->format], sensitivity_cost(s, row), (int)left / 60, (int)left % 60);
}

/* All that the rows follow from. */
static Status digest(Arena *arena, const Context *c, const char **text)
{
    const char *data;
    TRY(provenance_data(arena, &c->data, &data));
    const RunStart start = {MODEL_PTQ, provenance_weights(arena, c->open.model)};
    const Provenance p = provenance_now(arena, c->config, start, data);
    const SensitivityOptions *s = &c->job.options;
    char *all = arena_printf(arena, "%s %s %s %d %d %d %d", p.config, data, start.start, c->o->images, s->leave_out,
                             s->predict, s->predictor_images);
    for (int i = 0; i < s->formats.n; i++) all = arena_printf(arena, "%s %d", all, s->formats.at[i]);
    for (int i = 0; i <= PART_BOTH; i++) all = arena_printf(arena, "%s %d", all, s->part[i]);
    *text = arena_printf(arena, "%016llx", (unsigned long long)text_hash(all));
    return STATUS_OK;
}

static Status open_model(Arena *arena, Context *c)
{
    const Options *o = c->o;
    TRY(model_open(arena, o->argument[0], o->sets, &c->open));
    if (c->open.kind != MODEL_FLOAT)
        return status_fail(STATUS_STATE, "%s: a %s model; sensitivity starts from a float model", o->argument[0],
                           model_kind_names[c->open.kind]);
    c->config = ARENA_ARRAY(arena, Config, 1);
    *c->config = *c->open.config;
    c->config->name = arena_printf(arena, "%s-sensitivity", c->open.config->name);
    const ModelClasses classes = model_classes(o->argument[0], c->open.model);
    TRY(model_data(arena, c->config, &classes, false, &c->data));
    cli_show_data(arena, o, &c->data);
    c->held_out = &c->data.validation;
    if (c->data.validation.n == 0) {
        c->held_out = &c->data.train;
        if (!o->quiet)
            cli_note("note: data.validation is 0, so that no training images were held out: measured on some that the "
                     "model has been trained on\n");
    }
    return STATUS_OK;
}

static Status measure(Arena *arena, Context *c, const char *folder)
{
    Sample sample;
    TRY(sample_draw(arena, c->held_out, c->o->images > 0 ? c->o->images : IMAGES, c->config->seed, &sample));
    TRY(judge_begin(arena, c->config, c->open.model, &c->data, &sample, &c->judge));
    QuantConfig *quant = ARENA_ARRAY(arena, QuantConfig, 1);
    *quant = ptq_quant_config(arena, &c->config->quant);
    Model *quantized;
    TRY(experiment_model(arena, c->config, quant, &c->data, &quantized));
    c->job.judge = &c->judge;
    c->job.quantized = quantized;
    c->job.folder = folder;
    c->job.stop = &cli_stop;
    c->job.progress = show_progress;
    c->job.context = c;
    TRY(digest(arena, c, &c->job.digest));
    cli_catch_signals();
    const Status status = sensitivity_run(arena, &c->job, &c->result);
    if (status == STATUS_INTERRUPTED) {
        cli_note("bitfold: %s; the same command with --resume goes on\n", status_message());
        *c->exit_code = 128 + (int)cli_stop;
    }
    TRY(status);
    return sensitivity_write_csv(arena, &c->result, c->judge.task.metric, file_join(arena, folder, "sensitivity.csv"));
}

static Status run_sensitivity(Arena *arena, const Options *o, int *exit_code)
{
    Context c = {.o = o, .exit_code = exit_code};
    SensitivityOptions *s = &c.job.options;
    *s = (SensitivityOptions){.leave_out = true, .predict = true, .predictor_images = PREDICTOR_IMAGES};
    s->trace_draws = TRACE_DRAWS;
    TRY(read_formats(arena, o->formats != NULL ? o->formats : "int8,int4,int2", &s->formats));
    TRY(read_parts(arena, o->parts != NULL ? o->parts : "weights,activations,both", s->part));
    TRY(open_model(arena, &c));
    const char *folder = cli_run_folder(arena, o, c.config->name);
    const RunTerms terms = {.mode = run_mode(o->overwrite, o->resume),
                            .source = o->argument[0],
                            .resumable = true,
                            .argc = o->argc,
                            .argv = o->argv};
    RunFolder run;
    TRY(run_folder_open(arena, folder, &terms, &run));
    Status status = run_folder_begin(&run, c.config);
    if (status == STATUS_OK) status = measure(arena, &c, folder);
    TRY(run_folder_end(&run, status));
    if (o->json) {
        cJSON *json = sensitivity_json(arena, &c.job, &c.result, c.result.rows);
        cJSON *seconds = cJSON_AddObjectToObject(json, "seconds");
        cJSON_AddNumberToObject(seconds, "measured", c.result.measuring);
        for (int k = 0; k < PREDICTORS; k++)
            cJSON_AddNumberToObject(seconds, predictors[k].name, c.result.predicting[k]);
        cli_print_json(arena, json);
    } else {
        cli_print_lines(sensitivity_table(arena, &c.result, c.judge.task.metric));
        cli_print("\n%s\n", file_join(arena, folder, "sensitivity.csv"));
    }
    return STATUS_OK;
}

const Verb verb_sensitivity = {
    "sensitivity", "MODEL", "Which layers cost the accuracy, and in which formats", "srwcxnYZ", 1, 1, run_sensitivity};
