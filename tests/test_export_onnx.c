/* What the ONNX files say: read again and computed node by node, they are the engine's integers and the model's floats;
 * their structure is what runtimes fuse. */
#include <math.h>
#include <string.h>

#include "deploy/lower.h"
#include "deploy/onnx/onnx_build.h"
#include "deploy/runtime_limits.h"
#include "tests/support/gradcheck.h"
#include "tests/support/onnx_exported.h"
#include "tests/support/onnx_run.h"
#include "tests/support/random_graph.h"
#include "tests/support/conformance.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "graph/engine.h"
#include "graph/node.h"

/* ---- structure --------------------------------------------------------------------------------------------------- */

static void check_pair(const Onnx__ModelProto *m, const Onnx__NodeProto *n)
{
    const Onnx__TensorProto *scale = onnx_exported_constant(m, n->input[1]),
                            *zero = onnx_exported_constant(m, n->input[2]);
    ck_assert_msg(scale != NULL && zero != NULL, "%s: scale and zero point must be constants", n->name);
    ck_assert_int_eq(scale->data_type, ONNX_FLOAT);
    ck_assert_int_eq(scale->n_dims, zero->n_dims);
    if (scale->n_dims == 0) {
        ck_assert_ptr_null(onnx_attribute(n, "axis"));
    } else {
        ck_assert_msg(scale->n_dims == 1 && scale->dims[0] > 1, "%s: one scale must be a scalar", n->name);
        ck_assert_int_eq(onnx_attribute_int(n, "axis", -1), 0);
        ck_assert_int_eq(zero->dims[0], scale->dims[0]);
    }
    /* A DequantizeLinear reads constants, or what a QuantizeLinear of its own grid gave. */
    const Onnx__NodeProto *from = onnx_exported_maker(m, n->input[0]);
    if (strcmp(n->op_type, "DequantizeLinear") != 0 || from == NULL) return;
    if (strcmp(from->op_type, "Clip") == 0) from = onnx_exported_maker(m, from->input[0]);
    if (strcmp(from->op_type, "Transpose") == 0) return; /* of codes as input */
    if (strcmp(from->op_type, "Gather") == 0) return;    /* codes of a table */
    ck_assert_str_eq(from->op_type, "QuantizeLinear");
    ck_assert_str_eq(from->input[1], n->input[1]);
    ck_assert_str_eq(from->input[2], n->input[2]);
}

/* Weights and biases are constants behind DequantizeLinear, the bias with the product of the scales. */
static void check_weights(const Onnx__ModelProto *m, const Onnx__NodeProto *n)
{
    ck_assert_int_eq(n->n_input, 3);
    const Onnx__NodeProto *x = onnx_exported_maker(m, n->input[0]), *w = onnx_exported_maker(m, n->input[1]),
                          *b = onnx_exported_maker(m, n->input[2]);
    ck_assert_str_eq(x->op_type, "DequantizeLinear");
    const int type = onnx_exported_constant(m, w->input[0])->data_type;
    ck_assert(type == ONNX_INT8 || type == ONNX_UINT8);
    ck_assert_int_eq(onnx_exported_constant(m, b->input[0])->data_type, ONNX_INT32);
    OnnxTensor s_x, s_w, s_b;
    must(onnx_tensor_read(arena, onnx_exported_constant(m, x->input[1]), ".", &s_x));
    must(onnx_tensor_read(arena, onnx_exported_constant(m, w->input[1]), ".", &s_w));
    must(onnx_tensor_read(arena, onnx_exported_constant(m, b->input[1]), ".", &s_b));
    const float *in = s_x.data, *weight = s_w.data, *bias = s_b.data;
    ck_assert_int_eq(s_w.count, s_b.count);
    for (int64_t o = 0; o < s_b.count; o++) ck_assert(bias[o] == in[0] * weight[o]);
}

