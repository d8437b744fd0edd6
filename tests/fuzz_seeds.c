/* Writes the first inputs of `make fuzz` (tests/fuzz/seeds), small files of each kind as this program makes them:
 *     FUZZ_SEEDS=tests/fuzz/seeds build/release/tests/fuzz_seeds
 * A test program, because what it makes models with asserts.
 */
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "base/json.h"
#include "deploy/exporter.h"
#include "deploy/lower.h"
#include "tests/support/data_files.h"
#include "tests/support/data_sets.h"
#include "tests/support/jpeg_files.h"
#include "tests/support/random_graph.h"
#include "tests/support/scratch.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "tests/support/zoo_graph.h"
#include "train/checkpoint.h"

static Arena *arena;
static const char *seeds;

static const char residual[] =
    "{\"input\":[6,6,2],\"layers\":[{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":3,\"kernel\":3,\"padding\":"
    "\"same\","
    "\"batch_norm\":true,\"activation\":\"relu\"},{\"type\":\"depthwise_conv2d\",\"name\":\"b\",\"kernel\":3,"
    "\"padding\":\"same\",\"activation\":\"relu6\"},{\"type\":\"add\",\"name\":\"s\",\"inputs\":[\"a\",\"b\"],"
    "\"activation\":\"relu\"},{\"type\":\"maxpool\",\"name\":\"m\",\"kernel\":2},{\"type\":\"flatten\",\"name\":\"f\"},"
    "{\"type\":\"dense\",\"name\":\"d\",\"units\":3}]}";
static const char plain[] =
    "{\"input\":[4,4,1],\"layers\":[{\"type\":\"conv2d\",\"name\":\"c\",\"filters\":2,\"kernel\":3,\"batch_norm\":true,"
    "\"activation\":\"relu\"},{\"type\":\"global_avgpool\",\"name\":\"p\"},{\"type\":\"dense\",\"name\":\"d\","
    "\"units\":2}]}";
static const char joined[] =
    "{\"input\":[5,5,3],\"layers\":[{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":2,\"kernel\":3,\"activation\":"
    "\"relu\"},{\"type\":\"conv2d\",\"name\":\"b\",\"inputs\":\"input\",\"filters\":3,\"kernel\":[3,3],\"stride\":1},"
    "{\"type\":\"concat\",\"name\":\"j\",\"inputs\":[\"a\",\"b\"]},{\"type\":\"avgpool\",\"name\":\"p\",\"kernel\":2},"
    "{\"type\":\"flatten\",\"name\":\"f\"},{\"type\":\"dense\",\"name\":\"d\",\"units\":4}]}";
static const char four[] = "{\"weights\":{\"bits\":4},\"activations\":{\"bits\":4},\"first_last_bits\":0}";
static const char eight[] = "{}";
static const char in_floats[] =
    "{\"weights\":{\"bits\":4},\"activations\":{\"format\":\"float16\"},\"first_last_bits\":0,"
    "\"overrides\":[{\"layers\":\"d\",\"weight_format\":\"float16\"}]}";
static const char at_run_time[] = "{\"activations\":{\"scheme\":\"dynamic\"}}";
static const char three[] = "{\"weights\":{\"bits\":3},\"activations\":{\"bits\":4},\"first_last_bits\":0}";

static void must(Status status) { ck_assert_msg(status == STATUS_OK, "%s", status_message()); }

/* seeds/TARGET/NAME, its folder made. */
static const char *place(const char *target, const char *name)
{
    const char *folder = file_join(arena, seeds, target);
    must(file_make_dir(folder));
    return file_join(arena, folder, name);
}

/* A graph as one format, or nothing where that cannot hold it. */
static void put_graph(const Graph *g, const char *name, const char *format, const char *target, const char *options)
{
    const ExporterType *type = exporter_find(format);
    const char *path = place(target, arena_printf(arena, "%s%s", name, type->extension));
    cJSON *json = NULL;
    if (options != NULL) must(json_parse(options, strlen(options), "options", &json));
    (void)exporter_write(type, arena, g, path, json);
    if (type->companion != NULL) unlink(exporter_companion(type, arena, path));
    cJSON_Delete(json);
}

