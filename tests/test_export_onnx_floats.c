/* Graphs with floats in ONNX: the values of a plain reading of the file are the engine's, and codes too but for ties. */
#include <math.h>
#include <string.h>

#include "graph/engine.h"
#include "graph/graph_check.h"
#include "graph/node.h"
#include "tests/support/mixed_graph.h"
#include "tests/support/onnx_exported.h"
#include "tests/support/onnx_run.h"
#include "tests/support/random_graph.h"
#include "tests/support/suite.h"

enum { IMAGES = 3 };

typedef struct {
    long values, different;
} Difference;

static void compare(const Graph *g, int images, Difference *d)
{
    const Onnx__ModelProto *m = onnx_exported_read_back(g, "{\"input\":\"codes\"}");
    const GraphTensor *out = &g->tensor[g->output];
    Engine *engine;
    must(engine_create(arena, g, images, &engine));
    const int8_t *codes = random_images(arena, g, 5, images);
    void *logits = arena_alloc(arena, (size_t)images * graph_tensor_bytes(out));
    float *want = ARENA_ARRAY(arena, float, images * g->classes);
    engine_run(engine, codes, images, logits);
    graph_tensor_reals(out, logits, (size_t)images * (size_t)g->classes, want);
    const OnnxArray y = onnx_run(arena, m, images, onnx_exported_input(g, codes, images), "logits");
    ck_assert_int_eq(y.count, images * g->classes);
    double most = 0;
    for (int64_t i = 0; i < y.count; i++) most = fmax(most, fabs(y.x[i]));
    for (int64_t i = 0; i < y.count; i++)
        d->values++, d->different += !(fabs(y.x[i] - (double)want[i]) <= 1e-5 * most + 1e-30);
}

static const Graph *mixed(uint64_t seed, Mixture mixture)
{
    const Graph *g = mixed_graph(arena, random_graph(arena, seed, 5, ROUNDING_ONNXRUNTIME), seed, mixture);
    must(graph_check(g));
    return g;
}

/* A random one, behind which a code that is another by one is any other. */
static bool has_table(const Graph *g)
{
    for (int i = 0; i < g->nodes; i++)
        if (g->node[i].table != NULL) return true;
    return false;
}

START_TEST(same_values)
{
    Difference floats = {0}, both = {0};
    for (uint64_t seed = 0; seed < 120; seed++) {
        onnx_exported_begin();
        const bool all = seed % 3 == 0;
        const Graph *g = mixed(seed, all ? MIX_ALL : MIX_FLOAT32);
        if (!has_table(g)) compare(g, IMAGES, all ? &floats : &both);
        onnx_exported_end();
    }
    ck_assert_int_gt(floats.values, 200);
    ck_assert_int_gt(both.values, 400);
    ck_assert_int_eq(floats.different, 0);
    ck_assert_msg(both.different * 20 <= both.values, "%ld of %ld", both.different, both.values);
}
END_TEST

/* Grids found at run time, of one image at a time.  A value that the order of sums moves across the middle between two codes
 * is another by a step. */
START_TEST(dynamic_values)
{
    Difference d = {0};
    int nodes[NODE_KINDS] = {0};
    for (uint64_t seed = 0; seed < 120; seed++) {
        onnx_exported_begin();
        const Graph *g = mixed(seed, MIX_DYNAMIC);
        int dynamic = 0;
        for (int i = 0; i < g->nodes; i++) dynamic += g->node[i].input_bits > 0;
        if (dynamic > 0 && !has_table(g)) {
            compare(g, 1, &d);
            for (int i = 0; i < g->nodes; i++) nodes[g->node[i].op] += g->node[i].input_bits > 0;
        }
        onnx_exported_end();
    }
    ck_assert(nodes[NODE_CONV2D] >= 3 && nodes[NODE_DWCONV2D] >= 3 && nodes[NODE_DENSE] >= 3);
    ck_assert_int_gt(d.values, 100);
    ck_assert_msg(d.different * 20 <= d.values, "%ld of %ld", d.different, d.values);
}
END_TEST

/* What is asked of one graph: a format that the file knows, or not. */
START_TEST(formats_of_outputs)
{
    int written = 0, refused_formats = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        onnx_exported_begin();
        const Graph *g = mixed(seed, MIX_FORMATS);
        int eights = 0, sixteens = 0;
        for (int i = 0; i < g->nodes; i++) {
            if (!node_is_float(g, &g->node[i]) || node_type(&g->node[i])->shows_input) continue;
            const Format f = node_y(g, &g->node[i])->format, w = g->node[i].weight_format;
            eights += f >= FORMAT_FLOAT8_E4M3 || w >= FORMAT_FLOAT8_E4M3;
            sixteens += f == FORMAT_FLOAT16 || f == FORMAT_BFLOAT16;
        }
        const Status status = onnx_exported_export(g, "{}");
        if (eights > 0 && status != STATUS_OK && strstr(status_message(), "which ONNX has not in operator set") != NULL)
            refused_formats++;
        if (eights > 0) ck_assert_int_ne(status, STATUS_OK);
        if (status == STATUS_OK && sixteens > 0) {
            ck_assert_int_ge(onnx_exported_count(onnx_exported_read(), "Cast"), 2 * sixteens);
            written++;
        }
        onnx_exported_end();
    }
    ck_assert_int_ge(written, 3);
    ck_assert_int_ge(refused_formats, 3);
}
END_TEST

/* ONNX Runtime must not take a float operation between codes for an integer one. */
START_TEST(floats_are_kept_apart)
{
    onnx_exported_begin();
    const Graph *g = mixed(0, MIX_ALL);
    const Onnx__ModelProto *m = onnx_exported_read_back(g, "{}");
    const Onnx__NodeProto *first = onnx_exported_node(m, "input.floats");
    ck_assert_str_eq(first->op_type, "Clip");
    ck_assert_str_eq(onnx_exported_maker(m, first->input[0])->op_type, "DequantizeLinear");
    onnx_exported_end();
}
END_TEST

TEST_MAIN("export onnx floats", same_values, dynamic_values, formats_of_outputs, floats_are_kept_apart)
