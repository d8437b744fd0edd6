#include "cli/search_job.h"

#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "report/report.h"
#include "report/report_sensitivity.h"
#include "search/sensitivity_rank.h"
#include "train/model_data.h"
#include "train/provenance.h"

enum { IMAGES = 2000 };

Status format_option(const char *option, const char *name, int *format)
{
    for (int i = 1; format_choices[i] != NULL; i++) {
        const bool bits = strncmp(format_choices[i], "int", 3) == 0 && strcmp(format_choices[i] + 3, name) == 0;
        if (!bits && strcmp(format_choices[i], name) != 0) continue;
        *format = i;
        return STATUS_OK;
    }
    return status_fail(STATUS_CONFIG, "--%s: \"%s\"; must be a format: int2 to int8, float32, float16, ...", option,
                       name);
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

static Status open_model(Arena *arena, const char *verb, SearchJob *job)
{
    const Options *o = job->o;
    TRY(model_open(arena, o->argument[0], o->sets, &job->open));
    if (job->open.kind != MODEL_FLOAT)
        return status_fail(STATUS_STATE, "%s: a %s model; %s starts from a float model", o->argument[0],
                           model_kind_names[job->open.kind], verb);
    job->config = ARENA_ARRAY(arena, Config, 1);
    *job->config = *job->open.config;
    job->config->name = arena_printf(arena, "%s-%s", job->open.config->name, verb);
    const ModelClasses classes = model_classes(o->argument[0], job->open.model);
    TRY(model_data(arena, job->config, &classes, false, &job->data));
    cli_show_data(arena, o, &job->data);
    return STATUS_OK;
}

static Status draw_images(Arena *arena, SearchJob *job)
{
    const Dataset *held_out = &job->data.validation;
    if (held_out->n == 0) {
        held_out = &job->data.train;
        if (!job->o->quiet)
            cli_note("note: data.validation is 0, so that no training images were held out: measured on some that the "
                     "model has been trained on\n");
    }
    Sample sample;
    TRY(sample_draw(arena, held_out, job->o->images > 0 ? job->o->images : IMAGES, job->config->seed, &sample));
    return judge_begin(arena, job->config, job->open.model, &job->data, &sample, &job->judge);
}

Status search_begin(Arena *arena, const Options *o, const char *verb, int *exit_code, SearchJob *job)
{
    job->o = o;
    job->exit_code = exit_code;
    TRY(open_model(arena, verb, job));
    TRY(draw_images(arena, job));
    job->folder = cli_run_folder(arena, o, job->config->name);
    const RunTerms terms = {.mode = run_mode(o->overwrite, o->resume),
                            .source = o->argument[0],
                            .resumable = true,
                            .argc = o->argc,
                            .argv = o->argv};
    TRY(run_folder_open(arena, job->folder, &terms, &job->run));
    if (job->run.note != NULL && !o->quiet) cli_note("%s\n", job->run.note);
    return run_folder_begin(&job->run, job->config);
}

Status search_end(SearchJob *job, Status status)
{
    return job->run.arena == NULL ? status : run_folder_end(&job->run, status);
}

/* ---- sensitivity ----------------------------------------------------------------------------------------------------- */

static void show_progress(void *context, const Sensitivity *s, int done, double left)
{
    const SearchJob *job = context;
    const SensitivityRow *row = &s->row[done - 1];
    if (job->o->quiet) return;
    cli_note("%d/%d  %s %s in %s: loss %+.4f  %d:%02d left\n", done, s->rows, row->layer, format_part_names[row->part],
             format_choices[row->format], sensitivity_cost(s, row), (int)left / 60, (int)left % 60);
}

/* All that the rows follow from. */
static Status digest(Arena *arena, const SearchJob *job, const char **text)
{
    const char *data;
    TRY(provenance_data(arena, &job->data, &data));
    const RunStart start = {MODEL_PTQ, provenance_weights(arena, job->open.model)};
    const Provenance p = provenance_now(arena, job->config, start, data);
    const SensitivityOptions *s = &job->sensitivity.options;
    char *all = arena_printf(arena, "%s %s %s %d %d %d", p.config, data, start.start, job->judge.sample.n, s->leave_out,
                             s->predict);
    for (int i = 0; i < s->formats.n; i++) all = arena_printf(arena, "%s %d", all, s->formats.at[i]);
    for (int i = 0; i <= PART_BOTH; i++) all = arena_printf(arena, "%s %d", all, s->part[i]);
    *text = arena_printf(arena, "%016llx", (unsigned long long)text_hash(all));
    return STATUS_OK;
}

Status search_sensitivity(Arena *arena, SearchJob *job, Sensitivity *result)
{
    SensitivityJob *s = &job->sensitivity;
    QuantConfig *quant = ARENA_ARRAY(arena, QuantConfig, 1);
    *quant = ptq_quant_config(arena, &job->config->quant);
    Model *quantized;
    TRY(experiment_model(arena, job->config, quant, &job->data, &quantized));
    s->judge = &job->judge;
    s->quantized = quantized;
    s->folder = job->folder;
    s->stop = &cli_stop;
    s->progress = show_progress;
    s->context = job;
    TRY(digest(arena, job, &s->digest));
    cli_catch_signals();
    const Status status = sensitivity_run(arena, s, result);
    if (status == STATUS_INTERRUPTED) {
        cli_note("bitfold: %s; the same command with --resume goes on\n", status_message());
        *job->exit_code = 128 + (int)cli_stop;
    }
    TRY(status);
    return sensitivity_write_csv(arena, result, job->judge.task.metric,
                                 file_join(arena, job->folder, "sensitivity.csv"));
}

Status search_report(Arena *arena, const SearchJob *job, const Sensitivity *sensitivity, const Partial *partial,
                     const PartialOptions *options)
{
    const SearchReport search = {job->judge.task.metric, sensitivity, partial, options};
    char *config;
    TRY(config_text(arena, job->config, job->folder, &config));
    const char *seed = arena_printf(arena, "%llu", (unsigned long long)job->config->seed);
    const Report report = {.title = job->open.config->name,
                           .subject = partial == NULL ? "sensitivity to quantization" : "partial quantization",
                           .command = cli_command(arena, job->o),
                           .config_text = config,
                           .facts =
                               report_facts(arena, job->config, &job->data, model_parameters(job->open.model), seed),
                           .search = &search};
    return report_write(arena, &report, file_join(arena, job->folder, "report.html"));
}

void search_add_seconds(cJSON *json, const Sensitivity *s)
{
    cJSON *seconds = cJSON_AddObjectToObject(json, "seconds");
    cJSON_AddNumberToObject(seconds, "measured", s->measuring);
    for (int k = 0; k < PREDICTORS; k++) cJSON_AddNumberToObject(seconds, predictors[k].name, s->predicting[k]);
}