static void put_graphs(void)
{
    for (int d = 0; rounding_names[d] != NULL; d++) {
        Graph *g = zoo_graph(arena);
        g->rounding = (Rounding)d;
        put_graph(g, arena_printf(arena, "zoo_%s", rounding_names[d]), "safetensors", "int8_model", NULL);
    }
    for (uint64_t seed = 1; seed <= 8; seed++) {
        const Graph *g = random_graph(arena, seed, 3, ROUNDING_XNNPACK);
        const char *name = arena_printf(arena, "random_%d", (int)seed);
        put_graph(g, name, "safetensors", "int8_model", NULL);
        put_graph(g, name, "tflite", "tflite", NULL);
        put_graph(g, name, "onnx", "onnx", seed % 2 == 0 ? "{\"layout\":\"nhwc\"}" : "{\"activations\":\"uint8\"}");
    }
}

static void put_models(void)
{
    static const struct {
        const char *name, *model;
    } models[] = {{"plain", plain}, {"residual", residual}, {"joined", joined}};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        Graph *g;
        Model *m = small_model(arena, models[i].model, NULL, 1);
        const char *name = arena_printf(arena, "%s_float", models[i].name);
        must(exporter_write_float(exporter_find("onnx"), arena, m, place("onnx", arena_printf(arena, "%s.onnx", name)),
                                  NULL));
        must(model_lower(arena, small_model(arena, models[i].model, four, 1), ROUNDING_XNNPACK, &g));
        put_graph(g, models[i].name, "tflite", "tflite", NULL);
        must(model_lower(arena, small_model(arena, models[i].model, eight, 1), ROUNDING_TFLITE_SINGLE, &g));
        put_graph(g, arena_printf(arena, "%s_8", models[i].name), "tflite", "tflite", NULL);
        Graph *floats;
        must(model_lower(arena, small_model(arena, models[i].model, in_floats, 1), ROUNDING_XNNPACK, &floats));
        put_graph(floats, arena_printf(arena, "%s_floats", models[i].name), "tflite", "tflite", NULL);
        put_graph(g, models[i].name, "onnx", "onnx", NULL);
        put_graph(g, models[i].name, "safetensors", "int8_model", NULL);
        must(model_lower(arena, small_model(arena, models[i].model, at_run_time, 1), ROUNDING_XNNPACK, &floats));
        const char *dynamic = arena_printf(arena, "%s_dynamic", models[i].name);
        put_graph(floats, dynamic, "tflite", "tflite", NULL);
        put_graph(floats, dynamic, "safetensors", "int8_model", NULL);
    }
}

static void put_checkpoints(void)
{
    const OptimizerConfig adam = {.type = 1, .lr = 0.1, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};
    TrainState state = {.kind = MODEL_QAT, .seed = 7, .step = 3, .steps = 9, .best = 0.5};
    Optimizer o;
    static const char *names[] = {"one", "two"};
    Model *m = small_model(arena, plain, three, 1), *n = small_model(arena, plain, NULL, 1);
    m->class_names = n->class_names = names;
    must(optimizer_make(arena, &adam, &m->params, &o));
    must(checkpoint_write(place("checkpoint", "training.safetensors"), m, &o, &state));
    must(checkpoint_write(place("checkpoint", "finished.safetensors"), m, NULL, &state));
    state.kind = MODEL_FLOAT;
    must(checkpoint_write(place("checkpoint", "float.safetensors"), n, NULL, &state));
}

static void put_configs(void)
{
    static const char *const models[] = {plain, residual, joined};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        const char *text = arena_printf(
            arena,
            "{\"seed\":1,\"data\":{\"dataset\":\"synthetic\",\"classes\":3,\"augment\":{\"shift\":2,\"flip\":true}},"
            "\"model\":%s,\"train\":{\"epochs\":2,\"optimizer\":{\"type\":\"adamw\",\"lr\":1e-3},\"schedule\":"
            "{\"type\":\"cosine\",\"warmup\":0.05}},\"quant\":%s,\"qat\":{\"epochs\":1},\"compare\":{\"ptq_bits\":[8,4]"
            ","
            "\"observers\":[\"minmax\",\"mse\"]}}\n",
            models[i], i == 0 ? three : four);
        must(file_write(arena, place("config", arena_printf(arena, "%d.json", (int)i)), text, strlen(text)));
    }
}

static void put_pictures(void)
{
    static const uint8_t rows[64] = {0, 10, 255, 77, 128, 3, 200, 90, 33, 0x18, 0x40, 1};
    static const uint8_t palette[] = {1, 2, 3, 250, 128, 0, 9, 8, 7}, alpha[] = {255, 255, 0};
    static const Picture pictures[] = {
        {3, 2, 8, PNG_COLOR_TYPE_GRAY, .rows = rows},
        {3, 2, 8, PNG_COLOR_TYPE_RGB, .interlaced = true, .rows = rows},
        {2, 2, 8, PNG_COLOR_TYPE_RGB_ALPHA, .rows = rows},
        {2, 2, 16, PNG_COLOR_TYPE_GRAY_ALPHA, .rows = rows},
        {3, 2, 2, PNG_COLOR_TYPE_PALETTE, .palette = palette, .entries = 3, .alpha = alpha, .rows = rows},
        {9, 3, 1, PNG_COLOR_TYPE_GRAY, .interlaced = true, .rows = rows},
    };
    for (size_t i = 0; i < sizeof pictures / sizeof pictures[0]; i++)
        put_png(file_join(arena, seeds, "png"), arena_printf(arena, "%d.png", (int)i), &pictures[i]);
}