static void check_structure(const Onnx__ModelProto *m)
{
    ck_assert_int_eq(m->ir_version, ONNX_BUILD_IR);
    ck_assert_int_eq(onnx_opset(m), ONNX_BUILD_OPSET);
    ck_assert_str_eq(m->producer_name, "bitfold");
    for (size_t i = 0; i < m->graph->n_node; i++) {
        const Onnx__NodeProto *n = m->graph->node[i];
        if (strstr(n->op_type, "quantizeLinear") != NULL || strcmp(n->op_type, "QuantizeLinear") == 0) check_pair(m, n);
        if (strcmp(n->op_type, "Conv") == 0 || strcmp(n->op_type, "Gemm") == 0) check_weights(m, n);
    }
}

/* ---- the same integers ------------------------------------------------------------------------------------------- */

/* Codes [n,h,w,c] as the form's input wants them. */
static const double *input_of(const Graph *g, const int8_t *codes, int n, bool nhwc, bool values, bool uint8)
{
    const GraphTensor *x = &g->tensor[0];
    const long cells = (long)x->h * x->w, image = cells * x->c;
    double *in = ARENA_ARRAY(arena, double, n *image);
    for (long i = 0; i < n * image; i++) {
        const long cell = i % image / x->c, channel = i % x->c;
        const double v = values ? (double)((float)(codes[i] - x->zero_point) * x->scale) : codes[i] + (uint8 ? 128 : 0);
        in[nhwc ? i : i / image * image + channel * cells + cell] = v;
    }
    return in;
}

typedef struct {
    long values, different;
    int largest;
} Difference;

static void compare(const Graph *g, const char *text, Difference *d)
{
    enum { IMAGES = 3 };
    const bool nhwc = strstr(text, "nhwc") != NULL, values = strstr(text, "\"input\"") == NULL;
    const bool uint8 = strstr(text, "\"activations\":\"int8\"") == NULL;
    const Onnx__ModelProto *m = onnx_exported_read_back(g, text);
    check_structure(m);
    Engine *engine;
    must(engine_create(arena, g, IMAGES, &engine));
    const int8_t *codes = random_images(arena, g, 5, IMAGES);
    int8_t *logits = ARENA_ARRAY(arena, int8_t, IMAGES * g->classes);
    engine_run(engine, codes, IMAGES, logits);
    const OnnxArray y = onnx_run(arena, m, IMAGES, input_of(g, codes, IMAGES, nhwc, values, uint8), "logits");
    ck_assert_int_eq(y.rank, 2);
    ck_assert_int_eq(y.count, IMAGES * g->classes);
    const GraphTensor *out = &g->tensor[g->output];
    for (int64_t i = 0; i < y.count; i++) {
        const int off = abs((int)rint(y.x[i] / (double)out->scale) + out->zero_point - logits[i]);
        d->values++, d->different += off != 0;
        if (off > d->largest) d->largest = off;
    }
}

static bool has_op(const Graph *g, NodeKind op)
{
    for (int i = 0; i < g->nodes; i++)
        if (g->node[i].op == op) return true;
    return false;
}

static const char *const forms[] = {"{}",
                                    "{\"activations\":\"int8\"}",
                                    "{\"layout\":\"nhwc\",\"clip\":\"values\"}",
                                    "{\"weights\":\"int8\"}",
                                    "{\"weights\":\"uint8\"}",
                                    "{\"layout\":\"nhwc\",\"input\":\"codes\"}",
                                    "{\"activations\":\"int8\",\"clip\":\"codes\",\"input\":\"codes\"}"};
enum { FORMS = sizeof forms / sizeof forms[0] };

/* What the file says is what the engine computes, but for ties: those of averages and sums are rounded by the runtime
 * that the rounding is named for in its own way, and its multipliers are float32, which may decide one that is a tie in
 * the doubles of onnx_run. */
