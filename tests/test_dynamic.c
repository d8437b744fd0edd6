/* Grids found at run time: the published examples, integer products against plain loops, and what exports make of them. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "deploy/exporter.h"
#include "deploy/lower.h"
#include "deploy/onnx/onnx_file.h"
#include "graph/engine.h"
#include "graph/graph_check.h"
#include "graph/node.h"
#include "kernels/requant_dynamic.h"
#include "quant/dynamic_ops.h"
#include "tests/support/fixture.h"
#include "tests/support/gradcheck.h"
#include "tests/support/kernel_cases.h"
#include "tests/support/onnx_exported.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"

/* The examples of ONNX's DynamicQuantizeLinear; then ties, which go to the even code, and a range without 0. */
static const struct {
    int n;
    float x[12], scale;
    int zero_point, codes[12];
} golden[] = {
    {6, {0, 2, -3, -2.5f, 1.34f, 0.5f}, 0.0196078438f, 153, {153, 255, 0, 26, 221, 179}},
    {6, {-1, -2.1f, -1.3f, -2.5f, -3.34f, -4}, 0.0156862754f, 255, {191, 121, 172, 96, 42, 0}},
    {12,
     {1, 2.1f, 1.3f, 2.5f, 3.34f, 4, 1.5f, 2.6f, 3.9f, 4, 3, 2.345f},
     0.0156862754f,
     0,
     {64, 134, 83, 159, 213, 255, 96, 166, 249, 255, 191, 149}},
    {5, {0.5f, 1.5f, 2.5f, 254.5f, 255}, 1, 0, {0, 2, 2, 254, 255}},
    {4, {-127.5f, 127.5f, 0.5f, 1.5f}, 1, 128, {0, 255, 128, 130}},
    {3, {10, 11, 510}, 2, 0, {5, 6, 255}},
    {3, {0, 0, 0}, 1, 0, {0, 0, 0}},
};

START_TEST(published_examples)
{
    FOR_EACH_ISA(isa)
    {
        for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
            int8_t codes[12];
            const QuantizeGrid g = dynamic_quantize((size_t)golden[i].n, golden[i].x, codes);
            ck_assert_msg(g.scale == golden[i].scale, "%zu: scale %.9g", i, (double)g.scale);
            ck_assert_int_eq(g.zero_point + 128, golden[i].zero_point);
            for (int k = 0; k < golden[i].n; k++)
                ck_assert_msg(codes[k] + 128 == golden[i].codes[k], "%zu[%d]: %d", i, k, codes[k] + 128);
        }
    }
}
END_TEST

/* Ranges that have no scale. */
START_TEST(ends_of_floats)
{
    int8_t codes[2];
    const QuantizeGrid tiny = dynamic_quantize(2, (const float[]){0, 0x1p-149f}, codes);
    ck_assert(tiny.scale == 1.0f && tiny.zero_point == -128 && codes[0] == -128 && codes[1] == -128);
    const QuantizeGrid wide = dynamic_quantize(2, (const float[]){-3e38f, 3e38f}, codes);
    ck_assert(isinf(wide.scale));
    const QuantizeGrid bad = dynamic_quantize(2, (const float[]){1, NAN}, codes);
    ck_assert(isinf(bad.scale));
}
END_TEST

/* Every code, sum and product by the formula, of one output in one position. */
START_TEST(products_by_hand)
{
    begin_model();
    /* x on the grid of step 1 around 128; y = (1 * 0.5) * (1*2 + (-3)*1 + 127*(-1)) + 0.25. */
    const float x[3] = {1, -3, 127.5f}, scale[1] = {0.5f}, bias[1] = {0.25f};
    const float both[3] = {1, -127.5f, 127.5f};
    const int8_t w[3] = {2, 1, -1};
    const DynamicConvConfig config = {.geom = dense_geom(1, 3, 1), .weights = w, .weight_scale = scale, .bias = bias};
    DynamicConv c;
    must(dynamic_conv_make(arena, &config, &c));
    void *scratch = arena_alloc(arena, dynamic_conv_scratch_bytes(&c));
    float y;
    dynamic_conv_run(&c, both, &y, scratch);
    /* -127.5 is 0 - 128 = -128 steps, 127.5 the code 255: 127 steps. */
    ck_assert(y == 0.5f * (float)(2 * 1 + 1 * -128 - 127) + 0.25f);
    /* scale = 130.5 / 255, zero point = rne(3 / scale) = 6. */
    const float s = 130.5f / 255.0f;
    dynamic_conv_run(&c, x, &y, scratch);
    ck_assert(y == (s * 0.5f) * (float)(2 * 2 + 1 * -6 - 249) + 0.25f);
    end_model();
}
END_TEST

static const char net[] =
    "{\"input\":[9,8,3],\"layers\":["
    "{\"type\":\"conv2d\",\"name\":\"stem\",\"filters\":5,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"d\",\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu6\"},"
    "{\"type\":\"global_avgpool\",\"name\":\"g\"},{\"type\":\"dense\",\"name\":\"logits\",\"units\":5}]}";
static const char dynamic[] = "{\"activations\":{\"scheme\":\"dynamic\"}}";

