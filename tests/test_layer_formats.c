/* Layers in floats beside layers in integers: what a model computes in training's end is what its graph computes, bit for
 * bit, and every parameter learns. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "deploy/lower.h"
#include "deploy/safetensors/export_safetensors.h"
#include "graph/engine.h"
#include "graph/graph_read.h"
#include "graph/node.h"
#include "quant/format_ops.h"
#include "quant/scheme_check.h"
#include "tests/support/conformance.h"
#include "tests/support/fixture.h"
#include "tests/support/gradcheck.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"

static int nodes_of(const Graph *g, NodeKind kind)
{
    int n = 0;
    for (int i = 0; i < g->nodes; i++) n += g->node[i].op == kind;
    return n;
}

static void verify_in(Model *m, Tape *t, Rounding rounding, const uint8_t *pixels, const char *what)
{
    Graph *graph, *read;
    Engine *engine;
    ck_assert_msg(model_lower(m->arena, m, rounding, &graph) == STATUS_OK, "%s: %s", what, status_message());
    must(export_safetensors(m->arena, graph, model_path));
    must(graph_read(m->arena, model_path, &read));
    ck_assert_int_eq(engine_create(m->arena, read, SMALL_IMAGES, &engine), STATUS_OK);
    VerifyResult result = {0};
    ck_assert_msg(verify_batch(m, t, engine, read, pixels, SMALL_IMAGES, &result) == STATUS_OK, "%s: %s", what,
                  status_message());
    ck_assert_msg(result.different == 0, "%s, %s: %ld of %ld values differ, first %s", what, rounding_names[rounding],
                  result.different, result.values, result.first);
}

static void every_parameter_learns(const Model *m, const char *what)
{
    for (int i = 0; i < m->params.n; i++) {
        const Param *p = m->params.param[i];
        double sum = 0;
        for (long k = 0; k < p->count; k++) sum += fabs((double)p->dx[k]);
        ck_assert_msg(isfinite(sum) && (sum > 0 || p->kind == PARAM_QUANTIZER), "%s: %s has no gradient", what,
                      p->name);
    }
}

static void step(Model *m, Tape *t, ForwardMode mode, const uint8_t *pixels, const char *what)
{
    small_step(m, t, &mode, pixels);
    every_parameter_learns(m, what);
    for (size_t i = 0; i < m->params.count; i++) m->params.x[i] -= 1e-3f * m->params.dx[i];
}

/* A model calibrated, trained with batch norm apart, and frozen; after each, in every rounding. */
static void check(const char *model, const char *quant, int roundings)
{
    Bench b = bench_make();
    Model *m = small_model(arena, model, quant, 51);
    const uint8_t *pixels = small_pixels(arena, m, 52);
    for (int r = 0; r < roundings; r++) verify_in(m, b.tape, (Rounding)r, pixels, quant);
    step(m, b.tape, (ForwardMode){.arithmetic = ARITHMETIC_FAKE, .batch_statistics = true, .observe = true}, pixels,
         quant);
    verify_in(m, b.tape, ROUNDING_XNNPACK, pixels, quant);
    step(m, b.tape, (ForwardMode){.arithmetic = ARITHMETIC_INT, .rounding = ROUNDING_XNNPACK}, pixels, quant);
    verify_in(m, b.tape, ROUNDING_ONNXRUNTIME, pixels, quant);
    bench_end(&b);
}

