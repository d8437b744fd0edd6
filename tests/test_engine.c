/* The integer engine against the naive interpreter of the exported file; the arena plan; pixels to codes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "deploy/safetensors/export_safetensors.h"
#include "base/parallel.h"
#include "graph/plan.h"
#include "graph/engine.h"
#include "graph/graph_check.h"
#include "graph/graph_read.h"
#include "graph/node.h"
#include "kernels/kernels.h"
#include "kernels/requant.h"
#include "tests/support/fixture.h"
#include "tests/support/naive_interpreter.h"
#include "tests/support/random_graph.h"
#include "tests/support/suite.h"

enum { GRAPHS = 60, IMAGES = 7 };

static void compare_tensors(const Graph *g, const Engine *engine, NaiveModel *naive, const int8_t *images, int n)
{
    const long pixels = graph_tensor_elements(&g->tensor[0]);
    ck_assert_int_eq(naive_tensors(naive), g->tensors);
    for (int i = 0; i < n; i++) {
        naive_run(naive, images + i * pixels);
        for (int t = 0; t < g->tensors; t++) {
            const long count = graph_tensor_elements(&g->tensor[t]);
            const int8_t *got = engine_tensor(engine, t) + i * count;
            const int64_t *want = naive_codes(naive, t);
            ck_assert_int_eq(naive_elements(naive, t), count);
            for (long k = 0; k < count; k++)
                if (got[k] != want[k])
                    ck_abort_msg("%s, image %d, \"%s\"[%ld]: engine %d, interpreter %lld", rounding_names[g->rounding],
                                 i, g->tensor[t].name, k, got[k], (long long)want[k]);
        }
    }
}

/* Everything a file says, every engine: the same integers. */
static void compare_engines(const Graph *built, const int8_t *images)
{
    must(export_safetensors(arena, built, model_path));
    Graph *g;
    must(graph_read(arena, model_path, &g));
    NaiveModel *naive = naive_open(model_path);
    ck_assert_ptr_nonnull(naive);
    const size_t logit_bytes = (size_t)IMAGES * (size_t)g->classes;
    int8_t *logits = arena_alloc(arena, logit_bytes), *planned_logits = arena_alloc(arena, logit_bytes);
    for (int threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
        parallel_set_threads(threads);
        Engine *kept, *planned;
        must(engine_create(arena, g, IMAGES + 2, &kept));
        must(engine_create_planned(arena, g, &planned));
        engine_run(kept, images, IMAGES, logits);
        engine_run(planned, images, IMAGES, planned_logits);
        compare_tensors(g, kept, naive, images, IMAGES);
        ck_assert_mem_eq(logits, engine_tensor(kept, g->output), logit_bytes);
        ck_assert_mem_eq(planned_logits, logits, logit_bytes);
    }
    naive_close(naive);
}

START_TEST(engine_equals_the_naive_interpreter)
{
    begin_model();
    int nodes_of[NODE_KINDS] = {0};
    for (int i = 0; i < GRAPHS; i++)
        for (int d = ROUNDING_XNNPACK; d < ROUNDINGS; d++) {
            const Graph *g = random_graph(arena, (uint64_t)i, 10, (Rounding)d);
            compare_engines(g, random_images(arena, g, (uint64_t)i, IMAGES));
            for (int k = 0; k < g->nodes; k++) nodes_of[g->node[k].op]++;
        }
    for (int op = 0; op < NODE_KINDS; op++)
        if (!node_types[op]->converts && op != NODE_EMBEDDING) /* it reads the image alone: test_tokens */
            ck_assert_msg(nodes_of[op] >= 3 * 10, "%s: %d", node_types[op]->name, nodes_of[op]);
    end_model();
}
END_TEST

/* The roundings are four arithmetics, so the graphs must be rich enough to tell them apart. */
START_TEST(roundings_differ)
{
    begin_model();
    long different[ROUNDINGS] = {0};
    for (int i = 0; i < GRAPHS; i++) {
        const Engine *engine[ROUNDINGS];
        const Graph *g = NULL;
        for (int d = 0; d < ROUNDINGS; d++) {
            Engine *e;
            g = random_graph(arena, (uint64_t)i, 10, (Rounding)d);
            must(engine_create(arena, g, IMAGES, &e));
            engine_run(e, random_images(arena, g, (uint64_t)i, IMAGES), IMAGES,
                       arena_alloc(arena, (size_t)IMAGES * (size_t)g->classes));
            engine[d] = e;
        }
        for (int t = 0; t < g->tensors; t++)
            for (long k = 0; k < IMAGES * graph_tensor_elements(&g->tensor[t]); k++)
                for (int d = 0; d < ROUNDINGS; d++)
                    different[d] += engine_tensor(engine[d], t)[k] != engine_tensor(engine[(d + 1) % ROUNDINGS], t)[k];
    }
    for (int d = 0; d < ROUNDINGS; d++) ck_assert_int_gt(different[d], 0);
    end_model();
}
END_TEST

