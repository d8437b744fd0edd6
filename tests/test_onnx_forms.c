/* The forms of the ONNX files: where codes are clipped, what options change, what is refused. */
#include <string.h>

#include "base/file.h"
#include "deploy/lower.h"
#include "deploy/runtime_limits.h"
#include "tests/support/onnx_exported.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "tests/support/zoo_graph.h"

static const char *const forms[] = {"{}", "{\"activations\":\"int8\"}", "{\"weights\":\"uint8\"}",
                                    "{\"layout\":\"nhwc\",\"clip\":\"values\"}"};
enum { FORMS = sizeof forms / sizeof forms[0] };

/* A convolution below 8 bits with this activation, and a dense layer. */
static Graph *narrow(const char *activation)
{
    Graph *g;
    const char *text = arena_printf(arena,
                                    "{\"input\":[8,8,4],\"layers\":[{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":6,"
                                    "\"kernel\":3,\"activation\":\"%s\"},{\"type\":\"dense\",\"name\":\"d\","
                                    "\"units\":3}]}",
                                    activation);
    Model *m =
        small_model(arena, text, "{\"weights\":{\"bits\":4},\"activations\":{\"bits\":4},\"first_last_bits\":0}", 64);
    must(model_lower(arena, m, ROUNDING_ONNXRUNTIME, &g));
    return g;
}

static int scalar(const Onnx__ModelProto *m, const char *name)
{
    OnnxTensor value;
    const int64_t *values;
    ck_assert_msg(onnx_exported_constant(m, name) != NULL, "no constant \"%s\"", name);
    must(onnx_tensor_read(arena, onnx_exported_constant(m, name), ".", &value));
    ck_assert_int_eq(value.rank, 0);
    must(onnx_tensor_ints(arena, &value, &values));
    return (int)values[0];
}

START_TEST(relu_below_8_bits)
{
    onnx_exported_begin();
    const Graph *g = narrow("relu");
    const Onnx__ModelProto *m = onnx_exported_read_back(g, "{\"activations\":\"int8\"}");
    ck_assert_int_eq(scalar(m, "a/zero_point"), 127 - 15); /* codes 112 to 127: saturation is the upper clip */
    ck_assert_str_eq(onnx_exported_node(m, "a/clip")->op_type, "Relu");
    ck_assert_str_eq(onnx_exported_maker(m, onnx_exported_node(m, "a/clip")->input[0])->op_type, "DequantizeLinear");
    ck_assert_str_eq(onnx_exported_maker(m, onnx_exported_node(m, "a/round")->input[0])->op_type, "Conv");
    m = onnx_exported_read_back(g, "{}");
    ck_assert_int_eq(scalar(m, "a/zero_point"), 255 - 15);
    ck_assert_str_eq(onnx_exported_node(m, "a/clip")->op_type, "Clip");
    ck_assert_int_eq(scalar(m, "a/min"), 240);
    ck_assert_int_eq(scalar(m, "a/max"), 255);
    ck_assert_int_eq(onnx_exported_count(m, "Relu"), 0);
    onnx_exported_end();
}
END_TEST

START_TEST(signed_below_8_bits)
{
    onnx_exported_begin();
    const Graph *g = narrow("none");
    for (int i = 0; i < 2; i++) {
        const Onnx__ModelProto *m = onnx_exported_read_back(g, i == 0 ? "{\"activations\":\"int8\"}" : "{}");
        const Onnx__NodeProto *clip = onnx_exported_node(m, "a/clip");
        ck_assert_str_eq(clip->op_type, "Clip");
        ck_assert_str_eq(onnx_exported_maker(m, clip->input[0])->op_type, "QuantizeLinear");
        ck_assert_str_eq(onnx_exported_node(m, "a/dequantize")->input[0], clip->output[0]);
        ck_assert_int_eq(scalar(m, "a/min"), g->tensor[1].qmin + 128 * i);
        ck_assert_int_eq(scalar(m, "a/max"), g->tensor[1].qmax + 128 * i);
    }
    onnx_exported_end();
}
END_TEST

/* The lower end of int8 is a ReLU's: the node says so, and no clip follows. */
START_TEST(relu_of_8_bits)
{
    onnx_exported_begin();
    Graph *g;
    Model *model =
        small_model(arena,
                    "{\"input\":[8,8,4],\"layers\":[{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":1,"
                    "\"kernel\":3,\"activation\":\"relu\"},{\"type\":\"dense\",\"name\":\"d\",\"units\":3}]}",
                    "{}", 65);
    must(model_lower(arena, model, ROUNDING_ONNXRUNTIME, &g));
    const Onnx__ModelProto *m = onnx_exported_read_back(g, "{\"activations\":\"int8\"}");
    ck_assert_str_eq(onnx_exported_maker(m, onnx_exported_node(m, "a/relu")->input[0])->op_type, "Conv");
    ck_assert_str_eq(onnx_exported_node(m, "a/quantize")->input[0], onnx_exported_node(m, "a/relu")->output[0]);
    ck_assert_int_eq(onnx_exported_count(m, "Clip"), 0);
    ck_assert_int_eq((int)onnx_exported_constant(m, "a/weight/scale")->n_dims, 0); /* one output channel: a scalar */
    ck_assert_int_eq((int)onnx_exported_constant(m, "d/weight/scale")->n_dims, 1);
    onnx_exported_end();
}
END_TEST

