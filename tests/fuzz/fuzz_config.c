/* The JSON config: reading, checking, printing again, and the model of it. */
#include <string.h>

#include "base/json.h"
#include "tests/fuzz/fuzz.h"
#include "train/experiment.h"

static const double SMALL_MODEL = 1 << 16;

/* What a config resolves to is read as itself. */
static void resolves_to_itself(Arena *arena, const Config *config)
{
    char *text, *text_again;
    ASSERT(config_text(arena, config, config->folder, &text) == STATUS_OK);
    cJSON *json;
    Config *again;
    ASSERT(json_parse(text, strlen(text), "resolved", &json) == STATUS_OK);
    ASSERT(config_from_json(arena, json, config->path, NULL, &again) == STATUS_OK);
    ASSERT(config_text(arena, again, config->folder, &text_again) == STATUS_OK);
    ASSERT(strcmp(text_again, text) == 0);
    cJSON_Delete(json);
}

static bool is_small(const ModelConfig *model)
{
    double weights = 1;
    const cJSON *layer, *member;
    cJSON_ArrayForEach(layer, model->layers) cJSON_ArrayForEach(member, layer)
    {
        if (cJSON_IsNumber(member) && member->valuedouble > 16) weights *= member->valuedouble / 16;
    }
    for (int i = 0; i < model->input.n; i++) weights *= model->input.at[i];
    return weights < SMALL_MODEL;
}

static void run(const uint8_t *data, size_t bytes)
{
    Arena *arena = arena_create();
    Config *config;
    if (config_read(arena, fuzz_path(data, bytes), NULL, &config) == STATUS_OK) {
        Model *m;
        resolves_to_itself(arena, config);
        if (is_small(&config->model)) {
            (void)experiment_model(arena, config, NULL, NULL, &m);
            (void)experiment_model(arena, config, &config->quant, NULL, &m);
        }
    }
    arena_destroy(arena);
}

static size_t mutate(uint8_t *data, size_t bytes, size_t room, Rng *rng, FuzzBytes *change)
{
    cJSON *root = rng_below(rng, 4) == 0 ? NULL : cJSON_ParseWithLength((const char *)data, bytes);
    if (root == NULL) return change(data, bytes, room);
    for (uint32_t i = 0, edits = rng_below(rng, 3); i <= edits; i++) fuzz_edit_json(root, rng);
    Arena *arena = arena_create();
    const char *text = json_print_compact(arena, root);
    const size_t now = strlen(text);
    cJSON_Delete(root);
    if (now <= room) memcpy(data, text, now);
    arena_destroy(arena);
    return now <= room ? now : change(data, bytes, room);
}

const FuzzTarget fuzz_config = {.name = "config", .per_byte = 256, .run = run, .mutate = mutate};