static const char *const quants[] = {
    "{\"overrides\":[{\"layers\":\"a\",\"format\":\"float32\"}]}",
    "{\"overrides\":[{\"layers\":\"d\",\"format\":\"float32\"}]}",
    "{\"weights\":{\"bits\":4},\"activations\":{\"bits\":4,\"symmetric\":true},\"first_last_bits\":0,"
    "\"overrides\":[{\"layers\":\"[bcs]\",\"format\":\"float16\"}]}",
    "{\"activations\":{\"format\":\"float32\"}}",
    "{\"weights\":{\"format\":\"int4\",\"granularity\":\"per_tensor\"},\"activations\":{\"format\":\"float32\"}}",
    "{\"weights\":{\"format\":\"bfloat16\"}}",
    "{\"weights\":{\"format\":\"float8_e4m3\"},\"activations\":{\"format\":\"float8_e5m2\"},"
    "\"overrides\":[{\"layers\":\"b\",\"format\":\"int8\"}]}",
    "{\"overrides\":[{\"layers\":\"s\",\"activation_format\":\"bfloat16\"}]}", "{\"activations\":{\"bits\":16}}",
    "{\"weights\":{\"bits\":3,\"granularity\":\"per_tensor\"},\"activations\":{\"format\":\"int16\"},\"first_last_"
    "bits\":0}",
    "{\"overrides\":[{\"layers\":\"[bcr]\",\"activation_bits\":16}]}", "{\"output_bits\":16}", "{\"output_bits\":32}",
    "{\"weights\":{\"bits\":3},\"first_last_bits\":0,\"output_bits\":32,\"overrides\":[{\"layers\":\"e\",\"format\":"
    "\"float16\"}]}",
    "{\"overrides\":[{\"layers\":\"[ac]\",\"format\":\"int16\"},{\"layers\":\"[se]\",\"format\":\"float32\"}]}",
    "{\"weights\":{\"format\":\"bfloat16\"},\"activations\":{\"format\":\"int16\"},"
    "\"overrides\":[{\"layers\":\"[bd]\",\"weight_format\":\"int8\"},{\"layers\":\"c\",\"activation_bits\":8}]}",
    /* Of the floats of b and q int8 codes are made, though outputs have 16 bits. */
    "{\"activations\":{\"bits\":16},\"overrides\":[{\"layers\":\"b\",\"activation_format\":\"float16\"},"
    "{\"layers\":\"[rs]\",\"activation_bits\":8}]}",
    /* Weights with zero points, and with a scale for each group: in integers, in floats, on int16 codes, as sums. */
    "{\"weights\":{\"bits\":4,\"scheme\":\"affine\"},\"first_last_bits\":0}",
    "{\"weights\":{\"bits\":7,\"scheme\":\"affine\",\"granularity\":\"per_tensor\"},\"first_last_bits\":0,\"output_"
    "bits\":32}",
    "{\"weights\":{\"bits\":3,\"granularity\":\"per_group\",\"group_size\":8},\"first_last_bits\":0}",
    "{\"weights\":{\"bits\":2,\"scheme\":\"affine\",\"granularity\":\"per_group\",\"group_size\":16,\"observer\":"
    "\"mse\"},"
    "\"activations\":{\"bits\":16},\"overrides\":[{\"layers\":\"e\",\"activation_bits\":8}]}",
    "{\"weights\":{\"bits\":8,\"scheme\":\"affine\"},\"activations\":{\"format\":\"float32\"}}",
    "{\"weights\":{\"bits\":4,\"scheme\":\"affine\",\"granularity\":\"per_group\",\"group_size\":5},"
    "\"activations\":{\"format\":\"float16\"},\"first_last_bits\":0}",
    "{\"weights\":{\"bits\":8,\"granularity\":\"per_group\"},\"activations\":{\"format\":\"float32\"},\"overrides\":["
    "{\"layers\":\"e\",\"weight_bits\":3,\"weight_quantizer\":\"lsq\"},{\"layers\":\"b\",\"weight_scheme\":\"affine\"}]"
    "}",
    "{\"weights\":{\"bits\":4,\"scheme\":\"affine\",\"granularity\":\"per_group\",\"group_size\":6},"
    "\"activations\":{\"scheme\":\"dynamic\"},\"first_last_bits\":0}",
    /* Grids found at run time: everywhere; of some layers; of others not, beside floats, codes and weights in few bits. */
    "{\"activations\":{\"scheme\":\"dynamic\"}}",
    "{\"weights\":{\"bits\":3,\"granularity\":\"per_tensor\"},\"activations\":{\"scheme\":\"dynamic\"},\"first_last_"
    "bits\":0}",
    "{\"weights\":{\"bits\":2,\"quantizer\":\"twn\"},\"activations\":{\"scheme\":\"dynamic\",\"format\":\"float16\"}}",
    "{\"overrides\":[{\"layers\":\"[bd]\",\"activation_scheme\":\"dynamic\"}]}",
    "{\"activations\":{\"scheme\":\"dynamic\"},\"overrides\":[{\"layers\":\"e\",\"activation_scheme\":\"static\"},"
    "{\"layers\":\"b\",\"activation_bits\":4},{\"layers\":\"a\",\"format\":\"float32\"},{\"layers\":\"c\","
    "\"activation_bits\":16}]}"};
enum { QUANTS = sizeof quants / sizeof quants[0] };

