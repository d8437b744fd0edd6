/* Weights on sets of levels: the sets, their quantizers by hand, the integers they become, where they are refused. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "deploy/c/c_cost.h"
#include "deploy/exporter.h"
#include "deploy/lower.h"
#include "graph/graph_check.h"
#include "graph/graph_read.h"
#include "graph/node_levels.h"
#include "quant/fake_quant.h"
#include "quant/level_set.h"
#include "tests/support/c_program.h"
#include "tests/support/gradcheck.h"
#include "tests/support/scratch.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"

static Quantizer *quantizer(Arena *arena, ParamSet *params, const char *type, int bits, int channels, bool per_channel)
{
    const QuantizerSpec spec = {.bits = bits,
                                .per_channel = per_channel,
                                .symmetric = true,
                                .type = quantizer_type(type),
                                .observer = observer_type("max"),
                                .momentum = 1};
    Quantizer *q =
        quantizer_create(arena, params, "w", &spec, (QuantizedTensor){.is_weight = true, .channels = channels});
    ck_assert_msg(q != NULL, "%s", status_message());
    ck_assert_int_eq(param_set_place(params, arena), STATUS_OK);
    return q;
}

/* The nearest; half way the one of smaller magnitude; beyond the ends these. */
START_TEST(nearest)
{
    int8_t level[] = {-64, -32, -3, 0, 1, 2, 100};
    const QuantParams qp = {.levels = 7, .level = level};
    static const struct {
        float v;
        int code;
    } cases[] = {{-1e30f, -64}, {-64, -64}, {-48.1f, -64}, {-48, -32}, {-32, -32}, {-17.6f, -32}, {-17.5f, -3},
                 {-1.5f, 0},    {0.5f, 0},  {0.51f, 1},    {1.5f, 1},  {51, 2},    {51.1f, 100},  {1e30f, 100}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(level[level_nearest(&qp, cases[i].v)] == cases[i].code, "%g: %d", (double)cases[i].v,
                      level[level_nearest(&qp, cases[i].v)]);
}
END_TEST

/* delta = 0.7 * 0.5: two of 6 weights are above it in the first channel, and their mean is the scale. */
START_TEST(ternary_by_hand)
{
    Bench b = bench_make();
    ParamSet params = {0};
    Quantizer *q = quantizer(b.owner, &params, "twn", 2, 2, true);
    float w[] = {1.0f, -1.4f, 0.3f, -0.1f, 0.2f, 0, 0, 0, 0, 0, 0, 0}, dw[12] = {0}, dy[12];
    static const int8_t codes[12] = {1, -1};
    for (int i = 0; i < 12; i++) dy[i] = (float)(i + 1);
    Tensor *y = op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(2, 6), w, dw), q, NULL);
    ck_assert_mem_eq(y->codes, codes, 12);
    ck_assert(y->qp->scale[0] == 1.2f && y->qp->scale[1] == 1.0f);
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, dy)), STATUS_OK);
    ck_assert_mem_eq(dw, dy, sizeof dw);
    bench_end(&b);
}
END_TEST

static void check_set(const char *type, int bits, int n, const int *level)
{
    Arena *arena = arena_create();
    ParamSet params = {0};
    const Quantizer *q = quantizer(arena, &params, type, bits, 1, false);
    ck_assert_int_eq(q->qp.levels, n);
    for (int i = 0; i < n; i++) ck_assert_int_eq(q->qp.level[i], level[i]);
    ck_assert(q->qp.qmin == level[0] && q->qp.qmax == level[n - 1]);
    ck_assert(level[n - 1] < 1 << (q->qp.bits - 1) && level[n - 1] >= 1 << (q->qp.bits - 2));
    ck_assert_int_eq(grid_bits(&q->qp), bits);
    arena_destroy(arena);
}

START_TEST(sets)
{
    check_set("pot", 2, 3, (const int[]){-1, 0, 1});
    check_set("pot", 3, 7, (const int[]){-4, -2, -1, 0, 1, 2, 4});
    check_set("pot", 4, 15, (const int[]){-64, -32, -16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 16, 32, 64});
    check_set("irnet", 1, 2, (const int[]){-1, 1});
    check_set("apot", 2, 3, (const int[]){-1, 0, 1});
    check_set("apot", 3, 7, (const int[]){-4, -2, -1, 0, 1, 2, 4});
    check_set("apot", 4, 15, (const int[]){-10, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 10});
    check_set("apot", 5, 31, (const int[]){-48, -36, -33, -32, -24, -18, -16, -12, -9, -8, -6, -4, -3, -2, -1, 0,
                                           1,   2,   3,   4,   6,   8,   9,   12,  16, 18, 24, 32, 33, 36, 48});
}
END_TEST

