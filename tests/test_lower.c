/* Lowering parity: the integers that a trained model computes are those of its lowered graph, layer by layer, bit for
 * bit. */
#include "deploy/lower.h"

#include <math.h>
#include <string.h>

#include "tests/support/gradcheck.h"
#include "tests/support/conformance.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "graph/engine.h"

static void verify_in(Model *m, Tape *t, Rounding rounding, const uint8_t *pixels, const char *what)
{
    Graph *graph;
    Engine *engine;
    ck_assert_msg(model_lower(m->arena, m, rounding, &graph) == STATUS_OK, "%s: %s", what, status_message());
    ck_assert_int_eq(graph->classes, m->classes);
    ck_assert_int_eq(engine_create(m->arena, graph, SMALL_IMAGES, &engine), STATUS_OK);
    VerifyResult result = {0};
    ck_assert_int_eq(verify_batch(m, t, engine, graph, pixels, SMALL_IMAGES, &result), STATUS_OK);
    long values = SMALL_IMAGES * 8L * 8 * 4;
    for (int i = 0; i < m->layers; i++)
        values += (long)SMALL_IMAGES * m->layer[i].out.h * m->layer[i].out.w * m->layer[i].out.c;
    ck_assert_int_eq(result.values, values);
    ck_assert_msg(result.different == 0, "%s, %s: %ld of %ld codes differ, first %s", what, rounding_names[rounding],
                  result.different, result.values, result.first);
}

/* One model in every rounding. */
static void check(const char *model, const char *quant, bool trained)
{
    Arena *arena = arena_create();
    Bench b = bench_make();
    Model *m = small_model(arena, model, quant, 51);
    const uint8_t *pixels = small_pixels(arena, m, 52);
    if (trained) { /* one step of gradient descent: batch norm, ranges and steps have moved since they were calibrated */
        small_step(m, b.tape, &(ForwardMode){.arithmetic = ARITHMETIC_FAKE, .batch_statistics = true, .observe = true},
                   pixels);
        for (size_t i = 0; i < m->params.count; i++) m->params.x[i] -= 1e-3f * m->params.dx[i];
    }
    for (int rounding = 0; rounding < ROUNDINGS; rounding++) verify_in(m, b.tape, (Rounding)rounding, pixels, quant);
    bench_end(&b);
    arena_destroy(arena);
}

/* Every rounding with each width and granularity; each quantizer comes with all of them in turn. */
static void check_example(const LayerType *layer, const char *example, const char *model)
{
    (void)layer;
    (void)example;
    static const int widths[] = {8, 4, 3, 2};
    static int turn;
    int quantizers = 0;
    while (quantizer_types[quantizers] != NULL) quantizers++;
    Arena *arena = arena_create();
    for (int w = 0; w < 4; w++)
        for (int per_tensor = 0; per_tensor < 2; per_tensor++) {
            const QuantizerType *type = quantizer_types[(turn + w + per_tensor) % quantizers];
            check(model, conformance_quant(arena, model, type, widths[w], per_tensor), (w + turn) % 2 == 1);
        }
    turn++;
    arena_destroy(arena);
}

START_TEST(every_layer) { for_each_layer_example(check_example); }
END_TEST

static const char *const quants[] = {
    "{}", "{\"weights\":{\"granularity\":\"per_tensor\"},\"activations\":{\"symmetric\":true}}",
    "{\"weights\":{\"bits\":4},\"activations\":{\"bits\":4},\"first_last_bits\":0}",
    "{\"weights\":{\"bits\":2},\"activations\":{\"bits\":3},\"first_last_bits\":0,\"avgpool_input_bits\":0}"};
enum { QUANTS = sizeof quants / sizeof quants[0] };

/* Configs as users write them, and every observer for weights and activations. */
static void check_model(const char *model)
{
    Arena *arena = arena_create();
    for (int q = 0; q < QUANTS; q++) check(model, quants[q], q % 2 == 1);
    for (int o = 0; observer_types[o] != NULL; o++)
        check(model,
              arena_printf(arena,
                           "{\"weights\":{\"bits\":5,\"quantizer\":\"observed\",\"observer\":\"%s\"},\"activations\":"
                           "{\"quantizer\":\"observed\",\"observer\":\"%s\"}}",
                           observer_types[o]->name, observer_types[o]->name),
              o % 2 == 1);
    arena_destroy(arena);
}

