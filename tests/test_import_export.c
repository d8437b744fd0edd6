/* What this program exports as ONNX and imports again computes the same: integers exactly, floats within 1e-5. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "deploy/exporter.h"
#include "tests/support/data_files.h"
#include "tests/support/onnx_case.h"
#include "tests/support/random_graph.h"
#include "tests/support/scratch.h"
#include "tests/support/conformance.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "graph/engine.h"
#include "graph/graph_check.h"
#include "graph/node.h"

static const char *folder;

static int8_t *run(Arena *arena, const Graph *g, const int8_t *images, int n)
{
    Engine *engine;
    ck_assert_int_eq(engine_create(arena, g, n, &engine), STATUS_OK);
    int8_t *logits = arena_zalloc(arena, (size_t)n * (size_t)g->classes);
    engine_run(engine, images, n, logits);
    return logits;
}

static void must(Status status, const char *what)
{
    ck_assert_msg(status == STATUS_OK, "%s: %s", what, status_message());
}

/* Exports g with these options, imports it, and compares n images.  False: it cannot be exported. */
static bool round_trip(Arena *arena, const Graph *g, const char *options, const char *what)
{
    enum { IMAGES = 3 };
    const char *path = file_join(arena, folder, "m.onnx"), *again = file_join(arena, folder, "n.onnx");
    cJSON *json;
    must(json_parse(options, strlen(options), "options", &json), what);
    const Status exported = exporter_write(exporter_find("onnx"), arena, g, path, json);
    if (exported == STATUS_UNSUPPORTED) return cJSON_Delete(json), false;
    must(exported, what);
    ImportedModel m;
    must(import_onnx(arena, path, &m), what);
    ck_assert_ptr_nonnull(m.graph);
    ck_assert_str_eq(m.rounding, rounding_names[g->rounding]);
    m.graph->rounding = g->rounding;
    must(graph_check(m.graph), what);
    ck_assert_mem_eq(m.graph->mean, g->mean, sizeof *g->mean * (size_t)g->channels);
    ck_assert_mem_eq(m.graph->std, g->std, sizeof *g->std * (size_t)g->channels);
    const int8_t *images = random_images(arena, g, 7, IMAGES);
    const int8_t *want = run(arena, g, images, IMAGES), *got = run(arena, m.graph, images, IMAGES);
    ck_assert_int_eq(m.classes, g->classes);
    ck_assert_msg(memcmp(want, got, (size_t)IMAGES * (size_t)g->classes) == 0, "%s: other integers", what);
    m.graph->model_name = g->model_name;
    must(exporter_write(exporter_find("onnx"), arena, m.graph, again, json), what);
    cJSON_Delete(json);
    return true;
}

static const char *const forms[] = {
    "{}",
    "{\"activations\":\"int8\"}",
    "{\"weights\":\"uint8\"}",
    "{\"weights\":\"int8\",\"input\":\"codes\"}",
    "{\"activations\":\"int8\",\"clip\":\"values\",\"layout\":\"nhwc\"}",
    "{\"input\":\"codes\",\"clip\":\"values\"}",
    "{\"input\":\"codes\",\"activations\":\"int8\",\"clip\":\"codes\",\"layout\":\"nhwc\"}",
    NULL};

START_TEST(integers_stay_the_same)
{
    enum { SEEDS = 60 };
    int done = 0;
    for (int seed = 0; seed < SEEDS; seed++) {
        Arena *arena = arena_create();
        folder = scratch_folder(arena);
        const Graph *g = random_graph(arena, (uint64_t)seed, 1 + seed % 6, ROUNDING_ONNXRUNTIME);
        for (int i = 0; forms[i] != NULL; i++)
            done += round_trip(arena, g, forms[i], arena_printf(arena, "seed %d, %s", seed, forms[i]));
        folder_remove(folder);
        arena_destroy(arena);
    }
    ck_assert_int_gt(done, SEEDS);
}
END_TEST

/* A clamp may leave one code, the real 0. */
START_TEST(one_code_stays_one_code)
{
    enum { SEEDS = 20 };
    int done = 0;
    for (int seed = 0; seed < SEEDS; seed++) {
        Arena *arena = arena_create();
        folder = scratch_folder(arena);
        Graph *g = random_graph(arena, (uint64_t)seed, 1 + seed % 3, ROUNDING_ONNXRUNTIME);
        for (int i = 0; i < g->nodes; i++) {
            Node *n = &g->node[i];
            if ((i + seed) % 2 == 0 && (node_has_weights(n) || n->op == NODE_ADD || n->op == NODE_REQUANT))
                n->lo = n->hi = g->tensor[n->output].zero_point;
        }
        for (int i = 0; forms[i] != NULL; i++)
            done += round_trip(arena, g, forms[i], arena_printf(arena, "seed %d, %s", seed, forms[i]));
        folder_remove(folder);
        arena_destroy(arena);
    }
    ck_assert_int_gt(done, SEEDS / 2);
}
END_TEST

/* Every layer's examples, exported as floats. */
static void floats_of_example(const LayerType *type, const char *example, const char *model)
{
    if (type->real == NULL) return; /* has no float form */
    static const char *const options[] = {"{\"batch_norm\":\"fold\"}", "{\"layout\":\"nhwc\"}"};
    for (int i = 0; i < 2; i++) {
        Arena *arena = arena_create();
        const char *what = arena_printf(arena, "%s %s %s", type->name, example, options[i]);
        folder = scratch_folder(arena);
        const char *path = file_join(arena, folder, "m.onnx");
        Model *m = small_model(arena, model, NULL, 5);
        cJSON *json;
        must(json_parse(options[i], strlen(options[i]), "options", &json), what);
        must(exporter_write_float(exporter_find("onnx"), arena, m, path, json), what);
        cJSON_Delete(json);
        ImportedModel imported;
        must(import_onnx(arena, path, &imported), what);
        Model *again = onnx_case_model(arena, &imported);
        cJSON_Delete(imported.model);
        const int hwc[3] = {m->input.h, m->input.w, m->input.c};
        ck_assert_mem_eq(imported.input, hwc, sizeof hwc);
        const uint8_t *pixels = onnx_case_pixels(arena, hwc);
        memcpy(again->mean, imported.mean, sizeof(float) * (size_t)m->input.c);
        memcpy(again->std, imported.std, sizeof(float) * (size_t)m->input.c);
        memcpy(again->pixel_value, m->pixel_value, sizeof(float) * 256 * (size_t)m->input.c);
        const float *want = onnx_case_logits(arena, m, pixels), *got = onnx_case_logits(arena, again, pixels);
        double worst = 0;
        for (int k = 0; k < ONNX_CASE_IMAGES * m->classes; k++)
            worst = fmax(worst, fabs((double)want[k] - (double)got[k]));
        ck_assert_msg(worst < 1e-5, "%s: logits differ by %g", what, worst);
        folder_remove(folder);
        arena_destroy(arena);
    }
}

START_TEST(floats_stay_within_rounding) { for_each_layer_example(floats_of_example); }
END_TEST

TEST_MAIN("import_export", integers_stay_the_same, one_code_stays_one_code, floats_stay_within_rounding)