/* alpha = 2 and 3 bits: steps of 0.5. */
START_TEST(powers_by_hand)
{
    Bench b = bench_make();
    ParamSet params = {0};
    Quantizer *q = quantizer(b.owner, &params, "pot", 3, 1, false);
    float w[] = {0.2f, 0.3f, -0.8f, 1.4f, 1.6f, -9}, dw[6] = {0}, dy[] = {1, 2, 4, 8, 16, 32};
    static const int8_t codes[] = {0, 1, -2, 2, 4, -4};
    static const float inside[] = {1, 2, 4, 8, 16, 0};
    op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(1, 6), w, dw), q, NULL);
    tape_reset(b.tape, true);
    q->param[0]->x[0] = 2.0f;
    Tensor *y = op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(1, 6), w, dw), q, NULL);
    ck_assert_mem_eq(y->codes, codes, 6);
    ck_assert(y->qp->scale[0] == 0.5f);
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, dy)), STATUS_OK);
    ck_assert_mem_eq(dw, inside, sizeof dw);
    const double sum = -0.2 + 2 * 0.2 - 4 * 0.2 - 8 * 0.4 + 16 * 0.4 - 32 * 2; /* of dy (y - w), and of the clipped */
    ck_assert_double_eq_tol((double)q->param[0]->dx[0], sum / 2 * sqrt(3.0 / 6.0), 1e-5);
    bench_end(&b);
}
END_TEST

/* delta = 0.05 * 4: 127 stands for the 4 of the negative, 32 for the mean of 1 and 1. */
START_TEST(trained_ternary_by_hand)
{
    Bench b = bench_make();
    ParamSet params = {0};
    Quantizer *q = quantizer(b.owner, &params, "ttq", 2, 1, false);
    float w[] = {0.5f, 1.5f, -4, 0.2f, -0.1f, 0}, dw[6] = {0}, dy[] = {1, 2, 4, 8, 16, 32};
    static const int8_t codes[] = {32, 32, -127, 0, 0, 0};
    static const float want[] = {1, 2, 16, 8, 16, 32}; /* times 1, 1, 4, and 1 in the middle */
    Tensor *y = op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(1, 6), w, dw), q, NULL);
    ck_assert_mem_eq(y->codes, codes, 6);
    ck_assert(q->param[0]->x[0] == 1.0f && q->param[1]->x[0] == 4.0f && y->qp->scale[0] == 4.0f / 127);
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, dy)), STATUS_OK);
    ck_assert_mem_eq(dw, want, sizeof dw);
    ck_assert_double_eq_tol((double)q->param[0]->dx[0], 3 / sqrt(6), 1e-6);
    ck_assert_double_eq_tol((double)q->param[1]->dx[0], -4 / sqrt(6), 1e-6);
    bench_end(&b);
}
END_TEST

/* Two clusters of three; the entries are their means, gradients go to each cluster's; entries of one code are one. */
START_TEST(codebook_by_hand)
{
    Bench b = bench_make();
    ParamSet params = {0};
    Quantizer *q = quantizer(b.owner, &params, "codebook", 1, 1, false);
    float w[] = {-1, 10, -2, 12.7f, -3, 15.4f}, dw[6] = {0}, dy[] = {1, 2, 4, 8, 16, 32};
    static const int8_t codes[] = {-20, 127, -20, 127, -20, 127};
    Tensor *y = op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(1, 6), w, dw), q, NULL);
    ck_assert_mem_eq(y->codes, codes, 6);
    ck_assert(q->param[0]->x[0] == -2.0f && q->param[1]->x[0] == 12.7f);
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, dy)), STATUS_OK);
    ck_assert_mem_eq(dw, dy, sizeof dw);
    ck_assert_double_eq_tol((double)q->param[0]->dx[0], 21 / sqrt(6), 1e-5);
    ck_assert_double_eq_tol((double)q->param[1]->dx[0], 42 / sqrt(6), 1e-5);
    tape_reset(b.tape, true);
    q->param[0]->x[0] = q->param[1]->x[0] = 3.0f;
    y = op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(1, 6), w, dw), q, NULL);
    ck_assert(y->qp->levels == 1 && y->qp->level[0] == 127 && y->codes[0] == 127);
    bench_end(&b);
}
END_TEST