static const char graph_model[] =
    "{\"input\":[8,8,4],\"layers\":["
    "{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":6,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"b\",\"kernel\":3,\"batch_norm\":true},"
    "{\"type\":\"add\",\"name\":\"s\",\"inputs\":[\"a\",\"b\"],\"activation\":\"relu6\"},"
    "{\"type\":\"avgpool\",\"name\":\"p\",\"kernel\":2},"
    "{\"type\":\"maxpool\",\"name\":\"q\",\"kernel\":2,\"inputs\":\"b\"},"
    "{\"type\":\"activation\",\"name\":\"r\",\"inputs\":\"q\"},"
    "{\"type\":\"concat\",\"name\":\"c\",\"inputs\":[\"p\",\"q\",\"r\"]},"
    "{\"type\":\"flatten\",\"name\":\"f\"},"
    "{\"type\":\"dense\",\"name\":\"e\",\"units\":12,\"activation\":\"relu\"},"
    "{\"type\":\"dense\",\"name\":\"d\",\"units\":3}]}";

START_TEST(graphs)
{
    begin_model();
    for (int i = 0; i < QUANTS; i++) check(graph_model, quants[i], ROUNDINGS);
    end_model();
}
END_TEST

/* Curves in floats between layers on int8 codes, on int16 codes, and in other floats. */
START_TEST(graphs_with_curves)
{
    static const char curved[] =
        "{\"input\":[8,8,4],\"layers\":["
        "{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":6,\"kernel\":3,\"batch_norm\":true,\"activation\":"
        "\"hard_swish\"},"
        "{\"type\":\"depthwise_conv2d\",\"name\":\"b\",\"kernel\":3,\"activation\":\"sigmoid\"},"
        "{\"type\":\"multiply\",\"name\":\"m\",\"inputs\":[\"a\",\"b\"]},"
        "{\"type\":\"maxpool\",\"kernel\":2},{\"type\":\"activation\",\"name\":\"r\",\"function\":\"tanh\"},"
        "{\"type\":\"flatten\"},{\"type\":\"dense\",\"name\":\"e\",\"units\":12,\"activation\":\"silu\"},"
        "{\"type\":\"dense\",\"name\":\"d\",\"units\":3,\"activation\":\"hard_sigmoid\"}]}";
    static const char *const curved_quants[] = {
        "{\"overrides\":[{\"layers\":\"a\",\"format\":\"float32\"}]}", "{\"activations\":{\"format\":\"float32\"}}",
        "{\"overrides\":[{\"layers\":\"[br]\",\"activation_format\":\"bfloat16\"},{\"layers\":\"e\","
        "\"weight_format\":\"float16\"}]}",
        "{\"activations\":{\"bits\":16},\"overrides\":[{\"layers\":\"[abred]\",\"format\":\"float32\"}]}",
        "{\"activations\":{\"bits\":4},\"weights\":{\"bits\":4},\"first_last_bits\":0,\"overrides\":[{\"layers\":\"[rd]"
        "\","
        "\"format\":\"float8_e4m3\"}]}"};
    begin_model();
    for (size_t i = 0; i < sizeof curved_quants / sizeof curved_quants[0]; i++)
        check(curved, curved_quants[i], ROUNDINGS);
    end_model();
}
END_TEST

static void check_example(const LayerType *layer, const char *example, const char *model)
{
    (void)layer, (void)example;
    static const char *const all[] = {"{\"activations\":{\"format\":\"float32\"}}",
                                      "{\"weights\":{\"format\":\"float16\"},\"activations\":{\"format\":\"float16\"}}",
                                      "{\"overrides\":[{\"layers\":\"[abc]\",\"format\":\"float32\"}]}",
                                      "{\"activations\":{\"bits\":16}}",
                                      "{\"overrides\":[{\"layers\":\"[abc]\",\"format\":\"int16\"}]}"};
    for (int i = 0; i < 5; i++) {
        Model *m;
        const Status status = small_model_build(arena, model, all[i], &m);
        if (status == STATUS_OK)
            check(model, all[i], 1);
        else /* a curve */
            refused(status, "which is a table of 256 codes; int8 or a float format is required");
        ck_assert(status == STATUS_OK || i >= 3);
    }
}

START_TEST(every_layer)
{
    begin_model();
    for_each_layer_example(check_example);
    end_model();
}
END_TEST

