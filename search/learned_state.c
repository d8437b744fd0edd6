#include "search/learned_state.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "train/checkpoint.h"

static const char *json_path(Arena *arena, const LearnedState *s)
{
    return file_join(arena, s->folder, "learned.json");
}

/* Two take turns, so that the one that learned.json speaks of is whole whenever the program ends. */
static const char *checkpoint_path(Arena *arena, const LearnedState *s, int stage)
{
    return file_join(arena, s->folder, stage % 2 == 0 ? "learned-0.safetensors" : "learned-1.safetensors");
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static void add_numbers(cJSON *json, const char *key, const double *x, int n)
{
    cJSON_AddItemToObject(json, key, cJSON_CreateDoubleArray(x, n));
}

static cJSON *stage_json(const LearnedState *s, const LearnedStage *stage)
{
    cJSON *json = cJSON_CreateObject(), *price = cJSON_AddObjectToObject(json, "price");
    for (int i = 0; i < s->costs; i++) json_add_number(price, cost_types[s->cost[i]].name, stage->price[i]);
    json_add_number(json, "loss", stage->loss);
    json_add_number(json, "moved", stage->moved);
    cJSON *formats = cJSON_AddArrayToObject(json, "formats");
    for (int u = 0; u < s->space->units; u++)
        cJSON_AddItemToArray(formats, cJSON_CreateString(format_choices[s->space->formats.at[stage->choice[u]]]));
    return json;
}

static cJSON *state_json(const LearnedState *s)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "digest", s->digest);
    cJSON *list = cJSON_AddArrayToObject(json, "stages");
    for (int k = 0; k < s->stages; k++) cJSON_AddItemToArray(list, stage_json(s, &s->stage[k]));
    const int n = s->space->s->groups.layers * s->space->formats.n;
    add_numbers(json, "logits", s->logit, n);
    add_numbers(json, "first_moments", s->first, n);
    add_numbers(json, "second_moments", s->second, n);
    return json;
}

Status learned_state_write(const LearnedState *s)
{
    Arena *own = arena_create();
    const TrainState state = {.kind = MODEL_FLOAT, .step = s->stages * s->steps, .steps = LEARNED_STAGES * s->steps};
    Status status = checkpoint_write(checkpoint_path(own, s, s->stages), s->model, s->optimizer, &state);
    if (status == STATUS_OK) {
        cJSON *json = state_json(s);
        const char *text = json_print(own, json);
        cJSON_Delete(json);
        status = file_write(own, json_path(own, s), text, strlen(text));
    }
    arena_destroy(own);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

static bool read_numbers(const cJSON *json, const char *key, double *x, int n)
{
    const cJSON *list = json_get(json, key), *item = list == NULL ? NULL : list->child;
    if (cJSON_GetArraySize(list) != n) return false;
    for (int i = 0; i < n; i++, item = item->next) {
        if (!cJSON_IsNumber(item)) return false;
        x[i] = item->valuedouble;
    }
    return true;
}

static bool read_stage(Arena *arena, const LearnedState *s, const cJSON *json, LearnedStage *stage)
{
    const cJSON *formats = json_get(json, "formats"), *price = json_get(json, "price");
    if (cJSON_GetArraySize(formats) != s->space->units) return false;
    *stage = (LearnedStage){.loss = json_number(json, "loss"),
                            .moved = json_number(json, "moved"),
                            .choice = ARENA_ARRAY(arena, int, s->space->units)};
    const cJSON *item = formats->child;
    for (int u = 0; u < s->space->units; u++, item = item->next) {
        const char *name = cJSON_GetStringValue(item);
        stage->choice[u] = name == NULL ? -1 : space_format(s->space, name_find(format_choices, name));
        if (stage->choice[u] < 0) return false;
    }
    for (int i = 0; i < s->costs; i++) stage->price[i] = json_number(price, cost_types[s->cost[i]].name);
    return true;
}

static Status open_json(Arena *arena, const LearnedState *s, cJSON **json)
{
    *json = NULL;
    if (!file_exists(json_path(arena, s))) return STATUS_OK;
    TRY(json_read(arena, json_path(arena, s), json));
    const cJSON *digest = json_get(*json, "digest");
    if (cJSON_IsString(digest) && strcmp(digest->valuestring, s->digest) == 0) return STATUS_OK;
    cJSON_Delete(*json);
    *json = NULL;
    return STATUS_OK;
}

Status learned_state_read(Arena *arena, LearnedState *s)
{
    cJSON *json;
    s->stages = 0;
    TRY(open_json(arena, s, &json));
    const cJSON *list = json_get(json, "stages"), *item = list == NULL ? NULL : list->child;
    for (; item != NULL && s->stages < LEARNED_STAGES && read_stage(arena, s, item, &s->stage[s->stages]);
         item = item->next)
        s->stages++;
    cJSON_Delete(json);
    return STATUS_OK;
}

Status learned_state_load(Arena *arena, LearnedState *s, bool *loaded)
{
    const char *path = checkpoint_path(arena, s, s->stages);
    *loaded = false;
    if (!file_exists(path)) return STATUS_OK;
    cJSON *json;
    TRY(open_json(arena, s, &json));
    const int n = s->space->s->groups.layers * s->space->formats.n;
    const bool numbers = read_numbers(json, "logits", s->logit, n) &&
                         read_numbers(json, "first_moments", s->first, n) &&
                         read_numbers(json, "second_moments", s->second, n);
    cJSON_Delete(json);
    TrainState state = {0};
    TRY(checkpoint_read(path, s->model, s->optimizer, &state));
    *loaded = numbers && state.step == s->stages * s->steps;
    return STATUS_OK;
}

void learned_state_finish(Arena *arena, const LearnedState *s)
{
    for (int k = 0; k < 2; k++) (void)unlink(checkpoint_path(arena, s, k)); /* overwriting a run takes them, too */
}