/* The example worked in docs/format.md: two 1 x 2 filters over two pixels, padded by one cell on the left. */
START_TEST(worked_example)
{
    static const int8_t weights[4] = {-3, 4, 5, -2};
    static const int32_t bias[2] = {25, -7};
    static const float weight_scale[2] = {0.03125f, 0.03f}, mean[1] = {0.0f}, std[1] = {1.0f};
    GraphTensor tensor[2] = {{"input", 1, 2, 1, 0.5f, -10, 8, -128, 127, FORMAT_INT8},
                             {"conv", 1, 2, 2, 0.0625f, 4, 8, -128, 127, FORMAT_INT8}};
    Node node = {.op = NODE_CONV2D,
                 .name = "conv",
                 .inputs = 1,
                 .output = 1,
                 .weight_bits = 8,
                 .lo = 4,
                 .hi = 127,
                 .weights = weights,
                 .bias = bias,
                 .weight_scale = weight_scale};
    node.geom = (ConvGeom){.n = 1,
                           .h = 1,
                           .w = 2,
                           .c = 1,
                           .o = 2,
                           .oh = 1,
                           .ow = 2,
                           .kh = 1,
                           .kw = 2,
                           .sh = 1,
                           .sw = 1,
                           .dh = 1,
                           .dw = 1,
                           .pl = 1,
                           .groups = 1};
    Graph g = {.tensors = 2,
               .nodes = 1,
               .tensor = tensor,
               .node = &node,
               .output = 1,
               .classes = 4,
               .channels = 1,
               .mean = mean,
               .std = std,
               .model_name = "example"};
    static const int8_t want[ROUNDINGS][4] = {{75, 4, 4, 60}, {75, 4, 5, 60}, {76, 4, 5, 60}, {75, 4, 4, 60}};
    begin_model();
    for (int d = 0; d < ROUNDINGS; d++) {
        g.rounding = (Rounding)d;
        must(graph_check(&g));
        Engine *engine;
        must(engine_create(arena, &g, 1, &engine));
        int8_t logits[4];
        engine_run(engine, (const int8_t[2]){55, 33}, 1, logits);
        ck_assert_mem_eq(logits, want[d], 4);
    }
    end_model();
}
END_TEST

START_TEST(engine_survives_more_threads_and_does_not_allocate)
{
    begin_model();
    const Graph *g = random_graph(arena, 5, 8, ROUNDING_XNNPACK);
    const int8_t *images = random_images(arena, g, 5, 40);
    int8_t *few = arena_alloc(arena, 40 * (size_t)g->classes), *many = arena_alloc(arena, 40 * (size_t)g->classes);
    parallel_set_threads(2);
    Engine *engine;
    must(engine_create_planned(arena, g, &engine));
    const size_t used = arena_used_bytes(arena);
    engine_run(engine, images, 40, few);
    parallel_set_threads(5);
    engine_run(engine, images, 40, many);
    ck_assert_mem_eq(few, many, 40 * (size_t)g->classes);
    engine_run(engine, images, 0, many);
    ck_assert_uint_eq(arena_used_bytes(arena), used);
    ck_assert_int_eq(engine_create(arena, g, 0, &engine), STATUS_INVALID);
    ck_assert_str_eq(status_message(), "engine: batch 0; must be 1 to 1048576");
    end_model();
}
END_TEST

/* Tensors alive together never share a byte, except a reshape and its input, which share them all. */
START_TEST(plan_keeps_living_tensors_apart)
{
    begin_model();
    for (int i = 0; i < GRAPHS; i++) {
        const Graph *g = random_graph(arena, (uint64_t)i, 14, ROUNDING_XNNPACK);
        const Plan plan = plan_make(arena, g, &plan_of_engine);
        ck_assert_uint_eq(plan.bytes, graph_arena_bytes(g));
        int *root = ARENA_ARRAY(arena, int, g->tensors);
        size_t all = 0;
        for (int t = 0; t < g->tensors; t++) root[t] = t;
        for (int k = 0; k < g->nodes; k++) {
            const Node *n = &g->node[k];
            if (n->op == NODE_RESHAPE) root[n->output] = root[n->input[0]];
        }
        for (int t = 0; t < g->tensors; t++) {
            const size_t from = plan.tensor[t].offset, to = from + (size_t)graph_tensor_elements(&g->tensor[t]);
            ck_assert_uint_eq(from % PLAN_ALIGN_BYTES, 0);
            ck_assert_uint_le(to, plan.bytes);
            all += to - from + PLAN_ALIGN_BYTES;
            for (int s = 0; s < t; s++) {
                const size_t other = plan.tensor[s].offset,
                             other_to = other + (size_t)graph_tensor_elements(&g->tensor[s]);
                const bool together =
                    plan.tensor[s].first <= plan.tensor[t].last && plan.tensor[t].first <= plan.tensor[s].last;
                if (root[s] == root[t])
                    ck_assert_uint_eq(from, other);
                else if (together && from < other_to && other < to)
                    ck_abort_msg("graph %d: tensors %d and %d overlap", i, s, t);
            }
        }
        ck_assert_uint_lt(plan.bytes, all);
    }
    end_model();
}
END_TEST