/* ---- models ------------------------------------------------------------------------------------------------------ */

static const char model[] =
    "{\"input\":[8,8,2],\"layers\":["
    "{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":6,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"b\",\"kernel\":3,\"padding\":\"same\",\"activation\":\"relu\"},"
    "{\"type\":\"conv2d\",\"name\":\"c\",\"filters\":5,\"kernel\":1,\"activation\":\"relu\"},"
    "{\"type\":\"dense\",\"name\":\"logits\",\"units\":3}]}";

static const struct {
    const char *type;
    int bits, width; /* of config and of flash */
} kinds[] = {{"twn", 2, 2},
             {"pot", 2, 2},
             {"pot", 3, 4},
             {"pot", 4, 4},
             {"apot", 4, 4},
             {"apot", 6, 8},
             {"ttq", 2, 2},
             {"codebook", 1, 1},
             {"codebook", 3, 4},
             {"codebook", 4, 4},
             {"binary_connect", 1, 1},
             {"xnor", 1, 1},
             {"bireal", 1, 1},
             {"irnet", 1, 1}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static Model *model_of(Arena *arena, int kind, bool per_tensor)
{
    return small_model(arena, model,
                       arena_printf(arena,
                                    "{\"weights\":{\"bits\":%d,\"quantizer\":\"%s\",\"granularity\":\"%s\"},"
                                    "\"first_last_bits\":0}",
                                    kinds[kind].bits, kinds[kind].type, per_tensor ? "per_tensor" : "per_channel"),
                       7 + (uint64_t)kind);
}

static void must(Status status) { ck_assert_msg(status == STATUS_OK, "%s", status_message()); }

/* Signs, scales and gradients of weights of 1 bit; the last weight is 0, and the first beyond 1. */
START_TEST(binary_by_hand)
{
    static const struct {
        const char *type;
        int8_t codes[4];
        float scale, gradient[4];
    } cases[] = {{"binary_connect", {-1, 1, -1, 1}, 0.5f, {0, 1, 1, 1}},
                 {"xnor", {-1, 1, -1, 1}, 0.5f, {0.25f, 0.75f, 0.75f, 0.75f}},
                 {"bireal", {-1, 1, -1, 1}, 0.5f, {0, 0.5f, 0.5f, 0.5f}},
                 {"irnet", {-1, 1, 1, 1}, 0.5f, {0}}};
    for (int k = 0; k < 4; k++) {
        Bench b = bench_make();
        ParamSet params = {0};
        Quantizer *q = quantizer(b.owner, &params, cases[k].type, 1, 1, false);
        float w[] = {-1.25f, 0.5f, -0.25f, 0}, dw[4] = {0},
              dy[] = {1, 1, 1, 1}; /* mean -0.25, deviation sqrt(0.40625) */
        Tensor *y = op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape_2(1, 4), w, dw), q, NULL);
        ck_assert_mem_eq(y->codes, cases[k].codes, 4);
        ck_assert_msg(y->qp->scale[0] == cases[k].scale, "%s: %g", cases[k].type, (double)y->qp->scale[0]);
        q->progress = 0.5; /* t = 1, k = 1 */
        ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, dy)), STATUS_OK);
        for (int i = 0; i < 4; i++) {
            const double d = sqrt(0.40625), h = tanh(((double)w[i] + 0.25) / d);
            const double want = k < 3 ? (double)cases[k].gradient[i] : 0.5 / d * (1 - h * h);
            ck_assert_msg(fabs((double)dw[i] - want) < 1e-6, "%s: %d: %g", cases[k].type, i, (double)dw[i]);
        }
        bench_end(&b);
    }
}
END_TEST

/* A table of the config, times a learned scale. */
START_TEST(codebook_of_config)
{
    Arena *arena = arena_create();
    static const char quant[] = "{\"weights\":{\"bits\":2,\"quantizer\":\"codebook\",\"codebook\":{\"table\":%s}},"
                                "\"first_last_bits\":0}";
    Model *m;
    Graph *g;
    m = small_model(arena, model, arena_printf(arena, quant, "[-2,0,1,5]"), 4);
    must(model_lower(arena, m, ROUNDING_XNNPACK, &g));
    static const int8_t level[] = {-2, 0, 1, 5};
    ck_assert_int_eq(g->node[0].levels, 4);
    ck_assert_mem_eq(g->node[0].level, level, 4);
    static const char *const bad[] = {"[1]", "[1,1]", "[2,1]", "[-2,0,1,2,5]", "[0]"};
    static const bool fine[] = {true, false, false, false, false};
    for (int i = 0; i < 5; i++) {
        const Status status = small_model_build(arena, model, arena_printf(arena, quant, bad[i]), &m);
        ck_assert_msg((status == STATUS_OK) == fine[i], "%s", bad[i]);
        if (!fine[i])
            ck_assert_msg(strstr(status_message(), "layer \"a\": codebook.table: ") != NULL, "%s", status_message());
    }
    arena_destroy(arena);
}
END_TEST

