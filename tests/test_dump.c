/* eval --dump: files that hold exactly what the engine read and answered, and a manifest that says so. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "graph/graph.h"
#include "graph/engine.h"
#include "graph/graph_read.h"
#include "tests/support/data_files.h"
#include "tests/support/program.h"
#include "tests/support/scratch.h"
#include "tests/support/suite.h"

static Arena *arena;
static const char *folder;
enum { IMAGES = 70 };

static void begin(void)
{
    arena = arena_create();
    folder = scratch_folder(arena);
    put_text(folder, "zoo.json", zoo_config);
    program_must(arena, folder, "train zoo.json --quiet --out float --set data.synthetic_test=80");
    program_must(arena, folder, "ptq float/best.safetensors --quiet --out ptq");
}

static void end(void)
{
    folder_remove(folder);
    arena_destroy(arena);
}

static const unsigned char *content(const char *name, size_t bytes)
{
    unsigned char *data;
    size_t n;
    ck_assert_int_eq(file_read(arena, file_join(arena, folder, name), 1 << 26, &data, &n), STATUS_OK);
    ck_assert_msg(n == bytes, "%s: %zu bytes; must be %zu", name, n, bytes);
    return data;
}

static const cJSON *manifest(const char *name)
{
    cJSON *json;
    ck_assert_int_eq(json_read(arena, file_join(arena, folder, name), &json), STATUS_OK);
    const cJSON *copy = json_copy(arena, json);
    cJSON_Delete(json);
    ck_assert_int_eq(json_get(copy, "images")->valueint, IMAGES);
    return copy;
}

/* Every tensor's file is what an engine on the exported file computes from the dumped input. */
START_TEST(codes_are_the_engines)
{
    begin();
    program_must(arena, folder, "export ptq/model.safetensors -o int8.safetensors");
    program_must(arena, folder, "eval ptq/model.safetensors --images 70 --dump out/all --layers");
    Graph *g;
    ck_assert_int_eq(graph_read(arena, file_join(arena, folder, "int8.safetensors"), &g), STATUS_OK);
    Engine *engine;
    ck_assert_int_eq(engine_create(arena, g, IMAGES, &engine), STATUS_OK);
    int8_t *logits = arena_alloc(arena, (size_t)(IMAGES * g->classes)), *again;
    const size_t image = (size_t)graph_tensor_elements(&g->tensor[0]);
    again = arena_alloc(arena, IMAGES * image);
    graph_quantize_pixels(g, content("out/all/pixels.u8", IMAGES * image), IMAGES, again);
    ck_assert_mem_eq(again, content("out/all/input.i8", IMAGES * image), IMAGES * image);
    engine_run(engine, again, IMAGES, logits);
    const cJSON *tensors = json_get(manifest("out/all/tensors.json"), "tensors");
    ck_assert_int_eq(cJSON_GetArraySize(tensors), g->tensors);
    for (int i = 0; i < g->tensors; i++) {
        const cJSON *entry = cJSON_GetArrayItem(tensors, i);
        const size_t bytes = IMAGES * (size_t)graph_tensor_elements(&g->tensor[i]);
        const char *file = json_get(entry, "file")->valuestring;
        const unsigned char *codes = content(arena_printf(arena, "out/all/%s", file), bytes);
        ck_assert_msg(memcmp(codes, engine_tensor(engine, i), bytes) == 0, "%s differs", file);
        bool seen[256] = {0};
        int different = 0;
        for (size_t k = 0; k < bytes; k++) different += !seen[codes[k]], seen[codes[k]] = true;
        ck_assert_int_eq(json_get(entry, "codes_seen")->valueint, different);
        ck_assert((float)json_get(entry, "scale")->valuedouble == g->tensor[i].scale);
        ck_assert_int_eq(json_get(entry, "zero_point")->valueint, g->tensor[i].zero_point);
    }
    int32_t labels[IMAGES];
    memcpy(labels, content("out/all/labels.i32", sizeof labels), sizeof labels);
    for (int i = 0; i < IMAGES; i++) ck_assert(labels[i] >= 0 && labels[i] < g->classes);
    end();
}
END_TEST

