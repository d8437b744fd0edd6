/* An output of 32 bits: the sums of the last layer with weights themselves, in the engine, the model file, a second reading
 * of it and exported C; what is refused. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "deploy/c/c_cost.h"
#include "deploy/exporter.h"
#include "deploy/lower.h"
#include "graph/engine.h"
#include "graph/graph_check.h"
#include "graph/graph_read.h"
#include "graph/node.h"
#include "tests/support/c_program.h"
#include "tests/support/fixture.h"
#include "tests/support/naive_interpreter.h"
#include "tests/support/random_graph.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"

#define STEM "{\"input\":[8,7,4],\"layers\":[{\"type\":\"conv2d\",\"name\":\"stem\",\"filters\":6,\"kernel\":3},"
static const char *const nets[] = {
    STEM "{\"type\":\"dense\",\"name\":\"y\",\"units\":5}]}",
    STEM "{\"type\":\"conv2d\",\"name\":\"y\",\"filters\":4,\"kernel\":[8,7],\"groups\":2,\"padding\":\"valid\","
         "\"batch_norm\":true},"
         "{\"type\":\"flatten\"}]}",
    STEM "{\"type\":\"conv2d\",\"name\":\"y\",\"filters\":3,\"kernel\":3,\"stride\":10,\"pads\":[2,2,1,2]}]}",
    STEM "{\"type\":\"depthwise_conv2d\",\"name\":\"y\",\"kernel\":[8,7],\"multiplier\":2,\"padding\":\"valid\","
         "\"batch_norm\":true}]}"};
static const char *const quants[] = {
    "{\"output_bits\":32}", "{\"weights\":{\"bits\":4},\"first_last_bits\":0,\"output_bits\":32}",
    "{\"weights\":{\"bits\":2,\"quantizer\":\"observed\"},\"first_last_bits\":0,\"output_bits\":32}"};
enum { NETS = sizeof nets / sizeof nets[0], QUANTS = sizeof quants / sizeof quants[0], IMAGES = 3 };

static Graph *lowered(int net, int quant, Rounding rounding)
{
    Graph *g;
    must(model_lower(arena, small_model(arena, nets[net], quants[quant], 61), rounding, &g));
    return g;
}

/* The node with the sums. */
static Node *node_of_sums(const Graph *g)
{
    Node *n = &g->node[graph_node_named(g, "y")];
    ck_assert(node_gives_sums(n));
    return n;
}

static void output_is_on_one_grid(const Graph *g)
{
    const Node *n = node_of_sums(g);
    const GraphTensor *x = node_x(g, n), *y = &g->tensor[g->output];
    ck_assert(y->format == FORMAT_INT32 && y->bits == 32 && y->zero_point == 0 && x->format == FORMAT_INT8);
    ck_assert_uint_eq(graph_tensor_bytes(y), 4 * (size_t)g->classes);
    for (int o = 0; o < n->geom.o; o++) ck_assert(x->scale * n->weight_scale[o] == y->scale);
    ck_assert_int_eq(graph_version(g), 2);
}

static Graph *written_and_read(const Graph *built)
{
    Graph *g;
    must(exporter_write(exporter_find("safetensors"), arena, built, model_path, NULL));
    must(graph_read(arena, model_path, &g));
    return g;
}

/* As many different sums as there are outputs and images, nearly: nothing was clamped. */
static void engine_gives_the_files_sums(const Graph *g)
{
    const int8_t *images = random_images(arena, g, 7, IMAGES);
    int32_t *got = ARENA_ARRAY(arena, int32_t, IMAGES * g->classes);
    float *reals = ARENA_ARRAY(arena, float, IMAGES * g->classes);
    Engine *engine;
    must(engine_create_planned(arena, g, &engine));
    engine_run(engine, images, IMAGES, got);
    graph_tensor_reals(&g->tensor[g->output], got, IMAGES * (size_t)g->classes, reals);
    NaiveModel *naive = naive_open(model_path);
    ck_assert_ptr_nonnull(naive);
    int beyond = 0;
    for (int i = 0; i < IMAGES; i++) {
        naive_run(naive, images + i * graph_tensor_elements(&g->tensor[0]));
        for (int k = 0; k < g->classes; k++) {
            const int at = i * g->classes + k;
            ck_assert_int_eq(got[at], naive_codes(naive, g->output)[k]);
            ck_assert(reals[at] == g->tensor[g->output].scale * (float)got[at]);
            beyond += got[at] > INT8_MAX || got[at] < INT8_MIN;
        }
    }
    ck_assert_int_gt(beyond, 0);
    naive_close(naive);
}

