/* Outputs of -1 and 1: quantizers by hand, the sums they are the signs of, every target's codes, what is refused. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "deploy/c/c_plan.h"
#include "deploy/exporter.h"
#include "deploy/lower.h"
#include "deploy/tflite/tflite_model.h"
#include "graph/graph_check.h"
#include "graph/graph_read.h"
#include "graph/node.h"
#include "quant/int_ops.h"
#include "tests/support/c_program.h"
#include "tests/support/gradcheck.h"
#include "tests/support/onnx_exported.h"
#include "tests/support/onnx_run.h"
#include "tests/support/random_graph.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "tests/support/tflite_interpreter.h"

/* Codes and gradients of outputs; 0 counts as positive, and so does -0. */
START_TEST(by_hand)
{
    static const float x[] = {-3, -1, -0.5f, -0.0f, 0, 0.25f, 1, 1.5f};
    static const int8_t codes[] = {-1, -1, -1, 1, 1, 1, 1, 1};
    static const float clip[] = {0, 1, 1, 1, 1, 1, 1, 0}, polynomial[] = {0, 0, 1, 2, 2, 1.5f, 0, 0};
    static const char *const types[] = {"xnor", "bireal", "irnet"};
    for (int k = 0; k < 3; k++) {
        Bench b = bench_make();
        ParamSet params = {0};
        const QuantizerSpec spec = {
            .bits = 1, .type = quantizer_type(types[k]), .observer = observer_type("minmax"), .momentum = 1};
        Quantizer *q = quantizer_create(b.owner, &params, "q", &spec, (QuantizedTensor){.is_signed = true});
        ck_assert_msg(q != NULL && q->params == 0 && q->ready, "%s", status_message());
        float v[8], dx[8] = {0}, one[] = {1, 1, 1, 1, 1, 1, 1, 1};
        memcpy(v, x, sizeof v);
        Tensor *y = op_fake_quant(b.tape, tape_leaf(b.tape, "x", shape_2(1, 8), v, dx), q,
                                  (Activation){.limit = INFINITY}, true);
        ck_assert_mem_eq(y->codes, codes, 8);
        ck_assert(grid_is_signs(y->qp) && y->qp->scale[0] == 1.0f && y->qp->zero_point == 0);
        q->progress = 0.5; /* t = 1, k = 1 */
        ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, one)), STATUS_OK);
        for (int i = 0; i < 8; i++) {
            const double h = tanh((double)x[i]);
            const double want = k == 0 ? (double)clip[i] : k == 1 ? (double)polynomial[i] : 1 - h * h;
            ck_assert_msg(fabs((double)dx[i] - want) < 1e-6, "%s: at %g: %g", types[k], (double)x[i], (double)dx[i]);
        }
        ck_assert(q->qp.scale[0] == 1.0f); /* observers move nothing */
        bench_end(&b);
    }
}
END_TEST

/* Biases and weights of which some sums are 0, and of which one decides alone: every code is the sign of the sum, in every
 * rounding, and sums are as large as they were. */
START_TEST(sums_are_never_0)
{
    Arena *a = arena_create();
    enum { K = 6, O = 5 };
    static int8_t w[O * K] = {1, -1, 1, 1, -1, 1, 63, -63, 1, 0, 0, 5, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, 1};
    static const float b[O] = {0, 0, -0.25f, 1e30f, -0.75f};
    float scale[O] = {0.5f, 0.5f, 0.5f, 1e-3f, 0.25f}, s_x = 0.5f, s_y = 1.0f;
    const QuantParams x = {.bits = 8, .qmin = -128, .qmax = 127, .n = 1, .scale = &s_x, .zero_point = 3};
    const QuantParams y = {.bits = 1, .is_signed = true, .qmin = -1, .qmax = 1, .n = 1, .scale = &s_y};
    QuantParams grid = {.bits = 7, .is_signed = true, .qmin = -63, .qmax = 63, .n = O, .scale = scale};
    const Tensor weights = {.name = "w", .shape = shape_2(O, K), .codes = w, .qp = &grid};
    for (int r = 0; r < ROUNDINGS; r++) {
        ConvInt fold;
        must(conv_int_fold(a, "f", &x, &weights, NULL, b, &y, (Activation){.limit = INFINITY}, (Rounding)r, true,
                           &fold));
        ck_assert_int_eq(fold.shift, 1);
        for (int o = 0; o < O; o++) {
            ck_assert_int_ne(fold.bias[o] % 2, 0);
            const RequantRows rows = requant_rows_make((Rounding)r, 1, &fold.bias[o], &fold.multiplier[o], 0, fold.lo,
                                                       fold.hi, arena_alloc(a, requant_rows_bytes(1)));
            for (int c = -300; c < 300; c++) {
                int8_t code;
                const int32_t acc = 2 * c;
                kernels()->requantize_rows(&rows, 1, &acc, &code);
                if (o == 3) {
                    ck_assert_int_eq(code, 1);
                    continue;
                }
                const double real = c * (double)s_x * (double)scale[o] + (double)b[o];
                ck_assert_msg(code == (real < 0 ? -1 : 1), "%s, channel %d: %d for %g", rounding_names[r], o, code,
                              real);
            }
        }
    }
    arena_destroy(a);
}
END_TEST