START_TEST(same_integers)
{
    int graphs = 0;
    Difference exact = {0}, tied = {0};
    for (uint64_t seed = 0; seed < 200; seed++) {
        onnx_exported_begin();
        const Graph *g = random_graph(arena, seed, 5, ROUNDING_ONNXRUNTIME);
        if (graph_check_runtime(g) == STATUS_OK)
            compare(g, forms[graphs++ % FORMS], has_op(g, NODE_ADD) || has_op(g, NODE_AVGPOOL) ? &tied : &exact);
        onnx_exported_end();
    }
    ck_assert_int_ge(graphs, 80);
    ck_assert_int_ge(exact.values, 200);
    ck_assert_int_le(exact.largest, 1);
    ck_assert_int_le(exact.different * 100, exact.values);
    ck_assert_int_le(tied.different * 20, tied.values);
}
END_TEST
/* ---- layers ------------------------------------------------------------------------------------------------------ */

static Difference layers_exact, layers_tied;

static void check_integers(const LayerType *type, const char *example, const char *text)
{
    (void)type;
    static const char *const quants[] = {
        "{}", "{\"weights\":{\"bits\":4},\"activations\":{\"bits\":4},\"first_last_bits\":0}"};
    for (int i = 0; i < 2; i++) {
        onnx_exported_begin();
        Graph *g;
        Model *m = small_model(arena, text, quants[i], 61);
        ck_assert_msg(model_lower(arena, m, ROUNDING_ONNXRUNTIME, &g) == STATUS_OK, "%s: %s", example,
                      status_message());
        for (int f = 0; f < FORMS; f++)
            compare(g, forms[f], has_op(g, NODE_ADD) || has_op(g, NODE_AVGPOOL) ? &layers_tied : &layers_exact);
        onnx_exported_end();
    }
}

START_TEST(integers_of_every_layer)
{
    layers_exact = layers_tied = (Difference){0};
    for_each_layer_example(check_integers);
    ck_assert_int_ge(layers_exact.values, 1000);
    ck_assert_int_eq(layers_exact.different, 0);
    ck_assert_int_le(layers_tied.largest, 8); /* a code of 4 bits, two layers before, is several of the logits' */
    ck_assert_int_le(layers_tied.different * 8, layers_tied.values);
}
END_TEST

/* Pixels as the file of a float model wants them. */
static const double *values_of(const Model *m, const uint8_t *pixels, int n, bool nhwc)
{
    const long cells = (long)m->input.h * m->input.w, image = cells * m->input.c;
    double *in = ARENA_ARRAY(arena, double, n *image);
    for (long i = 0; i < n * image; i++) {
        const long cell = i % image / m->input.c, channel = i % m->input.c;
        in[nhwc ? i : i / image * image + channel * cells + cell] =
            (double)((pixels[i] / 255.0f - m->mean[channel]) / m->std[channel]);
    }
    return in;
}

static void check_floats(const LayerType *type, const char *example, const char *text)
{
    if (type != NULL && type->real == NULL) return;
    static const char *const float_forms[] = {"{\"batch_norm\":\"fold\"}", "{\"layout\":\"nhwc\"}"};
    for (int i = 0; i < 2; i++) {
        onnx_exported_begin();
        Bench b = bench_make();
        Model *m = small_model(arena, text, NULL, 62);
        const uint8_t *pixels = small_pixels(arena, m, 63);
        tape_reset(b.tape, false);
        const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT, .keep_outputs = true};
        const Tensor *want = model_forward(m, b.tape, &mode, pixels, SMALL_IMAGES);
        must(onnx_exported_export_float(m, float_forms[i]));
        const Onnx__ModelProto *model = onnx_exported_read();
        ck_assert_msg(i == 0 || strstr(example, "\"batch_norm\":true") == NULL ||
                          onnx_exported_count(model, "BatchNormalization") > 0,
                      "%s", example);
        ck_assert(i == 1 || onnx_exported_count(model, "BatchNormalization") == 0);
        const OnnxArray y = onnx_run(arena, model, SMALL_IMAGES, values_of(m, pixels, SMALL_IMAGES, i == 1), "logits");
        ck_assert_int_eq(y.count, tensor_elements(want));
        double worst = 0;
        for (int64_t k = 0; k < y.count; k++) worst = fmax(worst, fabs(y.x[k] - (double)want->x[k]));
        ck_assert_msg(worst < 1e-4, "%s: %g", example, worst);
        bench_end(&b);
        onnx_exported_end();
    }
}

