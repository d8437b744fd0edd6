/* A concat of 40 layers, as in a DenseNet: every way in and out takes it. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "graph/graph.h"
#include "graph/engine.h"
#include "graph/graph_read.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

enum { BRANCHES = 40 };

static void put_config(void)
{
    char *layers = arena_strdup(arena, "");
    char *inputs = layers;
    for (int i = 0; i < BRANCHES; i++) {
        layers = arena_printf(arena,
                              "%s{\"type\":\"conv2d\",\"name\":\"b%d\",\"inputs\":\"input\",\"filters\":2,\"kernel\":3,"
                              "\"stride\":2,\"activation\":\"%s\"},",
                              layers, i, i % 2 == 0 ? "relu" : "none");
        inputs = arena_printf(arena, "%s%s\"b%d\"", inputs, i == 0 ? "" : ",", i);
    }
    put_text(folder, "wide.json",
             arena_printf(arena,
                          "{\"data\":{\"dataset\":\"synthetic\",\"classes\":3,\"synthetic_train\":48,"
                          "\"synthetic_test\":12},\"model\":{\"input\":[6,6,1],\"layers\":[%s"
                          "{\"type\":\"concat\",\"name\":\"cat\",\"inputs\":[%s]},"
                          "{\"type\":\"dense\",\"name\":\"logits\",\"units\":3}]},\"train\":{\"batch\":16},"
                          "\"qat\":{\"epochs\":1,\"lr\":0.01}}",
                          layers, inputs));
}

static Graph *graph_of(const char *name)
{
    Graph *g;
    must(graph_read(arena, inside(name), &g));
    return g;
}

/* The answers to some images. */
static int8_t *answers(const Graph *g)
{
    enum { IMAGES = 4 };
    Engine *engine;
    const long pixels = graph_tensor_elements(&g->tensor[0]);
    int8_t *images = arena_alloc(arena, (size_t)(IMAGES * pixels));
    int8_t *logits = arena_alloc(arena, (size_t)(IMAGES * g->classes));
    for (long i = 0; i < IMAGES * pixels; i++) images[i] = (int8_t)(i * 37 % 251 - 125);
    must(engine_create_planned(arena, g, &engine));
    engine_run(engine, images, IMAGES, logits);
    return logits;
}

START_TEST(forty_inputs)
{
    begin();
    put_config();
    program_must(arena, folder, "qat wide.json --quiet --out run");
    for (int i = 0; rounding_names[i] != NULL; i++) {
        const char *verify =
            arena_printf(arena, "verify run/last.safetensors --set quant.dialect=%s", rounding_names[i]);
        ck_assert_ptr_nonnull(strstr(program_must(arena, folder, verify), " 0 different"));
    }
    program_must(arena, folder, "export run/last.safetensors -o wide.tflite");
    program_must(arena, folder, "export run/last.safetensors --set quant.dialect=onnxruntime -o integers.safetensors");
    program_must(arena, folder, "export run/last.safetensors --set quant.dialect=onnxruntime -o wide.onnx");
    program_must(arena, folder, "import wide.onnx -o back --set data.dataset=synthetic");
    const Graph *g = graph_of("integers.safetensors"), *back = graph_of("back/model.safetensors");
    ck_assert_int_eq(memcmp(answers(g), answers(back), (size_t)(4 * g->classes)), 0);
    int widest = 0;
    for (int i = 0; i < back->nodes; i++) widest = back->node[i].inputs > widest ? back->node[i].inputs : widest;
    ck_assert_int_eq(widest, BRANCHES);
    program_must(arena, folder, "export run/last.safetensors --set quant.dialect=tflite-double -o wide.c");
    put_text(folder, "main.c", "int wide_self_test(void);\nint main(void) { return wide_self_test(); }\n");
    const char *build =
        arena_printf(arena, "cd %s && gcc -std=c99 -O1 -DWIDE_SELF_TEST wide.c main.c -o main && ./main", folder);
    ck_assert_msg(system(build) == 0, "%s", build); /* NOLINT: a command of this file */
    program_must(arena, folder, "train wide.json --quiet --out float --set train.epochs=1");
    program_must(arena, folder, "export float/last.safetensors --float -o float.onnx");
    program_must(arena, folder, "import float.onnx -o float_back --set data.dataset=synthetic");
    end();
}
END_TEST

/* The C of an imported model is in a rounding that C has, and the program says what that changes; `eval` agrees. */
START_TEST(c_of_an_imported_model)
{
    begin();
    put_config();
    program_must(arena, folder, "qat wide.json --quiet --out run");
    program_must(arena, folder, "export run/last.safetensors --set quant.dialect=onnxruntime -o wide.onnx");
    program_must(arena, folder, "import wide.onnx -o back --set data.dataset=synthetic --set data.classes=3");
    const Outcome r = program_run(arena, &(Where){.folder = folder}, "export back/model.safetensors -o back.c");
    ck_assert_msg(r.code == 0, "%s", r.err);
    ck_assert_msg(strstr(r.out, "quantized with the rounding onnxruntime, written with tflite-single") != NULL, "%s",
                  r.out);
    ck_assert_msg(strstr(r.out, "accuracy") != NULL || strstr(r.out, "none of") != NULL, "%s", r.out);
    program_must(arena, folder, "eval back/model.safetensors --set quant.dialect=tflite-single");
    end();
}
END_TEST

/* A fraction on the command line is the double next to it, in the resolved config, too. */
START_TEST(fractions_on_the_command_line)
{
    begin();
    put_config();
    program_must(arena, folder,
                 "train wide.json --quiet --out run --set train.epochs=0 --set data.normalize.std=1/255");
    uint8_t *text;
    size_t bytes;
    must(file_read(arena, inside("run/config.json"), 1 << 20, &text, &bytes));
    cJSON *config = cJSON_ParseWithLength((const char *)text, bytes);
    const cJSON *std =
        cJSON_GetObjectItem(cJSON_GetObjectItem(cJSON_GetObjectItem(config, "data"), "normalize"), "std");
    ck_assert(cJSON_GetArrayItem(std, 0)->valuedouble == 1.0 / 255.0);
    cJSON_Delete(config);
    end();
}
END_TEST

TEST_MAIN("wide_concat", forty_inputs, c_of_an_imported_model, fractions_on_the_command_line)
