/* The checkpoint of a small quantized model, as training goes on from it. */
#include <string.h>

#include "deploy/lower.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/small_model.h"
#include "train/checkpoint.h"

static const char net[] = "{\"input\":[4,4,1],\"layers\":[{\"type\":\"conv2d\",\"name\":\"c\",\"filters\":2,"
                          "\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},{\"type\":\"global_avgpool\","
                          "\"name\":\"p\"},{\"type\":\"dense\",\"name\":\"d\",\"units\":2}]}";
static const char quant[] = "{\"weights\":{\"bits\":3},\"activations\":{\"bits\":4},\"first_last_bits\":0}";

/* Numbers of any kind are in it now: frozen, it gives the same integers or says why it cannot. */
static void use_model(Arena *arena, Model *m)
{
    QGraph *g;
    Engine *engine;
    if (model_lower(arena, m, DIALECT_XNNPACK, &g) != STATUS_OK) return;
    fuzz_use_graph(arena, g);
    ASSERT(engine_create(arena, g, 1, &engine) == STATUS_OK);
    Arena *step = arena_create();
    Tape *t = tape_create(arena, step);
    VerifyResult result = {0};
    ASSERT(verify_batch(m, t, engine, g, small_pixels(arena, m, 1), 1, &result) == STATUS_OK);
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
    Model *quantized, *plain;
    ASSERT(small_model_build(arena, net, quant, &quantized) == STATUS_OK);
    ASSERT(small_model_build(arena, net, NULL, &plain) == STATUS_OK);
    Optimizer o;
    const OptimizerConfig adam = {.type = 1, .lr = 0.1, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};
    ASSERT(optimizer_make(arena, &adam, &quantized->params, &o) == STATUS_OK);
    TrainState state;
    ModelKind kind;
    const Status first = checkpoint_kind(path, &kind);
    const Status whole = checkpoint_read(path, quantized, &o, &state);
    const Status model = checkpoint_read(path, quantized, NULL, &state);
    ASSERT(whole != STATUS_OK || (first == STATUS_OK && model == STATUS_OK));
    if (model == STATUS_OK) use_model(arena, quantized);
    const Status network = checkpoint_read_weights(path, plain);
    ASSERT(network != STATUS_OK || (first == STATUS_OK && kind == MODEL_FLOAT));
    arena_destroy(arena);
}

const FuzzTarget fuzz_checkpoint = {.name = "checkpoint", .per_byte = 64, .run = run, .mutate = fuzz_mutate_safe};
