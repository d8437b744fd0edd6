/* The checkpoint of a small quantized model, as training goes on from it. */
#include <string.h>

#include "base/json.h"
#include "deploy/lower.h"
#include "tests/fuzz/fuzz.h"
#include "train/checkpoint.h"
#include "train/experiment.h"
#include "graph/engine.h"

static const char text[] =
    "{\"seed\":1,\"data\":{\"dataset\":\"synthetic\",\"classes\":2},\"model\":{\"input\":[4,4,1],\"layers\":["
    "{\"type\":\"conv2d\",\"name\":\"c\",\"filters\":2,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"global_avgpool\",\"name\":\"p\"},{\"type\":\"dense\",\"name\":\"d\",\"units\":2}]},"
    "\"train\":{\"optimizer\":{\"type\":\"adamw\"}},\"quant\":{\"weights\":{\"bits\":3},\"activations\":{\"bits\":4},"
    "\"first_last_bits\":0}}";

/* Numbers of any kind are in it now: frozen, it gives the same integers or says why it cannot. */
static void use_model(Arena *arena, Model *m)
{
    Graph *g;
    Engine *engine;
    if (model_lower(arena, m, ROUNDING_XNNPACK, &g) != STATUS_OK) return;
    fuzz_use_graph(arena, g);
    ASSERT(engine_create(arena, g, 1, &engine) == STATUS_OK);
    Arena *step = arena_create();
    Tape *t = tape_create(arena, step);
    VerifyResult result = {0};
    static const uint8_t pixels[16] = {0, 255, 3, 77, 128, 9, 200, 90, 33, 18, 40, 1, 254, 60, 100, 7};
    ASSERT(verify_batch(m, t, engine, g, pixels, 1, &result) == STATUS_OK);
    ASSERT(result.values > 0 && result.different == 0);
    arena_destroy(step);
}

static void run(const uint8_t *data, size_t bytes)
{
    Arena *arena = arena_create();
    uint8_t *file = arena_alloc(arena, bytes);
    memcpy(file, data, bytes);
    fuzz_right_crc(file, bytes);
    const char *path = fuzz_path(file, bytes);
    cJSON *json;
    Config *config;
    Model *quantized, *plain;
    Optimizer o;
    ASSERT(json_parse(text, sizeof text - 1, "net", &json) == STATUS_OK);
    ASSERT(config_from_json(arena, json, "net.json", NULL, &config) == STATUS_OK);
    cJSON_Delete(json);
    ASSERT(experiment_model(arena, config, &config->quant, NULL, &quantized) == STATUS_OK);
    ASSERT(experiment_model(arena, config, NULL, NULL, &plain) == STATUS_OK);
    ASSERT(optimizer_make(arena, &config->train.optimizer, &quantized->params, &o) == STATUS_OK);
    TrainState state = {0};
    Checkpoint c;
    const Status first = checkpoint_open(arena, path, &c);
    const Status whole = checkpoint_read(path, quantized, &o, &state);
    const Status model = checkpoint_read(path, quantized, NULL, &state);
    ASSERT(whole != STATUS_OK || (first == STATUS_OK && model == STATUS_OK));
    if (model == STATUS_OK) use_model(arena, quantized);
    const Status real = checkpoint_read(path, plain, NULL, &state);
    ASSERT(real != STATUS_OK || (first == STATUS_OK && c.kind == MODEL_FLOAT));
    arena_destroy(arena);
}

const FuzzTarget fuzz_checkpoint = {.name = "checkpoint", .per_byte = 64, .run = run, .mutate = fuzz_mutate_safe};