/* Outputs of 1 bit, the codes 126 and 127: every layer as its node, in every rounding, and in C. */
START_TEST(outputs_of_one_bit)
{
    static const char *const quants[] = {
        "{\"weights\":{\"bits\":1},\"activations\":{\"bits\":1},\"first_last_bits\":0}",
        ("{\"weights\":{\"bits\":2},\"activations\":{\"bits\":1,\"quantizer\":\"pact\"},\"first_last_bits\":0,"
         "\"overrides\":[{\"layers\":\"logits\",\"activation_quantizer\":\"observed\"}]}"),
        "{\"activations\":{\"bits\":1,\"quantizer\":\"observed\",\"observer\":\"entropy\"},\"first_last_bits\":0}"};
    Arena *arena = arena_create();
    const char *folder = scratch_folder(arena);
    const Graph *all[3];
    for (int k = 0; k < 3; k++) {
        Bench b = bench_make();
        Model *m = small_model(arena, model, quants[k], 9);
        const uint8_t *pixels = small_pixels(arena, m, 10);
        for (int rounding = 0; rounding < ROUNDINGS; rounding++) {
            Graph *g;
            Engine *engine;
            VerifyResult result = {0};
            must(model_lower(arena, m, (Rounding)rounding, &g));
            must(engine_create(arena, g, SMALL_IMAGES, &engine));
            must(verify_batch(m, b.tape, engine, g, pixels, SMALL_IMAGES, &result));
            ck_assert(result.different == 0 && result.values > 0);
            const GraphTensor *y = node_y(g, &g->node[0]);
            ck_assert(y->bits == 1 && y->qmin == 126 && y->qmax == 127 && y->zero_point == 126);
            if (rounding == ROUNDING_TFLITE_SINGLE) all[k] = g;
        }
        bench_end(&b);
    }
    c_must_answer(arena, folder, all, 3, NULL);
    ck_assert_int_eq(system(arena_printf(arena, "rm -r %s", folder)), 0); /* NOLINT: a folder of this file */
    arena_destroy(arena);
}
END_TEST

/* What the model file gives back is the graph; its weights take their bits in flash; its C answers as the engine. */
START_TEST(deployed)
{
    Arena *arena = arena_create();
    const char *folder = scratch_folder(arena), *path = file_join(arena, folder, "m.safetensors");
    const Graph *all[2 * KINDS];
    int exported = 0;
    for (int i = 0; i < 2 * KINDS; i++) {
        Graph *g, *read;
        must(model_lower(arena, model_of(arena, i / 2, i % 2), ROUNDING_TFLITE_SINGLE, &g));
        must(exporter_write(exporter_find("safetensors"), arena, g, path, NULL));
        must(graph_read(arena, path, &read));
        if (i % 5 == 0) all[exported++] = read;
        for (int k = 0; k < g->nodes; k++) {
            const Node *n = &g->node[k], *m = &read->node[k];
            if (!node_has_weights(n)) continue;
            ck_assert_int_eq(n->levels, m->levels);
            ck_assert(n->levels == 0 || memcmp(n->level, m->level, (size_t)n->levels) == 0);
            ck_assert_mem_eq(n->weights, m->weights, (size_t)node_weights(n));
            ck_assert_int_eq(node_weight_width(n), kinds[i / 2].bits);
            ck_assert_int_eq(c_weight_width(n), kinds[i / 2].width);
        }
    }
    c_must_answer(arena, folder, all, exported, NULL);
    ck_assert_int_eq(system(arena_printf(arena, "rm -r %s", folder)), 0); /* NOLINT: a folder of this file */
    arena_destroy(arena);
}
END_TEST

static void must_fail(const Graph *g, const char *words)
{
    ck_assert_int_eq(graph_check(g), STATUS_UNSUPPORTED);
    ck_assert_msg(strstr(status_message(), words) != NULL, "%s", status_message());
}