/* Two layers with weights of these bits: what is multiplied in pairs, and a depthwise one. */
static Graph *with_weights(int bits)
{
    Graph *g;
    const char *quant = arena_printf(arena, "{\"weights\":{\"bits\":%d},\"first_last_bits\":0}", bits);
    Model *m = small_model(arena,
                           "{\"input\":[8,8,4],\"layers\":[{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":6,"
                           "\"kernel\":3},{\"type\":\"depthwise_conv2d\",\"name\":\"w\",\"kernel\":3},"
                           "{\"type\":\"dense\",\"name\":\"d\",\"units\":3}]}",
                           quant, 67);
    must(model_lower(arena, m, ROUNDING_ONNXRUNTIME, &g));
    return g;
}

/* uint8 weights are the same numbers with 128 added; 'u' or 'i' for "a", "w" and "d". */
static void check_types(const Graph *g, const char *options, const char *types)
{
    const Onnx__ModelProto *m = onnx_exported_read_back(g, options);
    static const char *const names[] = {"a", "w", "d"};
    bool saturates = false;
    for (int i = 0; i < 3; i++) {
        const OnnxDataType type = types[i] == 'u' ? ONNX_UINT8 : ONNX_INT8;
        const Onnx__TensorProto *w = onnx_exported_constant(m, arena_printf(arena, "%s/weight", names[i])),
                                *z = onnx_exported_constant(m, arena_printf(arena, "%s/weight/zero_point", names[i]));
        ck_assert_msg(w->data_type == (int)type && z->data_type == (int)type, "%s: %s", options, names[i]);
        OnnxTensor zero;
        const int64_t *zeros;
        must(onnx_tensor_read(arena, z, ".", &zero));
        must(onnx_tensor_ints(arena, &zero, &zeros));
        ck_assert_int_eq(zero.count, g->node[i].geom.o);
        for (int64_t k = 0; k < zero.count; k++) ck_assert_int_eq(zeros[k], type == ONNX_UINT8 ? 128 : 0);
        saturates |= type == ONNX_INT8 && node_products_saturate(g, &g->node[i]);
    }
    cJSON *json = cJSON_Parse(options);
    const char *note = exporter_note(exporter_find("onnx"), arena, g, json), *says = onnx_metadata(m, "onnxruntime");
    cJSON_Delete(json);
    ck_assert_msg((note != NULL) == saturates && (says != NULL) == saturates, "%s: %s", options, note);
    if (!saturates) return;
    ck_assert_ptr_nonnull(strstr(note, "2 layers, \"a\" the first"));
    ck_assert_ptr_nonnull(strstr(note, "session.x64quantprecision=1"));
    ck_assert_ptr_nonnull(strstr(says, "session.x64quantprecision=1"));
}

START_TEST(weights_that_would_saturate_are_uint8)
{
    onnx_exported_begin();
    const Graph *eight = with_weights(8), *seven = with_weights(7);
    check_types(eight, "{}", "uiu");
    check_types(eight, "{\"weights\":\"int8\"}", "iii");
    check_types(eight, "{\"weights\":\"uint8\"}", "uuu");
    check_types(eight, "{\"activations\":\"int8\"}", "iii");
    check_types(seven, "{}", "iii");
    check_types(seven, "{\"weights\":\"int8\"}", "iii");
    onnx_exported_end();
}
END_TEST

START_TEST(what_it_says_of_itself)
{
    onnx_exported_begin();
    const Graph *g = narrow("relu");
    const Onnx__ModelProto *m = onnx_exported_read_back(g, "{\"layout\":\"nhwc\",\"input\":\"codes\"}");
    ck_assert_str_eq(onnx_metadata(m, "dialect"), "onnxruntime");
    ck_assert_str_eq(onnx_metadata(m, "mean"),
                     "[0.4000000059604645,0.4000000059604645,0.4000000059604645,0.4000000059604645]");
    ck_assert_str_eq(onnx_metadata(m, "std"), "[0.25,0.25,0.25,0.25]");
    ck_assert_str_eq(onnx_metadata(m, "layout"), "nhwc");
    ck_assert_str_eq(onnx_metadata(m, "input"), "codes");
    ck_assert_ptr_nonnull(onnx_metadata(m, "classes"));
    ck_assert_ptr_null(onnx_metadata(m, "nothing"));
    const Onnx__TypeProto__Tensor *in = m->graph->input[0]->type->tensor_type;
    ck_assert_str_eq(m->graph->input[0]->name, "input");
    ck_assert_int_eq(in->elem_type, ONNX_UINT8);
    ck_assert_str_eq(in->shape->dim[0]->dim_param, "N");
    ck_assert_int_eq(in->shape->dim[3]->dim_value, 4);
    ck_assert_str_eq(m->graph->output[0]->name, "logits");
    ck_assert_int_eq(m->graph->output[0]->type->tensor_type->elem_type, ONNX_FLOAT);
    ck_assert_str_eq(onnx_exported_maker(m, "logits")->op_type, "DequantizeLinear");
    ck_assert(exporter_made(exporter_find("onnx"), onnx_path));
    onnx_exported_end();
}
END_TEST

