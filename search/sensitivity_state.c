#include "search/sensitivity_state.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "search/sensitivity_rank.h"

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static void add_measurement(cJSON *json, const Metric *metric, const Measurement *m)
{
    json_add_number(json, metric->name, m->value);
    json_add_number(json, "loss", m->loss);
    json_add_number(json, "kl", m->kl);
}

static cJSON *row_json(const Metric *metric, const SensitivityRow *row)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "layer", row->layer);
    cJSON_AddStringToObject(json, "part", format_part_names[row->part]);
    cJSON_AddStringToObject(json, "format", format_choices[row->format]);
    add_measurement(json, metric, &row->alone);
    if (!isnan(row->spared.loss)) add_measurement(cJSON_AddObjectToObject(json, "leave_out"), metric, &row->spared);
    for (int k = 0; k < PREDICTORS; k++) json_add_number(json, predictors[k].name, row->predicted[k]);
    json_add_number(json, "trace_error", row->trace_error);
    return json;
}

static void add_correlations(Arena *arena, cJSON *json, const Sensitivity *s, int part, int format)
{
    for (int k = 0; k < PREDICTORS; k++)
        json_add_number(json, predictors[k].name, sensitivity_correlation(arena, s, (PredictorKind)k, part, format));
}

static void add_all_correlations(Arena *arena, cJSON *json, const Sensitivity *s)
{
    add_correlations(arena, cJSON_AddObjectToObject(json, "correlation"), s, -1, -1);
    cJSON *parts = cJSON_AddObjectToObject(json, "correlation_by_format");
    for (int i = 0; i < s->uniforms; i++) {
        const UniformRow *u = &s->uniform[i];
        cJSON *part = cJSON_GetObjectItemCaseSensitive(parts, format_part_names[u->part]);
        if (part == NULL) part = cJSON_AddObjectToObject(parts, format_part_names[u->part]);
        add_correlations(arena, cJSON_AddObjectToObject(part, format_choices[u->format]), s, (int)u->part, u->format);
    }
}

cJSON *sensitivity_json(Arena *arena, const SensitivityJob *job, const Sensitivity *s, int rows)
{
    const Metric *metric = job->judge->task.metric;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "digest", job->digest);
    cJSON_AddNumberToObject(json, "images", s->images);
    cJSON_AddStringToObject(json, "metric", metric->name);
    add_measurement(cJSON_AddObjectToObject(json, "float"), metric, &s->floats);
    cJSON *uniform = cJSON_AddArrayToObject(json, "uniform");
    for (int i = 0; i < s->uniforms; i++) {
        const UniformRow *u = &s->uniform[i];
        if (isnan(u->all.loss)) continue;
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "part", format_part_names[u->part]);
        cJSON_AddStringToObject(item, "format", format_choices[u->format]);
        add_measurement(item, metric, &u->all);
        cJSON_AddItemToArray(uniform, item);
    }
    cJSON *list = cJSON_AddArrayToObject(json, "rows");
    for (int i = 0; i < rows; i++) cJSON_AddItemToArray(list, row_json(metric, &s->row[i]));
    if (rows == s->rows) add_all_correlations(arena, json, s);
    return json;
}

static const char *state_path(Arena *arena, const SensitivityJob *job)
{
    return file_join(arena, job->folder, "sensitivity.json");
}

Status sensitivity_state_write(const SensitivityJob *job, const Sensitivity *s, int rows)
{
    Arena *own = arena_create();
    cJSON *json = sensitivity_json(own, job, s, rows);
    const char *text = json_print(own, json);
    cJSON_Delete(json);
    const Status status = file_write(own, state_path(own, job), text, strlen(text));
    arena_destroy(own);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

static Measurement measurement_of(const cJSON *json, const Metric *metric)
{
    return (Measurement){json_number(json, metric->name), json_number(json, "loss"), json_number(json, "kl")};
}

static bool names(const cJSON *json, const char *key, const char *name)
{
    const cJSON *item = json_get(json, key);
    return cJSON_IsString(item) && strcmp(item->valuestring, name) == 0;
}

static void take_uniforms(const cJSON *list, const Metric *metric, Sensitivity *s)
{
    for (const cJSON *item = list == NULL ? NULL : list->child; item != NULL; item = item->next)
        for (int i = 0; i < s->uniforms; i++)
            if (names(item, "part", format_part_names[s->uniform[i].part]) &&
                names(item, "format", format_choices[s->uniform[i].format]))
                s->uniform[i].all = measurement_of(item, metric);
}

Status sensitivity_state_read(Arena *arena, const SensitivityJob *job, Sensitivity *s)
{
    const char *path = state_path(arena, job);
    if (!file_exists(path)) return STATUS_OK;
    cJSON *json;
    TRY(json_read(arena, path, &json));
    const Metric *metric = job->judge->task.metric;
    const cJSON *rows = names(json, "digest", job->digest) ? json_get(json, "rows") : NULL;
    for (const cJSON *item = rows == NULL ? NULL : rows->child; item != NULL && s->taken < s->rows; item = item->next) {
        SensitivityRow *row = &s->row[s->taken];
        if (!names(item, "layer", row->layer) || !names(item, "part", format_part_names[row->part]) ||
            !names(item, "format", format_choices[row->format]))
            break;
        row->alone = measurement_of(item, metric);
        const cJSON *spared = json_get(item, "leave_out");
        if (spared != NULL) row->spared = measurement_of(spared, metric);
        for (int k = 0; k < PREDICTORS; k++) row->predicted[k] = json_number(item, predictors[k].name);
        row->trace_error = json_number(item, "trace_error");
        s->taken++;
    }
    if (s->taken > 0) take_uniforms(json_get(json, "uniform"), metric, s);
    cJSON_Delete(json);
    return STATUS_OK;
}