/* Without --layers: what goes in and what comes out; the same bytes. */
START_TEST(ends_only)
{
    begin();
    program_must(arena, folder, "eval ptq/model.safetensors --images 70 --dump all --layers");
    program_must(arena, folder, "eval ptq/model.safetensors --images 70 --dump ends");
    const cJSON *json = manifest("ends/tensors.json"), *entry;
    ck_assert_str_eq(json_get(json, "output")->valuestring, "logits");
    int files = 0;
    cJSON_ArrayForEach(entry, json_get(json, "tensors"))
    {
        const cJSON *file = json_get(entry, "file");
        if (file == NULL) continue;
        files++;
        const cJSON *shape = json_get(entry, "shape");
        size_t bytes = IMAGES;
        for (int k = 0; k < 3; k++) bytes *= (size_t)cJSON_GetArrayItem(shape, k)->valueint;
        ck_assert_mem_eq(content(arena_printf(arena, "ends/%s", file->valuestring), bytes),
                         content(arena_printf(arena, "all/%s", file->valuestring), bytes), bytes);
    }
    ck_assert_int_eq(files, 2);
    ck_assert(!file_exists(file_join(arena, folder, "ends/stem.i8")));
    end();
}
END_TEST

/* A float model: the normalised image, and logits whose largest is the answer that eval counts. */
START_TEST(floats)
{
    begin();
    cJSON *eval = program_json(arena, folder, "eval float/best.safetensors --images 70 --dump floats");
    const int correct = (int)lround(json_get(eval, "accuracy")->valuedouble * IMAGES);
    cJSON_Delete(eval);
    const cJSON *tensors = json_get(manifest("floats/tensors.json"), "tensors");
    ck_assert_int_eq(cJSON_GetArraySize(tensors), 2);
    const cJSON *in = json_get(cJSON_GetArrayItem(tensors, 0), "shape");
    const int classes = cJSON_GetArrayItem(json_get(cJSON_GetArrayItem(tensors, 1), "shape"), 2)->valueint;
    const size_t image = (size_t)cJSON_GetArrayItem(in, 0)->valueint * (size_t)cJSON_GetArrayItem(in, 1)->valueint *
                         (size_t)cJSON_GetArrayItem(in, 2)->valueint;
    content("floats/pixels.u8", IMAGES * image);
    content("floats/input.f32", IMAGES * image * sizeof(float));
    const char *file = json_get(cJSON_GetArrayItem(tensors, 1), "file")->valuestring;
    float *logits = arena_alloc(arena, sizeof(float) * (size_t)(IMAGES * classes));
    memcpy(logits, content(arena_printf(arena, "floats/%s", file), sizeof(float) * (size_t)(IMAGES * classes)),
           sizeof(float) * (size_t)(IMAGES * classes));
    int32_t labels[IMAGES];
    memcpy(labels, content("floats/labels.i32", sizeof labels), sizeof labels);
    int found = 0;
    for (int i = 0; i < IMAGES; i++) {
        int best = 0;
        for (int k = 1; k < classes; k++)
            if (logits[i * classes + k] > logits[i * classes + best]) best = k;
        found += best == labels[i];
    }
    ck_assert_int_eq(found, correct);
    end();
}
END_TEST

START_TEST(refused)
{
    begin();
    static const char *const bad[][2] = {
        {"eval ptq/model.safetensors --layers", "--dump"},
        {"eval ptq/model.safetensors --images 100000", "must be at most"},
        {"eval ptq/model.safetensors --images 0", "must be"},
        {"eval ptq/model.safetensors --engine sim --dump x", "must be int8"},
        {"eval float/best.safetensors --dump x --layers", "must be int8"},
        {"eval ptq/model.safetensors --dump zoo.json", "zoo.json"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const Where where = {.folder = folder};
        const Outcome r = program_run(arena, &where, bad[i][0]);
        ck_assert_msg(r.code != 0 && strstr(r.err, bad[i][1]) != NULL, "%s: exit %d: %s", bad[i][0], r.code, r.err);
        ck_assert_int_eq(line_count(r.err), 1);
        ck_assert(!file_exists(file_join(arena, folder, "x")));
    }
    end();
}
END_TEST

TEST_MAIN("dump", codes_are_the_engines, ends_only, floats, refused)
