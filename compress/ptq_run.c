#include "compress/ptq_run.h"

#include <math.h>

#include "base/json.h"
#include "base/timing.h"

enum { MEASURED_IMAGES = 2048 }; /* at most: they are kept in memory */

/* Before the first step. */
static Status begin(PtqRun *run, const PtqStep *step)
{
    run->real = real_network_take(run->arena, run->model);
    run->context.real = run->real;
    if (run->measured == NULL) return STATUS_OK;
    const PtqContext *c = &run->context;
    const int n = c->images < MEASURED_IMAGES ? c->images : MEASURED_IMAGES;
    TRY(ptq_images_pick(run->arena, run->measured, c->seed, 0, n, &run->images));
    TRY(ptq_real_outputs(run->arena, run->model, &run->images, &run->outputs));
    return step->finds_ranges ? STATUS_OK : ptq_measure(run->model, c, &run->images, run->outputs, &run->last);
}

Status ptq_run_step(PtqRun *run, const PtqStep *step)
{
    if (run->real == NULL) TRY(begin(run, step));
    PtqReport *r = run->report[run->reports++] = ARENA_ARRAY(run->arena, PtqReport, 1);
    *r = (PtqReport){.step = step,
                     .compared = run->reports > 1 || !step->finds_ranges,
                     .before = run->last,
                     .told = {.arena = run->arena}};
    PtqContext context = run->context;
    for (int i = 0; run->ptq != NULL && step->fields != NULL && ptq_steps[i] != NULL; i++)
        if (ptq_steps[i] == step) context.keys = &run->ptq->keys[i];
    context.told = &r->told;
    const double start = timing_seconds();
    TRY(step->run(run->model, &context));
    r->seconds = timing_seconds() - start;
    if (step->moves_weights) ptq_restart_weights(run->model);
    if (step->keeps_function) real_network_update(run->real, run->model);
    if (run->measured == NULL) return STATUS_OK;
    TRY(ptq_measure(run->model, &run->context, &run->images, run->outputs, &r->after));
    run->last = r->after;
    return STATUS_OK;
}

static const char *decibels(Arena *arena, double sqnr)
{
    return isfinite(sqnr) ? arena_printf(arena, "%.2f", sqnr) : "inf";
}

const char *ptq_report_text(Arena *arena, const PtqRun *run, const PtqReport *r)
{
    const char *loss = "", *sqnr = "";
    if (r->compared) {
        loss = arena_printf(arena, "%.4f -> ", r->before.loss);
        sqnr = arena_printf(arena, "%s -> ", decibels(arena, r->before.sqnr));
    }
    return arena_printf(arena, "%s: loss %s%.4f, SQNR %s%s dB on %d training images, %.1f s", r->step->name, loss,
                        r->after.loss, sqnr, decibels(arena, r->after.sqnr), run->images.n, r->seconds);
}

cJSON *ptq_reports_json(const PtqRun *run)
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < run->reports; i++) {
        const PtqReport *r = run->report[i];
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "step", r->step->name);
        if (run->measured != NULL) {
            cJSON_AddNumberToObject(json, "images", run->images.n);
            if (r->compared) json_add_number(json, "loss_before", r->before.loss);
            json_add_number(json, "loss_after", r->after.loss);
            if (r->compared) json_add_number(json, "sqnr_before", r->before.sqnr);
            json_add_number(json, "sqnr_after", r->after.sqnr);
        }
        json_add_number(json, "seconds", r->seconds);
        cJSON *told = cJSON_AddArrayToObject(json, "told");
        for (int k = 0; k < r->told.n; k++) cJSON_AddItemToArray(told, cJSON_CreateString(r->told.line[k]));
        cJSON_AddItemToArray(list, json);
    }
    return list;
}
