#include "search/trial.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

/* ---- the file ------------------------------------------------------------------------------------------------------------ */

static cJSON *trial_json(const Trials *t, const Trial *trial)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *formats = cJSON_AddArrayToObject(json, "formats");
    for (int u = 0; u < t->space->units; u++)
        cJSON_AddItemToArray(formats, cJSON_CreateString(format_choices[t->space->formats.at[trial->choice[u]]]));
    json_add_number(json, "metric", trial->m.value);
    json_add_number(json, "loss", trial->m.loss);
    json_add_number(json, "kl", trial->m.kl);
    for (int k = 0; k < space_costs(t->space); k++) json_add_number(json, cost_types[k].key, trial->cost.of[k]);
    return json;
}

static Status write_file(const Trials *t)
{
    Arena *own = arena_create();
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "digest", t->digest);
    cJSON_AddStringToObject(json, "asked", t->asked);
    cJSON *units = cJSON_AddArrayToObject(json, "units");
    for (int u = 0; u < t->space->units; u++)
        cJSON_AddItemToArray(units, cJSON_CreateString(arena_printf(
                                        own, "%s %s", u < t->space->s->groups.layers ? "weights" : "activations",
                                        space_unit_name(t->space, u))));
    cJSON *list = cJSON_AddArrayToObject(json, "networks");
    for (int i = 0; i < t->n; i++) cJSON_AddItemToArray(list, trial_json(t, &t->at[i]));
    const char *text = json_print(own, json);
    cJSON_Delete(json);
    const Status status = file_write(own, t->path, text, strlen(text));
    arena_destroy(own);
    return status;
}

/* Whether it is a network of this space. */
static bool read_trial(const Trials *t, const cJSON *json, Trial *trial)
{
    const cJSON *formats = json_get(json, "formats");
    if (cJSON_GetArraySize(formats) != t->space->units) return false;
    int *choice = ARENA_ARRAY(t->arena, int, t->space->units);
    const cJSON *item = formats->child;
    for (int u = 0; u < t->space->units; u++, item = item->next) {
        choice[u] = space_format(t->space, name_find(format_choices, cJSON_GetStringValue(item)));
        if (choice[u] < 0) return false;
    }
    *trial = (Trial){.choice = choice,
                     .m = {json_number(json, "metric"), json_number(json, "loss"), json_number(json, "kl")}};
    for (int k = 0; k < COST_LATENCY; k++) trial->cost.of[k] = json_number(json, cost_types[k].key);
    trial->cost.of[COST_LATENCY] = space_predict_cost(t->space, choice).of[COST_LATENCY];
    return true;
}

Status trials_begin(Trials *t)
{
    if (!file_exists(t->path)) return STATUS_OK;
    cJSON *json;
    TRY(json_read(t->arena, t->path, &json));
    const cJSON *asked = json_get(json, "asked");
    t->other = !cJSON_IsString(asked) || strcmp(asked->valuestring, t->asked) != 0;
    const cJSON *digest = json_get(json, "digest"), *list = json_get(json, "networks");
    if (cJSON_IsString(digest) && strcmp(digest->valuestring, t->digest) == 0 && list != NULL) {
        t->keeps = ARENA_ARRAY(t->arena, Trial, cJSON_GetArraySize(list) + 1);
        for (const cJSON *item = list->child; item != NULL; item = item->next)
            t->kept += read_trial(t, item, &t->keeps[t->kept]);
    }
    cJSON_Delete(json);
    return STATUS_OK;
}

/* ---- making them --------------------------------------------------------------------------------------------------------- */

static bool same(const Trials *t, const int *a, const int *b)
{
    return memcmp(a, b, sizeof *a * (size_t)t->space->units) == 0;
}

Status trial_make(const Trials *t, const int *choice, Cost *cost, Measurement *m)
{
    Arena *own = arena_create();
    const FormatChoice formats = space_formats(own, t->space, choice);
    const Status status = judge_choice(t->judge, &t->space->s->groups, &formats, m, cost);
    cost->of[COST_LATENCY] = space_predict_cost(t->space, choice).of[COST_LATENCY];
    arena_destroy(own);
    return status;
}

/* made: it was not in the file. */
static Status measure(const Trials *t, Trial *trial, bool *made)
{
    *made = false;
    for (int i = 0; i < t->kept; i++)
        if (same(t, t->keeps[i].choice, trial->choice)) {
            trial->m = t->keeps[i].m;
            trial->cost = t->keeps[i].cost;
            return STATUS_OK;
        }
    *made = true;
    if (t->stop != NULL && *t->stop != 0) return status_fail(STATUS_INTERRUPTED, "stopped after %d networks", t->n);
    return t->make(t, trial->choice, &trial->cost, &trial->m);
}

Status trials_run(Trials *t, const int *choice, int *index)
{
    for (int i = 0; i < t->n; i++)
        if (same(t, t->at[i].choice, choice)) {
            *index = i;
            return STATUS_OK;
        }
    int *copy = ARENA_ARRAY(t->arena, int, t->space->units);
    memcpy(copy, choice, sizeof *copy * (size_t)t->space->units);
    Trial trial = {.choice = copy, .predicted = space_predict(t->space, choice)};
    bool made;
    TRY(measure(t, &trial, &made));
    trial.drop = judge_drop(t->judge, &trial.m);
    if (t->n == t->capacity) {
        Trial *more = ARENA_ARRAY(t->arena, Trial, 2 * t->capacity + 16);
        if (t->n > 0) memcpy(more, t->at, sizeof *more * (size_t)t->n);
        t->at = more;
        t->capacity = 2 * t->capacity + 16;
    }
    *index = t->n;
    t->at[t->n++] = trial;
    if (t->progress != NULL) t->progress(t->context, &trial, t->n);
    return made || t->other ? write_file(t) : STATUS_OK; /* a search that goes on asks for those of the file first */
}