/* One layer in floats: the nodes around it, and nothing else that is other. */
START_TEST(nodes_where_formats_meet)
{
    begin_model();
    Model *m = small_model(arena, graph_model, quants[0], 5);
    Graph *g;
    must(model_lower(arena, m, ROUNDING_XNNPACK, &g));
    ck_assert_int_eq(nodes_of(g, NODE_DEQUANTIZE), 1); /* the image, read by a */
    ck_assert_int_eq(nodes_of(g, NODE_QUANTIZE), 1);   /* a, read by b and s */
    ck_assert_str_eq(g->node[0].name, "input.dequantized");
    ck_assert_str_eq(g->node[1].name, "a");
    ck_assert(node_is_float(g, &g->node[1]) && g->node[1].weight_format == FORMAT_FLOAT32);
    ck_assert_str_eq(g->node[2].name, "a.quantized");
    ck_assert(m->layer[0].weight_q == NULL && m->layer[0].out_q != NULL && m->layer[0].feeds_codes);
    for (int i = 3; i < g->nodes; i++) ck_assert(!node_is_float(g, &g->node[i]));
    m = small_model(arena, graph_model, quants[1], 5);
    must(model_lower(arena, m, ROUNDING_XNNPACK, &g));
    ck_assert(graph_tensor_is_float(&g->tensor[g->output]));
    ck_assert_ptr_null(m->layer[small_layer(m, "d")].out_q);
    /* The output of 16 bits: its layer reads int16 codes. */
    m = small_model(arena, graph_model, quants[11], 5);
    must(model_lower(arena, m, ROUNDING_XNNPACK, &g));
    ck_assert_int_eq(g->tensor[g->output].format, FORMAT_INT16);
    ck_assert_str_eq(g->node[g->nodes - 2].name, "e.int16");
    ck_assert_int_eq(g->node[g->nodes - 2].op, NODE_REQUANT);
    ck_assert(graph_is_integer(g));
    /* Of b, both forms: s and q read int8 codes. */
    m = small_model(arena, graph_model, quants[10], 5);
    must(model_lower(arena, m, ROUNDING_XNNPACK, &g));
    ck_assert_ptr_nonnull(m->layer[small_layer(m, "b")].other_q);
    ck_assert_int_eq(m->layer[small_layer(m, "b")].other_q->qp.bits, 8);
    ck_assert_int_eq(m->layer[small_layer(m, "s")].out_format, FORMAT_INT8);
    /* An integer network is what it was. */
    m = small_model(arena, graph_model, "{}", 5);
    must(model_lower(arena, m, ROUNDING_XNNPACK, &g));
    ck_assert(graph_is_integer(g));
    ck_assert_int_eq(nodes_of(g, NODE_QUANTIZE) + nodes_of(g, NODE_DEQUANTIZE), 0);
    end_model();
}
END_TEST

static Status built(const char *quant)
{
    Model *m;
    return small_model_build(arena, graph_model, quant, &m);
}

static Status checked(const char *quant)
{
    Model *m;
    TRY(small_model_build(arena, graph_model, quant, &m));
    TRY(quant_check_formats(m->quant));
    return quant_check_schemes(m->quant);
}

START_TEST(format_and_bits)
{
    begin_model();
    must(built("{\"weights\":{\"format\":\"int4\",\"bits\":4}}"));
    refused(checked("{\"weights\":{\"format\":\"float32\",\"bits\":4}}"),
            "quant.weights.bits: 4 beside format \"float32\"; leave one of them out");
    refused(checked("{\"activations\":{\"format\":\"int8\",\"bits\":4}}"),
            "quant.activations.bits: 4 beside format \"int8\"");
    refused(checked("{\"overrides\":[{\"layers\":\"a\",\"format\":\"float16\",\"weight_bits\":8}]}"),
            "quant.overrides[0].weight_bits: 8 beside format \"float16\"");
    refused(checked("{\"overrides\":[{\"layers\":\"a\",\"activation_format\":\"int4\",\"activation_bits\":8}]}"),
            "quant.overrides[0].activation_bits: 8 beside format \"int4\"");
    must(checked("{\"overrides\":[{\"layers\":\"a\",\"activation_format\":\"int4\",\"weight_bits\":8}]}"));
    must(checked("{\"overrides\":[{\"layers\":\"a\",\"format\":\"int16\",\"weight_bits\":4}]}"));
    refused(checked("{\"weights\":{\"format\":\"int16\"}}"),
            "quant.weights.format: \"int16\"; weights have at most 8 bits");
    refused(checked("{\"overrides\":[{\"layers\":\"a\",\"weight_format\":\"int16\"}]}"),
            "quant.overrides[0].weight_format: \"int16\"");
    refused(built("{\"activations\":{\"bits\":16,\"quantizer\":\"lsq\"}}"),
            "layer \"a\": quantizer \"lsq\" for an output of 16 bits; \"observed\", or 8 bits, is required");
    QuantConfig quant = {.weights.bits = 8, .activations.bits = 12};
    refused(quant_check_formats(&quant), "quant.activations.bits: 12; must be 1 to 8, or 16");
    quant = (QuantConfig){.weights.bits = 8, .activations.bits = 8, .output_bits = 10};
    refused(quant_check_formats(&quant), "quant.output_bits: 10; must be 8, 16 or 32");
    Model *m;
    must(small_model_build(
        arena, graph_model,
        "{\"overrides\":[{\"layers\":\"b\",\"format\":\"int4\"},{\"layers\":\"s\",\"format\":\"int3\"}]}", &m));
    ck_assert_int_eq(m->layer[small_layer(m, "b")].weight_q->qp.bits, 4);
    ck_assert_int_eq(m->layer[small_layer(m, "b")].out_q->qp.bits, 4);
    ck_assert_int_eq(m->layer[small_layer(m, "s")].out_q->qp.bits, 3);
    end_model();
}
END_TEST

