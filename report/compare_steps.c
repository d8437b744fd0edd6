/* What the steps of post-training quantization did to a table's rows, as the run.json of each tells. */
#include "report/compare_steps.h"

#include "base/file.h"
#include "base/json.h"
#include "report/compare_state.h"

/* A row of an earlier version tells nothing. */
static void add_row(Arena *arena, const RowPlan *plan, const cJSON *list, Report *report, StepEffect *all)
{
    for (const cJSON *item = list == NULL ? NULL : list->child; item != NULL && report->steps < COMPARE_STEPS;
         item = item->next) {
        const cJSON *name = json_get(item, "step");
        if (!cJSON_IsString(name)) continue;
        all[report->steps++] = (StepEffect){plan->name,
                                            arena_strdup(arena, name->valuestring),
                                            {json_number(item, "loss_before"), json_number(item, "loss_after")},
                                            {json_number(item, "sqnr_before"), json_number(item, "sqnr_after")},
                                            json_number(item, "seconds")};
    }
}

Status compare_steps(Arena *arena, const CompareJob *job, const RowPlan *plan, int rows, Report *report)
{
    StepEffect *all = ARENA_ARRAY(arena, StepEffect, COMPARE_STEPS);
    report->step = all;
    bool any = false; /* row with more than its calibration */
    for (int i = 0; i < rows; i++) {
        if (plan[i].kind != MODEL_PTQ) continue;
        const char *path = file_join(arena, row_folder(arena, job, &plan[i], 0), "run.json");
        if (!file_exists(path)) continue;
        cJSON *run;
        TRY(json_read(arena, path, &run));
        const cJSON *list = json_get(run, "ptq");
        any = any || cJSON_GetArraySize(list) > 1;
        add_row(arena, &plan[i], list, report, all);
        cJSON_Delete(run);
    }
    if (!any) report->steps = 0;
    return STATUS_OK;
}