START_TEST(sums_of_every_kind)
{
    begin_model();
    for (int i = 0; i < NETS * QUANTS; i++)
        for (int r = 0; r < ROUNDINGS; r++) {
            const Graph *g = written_and_read(lowered(i / QUANTS, i % QUANTS, (Rounding)r));
            output_is_on_one_grid(g);
            engine_gives_the_files_sums(g);
        }
    end_model();
}
END_TEST

START_TEST(c_gives_them)
{
    begin();
    const Graph *g[NETS * QUANTS];
    int width[9] = {0};
    for (int i = 0; i < NETS * QUANTS; i++) {
        g[i] = lowered(i / QUANTS, i % QUANTS, i % 2 == 0 ? ROUNDING_TFLITE_SINGLE : ROUNDING_TFLITE_DOUBLE);
        width[c_weight_width(node_of_sums(g[i]))]++;
    }
    ck_assert(width[8] == NETS && width[4] == NETS && width[2] == NETS);
    c_must_answer(arena, folder, g, NETS * QUANTS, NULL);
    has(text_of("m0.h"), "int8 in, int32 out");
    has(text_of("m0.h"), "m0_run(const int8_t *in, int32_t *out)");
    has(text_of("m0.h"), "of 4 bytes each. */\n#define M0_OUTPUTS 5\n");
    has(text_of("m0.h"), "int m0_argmax(const int32_t *out);");
    ck_assert_ptr_null(strstr(text_of("m0.c"), "l1_y_multiplier"));
    const Plan plan = c_plan_make(arena, g[0]);
    const CCost cost = c_cost(arena, g[0], &plan);
    ck_assert_uint_eq(cost.output_bytes, 4 * 5);
    ck_assert_uint_eq(cost.layer[1].multiplier_bytes, 0);
    ck_assert_uint_eq(node_type(node_of_sums(g[0]))->flash_bytes(node_of_sums(g[0])), 8 * 7 * 6 * 5 + 4 * 5);
    end();
}
END_TEST