static void put_jpegs(void)
{
    static uint8_t rows[20 * 20 * 4];
    Rng rng = rng_make(6, RNG_TEST, 0);
    for (size_t i = 0; i < sizeof rows; i++) rows[i] = (uint8_t)rng_u32(&rng);
    static const JpegPicture pictures[] = {
        {20, 20, 1, .rows = rows, .quality = 50, .orientation = 6},
        {17, 9, 3, .rows = rows, .quality = 30, .sub_sampled = true, .orientation = 3, .big_endian = true},
        {17, 20, 3, .rows = rows, .quality = 30, .sub_sampled = true, .progressive = true},
        {16, 8, 3, .rows = rows, .quality = 40, .separate = true},
        {8, 8, 4, .rows = rows, .quality = 40},
        {8, 8, 1, .rows = rows, .quality = 40, .arithmetic = true},
    };
    must(file_make_dir(file_join(arena, seeds, "jpeg")));
    for (size_t i = 0; i < sizeof pictures / sizeof pictures[0]; i++)
        put_jpeg(file_join(arena, seeds, "jpeg"), arena_printf(arena, "%d.jpg", (int)i), &pictures[i]);
}

/* The two training files of a set as one, as tests/fuzz/fuzz_dataset.c takes them apart. */
static void put_set(const char *folder, const char *images, const char *labels, int kind, const char *name)
{
    unsigned char *first, *second;
    size_t n, m;
    must(file_read(arena, file_join(arena, folder, images), 1 << 15, &first, &n));
    must(file_read(arena, file_join(arena, folder, labels), 1 << 15, &second, &m));
    unsigned char *both = arena_alloc(arena, 3 + n + m);
    both[0] = (unsigned char)kind, both[1] = (unsigned char)(n >> 8), both[2] = (unsigned char)n;
    memcpy(both + 3, first, n);
    memcpy(both + 3 + n, second, m);
    must(file_write(arena, place("dataset", name), both, 3 + n + m));
}

static void put_sets(void)
{
    const char *folder = scratch_folder(arena);
    put_idx_set(folder, false);
    put_idx_set(folder, true);
    put_set(folder, "train-images-idx3-ubyte", "train-labels-idx1-ubyte", 0, "idx");
    put_set(folder, "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", 0, "idx_gzip");
    put_npy_set(folder, 1, "<i8", 8, false);
    put_set(folder, "train_images.npy", "train_labels.npy", 1, "npy");
    put_npy_set(folder, 2, ">i4", 4, true);
    put_set(folder, "train_images.npy", "train_labels.npy", 1, "npy_big_endian");
    static const float values[7] = {1, -2.5f, 0, 1e30f, -0.0f, 3, 4};
    put_npy(folder, "train_targets.npy", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (7, 1), }", values,
            sizeof values);
    put_set(folder, "train_images.npy", "train_targets.npy", 2, "npy_values");
    folder_remove(folder);
}

static void put_tables(void)
{
    static const char *const tables[][2] = {{"plain", "file,mm,angle\na.png,1.5,-3e2\nb.png,2,0\n"},
                                            {"quoted", "\xef\xbb\xbf"
                                                       "file,\"a \"\"b\"\"\"\r\n\r\n\"x,\ny\",7\r\n"},
                                            {"one_column", "file\n\"\"\nb"}};
    must(file_make_dir(file_join(arena, seeds, "csv")));
    for (int i = 0; i < 3; i++) must(file_write(arena, place("csv", tables[i][0]), tables[i][1], strlen(tables[i][1])));
}

START_TEST(write_seeds)
{
    seeds = getenv("FUZZ_SEEDS");
    ck_assert_ptr_nonnull(seeds);
    arena = arena_create();
    put_graphs();
    put_models();
    put_checkpoints();
    put_configs();
    must(file_make_dir(file_join(arena, seeds, "png")));
    put_pictures();
    put_jpegs();
    put_sets();
    put_tables();
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("fuzz_seeds", write_seeds)
