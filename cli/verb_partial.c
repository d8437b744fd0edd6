/* partial: every layer in one format but those that bear it worst. */
#include <string.h>

#include "base/file.h"
#include "cli/search_job.h"
#include "report/report_sensitivity.h"
#include "train/recipe.h"

static Status read_order(Arena *arena, const char *text, int *order)
{
    *order = -1;
    return text == NULL || strcmp(text, "loss") == 0
               ? STATUS_OK
               : choice_option(arena, "order", text, predictor_name, "loss", order);
}

typedef struct {
    Arena *arena;
    const SearchJob *job;
    const PartialOptions *options;
} Shown;

static void show_step(void *context, const PartialStep *step)
{
    const Shown *s = context;
    const Metric *metric = s->job->judge.task.metric;
    if (s->job->o->json) return;
    const double change = metric->higher_is_better ? -step->drop : step->drop;
    char size[32];
    metric_print(size, sizeof size, metric, fabs(change));
    cli_print("%3d  %9s  %8s  %s\n", step->kept, metric_number(s->arena, metric, step->m.value),
              arena_printf(s->arena, "%c%s", change < 0 ? '-' : '+', size), step->layer == NULL ? "" : step->layer);
}

static Status search(Arena *arena, SearchJob *job, const PartialOptions *options, Partial *partial)
{
    SensitivityOptions *s = &job->sensitivity.options;
    *s = (SensitivityOptions){.part = {[PART_ACTIVATIONS] = true, [PART_BOTH] = true}, .predict = options->order >= 0};
    s->formats = (IntList){.n = 1, .at = ARENA_ARRAY(arena, int, 1)};
    s->formats.at[0] = options->format;
    Sensitivity sensitivity;
    TRY(search_sensitivity(arena, job, &sensitivity));
    const Metric *metric = job->judge.task.metric;
    if (!job->o->json)
        cli_print("float32: %s %s on %d images\n\nkept  %8s  %8s  the last one kept in %s\n", metric->label,
                  metric_text(arena, metric, job->judge.floats.value), job->judge.sample.n, metric->brief, "change",
                  format_choices[options->keep]);
    Shown shown = {arena, job, options};
    TRY(partial_run(arena, &job->judge, &sensitivity, options, show_step, &shown, partial));
    TRY(partial_write_csv(arena, partial, metric, file_join(arena, job->folder, "partial.csv")));
    Model *model;
    TRY(search_write_model(arena, job, &partial->choice, &model));
    return search_report(arena, job, "partial quantization",
                         (SearchReport){.sensitivity = &sensitivity, .partial = partial, .options = options});
}

static cJSON *as_json(const SearchJob *job, const PartialOptions *options, const Partial *p)
{
    const PartialStep *best = &p->step[p->best];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "folder", job->folder);
    cJSON_AddStringToObject(json, "format", format_choices[options->format]);
    cJSON_AddStringToObject(json, "keep", format_choices[options->keep]);
    cJSON_AddNumberToObject(json, "tolerance", options->tolerance);
    cJSON_AddBoolToObject(json, "within", p->within);
    cJSON_AddNumberToObject(json, "drop", best->drop);
    cJSON *kept = cJSON_AddArrayToObject(json, "kept");
    for (int i = 1; i <= p->best; i++) cJSON_AddItemToArray(kept, cJSON_CreateString(p->step[i].layer));
    cJSON_AddNumberToObject(json, job->judge.task.metric->name, best->m.value);
    cJSON_AddNumberToObject(json, "evaluations", p->steps);
    return json;
}

static Status run_partial(Arena *arena, const Options *o, int *exit_code)
{
    PartialOptions options;
    if (o->tolerance == NULL)
        return status_fail(STATUS_CONFIG, "--tolerance: is required: by how much the metric may fall");
    TRY(tolerance_option(o->tolerance, &options.tolerance));
    TRY(format_option("format", o->format != NULL ? o->format : "int8", &options.format));
    TRY(format_option("keep", o->keep != NULL ? o->keep : "float32", &options.keep));
    if (options.format == options.keep)
        return status_fail(STATUS_CONFIG, "--keep: \"%s\"; must be another format than --format",
                           format_choices[options.keep]);
    TRY(read_order(arena, o->order, &options.order));
    SearchJob job = {0};
    Partial partial = {0};
    Status status = search_begin(arena, o, "partial", exit_code, &job);
    if (status == STATUS_OK) search_note_tolerance(&job, options.tolerance);
    if (status == STATUS_OK) status = search(arena, &job, &options, &partial);
    TRY(search_end(&job, status));
    const PartialStep *best = &partial.step[partial.best];
    if (o->json)
        cli_print_json(arena, as_json(&job, &options, &partial));
    else
        cli_print("\n%s\n%s\n", file_join(arena, job.folder, recipe_file(MODEL_PTQ)),
                  file_join(arena, job.folder, "report.html"));
    if (partial.within) return STATUS_OK;
    return status_fail(
        STATUS_STATE,
        "no network is within %.4g of float: the best, with %d groups in %s, is %.4g below it; it is in %s",
        options.tolerance, best->kept, format_choices[options.keep], best->drop, job.folder);
}

const Verb verb_partial = {
    "partial", "MODEL",    "Every layer in one format but those that bear it worst, by a tolerance", "srwcxnBKLR", 1,
    1,         run_partial};