/* Layers of one grid behind each other, an input read twice, a batch norm whose factor is negative or all but 0. */
START_TEST(graphs)
{
    static const char *const models[] = {
        "{\"input\":[8,8,4],\"layers\":["
        "{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":6,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu6\"},"
        "{\"type\":\"maxpool\",\"name\":\"p\",\"kernel\":2},{\"type\":\"avgpool\",\"name\":\"q\",\"kernel\":2},"
        "{\"type\":\"concat\",\"name\":\"c\",\"inputs\":[\"q\",\"q\"]},{\"type\":\"add\",\"name\":\"s\",\"inputs\":["
        "\"c\",\"c\"]},"
        "{\"type\":\"flatten\",\"name\":\"f\"},{\"type\":\"dense\",\"name\":\"d\",\"units\":3}]}",
        "{\"input\":[8,8,4],\"layers\":["
        "{\"type\":\"depthwise_conv2d\",\"name\":\"a\",\"kernel\":3,\"multiplier\":3,\"batch_norm\":true},"
        "{\"type\":\"conv2d\",\"name\":\"b\",\"filters\":12,\"kernel\":1,\"batch_norm\":true,\"inputs\":\"input\"},"
        "{\"type\":\"add\",\"name\":\"s\",\"inputs\":[\"a\",\"b\"],\"activation\":\"relu\"},"
        "{\"type\":\"concat\",\"name\":\"c\",\"inputs\":[\"s\",\"a\",\"input\"]},"
        "{\"type\":\"global_avgpool\",\"name\":\"g\"},{\"type\":\"dense\",\"name\":\"d\",\"units\":4}]}",
        /* Activations of values below 0: a convolution's, the image's and a sum's, one of them read beside its
         * branch. */
        "{\"input\":[8,8,4],\"layers\":["
        "{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":4,\"kernel\":3,\"batch_norm\":true},"
        "{\"type\":\"activation\",\"name\":\"r\"},"
        "{\"type\":\"activation\",\"name\":\"i\",\"inputs\":\"input\",\"function\":\"relu6\"},"
        "{\"type\":\"add\",\"name\":\"s\",\"inputs\":[\"a\",\"i\"]},"
        "{\"type\":\"activation\",\"name\":\"u\",\"function\":\"relu6\"},"
        "{\"type\":\"concat\",\"name\":\"c\",\"inputs\":[\"u\",\"s\",\"r\"]},"
        "{\"type\":\"avgpool\",\"name\":\"p\",\"kernel\":2},{\"type\":\"activation\",\"name\":\"v\"},"
        "{\"type\":\"dense\",\"name\":\"d\",\"units\":4},{\"type\":\"activation\",\"name\":\"l\"}]}"};
    for (int i = 0; i < 3; i++) check_model(models[i]);
}
END_TEST

/* Gammas at, beside and below 0: dead channels are deployed as they are trained. */
START_TEST(dead_channels)
{
    for (int q = 0; q < QUANTS; q++) {
        Arena *arena = arena_create();
        Bench b = bench_make();
        Model *m = small_model(
            arena,
            "{\"input\":[8,8,4],\"layers\":[{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":6,\"kernel\":3,"
            "\"batch_norm\":true,\"activation\":\"relu\"},{\"type\":\"dense\",\"name\":\"d\",\"units\":3}]}",
            quants[q], 53);
        static const float gammas[] = {0.0f, -0.0f, 1e-12f, -1e-6f, 1e-3f, -2.0f};
        for (int c = 0; c < 6; c++) m->layer[0].gamma->x[c] = gammas[c], m->layer[0].beta->x[c] = 0.3f;
        Graph *graph;
        Engine *engine;
        ck_assert_msg(model_lower(arena, m, ROUNDING_XNNPACK, &graph) == STATUS_OK, "%s", status_message());
        ck_assert_int_eq(engine_create(arena, graph, SMALL_IMAGES, &engine), STATUS_OK);
        VerifyResult result = {0};
        ck_assert_int_eq(verify_batch(m, b.tape, engine, graph, small_pixels(arena, m, 54), SMALL_IMAGES, &result),
                         STATUS_OK);
        ck_assert_msg(result.different == 0, "%s", result.first);
        /* A dead channel is its beta everywhere, on the output's grid. */
        const Tensor *y = m->out[0];
        const int want = y->qp->zero_point + (int)rintf(0.3f / y->qp->scale[0]);
        for (long i = 0; i < tensor_elements(y); i += 6)
            for (int c = 0; c < 3; c++) ck_assert_int_eq(y->codes[i + c], want < y->qp->qmax ? want : y->qp->qmax);
        bench_end(&b);
        arena_destroy(arena);
    }
}
END_TEST