/* A channel of a bias alone is on the others' grid. */
START_TEST(a_channel_without_weights)
{
    begin_model();
    Model *m = small_model(arena, nets[0], quants[0], 62);
    const Layer *l = &m->layer[small_layer(m, "y")];
    memset(l->weight->x, 0, sizeof(float) * (size_t)(l->weight->count / 5));
    Graph *g;
    must(model_lower(arena, m, ROUNDING_XNNPACK, &g));
    output_is_on_one_grid(g);
    const Node *n = node_of_sums(g);
    ck_assert(l->bias->x[0] != 0.0f);
    ck_assert_int_eq(n->bias[0],
                     (int)rint((double)l->bias->x[0] / ((double)node_x(g, n)->scale * (double)n->weight_scale[0])));
    end_model();
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static Status built(const char *model, const char *quant)
{
    Model *m;
    return small_model_build(arena, model, quant, &m);
}

#define HEAD "layer \"y\": the last, for quant.output_bits 32, with "

START_TEST(layers_that_have_none)
{
    begin_model();
    static const char relu[] = STEM "{\"type\":\"dense\",\"name\":\"y\",\"units\":5,\"activation\":\"relu\"}]}";
    static const char curve[] = STEM "{\"type\":\"dense\",\"name\":\"y\",\"units\":5,\"activation\":\"tanh\"}]}";
    static const char pool[] = STEM "{\"type\":\"global_avgpool\",\"name\":\"y\"}]}";
    static const char add[] = STEM "{\"type\":\"global_avgpool\",\"name\":\"p\"},"
                                   "{\"type\":\"add\",\"name\":\"y\",\"inputs\":[\"p\",\"p\"]}]}";
    refused(built(relu, quants[0]), HEAD "an activation; must have none");
    refused(built(curve, quants[0]), HEAD "an activation that is a curve; must have none");
    refused(built(pool, quants[0]), "quant.output_bits 32, with no weights; must be a convolution or a dense layer");
    refused(built(add, quants[0]), HEAD "no weights; must be a convolution or a dense layer");
    refused(built(nets[0], "{\"output_bits\":32,\"overrides\":[{\"layers\":\"y\",\"granularity\":\"per_channel\"}]}"),
            HEAD "an override to granularity \"per_channel\"; must have one scale");
    refused(built(nets[0], "{\"output_bits\":32,\"overrides\":[{\"layers\":\"y\",\"activation_bits\":16}]}"),
            HEAD "an override to 16 bits");
    refused(built(nets[0], "{\"output_bits\":32,\"overrides\":[{\"layers\":\"y\",\"weight_format\":\"float16\"}]}"),
            HEAD "arithmetic in floats; must compute in int8");
    refused(built(nets[0], "{\"output_bits\":32,\"activations\":{\"format\":\"float32\"}}"),
            HEAD "arithmetic in floats; must compute in int8");
    refused(built(nets[0], "{\"output_bits\":32,\"activations\":{\"bits\":16}}"),
            HEAD "an input of int16 codes; must read int8 codes");
    end_model();
}
END_TEST

static void exporter_refuses(const char *name, const Graph *g, const char *path)
{
    refused(exporter_write(exporter_find(name), arena, g, inside(path), NULL),
            "layer \"y\": an output of 32 bits; --to ");
    ck_assert(!file_exists(inside(path)));
}

START_TEST(exporters_that_have_none)
{
    begin();
    exporter_refuses("tflite", lowered(0, 0, ROUNDING_XNNPACK), "m.tflite");
    exporter_refuses("onnx", lowered(0, 0, ROUNDING_ONNXRUNTIME), "m.onnx");
    end();
}
END_TEST

/* A graph that is sound but for what `spoil` does. */
static void spoiled(void (*spoil)(Graph *g, Node *n, GraphTensor *y), const char *words)
{
    Graph *g = lowered(0, 0, ROUNDING_XNNPACK);
    must(graph_check(g));
    spoil(g, node_of_sums(g), &g->tensor[g->output]);
    refused(graph_check(g), words);
}

static void other_scale(Graph *g, Node *n, GraphTensor *y) { (void)g, (void)n, y->scale *= 2.0f; }
static void zero_point(Graph *g, Node *n, GraphTensor *y) { (void)g, (void)n, y->zero_point = 1; }
static void narrow(Graph *g, Node *n, GraphTensor *y) { (void)g, (void)n, y->qmax = 1 << 20; }
static void clamped(Graph *g, Node *n, GraphTensor *y) { (void)g, (void)y, n->lo = 0; }
static void in_the_middle(Graph *g, Node *n, GraphTensor *y)
{
    GraphTensor *x = &g->tensor[n->input[0]];
    x->format = y->format, x->bits = y->bits, x->qmin = y->qmin, x->qmax = y->qmax, x->zero_point = 0;
}

static void own_scale(Graph *g, Node *n, GraphTensor *y)
{
    (void)g, (void)y;
    float *scale = ARENA_ARRAY(arena, float, n->geom.o);
    memcpy(scale, n->weight_scale, sizeof *scale * (size_t)n->geom.o);
    scale[3] *= 1.5f;
    n->weight_scale = scale;
}

static void too_large(Graph *g, Node *n, GraphTensor *y)
{
    (void)g, (void)y;
    int32_t *bias = ARENA_ARRAY(arena, int32_t, n->geom.o);
    bias[1] = INT32_MAX - 1;
    n->bias = bias;
}

START_TEST(graphs_that_are_not_sound)
{
    begin_model();
    spoiled(other_scale, "channel 0: sums on a scale of");
    spoiled(own_scale, "channel 3: sums on a scale of");
    spoiled(zero_point, "zero point 1; must be 32 bits");
    spoiled(narrow, "codes -2147483647 to 1048576");
    spoiled(clamped, "clamp 0 to 2147483647 of an output in int32");
    spoiled(too_large, "channel 1: sums up to");
    spoiled(in_the_middle, "node \"stem\": an output in int32; must be the network's");
    end_model();
}
END_TEST

TEST_MAIN("int32_output", sums_of_every_kind, c_gives_them, a_channel_without_weights, layers_that_have_none,
          exporters_that_have_none, graphs_that_are_not_sound)