START_TEST(schemes)
{
    begin_model();
    refused(checked("{\"activations\":{\"scheme\":\"dynamic\",\"bits\":4}}"),
            "quant.activations.bits: 4 beside scheme \"dynamic\", whose grids have 8 bits");
    refused(checked("{\"activations\":{\"scheme\":\"dynamic\",\"format\":\"int16\"}}"),
            "quant.activations: format \"int16\" beside scheme \"dynamic\", which leaves floats");
    refused(checked("{\"weights\":{\"format\":\"float16\"},\"activations\":{\"scheme\":\"dynamic\"}}"),
            "quant: weights in float16 beside activations.scheme \"dynamic\", whose products are of integers");
    refused(checked("{\"overrides\":[{\"layers\":\"a\",\"activation_scheme\":\"dynamic\",\"activation_bits\":8}]}"),
            "quant.overrides[0].activation_bits: 8 beside activation_scheme \"dynamic\"");
    refused(
        checked(
            "{\"overrides\":[{\"layers\":\"a\",\"activation_scheme\":\"dynamic\",\"weight_format\":\"bfloat16\"}]}"),
        "quant.overrides[0]: weights in bfloat16 beside activation_scheme \"dynamic\"");
    refused(checked("{\"weights\":{\"format\":\"float32\"},\"overrides\":[{\"layers\":\"a\",\"activation_scheme\":"
                    "\"dynamic\"}]}"),
            "quant.overrides[0]: weights in float32");
    Model *m;
    must(small_model_build(arena, graph_model, quants[QUANTS - 1], &m));
    static const struct {
        const char *layer;
        bool dynamic;
        Format out;
    } want[] = {{"a", false, FORMAT_FLOAT32}, {"b", false, FORMAT_INT8}, {"s", false, FORMAT_FLOAT32},
                {"c", false, FORMAT_INT16},   {"e", false, FORMAT_INT8}, {"d", true, FORMAT_FLOAT32}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const Layer *l = &m->layer[small_layer(m, want[i].layer)];
        ck_assert_msg(l->input_dynamic == want[i].dynamic && l->out_format == want[i].out, "%s", l->name);
    }
    /* Nothing is to be calibrated. */
    must(small_model_build(arena, graph_model, "{\"activations\":{\"scheme\":\"dynamic\"}}", &m));
    for (int i = 0; i < m->quantizers; i++) ck_assert(m->quantizer[i]->is_weight);
    end_model();
}
END_TEST

/* op_round is the identity to its gradient, within the format's range. */
START_TEST(rounding_passes_gradients)
{
    begin_model();
    Bench b = bench_make();
    tape_reset(b.tape, true);
    float x[4] = {0.3f, -449.0f, 448.0f, 1000.0f}, dx[4] = {0};
    Tensor *leaf = tape_leaf(b.tape, "x", shape_1(4), x, dx);
    ck_assert_ptr_eq(op_round(b.tape, leaf, FORMAT_FLOAT32), leaf);
    Tensor *y = op_round(b.tape, leaf, FORMAT_FLOAT8_E4M3);
    const float want[4] = {0.3125f, -448.0f, 448.0f, 448.0f}, passes[4] = {1, 0, 1, 0};
    ck_assert_mem_eq(y->x, want, sizeof want);
    float *dy = tensor_grad(b.tape, y);
    for (int i = 0; i < 4; i++) dy[i] = 1.0f;
    b.tape->last->type->backward(b.tape, b.tape->last);
    ck_assert_mem_eq(dx, passes, sizeof passes);
    bench_end(&b);
    end_model();
}
END_TEST

TEST_MAIN("layer_formats", graphs, graphs_with_curves, every_layer, nodes_where_formats_meet, format_and_bits, schemes,
          rounding_passes_gradients)