/* ---- models ------------------------------------------------------------------------------------------------------ */

/* Padded windows of signs, a pool of them, a table of signs, all kinds of layers that give them. */
static const char model[] =
    "{\"input\":[8,8,2],\"layers\":["
    "{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":6,\"kernel\":3,\"padding\":\"same\",\"batch_norm\":true},"
    "{\"type\":\"conv2d\",\"name\":\"b\",\"filters\":9,\"kernel\":3,\"padding\":\"same\",\"batch_norm\":true},"
    "{\"type\":\"maxpool\",\"name\":\"p\",\"kernel\":3,\"stride\":2,\"padding\":\"same\"},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"c\",\"kernel\":3,\"padding\":\"same\"},"
    "{\"type\":\"conv2d\",\"name\":\"d\",\"filters\":6,\"kernel\":2,\"stride\":2,\"groups\":3},"
    "{\"type\":\"activation\",\"name\":\"e\",\"function\":\"none\"},"
    "{\"type\":\"dense\",\"name\":\"f\",\"units\":40},"
    "{\"type\":\"dense\",\"name\":\"g\",\"units\":7},"
    "{\"type\":\"dense\",\"name\":\"logits\",\"units\":3}]}";

static const char *const layers_of_signs[] = {"a", "b", "p", "c", "e", "f", "g"};

/* Quantizer, granularity, weights of the first layer: as the others', or 8 bits, of which 7 are left. */
static Model *model_of(const char *type, const char *granularity, int first_bits)
{
    return small_model(arena, model,
                       arena_printf(arena,
                                    "{\"weights\":{\"bits\":1,\"quantizer\":\"%s\",\"granularity\":\"%s\"},"
                                    "\"activations\":{\"bits\":1,\"quantizer\":\"%s\"},\"first_last_bits\":0,"
                                    "\"overrides\":[{\"layers\":\"d\",\"activation_bits\":8},"
                                    "{\"layers\":\"a\",\"weight_bits\":%d}]}",
                                    type, granularity, type, first_bits),
                       11);
}

static const Graph *lowered(Model *m, Rounding rounding)
{
    Graph *g;
    must(model_lower(arena, m, rounding, &g));
    return g;
}

/* Layers and engine agree, in every rounding, and no output of signs has a code 0. */
static void check_model(Model *m)
{
    Bench b = bench_make();
    const uint8_t *pixels = small_pixels(arena, m, 10);
    for (int r = 0; r < ROUNDINGS; r++) {
        const Graph *g = lowered(m, (Rounding)r);
        Engine *engine;
        VerifyResult result = {0};
        must(engine_create(arena, g, SMALL_IMAGES, &engine));
        must(verify_batch(m, b.tape, engine, g, pixels, SMALL_IMAGES, &result));
        ck_assert(result.different == 0 && result.values > 0);
        for (size_t k = 0; k < sizeof layers_of_signs / sizeof *layers_of_signs; k++) {
            const int t = graph_tensor_named(g, layers_of_signs[k]);
            const long n = SMALL_IMAGES * graph_tensor_elements(&g->tensor[t]);
            const int8_t *codes = engine_tensor(engine, t);
            long positive = 0;
            ck_assert_msg(graph_tensor_is_signs(&g->tensor[t]), "%s", layers_of_signs[k]);
            for (long i = 0; i < n; i++) ck_assert(codes[i] == -1 || codes[i] == 1), positive += codes[i] == 1;
            ck_assert_msg(positive > 0 && positive < n, "%s: %ld of %ld", layers_of_signs[k], positive, n);
        }
    }
    bench_end(&b);
}

static const char *const types[] = {"xnor", "bireal", "irnet"};

START_TEST(layers_and_engine)
{
    begin();
    for (int k = 0; k < 3; k++) {
        check_model(model_of(types[k], "per_channel", k == 0 ? 8 : 1));
        check_model(model_of(types[k], "per_tensor", k == 1 ? 8 : 4));
    }
    const Model *m = model_of("xnor", "per_channel", 8);
    ck_assert(m->layer[0].weight_q->qp.bits == 7 && m->layer[0].weight_q->qp.qmin == -63);
    ck_assert_str_eq(m->layer[small_layer(m, "d")].out_q->type->name, "observed");
    end();
}
END_TEST

