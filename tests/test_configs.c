/* The configs that the project ships: the network each describes, and that it trains, quantizes and verifies. */
#include <math.h>

#include "deploy/lower.h"
#include "tests/support/data_sets.h"
#include "tests/support/suite.h"
#include "train/recipe.h"
#include "train/trainer.h"
#include "graph/engine.h"

enum { IMAGES = 8 };

static const struct {
    const char *path;
    long parameters, macs;
} shipped[] = {
    {"configs/mnist_lenet.json", 61728, 416520},           {"configs/cifar10_resnet8.json", 78042, 12501632},
    {"configs/cifar10_resnet20.json", 272474, 40813184},   {"configs/kws_dscnn.json", 23180, 2656768},
    {"configs/vww_mobilenetv1_025.json", 213586, 7489664}, {"configs/mnist_sample_mobilenetv3.json", 9806, 156992},
};
enum { CONFIGS = sizeof shipped / sizeof shipped[0] };

/* Two steps of four images. */
static Config *read_shortened(Arena *arena, const char *path)
{
    static const char *const sets[] = {
        "data.dataset=synthetic", "data.synthetic_train=8", "data.synthetic_test=8", "data.augment={}",
        "train.batch=4",          "train.epochs=1",         "qat.epochs=1",          NULL};
    Config *config;
    ck_assert_msg(config_read(arena, path, sets, &config) == STATUS_OK, "%s", status_message());
    return config;
}

static void trains(Arena *arena, const Config *config, const DataSplits *data, Model *m, ModelKind kind)
{
    const TrainJob job = {.config = config, .data = data, .model = m, .kind = kind};
    TrainResult result;
    ck_assert_msg(train_run(arena, &job, &result) == STATUS_OK, "%s: %s", config->name, status_message());
    ck_assert_int_eq(result.steps, 2);
    ck_assert(isfinite(result.loss));
}

static void verifies(Arena *arena, const Config *config, const DataSplits *data, Model *m)
{
    Graph *graph;
    Engine *engine;
    ck_assert_msg(model_lower(arena, m, (Rounding)config->quant.rounding, &graph) == STATUS_OK, "%s", status_message());
    ck_assert_int_eq(engine_create(arena, graph, IMAGES, &engine), STATUS_OK);
    Arena *step = arena_create();
    Tape *t = tape_create(arena, step);
    VerifyResult result = {0};
    const uint8_t *pixels = all_images(arena, &data->test);
    ck_assert_int_eq(verify_batch(m, t, engine, graph, pixels, IMAGES, &result), STATUS_OK);
    ck_assert_msg(result.different == 0, "%s: %s", config->name, result.first);
    ck_assert_int_gt(result.values, 1000);
    arena_destroy(step);
}

static void check_network(int i)
{
    Arena *arena = arena_create();
    const Config *config = read_shortened(arena, shipped[i].path);
    Model *m;
    ck_assert_msg(experiment_model(arena, config, NULL, NULL, &m) == STATUS_OK, "%s", status_message());
    long macs = 0;
    for (int l = 0; l < m->layers; l++) macs += layer_macs(&m->layer[l]);
    ck_assert_int_eq(model_parameters(m), shipped[i].parameters);
    ck_assert_int_eq(macs, shipped[i].macs);
    ck_assert_msg(m->exact_pixels, "%s: the image's codes are not the pixels", config->name);
    arena_destroy(arena);
}

static void check_training(int i)
{
    Arena *arena = arena_create();
    const Config *config = read_shortened(arena, shipped[i].path);
    DataSplits data;
    Model *real, *ptq, *qat;
    ck_assert_msg(experiment_data(arena, config, &data) == STATUS_OK, "%s", status_message());
    ck_assert_int_eq(experiment_model(arena, config, NULL, &data, &real), STATUS_OK);
    model_init(real, config->seed);
    trains(arena, config, &data, real, MODEL_FLOAT);
    const QuantConfig quant = ptq_quant_config(arena, &config->quant);
    ck_assert_int_eq(quantize_from(arena, config, &quant, real, &data, &ptq), STATUS_OK);
    verifies(arena, config, &data, ptq);
    ck_assert_int_eq(quantize_from(arena, config, &config->quant, real, &data, &qat), STATUS_OK);
    trains(arena, config, &data, qat, MODEL_QAT);
    verifies(arena, config, &data, qat);
    arena_destroy(arena);
}

START_TEST(networks)
{
    for (int i = 0; i < CONFIGS; i++) check_network(i);
}
END_TEST

START_TEST(trains_quantizes_verifies)
{
    for (int i = 0; i < CONFIGS; i++) check_training(i);
}
END_TEST

TEST_MAIN("configs", networks, trains_quantizes_verifies)