/* What is seen of an image does not depend on the images beside it, in the layers as in the engine. */
START_TEST(images_alone)
{
    begin_model();
    Bench b = bench_make();
    Model *m = small_model(arena, net, dynamic, 7);
    const uint8_t *pixels = small_pixels(arena, m, 8);
    const size_t image = (size_t)m->input.h * (size_t)m->input.w * (size_t)m->input.c;
    static const Arithmetic arithmetics[] = {ARITHMETIC_FAKE, ARITHMETIC_INT};
    for (int a = 0; a < 2; a++) {
        const ForwardMode mode = {.arithmetic = arithmetics[a]};
        tape_reset(b.tape, false);
        const Tensor *y = model_forward(m, b.tape, &mode, pixels, SMALL_IMAGES);
        ck_assert_ptr_nonnull(y);
        float all[SMALL_IMAGES * 5];
        memcpy(all, y->x, sizeof all);
        for (int i = 0; i < SMALL_IMAGES; i++) {
            tape_reset(b.tape, false);
            y = model_forward(m, b.tape, &mode, pixels + (size_t)i * image, 1);
            ck_assert_mem_eq(y->x, all + 5 * i, 5 * sizeof *all);
        }
    }
    bench_end(&b);
    end_model();
}
END_TEST

/* op_dynamic gives its values on a grid of 256 codes for each image, and its gradient passes. */
START_TEST(gradient_passes)
{
    begin_model();
    Bench b = bench_make();
    tape_reset(b.tape, true);
    float x[6] = {0, 0.6f, 255, 0, 1.2f, 510}, dx[6] = {0};
    Tensor *y = op_dynamic(b.tape, tape_leaf(b.tape, "x", shape_2(2, 3), x, dx));
    const float want[6] = {0, 1, 255, 0, 2, 510}, dy[6] = {1, 2, 3, 4, 5, 6};
    ck_assert_mem_eq(y->x, want, sizeof want);
    memcpy(tensor_grad(b.tape, y), dy, sizeof dy);
    b.tape->last->type->backward(b.tape, b.tape->last);
    ck_assert_mem_eq(b.tape->last->in[0]->dx, dy, sizeof dy);
    bench_end(&b);
    end_model();
}
END_TEST

/* Sums that leave int32 on some grid, and input_bits where they mean nothing. */
START_TEST(unsound_graphs)
{
    begin_model();
    static const char large[] =
        "{\"input\":[264,256,1],\"layers\":[{\"type\":\"dense\",\"name\":\"logits\",\"units\":1}]}";
    Graph *g;
    must(model_lower(arena, small_model(arena, large, dynamic, 7), ROUNDING_XNNPACK, &g));
    Node *n = &g->node[g->nodes - 1];
    int8_t *w = arena_alloc(arena, 264 * 256);
    n->weights = memset(w, 127, 264 * 256);
    refused(graph_check(g), "node \"logits\": channel 0: sums up to 2197291008");
    memset(w, 120, 264 * 256);
    must(graph_check(g));
    n->input_bits = 4;
    refused(graph_check(g), "node \"logits\": input_bits 4; must be 8, or none");
    n->input_bits = 0, g->node[0].input_bits = 8;
    refused(graph_check(g), "input_bits 8; only a node with weights that computes in floats has them");
    must(model_lower(
        arena,
        small_model(arena, large, "{\"weights\":{\"format\":\"float32\"},\"activations\":{\"format\":\"float32\"}}", 7),
        ROUNDING_XNNPACK, &g));
    g->node[g->nodes - 1].input_bits = 8;
    refused(graph_check(g), "weights in float32; must be int8 codes with input_bits");
    ck_assert_int_eq(dynamic_products((ChannelWeights){100, -100}), 100 * 128 + 128 * 100);
    end_model();
}
END_TEST

static int count(const Onnx__ModelProto *m, const char *op) { return onnx_exported_count(m, op); }

/* ONNX: one image at a time, uint8 by uint8, a scale for each channel in the Mul. */
START_TEST(onnx_operators)
{
    onnx_exported_begin();
    Graph *g;
    must(model_lower(arena, small_model(arena, net, dynamic, 7), ROUNDING_ONNXRUNTIME, &g));
    const Onnx__ModelProto *m = onnx_exported_read_back(g, "{}");
    ck_assert_int_eq(count(m, "DynamicQuantizeLinear"), 3);
    ck_assert_int_eq(count(m, "ConvInteger"), 2);
    ck_assert_int_eq(count(m, "MatMulInteger"), 1);
    ck_assert_int_eq(count(m, "Conv") + count(m, "Gemm"), 0);
    const Onnx__TensorShapeProto *shape = m->graph->input[0]->type->tensor_type->shape;
    ck_assert(shape->dim[0]->has_dim_value && shape->dim[0]->dim_value == 1);
    const Onnx__NodeProto *conv = onnx_exported_node(m, "stem");
    ck_assert_uint_eq(conv->n_input, 4);
    ck_assert_str_eq(onnx_exported_maker(m, conv->input[0])->op_type, "DynamicQuantizeLinear");
    ck_assert_str_eq(onnx_exported_maker(m, conv->input[0])->output[2], conv->input[2]);
    onnx_exported_end();
}
END_TEST

START_TEST(c_refuses)
{
    begin_model();
    Graph *g;
    must(model_lower(arena, small_model(arena, net, dynamic, 7), ROUNDING_TFLITE_SINGLE, &g));
    const char *path = file_join(arena, ".", "dynamic_model.c");
    refused(
        exporter_write(exporter_find("c"), arena, g, path, NULL),
        "layer \"stem\": finds the grid of its input at run time (quant.activations.scheme \"dynamic\"); --to c writes "
        "grids that are known before");
    ck_assert(!file_exists(path));
    refused(exporter_check_dynamic(exporter_find("c"), g), "layer \"stem\"");
    must(exporter_check_dynamic(exporter_find("tflite"), g));
    end_model();
}
END_TEST

TEST_MAIN("dynamic", published_examples, ends_of_floats, products_by_hand, images_alone, gradient_passes,
          unsound_graphs, onnx_operators, c_refuses)
