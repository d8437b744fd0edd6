/* ONNX files that torch's exporter and python3-onnx wrote: the imported network computes what they computed. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "deploy/runtime_limits.h"
#include "tests/support/onnx_case.h"
#include "tests/support/suite.h"
#include "graph/engine.h"
#include "graph/graph_check.h"

static Arena *arena;

static void import_case(const char *name, ImportedModel *m)
{
    const Status status = import_onnx(arena, arena_printf(arena, "tests/onnx/%s.onnx", name), m);
    ck_assert_msg(status == STATUS_OK, "%s", status_message());
}

/* Largest difference over the largest magnitude; `relative`: without what is common to an image's logits, which a
 * softmax takes away. */
static double distance(const float *a, const float *b, long n, long classes, bool relative)
{
    double worst = 0, largest = 1e-3;
    for (long i = 0; i < n; i++) {
        const long first = i - i % classes;
        const double base = relative ? (double)a[first] - (double)b[first] : 0.0;
        worst = fmax(worst, fabs((double)a[i] - (double)b[i] - base));
        largest = fmax(largest, fabs((double)b[i]));
    }
    return worst / largest;
}

static const char *const float_cases[] = {"torch_lenet",
                                          "torch_resnet",
                                          "torch_resnet_bn",
                                          "torch_mobilenet",
                                          "torch_mobilenet_folded",
                                          "torch_mobilenetv3",
                                          "torch_mobilenetv3_13",
                                          "torch_pools",
                                          "torch_pads",
                                          "torch_order",
                                          "torch_row",
                                          "keras_cnn",
                                          "keras_mobile",
                                          "keras_concat",
                                          "old_style",
                                          "new_style",
                                          "external",
                                          "shuffle",
                                          NULL};

START_TEST(float_networks_compute_the_same)
{
    for (int i = 0; float_cases[i] != NULL; i++) {
        arena = arena_create();
        ImportedModel imported;
        import_case(float_cases[i], &imported);
        ck_assert_ptr_null(imported.graph);
        Model *m = onnx_case_model(arena, &imported);
        cJSON_Delete(imported.model);
        long count;
        const float *want = onnx_case_outputs(arena, float_cases[i], &count);
        ck_assert_int_eq(count, (long)ONNX_CASE_IMAGES * imported.classes);
        const float *got = onnx_case_logits(arena, m, onnx_case_pixels(arena, imported.input));
        const double d = distance(got, want, count, imported.classes, imported.notes > 0);
        ck_assert_msg(d < 1e-5, "%s: logits differ by %g of the largest", float_cases[i], d);
        arena_destroy(arena);
    }
}
END_TEST

static const char *const integer_cases[] = {"qdq_uint8", "qdq_int8", "qdq_codes", "qdq_constants", "qdq_shuffle", NULL};

/* The codes of the files are those of the images: one of its two cases computed with floats, one with integers. */
START_TEST(integer_networks_compute_the_same)
{
    for (int i = 0; integer_cases[i] != NULL; i++) {
        arena = arena_create();
        ImportedModel imported;
        import_case(integer_cases[i], &imported);
        ck_assert_ptr_null(imported.model);
        Graph *g = imported.graph;
        g->rounding = ROUNDING_ONNXRUNTIME;
        const Status status = graph_check(g);
        ck_assert_msg(status == STATUS_OK, "%s: %s", integer_cases[i], status_message());
        ck_assert_msg(graph_check_runtime(g) == STATUS_OK, "%s: %s", integer_cases[i], status_message());
        long count;
        const float *want = onnx_case_outputs(arena, integer_cases[i], &count);
        ck_assert_int_eq(count, (long)ONNX_CASE_IMAGES * imported.classes);
        Engine *engine;
        ck_assert_int_eq(engine_create(arena, g, ONNX_CASE_IMAGES, &engine), STATUS_OK);
        int8_t *codes = arena_alloc(arena, (size_t)(ONNX_CASE_IMAGES * graph_tensor_elements(&g->tensor[0])));
        int8_t *logits = arena_alloc(arena, (size_t)count);
        graph_quantize_pixels(g, onnx_case_pixels(arena, imported.input), ONNX_CASE_IMAGES, codes);
        engine_run(engine, codes, ONNX_CASE_IMAGES, logits);
        const GraphTensor *y = &g->tensor[g->output];
        long different = 0;
        for (long k = 0; k < count; k++)
            different += fabsf(want[k] - y->scale * (float)(logits[k] - y->zero_point)) > 1e-4f * y->scale;
        ck_assert_msg(different == 0, "%s: %ld of %ld codes differ", integer_cases[i], different, count);
        arena_destroy(arena);
    }
}
END_TEST

TEST_MAIN("import_onnx", float_networks_compute_the_same, integer_networks_compute_the_same)
