/* sensitivity: which layers cost the accuracy, and in which formats. */
#include <string.h>

#include "base/file.h"
#include "base/timing.h"
#include "cli/search_job.h"
#include "report/report_sensitivity.h"
#include "search/sensitivity_state.h"

static Status read_parts(Arena *arena, const char *text, bool part[PART_BOTH + 1])
{
    for (char *rest = arena_strdup(arena, text), *word; (word = strsep(&rest, ",")) != NULL;) {
        const int p = name_find(format_part_names, word);
        if (p < 0) return status_fail(STATUS_CONFIG, "--parts: \"%s\"; must be weights, activations or both", word);
        if (part[p]) return status_fail(STATUS_CONFIG, "--parts: \"%s\" stands twice", word);
        part[p] = true;
    }
    return STATUS_OK;
}

static Status run_sensitivity(Arena *arena, const Options *o, int *exit_code)
{
    SearchJob job = {.sensitivity = {.options = {.leave_out = true, .predict = true}}};
    SensitivityOptions *s = &job.sensitivity.options;
    TRY(formats_option(arena, o->formats != NULL ? o->formats : "int8,int4,int2", &s->formats));
    TRY(read_parts(arena, o->parts != NULL ? o->parts : "weights,activations,both", s->part));
    Sensitivity result = {0};
    Status status = search_begin(arena, o, "sensitivity", exit_code, &job);
    if (status == STATUS_OK) status = search_sensitivity(arena, &job, &result);
    if (status == STATUS_OK)
        status = search_report(arena, &job, "sensitivity to quantization", (SearchReport){.sensitivity = &result});
    if (status == STATUS_OK) {
        const RunNote note = {
            .model = job.open.model, .argc = o->argc, .argv = o->argv, .seconds = timing_seconds() - job.start};
        status = run_folder_note(arena, job.folder, &note);
    }
    TRY(search_end(&job, status));
    if (o->json) {
        cJSON *json = sensitivity_json(arena, &job.sensitivity, &result, result.rows);
        search_add_seconds(json, &result);
        cJSON_AddStringToObject(json, "folder", job.folder);
        cli_print_json(arena, json);
    } else {
        cli_print_lines(sensitivity_table(arena, &result, job.judge.task.metric));
        cli_print("\n%s\n", file_join(arena, job.folder, "sensitivity.csv"));
        cli_print("%s\n", file_join(arena, job.folder, "report.html"));
    }
    return STATUS_OK;
}

const Verb verb_sensitivity = {
    "sensitivity", "MODEL", "Which layers cost the accuracy, and in which formats", "srwcxnYZ", 1, 1, run_sensitivity};
