#include "cli/search_job.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "base/timing.h"
#include "deploy/lower.h"
#include "report/report_sensitivity.h"
#include "search/sensitivity_rank.h"
#include "train/model_data.h"
#include "train/provenance.h"
#include "train/recipe.h"

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

Status tolerance_option(const char *text, double *tolerance)
{
    char *end;
    errno = 0;
    *tolerance = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || !isfinite(*tolerance) || *tolerance < 0)
        return status_fail(STATUS_CONFIG, "--tolerance: \"%s\"; must be a number, 0 or more", text);
    return STATUS_OK;
}

Status choice_option(Arena *arena, const char *option, const char *given, const char *(*names)(int i),
                     const char *besides, int *index)
{
    const char *all = besides == NULL ? "" : besides;
    for (int i = 0; names(i) != NULL; i++) {
        if (strcmp(names(i), given) == 0) {
            *index = i;
            return STATUS_OK;
        }
        all = arena_printf(arena, "%s%s%s", all, all[0] == '\0' ? "" : ", ", names(i));
    }
    return status_fail(STATUS_CONFIG, "--%s: \"%s\"; must be one of %s", option, given, all);
}

const char *predictor_name(int i) { return i < PREDICTORS ? predictors[i].name : NULL; }

Status formats_option(Arena *arena, const char *text, IntList *formats)
{
    int *at = ARENA_ARRAY(arena, int, strlen(text) + 1);
    int n = 0;
    for (char *rest = arena_strdup(arena, text), *word; (word = strsep(&rest, ",")) != NULL; n++) {
        TRY(format_option("formats", word, &at[n]));
        for (int i = 0; i < n; i++)
            if (at[i] == at[n]) return status_fail(STATUS_CONFIG, "--formats: \"%s\" stands twice", word);
    }
    *formats = (IntList){.n = n, .at = at};
    return STATUS_OK;
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

/* Formats are chosen on grids that are known before, and 8 bits, which all searches try, have no zero points. */
Status search_check_config(const Config *config, const char *verb)
{
    const QuantConfig *q = &config->quant;
    bool dynamic = q->activations.scheme == SCHEME_DYNAMIC, affine = q->weights.scheme == WEIGHTS_AFFINE;
    for (int i = 0; i < q->overrides.n; i++) {
        const QuantOverride *o = &((const QuantOverride *)q->overrides.at)[i];
        dynamic |= o->activation_scheme == 1 + (int)SCHEME_DYNAMIC;
        affine |= o->weight_scheme == 1 + (int)WEIGHTS_AFFINE;
    }
    if (dynamic)
        return status_fail(STATUS_CONFIG,
                           "%s: quant.activations.scheme: \"dynamic\"; %s chooses among grids that are known before: "
                           "must be \"static\" (ptq makes dynamic models)",
                           config->path, verb);
    if (affine)
        return status_fail(STATUS_CONFIG,
                           "%s: quant.weights.scheme: \"affine\"; %s tries weights of 8 bits, which have no zero "
                           "points: must be \"symmetric\" (ptq and qat make affine models)",
                           config->path, verb);
    return STATUS_OK;
}

static Status open_model(Arena *arena, const char *path, const char *verb, SearchJob *job)
{
    const Options *o = job->o;
    job->path = path;
    TRY(model_open(arena, path, o->sets, &job->open));
    if (job->open.kind != MODEL_FLOAT)
        return status_fail(STATUS_STATE, "%s: a %s model; %s starts from a float model", path,
                           model_kind_names[job->open.kind], verb);
    job->config = ARENA_ARRAY(arena, Config, 1);
    *job->config = *job->open.config;
    job->config->name = arena_printf(arena, "%s-%s", job->open.config->name, verb);
    return search_check_config(job->config, verb);
}

static Status find_groups(Arena *arena, SearchJob *job)
{
    QuantConfig *quant = ARENA_ARRAY(arena, QuantConfig, 1);
    *quant = ptq_quant_config(arena, &job->config->quant);
    Model *quantized;
    TRY(experiment_model(arena, job->config, quant, &job->data, &quantized));
    job->groups = format_groups(arena, quantized);
    return STATUS_OK;
}

static Status draw_images(Arena *arena, SearchJob *job)
{
    const ModelClasses classes = model_classes(job->path, job->open.model);
    TRY(model_data(arena, job->config, &classes, false, &job->data));
    cli_show_data(arena, job->o, &job->data);
    const Dataset *held_out = &job->data.validation;
    if (held_out->n == 0) {
        held_out = &job->data.train;
        if (!job->o->quiet)
            cli_note("note: data.validation is 0, so that no training images were held out: measured on some that the "
                     "model has been trained on\n");
    }
    Sample sample;
    TRY(sample_draw(arena, held_out, job->o->images > 0 ? job->o->images : IMAGES, job->config->seed, &sample));
    TRY(judge_begin(arena, job->config, job->open.model, &job->data, &sample, &job->judge));
    return find_groups(arena, job);
}

void search_set_config(SearchJob *job, Config *config)
{
    job->config = config;
    job->judge.config = config;
}

void search_note_tolerance(const SearchJob *job, double tolerance)
{
    const Metric *metric = job->judge.task.metric;
    const double one = metric->factor / job->judge.sample.n;
    if (!job->o->quiet && metric->proportion && one > tolerance)
        cli_note("note: measured on %d images, of which one is %.3g points, more than the tolerance of %.3g: a larger "
                 "data.validation tells more\n",
                 job->judge.sample.n, one, tolerance);
}

Status search_open(Arena *arena, const char *path, const char *verb, SearchJob *job)
{
    TRY(open_model(arena, path, verb, job));
    return draw_images(arena, job);
}

Status search_begin(Arena *arena, const Options *o, const char *verb, int *exit_code, SearchJob *job)
{
    job->o = o;
    job->exit_code = exit_code;
    TRY(open_model(arena, o->argument[0], verb, job));
    TRY(search_take_folder(arena, o, cli_run_folder(arena, o, job->config->name), job));
    TRY(draw_images(arena, job));
    return run_folder_begin(&job->run, job->config);
}

Status search_take_folder(Arena *arena, const Options *o, const char *folder, SearchJob *job)
{
    job->folder = folder;
    job->start = timing_seconds();
    const RunTerms terms = {.mode = run_mode(o->overwrite, o->resume),
                            .source = o->argument[0],
                            .resumable = true,
                            .argc = o->argc,
                            .argv = o->argv};
    TRY(run_folder_open(arena, job->folder, &terms, &job->run));
    if (job->run.note != NULL && !o->quiet) cli_note("%s\n", job->run.note);
    return STATUS_OK;
}

Status search_end(SearchJob *job, Status status)
{
    return job->run.arena == NULL ? status : run_folder_end(&job->run, status);
}

/* ---- sensitivity ----------------------------------------------------------------------------------------------------- */

static void show_begin(void *context, const char *what)
{
    const SearchJob *job = context;
    if (!job->o->quiet) cli_progress(what, false);
}

static void show_progress(void *context, const Sensitivity *s, int done, double left)
{
    const SearchJob *job = context;
    const SensitivityRow *row = &s->row[done - 1];
    if (job->o->quiet) return;
    Arena *memory = arena_create();
    cli_progress(arena_printf(memory, "row %d/%d  %s %s in %s  loss %+.4f  %s %s  %d:%02d left", done, s->rows,
                              row->layer, format_part_names[row->part], format_choices[row->format],
                              sensitivity_cost(s, row), job->judge.task.metric->brief,
                              metric_text(memory, job->judge.task.metric, row->alone.value), (int)left / 60,
                              (int)left % 60),
                 false);
    arena_destroy(memory);
}

Status search_rows_digest(Arena *arena, SearchJob *job)
{
    const char *data;
    TRY(provenance_data(arena, &job->data, &data));
    const RunStart start = {MODEL_PTQ, provenance_weights(arena, job->open.model), NULL};
    const Provenance p = provenance_now(arena, job->config, start, data);
    const SensitivityOptions *s = &job->sensitivity.options;
    char *all = arena_printf(arena, "%s %s %s %d %d %d", p.config, data, start.start, job->judge.sample.n, s->leave_out,
                             s->predict);
    for (int k = 0; k < PREDICTORS && s->predict; k++) all = arena_printf(arena, "%s %s", all, predictors[k].doc);
    for (int i = 0; i < s->formats.n; i++) all = arena_printf(arena, "%s %d", all, s->formats.at[i]);
    for (int i = 0; i <= PART_BOTH; i++) all = arena_printf(arena, "%s %d", all, s->part[i]);
    if (job->config->train.label_smoothing > 0.0 || job->config->train.class_weights.n > 0)
        all = arena_printf(arena, "%s plain", all);
    job->sensitivity.digest = arena_printf(arena, "%016llx", (unsigned long long)text_hash(all));
    return STATUS_OK;
}

Status search_interrupted(const SearchJob *job, Status status)
{
    if (status != STATUS_INTERRUPTED) return status;
    cli_note("bitfold: %s; the same command with --resume goes on\n", status_message());
    *job->exit_code = 128 + (int)cli_stop;
    return status;
}

Status search_sensitivity(Arena *arena, SearchJob *job, Sensitivity *result)
{
    SensitivityJob *s = &job->sensitivity;
    s->judge = &job->judge;
    s->groups = job->groups;
    s->folder = job->folder;
    s->stop = &cli_stop;
    s->begin = show_begin;
    s->progress = show_progress;
    s->context = job;
    TRY(search_rows_digest(arena, job));
    cli_catch_signals();
    const Status status = sensitivity_run(arena, s, result);
    if (!job->o->quiet) cli_progress_clear();
    TRY(search_interrupted(job, status));
    return sensitivity_write_csv(arena, result, job->judge.task.metric,
                                 file_join(arena, job->folder, "sensitivity.csv"));
}

Status search_report(Arena *arena, const SearchJob *job, const char *subject, SearchReport search)
{
    search.metric = job->judge.task.metric;
    char *config;
    TRY(config_text(arena, job->config, job->folder, &config));
    const char *seed = arena_printf(arena, "%llu", (unsigned long long)job->config->seed);
    const Report report = {.title = job->open.config->name,
                           .subject = subject,
                           .command = cli_command(arena, job->o),
                           .config_text = config,
                           .facts =
                               report_facts(arena, job->config, &job->data, model_parameters(job->open.model), seed),
                           .search = &search};
    return report_write(arena, &report, file_join(arena, job->folder, "report.html"));
}

void search_add_test(cJSON *json, const EvalResult *test)
{
    cJSON *item = cJSON_AddObjectToObject(json, "test");
    cJSON_AddNumberToObject(item, test->score.task->metric->name, test->value);
    cJSON_AddNumberToObject(item, "n", test->n);
}

void search_add_seconds(cJSON *json, const Sensitivity *s)
{
    cJSON *seconds = cJSON_AddObjectToObject(json, "seconds");
    cJSON_AddNumberToObject(seconds, "measured", s->measuring);
    for (int k = 0; k < PREDICTORS; k++) cJSON_AddNumberToObject(seconds, predictors[k].name, s->predicting[k]);
}

/* ---- what was chosen --------------------------------------------------------------------------------------------- */

Status search_write_model(Arena *arena, SearchJob *job, const FormatChoice *choice, Model **model)
{
    Config *config;
    TRY(format_choice_config(arena, job->config, &job->groups, choice, &config));
    char *text;
    TRY(config_text(arena, config, job->folder, &text));
    config->quant = ptq_quant_config(arena, &config->quant);
    Recipe r = {.arena = arena,
                .config = config,
                .kind = MODEL_PTQ,
                .data = &job->data,
                .from = job->open.model,
                .from_name = job->path,
                .renewed = -1,
                .folder = job->folder,
                .start = job->start,
                .argc = job->o->argc,
                .argv = job->o->argv};
    TRY(experiment_model(arena, config, &config->quant, &job->data, &r.model));
    recipe_plan(&r);
    TRY(recipe_run(&r, RECIPE_FIT));
    TRY(file_write(arena, file_join(arena, job->folder, "config.json"), text, strlen(text)));
    *model = r.model;
    return recipe_run(&r, RECIPE_MAKE);
}

Status search_train_hook(void *context, Arena *arena, TrainJob *train, const char *label, TrainResult *result)
{
    const SearchJob *job = context;
    return cli_train(arena, job->o, train, label, result, job->exit_code);
}

const char **search_more_sets(Arena *arena, const char *const *sets, const char *set)
{
    int n = 0;
    while (sets[n] != NULL) n++;
    const char **all = ARENA_ARRAY(arena, const char *, n + 2);
    for (int i = 0; i < n; i++) all[i] = sets[i];
    all[n] = set;
    return all;
}

Status search_train(Arena *arena, SearchJob *job, const FormatChoice *choice, SearchTrained *trained)
{
    cJSON *overrides = format_choice_overrides(job->config, &job->groups, choice);
    const char *set = arena_printf(arena, "quant.overrides=%s", json_print_compact(arena, overrides));
    cJSON_Delete(overrides);
    const char **sets = search_more_sets(arena, job->o->sets, set);
    const QuantConfig *quant = &job->config->quant, *was = &job->open.config->quant;
    if (quant->weights.granularity != was->weights.granularity)
        sets = search_more_sets(
            arena, sets,
            arena_printf(arena, "quant.weights.granularity=%s", granularity_names[quant->weights.granularity]));
    if (quant->activations.observer != was->activations.observer)
        sets = search_more_sets(
            arena, sets,
            arena_printf(arena, "quant.activations.observer=%s", observer_choices[quant->activations.observer]));
    const char *out = file_join(arena, job->folder, "qat");
    const bool exists = file_exists(out);
    const RunRequest request = {.path = job->path,
                                .sets = sets,
                                .out = out,
                                .resume = exists && job->o->resume,
                                .overwrite = exists && !job->o->resume,
                                .row = true,
                                .argc = job->o->argc,
                                .argv = job->o->argv,
                                .train = search_train_hook,
                                .context = job};
    TRY(run_qat(arena, &request, &trained->run));
    TRY(model_lower(arena, trained->run.model, (Rounding)trained->run.config->quant.rounding, &trained->graph));
    return judge_graph(&job->judge, trained->graph, 0, NULL, NULL, &trained->m);
}