START_TEST(equal_bytes)
{
    for (int f = 0; f < FORMS; f++) {
        onnx_exported_begin();
        unsigned char *first, *second;
        size_t a, b;
        must(onnx_exported_export(narrow("relu6"), forms[f]));
        must(file_read(arena, onnx_path, 1 << 20, &first, &a));
        must(onnx_exported_export(narrow("relu6"), forms[f]));
        must(file_read(arena, onnx_path, 1 << 20, &second, &b));
        ck_assert(a == b && memcmp(first, second, a) == 0);
        onnx_exported_end();
    }
}
END_TEST

/* Channels that batch norm has switched off. */
START_TEST(dead_channels)
{
    onnx_exported_begin();
    Graph *g;
    Model *m = small_model(arena,
                           "{\"input\":[8,8,4],\"layers\":[{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":6,"
                           "\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},{\"type\":\"dense\","
                           "\"name\":\"d\",\"units\":3}]}",
                           "{}", 66);
    static const float gammas[] = {0.0f, -0.0f, 1e-12f, -1e-6f, 1e-3f, -2.0f};
    for (int c = 0; c < 6; c++) m->layer[0].gamma->x[c] = gammas[c];
    must(model_lower(arena, m, ROUNDING_ONNXRUNTIME, &g));
    onnx_exported_read_back(g, "{}");
    onnx_exported_end();
}
END_TEST

static void refused_and_no_file(Status status, const char *words)
{
    refused(status, words);
    ck_assert(!file_exists(onnx_path));
}

START_TEST(refusals)
{
    onnx_exported_begin();
    Graph *zoo = zoo_graph(arena), *g = narrow("relu");
    zoo->rounding = ROUNDING_XNNPACK;
    refused_and_no_file(onnx_exported_export(zoo, "{}"),
                        "rounding xnnpack; must be one that runtimes of onnx files round");
    refused_and_no_file(onnx_exported_export(g, "{\"layout\":\"chwn\"}"), "layout");
    refused_and_no_file(onnx_exported_export(g, "{\"activation\":\"int8\"}"), "activations");
    float *scale = ARENA_ARRAY(arena, float, g->node[0].geom.o);
    for (int o = 0; o < g->node[0].geom.o; o++) scale[o] = 1e-20f;
    const float *kept = g->node[0].weight_scale;
    g->node[0].weight_scale = scale;
    refused_and_no_file(onnx_exported_export(g, "{}"), "\"a\"");
    g->node[0].weight_scale = kept;
    g->node[1].name = g->tensor[2].name = "a/weight"; /* what the weights of "a" are called */
    g->output = 2;
    refused_and_no_file(onnx_exported_export(g, "{}"), "a/weight");
    onnx_exported_end();
}
END_TEST

static FloatOp a_table(const Layer *l)
{
    (void)l;
    return (FloatOp){.op = NODE_LUT};
}

static const CurveType unknown_curve = {.name = "bend"};
static FloatOp a_curve(const Layer *l)
{
    (void)l;
    return (FloatOp){.op = NODE_LUT, .curve = &unknown_curve};
}

/* A float network, too, is refused by the layer's name where ONNX has no operation for it: it does not go missing. */
START_TEST(float_layers_without_an_operation)
{
    onnx_exported_begin();
    Model *m = small_model(arena,
                           "{\"input\":[8,8,4],\"layers\":[{\"type\":\"activation\",\"name\":\"a\"},"
                           "{\"type\":\"dense\",\"name\":\"d\",\"units\":3}]}",
                           NULL, 65);
    LayerType curve = *m->layer[0].type;
    curve.real = a_table;
    m->layer[0].type = &curve;
    refused_and_no_file(onnx_exported_export_float(m, "{}"), "layer \"a\": a node of type lut, for which ONNX has no");
    curve.real = a_curve;
    refused_and_no_file(onnx_exported_export_float(m, "{}"),
                        "layer \"a\": bend, for which ONNX has no operator; export");
    onnx_exported_end();
}
END_TEST

TEST_MAIN("onnx forms", float_layers_without_an_operation, relu_below_8_bits, signed_below_8_bits, relu_of_8_bits,
          weights_that_would_saturate_are_uint8, what_it_says_of_itself, equal_bytes, dead_channels, refusals)