enum { IMAGES = 4 };

static const int8_t *answers(const Graph *g, const int8_t *images)
{
    Engine *engine;
    must(engine_create(arena, g, IMAGES, &engine));
    int8_t *out = ARENA_ARRAY(arena, int8_t, IMAGES * g->classes);
    engine_run(engine, images, IMAGES, out);
    return out;
}

static void through_tflite(const Graph *g)
{
    const char *path = inside("m.tflite");
    const int8_t *images = random_images(arena, g, 3, IMAGES), *want = answers(g, images);
    TfliteModel *m;
    uint8_t *file;
    size_t bytes;
    must(exporter_write(exporter_of(path), arena, g, path, NULL));
    must(file_read(arena, path, SIZE_MAX, &file, &bytes));
    must(tflite_check(arena, file, bytes, path, &m));
    for (int k = 0; k < IMAGES; k++) {
        const int8_t *y =
            tflite_run(arena, m, g->rounding, images + k * graph_tensor_elements(&g->tensor[0]))[m->output[0]];
        ck_assert_mem_eq(y, want + k * g->classes, (size_t)g->classes);
    }
}

static void through_onnx(const Graph *g)
{
    const char *path = inside("m.onnx");
    const int8_t *images = random_images(arena, g, 4, IMAGES), *want = answers(g, images);
    cJSON *options = cJSON_Parse("{\"input\":\"codes\"}");
    Onnx__ModelProto *m;
    must(exporter_write(exporter_of(path), arena, g, path, options));
    cJSON_Delete(options);
    must(onnx_read(arena, path, &m));
    const GraphTensor *out = &g->tensor[g->output];
    const OnnxArray y = onnx_run(arena, m, IMAGES, onnx_exported_input(g, images, IMAGES), "logits");
    for (int64_t i = 0; i < y.count; i++)
        ck_assert_int_eq((int)rint(y.x[i] / (double)out->scale) + out->zero_point, want[i]);
}