START_TEST(levels_are_checked)
{
    Arena *arena = arena_create();
    Graph *g;
    must(model_lower(arena, model_of(arena, 3, false), ROUNDING_XNNPACK, &g));
    ck_assert_int_eq(graph_version(g), 2);
    Node *n = &g->node[0];
    int8_t *weight = (int8_t *)(uintptr_t)n->weights, *level = (int8_t *)(uintptr_t)n->level;
    const int8_t before = weight[3];
    weight[3] = 3;
    must_fail(g, "node \"a\": channel 0: weight 3; must be one of 15 levels shifted by 0");
    weight[3] = before, level[1] = -64;
    must_fail(g, "node \"a\": level 1 of its weights: -64; levels must be 8-bit codes, each above the one before");
    level[1] = -32, n->weight_bits = 7;
    must_fail(g, "node \"a\": level 14 of its weights: 64");
    n->weight_bits = 8, n->levels = 257;
    must_fail(g, "node \"a\": 257 levels");
    n->levels = 15;
    must(graph_check(g));
    arena_destroy(arena);
}
END_TEST

/* A type is refused where it is for nothing of the layer, and in bits that it cannot have; where the ends of the network
 * have other bits than its own, they have another. */
START_TEST(refused_elsewhere)
{
    static const char *const cases[][2] = {
        {"{\"weights\":{\"bits\":4,\"quantizer\":\"twn\"},\"first_last_bits\":0}",
         "layer \"a\": quantizer \"twn\" for weights of 4 bits; it is for 2 bits"},
        {"{\"weights\":{\"bits\":5,\"quantizer\":\"pot\"},\"first_last_bits\":0}",
         "layer \"a\": quantizer \"pot\" for weights of 5 bits; it is for 2 to 4 bits"},
        {"{\"weights\":{\"bits\":1,\"quantizer\":\"lsq\"},\"first_last_bits\":0}",
         "layer \"a\": quantizer \"lsq\" for weights of 1 bit; it is for 2 to 8 bits"},
        {"{\"weights\":{\"bits\":2,\"quantizer\":\"irnet\"},\"first_last_bits\":0}",
         "layer \"a\": quantizer \"irnet\" for weights of 2 bits; it is for 1 bit"},
        {"{\"overrides\":[{\"layers\":\"b\",\"weight_quantizer\":\"pot\"}]}",
         "layer \"b\": quantizer \"pot\" for weights of 8 bits; it is for 2 to 4 bits"},
        {"{\"activations\":{\"bits\":2,\"quantizer\":\"twn\"}}",
         "layer \"a\": quantizer \"twn\" for its output; it is for weights only"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Arena *arena = arena_create();
        Model *m;
        ck_assert_int_eq(small_model_build(arena, model, cases[i][0], &m), STATUS_CONFIG);
        ck_assert_msg(strstr(status_message(), cases[i][1]) != NULL, "%s", status_message());
        arena_destroy(arena);
    }
    Arena *arena = arena_create();
    const Model *m = small_model(arena, model, "{\"weights\":{\"bits\":2,\"quantizer\":\"twn\"}}", 3);
    ck_assert_str_eq(m->layer[0].weight_q->type->name, "observed");
    ck_assert_str_eq(m->layer[1].weight_q->type->name, "twn");
    m = small_model(arena, model, "{\"weights\":{\"bits\":1}}", 3);
    ck_assert_str_eq(m->layer[0].weight_q->type->name, "observed");
    ck_assert_str_eq(m->layer[1].weight_q->type->name, "xnor");
    Model *none;
    ck_assert_int_eq(small_model_build(arena,
                                       "{\"input\":[8,8,2],\"layers\":[{\"type\":\"dense\",\"name\":\"a\",\"units\":4},"
                                       "{\"type\":\"dense\",\"name\":\"logits\",\"units\":3}]}",
                                       "{\"activations\":{\"bits\":1},\"first_last_bits\":0}", &none),
                     STATUS_CONFIG);
    ck_assert_msg(
        strstr(status_message(), "layer \"a\": 1 bit for its output, which may be below 0; 1 bit is for the") != NULL,
        "%s", status_message());
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("levels", nearest, ternary_by_hand, sets, powers_by_hand, trained_ternary_by_hand, codebook_by_hand,
          codebook_of_config, binary_by_hand, outputs_of_one_bit, deployed, levels_are_checked, refused_elsewhere)