START_TEST(floats_of_every_layer) { for_each_layer_example(check_floats); }
END_TEST

START_TEST(a_layer_without_a_float_form)
{
    onnx_exported_begin();
    Model *m =
        small_model(arena, "{\"input\":[8,8,4],\"layers\":[{\"type\":\"dense\",\"name\":\"d\",\"units\":3}]}", NULL, 1);
    LayerType type = *m->layer[0].type;
    type.real = NULL;
    m->layer[0].type = &type;
    ck_assert_int_eq(onnx_exported_export_float(m, "{}"), STATUS_UNSUPPORTED);
    ck_assert_str_eq(status_message(),
                     "layer \"d\": a layer of type dense has no float form in ONNX; export the quantized model");
    onnx_exported_end();
}
END_TEST

/* Networks that do not end in a dense layer, a dense layer on the image, and layers named as the output is. */
START_TEST(ends_of_networks)
{
    static const char *const models[] = {
        "{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":5,\"kernel\":3},{\"type\":\"global_avgpool\",\"name\":\"p\"}",
        "{\"type\":\"maxpool\",\"name\":\"p\",\"kernel\":4},{\"type\":\"flatten\",\"name\":\"f\"}",
        ("{\"type\":\"flatten\",\"name\":\"f\"},{\"type\":\"dense\",\"name\":\"d\",\"units\":3},"
         "{\"type\":\"activation\",\"name\":\"r\"}"),
        "{\"type\":\"conv2d\",\"name\":\"logits\",\"filters\":5,\"kernel\":8,\"padding\":\"valid\"}",
        "{\"type\":\"maxpool\",\"name\":\"p\",\"kernel\":8},{\"type\":\"flatten\",\"name\":\"logits\"}",
        ("{\"type\":\"dense\",\"name\":\"logits\",\"units\":3},"
         "{\"type\":\"activation\",\"name\":\"r\"}")};
    layers_exact = layers_tied = (Difference){0};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        Arena *texts = arena_create();
        const char *text = arena_printf(texts, "{\"input\":[8,8,4],\"layers\":[%s]}", models[i]);
        check_integers(NULL, text, text);
        check_floats(NULL, text, text);
        arena_destroy(texts);
    }
    ck_assert_int_eq(layers_exact.different, 0);
    ck_assert_int_le(layers_tied.largest, 1);
}
END_TEST

/* A graph that can be written, its first node with weights, and another behind it that is in the file and not its
 * output. */
static const Graph *graph_of_two(const Node **first, Node **other)
{
    for (uint64_t seed = 0;; seed++) {
        Graph *g = random_graph(arena, seed, 5, ROUNDING_ONNXRUNTIME);
        int i = 0;
        while (!node_has_weights(&g->node[i])) i++;
        if (i + 2 >= g->nodes || g->node[i + 1].op == NODE_RESHAPE || graph_check_runtime(g) != STATUS_OK) continue;
        *first = &g->node[i];
        *other = &g->node[i + 1];
        return g;
    }
}

/* Values, and nodes for ONNX Runtime, are known by their names alone. */
START_TEST(names_of_layers)
{
    static const struct {
        const char *part, *what;
    } names[] = {{"quantize", "node"}, {"codes", "value"}};
    for (int i = 0; i < 2; i++) {
        onnx_exported_begin();
        const Node *first;
        Node *n;
        const Graph *g = graph_of_two(&first, &n);
        must(onnx_exported_export(g, "{}"));
        n->name = g->tensor[n->output].name = arena_printf(arena, "%s/%s", first->name, names[i].part);
        ck_assert_int_eq(onnx_exported_export(g, "{}"), STATUS_UNSUPPORTED);
        ck_assert_str_eq(status_message(),
                         arena_printf(arena,
                                      "layer \"%s\": its name is what the file calls another %s; rename the layer",
                                      n->name, names[i].what));
        onnx_exported_end();
    }
}
END_TEST

TEST_MAIN("export onnx", same_integers, integers_of_every_layer, floats_of_every_layer, a_layer_without_a_float_form,
          ends_of_networks, names_of_layers)