START_TEST(every_target)
{
    begin();
    for (int k = 0; k < 3; k++) {
        Model *m = model_of(types[k], k == 1 ? "per_tensor" : "per_channel", k == 0 ? 8 : 1);
        const Graph *c[] = {lowered(m, ROUNDING_TFLITE_SINGLE), lowered(m, ROUNDING_TFLITE_DOUBLE)};
        for (int i = 1; i < c[0]->nodes; i++) {
            const Node *n = &c[0]->node[i];
            const bool both = node_has_weights(n) && n->op != NODE_DWCONV2D && n->weight_bits == 2;
            ck_assert_msg(c_is_binary(c[0], n) == both, "%s", n->name);
        }
        c_must_answer(arena, folder, c, k == 0 ? 2 : 1, NULL);
        through_tflite(lowered(m, k == 0 ? ROUNDING_TFLITE_DOUBLE : ROUNDING_XNNPACK));
        through_onnx(lowered(m, ROUNDING_ONNXRUNTIME));
        const char *path = inside("m.safetensors");
        Graph *read;
        must(exporter_write(exporter_of(path), arena, c[0], path, NULL));
        must(graph_read(arena, path, &read));
        ck_assert_int_eq(graph_version(read), 2);
        const int8_t *images = random_images(arena, read, 5, IMAGES);
        ck_assert_mem_eq(answers(read, images), answers(c[0], images), (size_t)(IMAGES * read->classes));
        for (int t = 0; t < read->tensors; t++)
            ck_assert(graph_tensor_is_signs(&read->tensor[t]) == graph_tensor_is_signs(&c[0]->tensor[t]));
    }
    end();
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void must_fail(Graph *g, const char *words)
{
    ck_assert_int_eq(graph_check(g), STATUS_UNSUPPORTED);
    ck_assert_msg(strstr(status_message(), words) != NULL, "%s", status_message());
}

START_TEST(graphs_are_checked)
{
    begin();
    Graph *g;
    must(model_lower(arena, model_of("xnor", "per_channel", 8), ROUNDING_TFLITE_SINGLE, &g));
    Node *a = &g->node[graph_node_named(g, "a")], *e = &g->node[graph_node_named(g, "e")];
    int32_t *bias = ARENA_ARRAY(arena, int32_t, a->geom.o);
    const int32_t *was = a->bias;
    memcpy(bias, was, sizeof *bias * (size_t)a->geom.o);
    bias[4]++;
    a->bias = bias;
    must_fail(g, "node \"a\": channel 4: sums for outputs of -1 and 1 that can be 0");
    a->bias = was;
    float *scale = ARENA_ARRAY(arena, float, a->geom.o);
    const float *scales = a->weight_scale;
    memcpy(scale, scales, sizeof *scale * (size_t)a->geom.o);
    scale[1] *= 0.5f;
    a->weight_scale = scale;
    must_fail(g, "node \"a\": channel 1: multiplier 0.5");
    a->weight_scale = scales;
    int8_t table[256];
    memcpy(table, e->table, 256);
    table[9] = 0;
    const int8_t *signs = e->table;
    e->table = table;
    must_fail(g, "node \"e\": code 0 of its table for outputs of -1 and 1");
    e->table = signs;
    GraphTensor *p = &g->tensor[graph_tensor_named(g, "b")];
    p->bits = 2;
    must_fail(g, "node \"p\": input \"b\" of more codes than the outputs");
    p->bits = 1, p->zero_point = 1;
    must_fail(g, "tensor \"b\": codes -1 and 1, zero point 1; must be 0");
    p->zero_point = 0;
    must(graph_check(g));
    end();
}
END_TEST

START_TEST(refused_elsewhere)
{
    static const char one[] = "{\"activations\":{\"bits\":1,\"quantizer\":\"xnor\"},\"first_last_bits\":0%s}";
    static const struct {
        const char *layer, *rest, *words;
    } cases[] = {
        {"{\"type\":\"dense\",\"name\":\"l\",\"units\":4,\"activation\":\"relu\"}", "",
         "layer \"l\": quantizer \"xnor\" for its output; it is for weights and outputs without a ReLU only"},
        {"{\"type\":\"add\",\"name\":\"l\",\"inputs\":[\"a\",\"a\"]}", "",
         "layer \"l\": quantizer \"xnor\" for the output of add; -1 and 1 are what a convolution"},
        {"{\"type\":\"dense\",\"name\":\"l\",\"units\":4,\"activation\":\"silu\"}", "",
         "quantizer \"xnor\" for the output of the curve \"silu\"; -1 and 1 are the signs"},
        {"{\"type\":\"dense\",\"name\":\"l\",\"units\":4}",
         ",\"overrides\":[{\"layers\":\"l\",\"weight_bits\":2,\"weight_quantizer\":\"ttq\"}]",
         "layer \"l\": quantizer \"ttq\" for weights, whose codes take 8 bits, beside outputs of -1 and 1"},
        {"{\"type\":\"dense\",\"name\":\"l\",\"units\":4}",
         ",\"overrides\":[{\"layers\":\"l\",\"activation_bits\":4,\"activation_quantizer\":\"xnor\"}]",
         "layer \"l\": quantizer \"xnor\" for an output of 4 bits; it is for 1 bit"},
        {"{\"type\":\"dense\",\"name\":\"l\",\"units\":4}",
         ",\"overrides\":[{\"layers\":\"l\",\"activation_quantizer\":\"binary_connect\"}]",
         "layer \"l\": quantizer \"binary_connect\" for its output, which may be below 0; it is for weights only"}};
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Model *m;
        refused(small_model_build(
                    arena,
                    arena_printf(arena,
                                 "{\"input\":[4,4,2],\"layers\":[{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":2,"
                                 "\"kernel\":3},%s,{\"type\":\"dense\",\"name\":\"logits\",\"units\":3}]}",
                                 cases[i].layer),
                    arena_printf(arena, one, cases[i].rest), &m),
                cases[i].words);
    }
    end();
}
END_TEST

/* The mean of signs is 0, too: its layer has a grid of 2 bits. */
START_TEST(means_of_signs)
{
    begin();
    Model *m = small_model(arena,
                           "{\"input\":[8,8,2],\"layers\":[{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":3,"
                           "\"kernel\":3},{\"type\":\"avgpool\",\"name\":\"p\",\"kernel\":2},"
                           "{\"type\":\"dense\",\"name\":\"logits\",\"units\":3}]}",
                           "{\"activations\":{\"bits\":1,\"quantizer\":\"bireal\"},\"first_last_bits\":0,"
                           "\"avgpool_input_bits\":0}",
                           3);
    const Graph *g = lowered(m, ROUNDING_XNNPACK);
    const GraphTensor *p = &g->tensor[graph_tensor_named(g, "p")];
    ck_assert(graph_tensor_is_signs(&g->tensor[graph_tensor_named(g, "a")]));
    ck_assert(p->bits == 2 && p->qmin == -1 && p->qmax == 1);
    end();
}
END_TEST

TEST_MAIN("signs", by_hand, sums_are_never_0, layers_and_engine, every_target, graphs_are_checked, refused_elsewhere,
          means_of_signs)