/* Grids that reach beyond 6, as learned steps may: the clamp of a ReLU6 is deployed, too. */
START_TEST(limit_inside_the_grid)
{
    Arena *arena = arena_create();
    Bench b = bench_make();
    Model *m = small_model(
        arena,
        "{\"input\":[8,8,4],\"layers\":[{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":6,\"kernel\":3},"
        "{\"type\":\"activation\",\"name\":\"x\",\"function\":\"relu6\"},"
        "{\"type\":\"add\",\"name\":\"y\",\"inputs\":[\"a\",\"a\"],\"activation\":\"relu6\"},"
        "{\"type\":\"conv2d\",\"name\":\"z\",\"inputs\":\"a\",\"filters\":6,\"kernel\":1,\"activation\":\"relu6\"},"
        "{\"type\":\"concat\",\"name\":\"c\",\"inputs\":[\"x\",\"y\",\"z\"]},"
        "{\"type\":\"dense\",\"name\":\"d\",\"units\":3}]}",
        "{}", 56);
    for (long i = 0; i < m->layer[0].weight->count; i++) m->layer[0].weight->x[i] *= 8.0f;
    for (int i = 0; i < m->layers; i++) m->layer[i].out_q->qp.scale[0] = 0.1f;
    for (int rounding = ROUNDING_XNNPACK; rounding < ROUNDINGS; rounding++) {
        Graph *graph;
        Engine *engine;
        ck_assert_msg(model_lower(arena, m, (Rounding)rounding, &graph) == STATUS_OK, "%s", status_message());
        ck_assert_int_eq(engine_create(arena, graph, SMALL_IMAGES, &engine), STATUS_OK);
        VerifyResult result = {0};
        ck_assert_int_eq(verify_batch(m, b.tape, engine, graph, small_pixels(arena, m, 57), SMALL_IMAGES, &result),
                         STATUS_OK);
        ck_assert_msg(result.different == 0, "%s", result.first);
        static const char *const limited[] = {"x", "y", "z"};
        for (int k = 0; k < 3; k++) {
            const Tensor *y = m->out[small_layer(m, limited[k])];
            int largest = y->qp->qmin;
            for (long i = 0; i < tensor_elements(y); i++) largest = y->codes[i] > largest ? y->codes[i] : largest;
            ck_assert_int_eq(largest, y->qp->zero_point + 60);
        }
    }
    bench_end(&b);
    arena_destroy(arena);
}
END_TEST

enum { MANY = 100 };

/* The activation, over and over on its own grid, which changes nothing after the first time. */
static Status lower_to_many(Layer *l, Lowering *w)
{
    int from = w->tensor_of[l->input[0] + 1];
    for (int i = 0; i < MANY; i++) {
        const int to = lower_tensor(w, l, -1);
        Node *n = lower_node(w, l, NODE_REQUANT, to);
        n->lo = w->graph->tensor[to].zero_point;
        n->input[0] = from;
        if (i < MANY - 1) n->name = w->graph->tensor[to].name = arena_printf(w->arena, "%s.%d", l->name, i);
        from = to;
    }
    return STATUS_OK;
}

START_TEST(a_layer_of_many_nodes)
{
    Arena *arena = arena_create();
    Bench b = bench_make();
    Model *m = small_model(arena,
                           "{\"input\":[8,8,4],\"layers\":[{\"type\":\"activation\",\"name\":\"a\"},"
                           "{\"type\":\"dense\",\"name\":\"d\",\"units\":3}]}",
                           "{}", 58);
    LayerType many = *m->layer[0].type;
    many.lower = lower_to_many;
    m->layer[0].type = &many;
    Graph *graph;
    Engine *engine;
    VerifyResult result = {0};
    ck_assert_msg(model_lower(arena, m, ROUNDING_XNNPACK, &graph) == STATUS_OK, "%s", status_message());
    ck_assert_int_eq(graph->nodes, MANY + 1);
    ck_assert_int_eq(graph->tensors, MANY + 2);
    ck_assert_int_eq(engine_create(arena, graph, SMALL_IMAGES, &engine), STATUS_OK);
    ck_assert_int_eq(verify_batch(m, b.tape, engine, graph, small_pixels(arena, m, 59), SMALL_IMAGES, &result),
                     STATUS_OK);
    ck_assert_msg(result.different == 0, "%s", result.first);
    bench_end(&b);
    arena_destroy(arena);
}
END_TEST

START_TEST(refusals)
{
    Arena *arena = arena_create();
    const char *text = "{\"input\":[8,8,4],\"layers\":[{\"type\":\"dense\",\"name\":\"d\",\"units\":3}]}";
    Model *m = small_model(arena, text, NULL, 1);
    Graph *graph;
    ck_assert_int_eq(model_lower(arena, m, ROUNDING_XNNPACK, &graph), STATUS_STATE);
    ck_assert_msg(strstr(status_message(), "a float model; quantize it first") != NULL, "%s", status_message());
    ck_assert_int_eq(small_model_build(arena, text, "{}", &m), STATUS_OK);
    model_init(m, 1);
    ck_assert_int_eq(model_lower(arena, m, ROUNDING_XNNPACK, &graph), STATUS_STATE);
    ck_assert_str_eq(status_message(), "d.out: its range was never observed; calibrate or train first");
    m = small_model(arena, text, "{}", 1);
    m->layer[0].weight->x[5] = NAN;
    ck_assert_int_eq(model_lower(arena, m, ROUNDING_XNNPACK, &graph), STATUS_NUMERIC);
    ck_assert_str_eq(status_message(), "d.weight[5]: nan; must be finite");
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("lower", every_layer, graphs, dead_channels, limit_inside_the_grid, a_layer_of_many_nodes, refusals)