/* A chain needs the largest neighbouring pair, not the sum. */
START_TEST(plan_of_a_chain_is_its_largest_pair)
{
    GraphTensor tensor[5];
    Node node[4];
    const int width[5] = {160, 320, 16, 480, 32};
    for (int i = 0; i < 5; i++) tensor[i] = (GraphTensor){.h = 1, .w = 1, .c = width[i]};
    for (int i = 0; i < 4; i++) node[i] = (Node){.op = NODE_DENSE, .inputs = 1, .input = {i}, .output = i + 1};
    const Graph g = {.tensors = 5, .nodes = 4, .tensor = tensor, .node = node, .output = 4};
    ck_assert_uint_eq(graph_arena_bytes(&g), 480 + 32);
}
END_TEST

static Graph *image_graph(Arena *a, float mean, float std, float scale, int zero_point)
{
    Graph *g = random_graph(a, 3, 0, ROUNDING_XNNPACK);
    float *m = ARENA_ARRAY(a, float, g->channels), *s = ARENA_ARRAY(a, float, g->channels);
    for (int c = 0; c < g->channels; c++) m[c] = mean, s[c] = std;
    g->mean = m, g->std = s;
    g->tensor[0].scale = scale, g->tensor[0].zero_point = zero_point;
    return g;
}

START_TEST(pixels_are_codes_where_the_grid_is_theirs)
{
    begin_model();
    uint8_t pixels[4096];
    int8_t codes[4096];
    for (int i = 0; i < 4096; i++) pixels[i] = (uint8_t)(i * 7);
    const float mean = 33.0f / 255.0f, std = 0.3081f;
    Graph *g = image_graph(arena, mean, std, 1.0f / (255.0f * std), 33 - 128);
    const long count = 3 * graph_tensor_elements(&g->tensor[0]);
    ck_assert_int_le(count, 4096);
    graph_quantize_pixels(g, pixels, 3, codes);
    for (long i = 0; i < count; i++) ck_assert_int_eq(codes[i], pixels[i] - 128);

    /* Another grid, and a mean per channel: the value is quantized. */
    g = image_graph(arena, mean, std, 0.05f, 3);
    if (g->channels > 1) ((float *)g->mean)[1] = 0.25f;
    graph_quantize_pixels(g, pixels, 3, codes);
    for (long i = 0; i < count; i++) {
        const float value = ((float)pixels[i] / 255.0f - g->mean[i % g->channels]) / std;
        const float q = nearbyintf(value / 0.05f) + 3.0f;
        ck_assert_int_eq(codes[i], q < -128.0f ? -128 : q > 127.0f ? 127 : (int)q);
    }
    end_model();
}
END_TEST

START_TEST(sizes_and_macs)
{
    begin_model();
    Graph *g = random_graph(arena, 1, 0, ROUNDING_XNNPACK);
    Node *n = &g->node[0];
    const long in = graph_tensor_elements(&g->tensor[0]), out = g->classes;
    n->weight_bits = 3;
    ck_assert_int_eq(node_weights(n), in * out);
    ck_assert_int_eq(node_macs(g, n), in * out);
    ck_assert_uint_eq(graph_flash_bytes(g), (size_t)((in * out * 3 + 7) / 8 + 8 * out));
    Node conv = {.op = NODE_CONV2D, .output = 1, .geom = {.c = 6, .groups = 3, .o = 9, .kh = 2, .kw = 5}};
    g->tensor[1].h = 7, g->tensor[1].w = 2;
    ck_assert_int_eq(node_weights(&conv), 2 * 5 * 2 * 9);
    ck_assert_int_eq(node_macs(g, &conv), 2 * 5 * 2 * 9 * 14);
    conv.op = NODE_DWCONV2D;
    ck_assert_int_eq(node_weights(&conv), 2 * 5 * 9);
    conv.op = NODE_MAXPOOL;
    ck_assert_int_eq(node_macs(g, &conv), 0);
    end_model();
}
END_TEST

START_TEST(operations_and_roundings_have_names)
{
    for (int op = 0; op < NODE_KINDS; op++) ck_assert(node_types[op]->name != NULL && node_types[op]->doc != NULL);
    for (int d = 0; d < ROUNDINGS; d++) ck_assert_ptr_nonnull(rounding_names[d]);
    ck_assert(node_types[NODE_KINDS] == NULL && rounding_names[ROUNDINGS] == NULL);
}
END_TEST

TEST_MAIN("engine", operations_and_roundings_have_names, worked_example, engine_equals_the_naive_interpreter,
          roundings_differ, engine_survives_more_threads_and_does_not_allocate, plan_keeps_living_tensors_apart,
          plan_of_a_chain_is_its_largest_pair, pixels_are_codes_where_the_grid_is_theirs, sizes_and_macs)
