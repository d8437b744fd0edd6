/* TFLite files with int16 codes: types, biases, versions and options are those of TFLite's 16x8. */
#include <string.h>
#include <unistd.h>

#include "autograd/ops.h"
#include "graph/node.h"
#include "tests/support/fixture.h"
#include "tests/support/random_graph.h"
#include "tests/support/suite.h"
#include "tests/support/tflite_file.h"
#include "tests/support/wide_graph.h"

enum { GRAPHS = 120 };

static TfliteModel *exported(const Graph *g)
{
    const char *path = arena_printf(arena, "%s.tflite", model_path);
    if (tflite_export(arena, g, path, NULL) != STATUS_OK)
        return NULL; /* -128 among the weights, padding of an average pool */
    TfliteModel *m = tflite_read_back(arena, path);
    unlink(path);
    return m;
}

/* The tensors that stand for the graph's have its types and grids. */
static int check_tensors(const Graph *g, const TfliteModel *m)
{
    int wide = 0;
    for (int i = 0; i < m->tensors; i++) {
        const TfliteTensor *t = &m->tensor[i];
        for (int k = 0; k < g->tensors; k++) {
            if (strcmp(t->name, g->tensor[k].name) != 0) continue;
            ck_assert_int_eq(t->type, graph_tensor_is_wide(&g->tensor[k]) ? TFLITE_INT16 : TFLITE_INT8);
            ck_assert(t->scale[0] == g->tensor[k].scale);
            wide += t->type == TFLITE_INT16;
        }
        if (t->type == TFLITE_INT16) ck_assert(t->scales == 1 && t->zero_point[0] == 0);
    }
    return wide;
}

static void check_operators(const TfliteModel *m, int seen[TFLITE_OPS])
{
    static const int versions[TFLITE_OPS] = {
        [TFLITE_ADD] = 3,     [TFLITE_CONV_2D] = 4,         [TFLITE_DEPTHWISE_CONV_2D] = 5,
        [TFLITE_MUL] = 4,     [TFLITE_FULLY_CONNECTED] = 7, [TFLITE_CONCATENATION] = 3,
        [TFLITE_QUANTIZE] = 2};
    for (int i = 0; i < m->operators; i++) {
        const TfliteOperator *o = &m->node[i];
        const int op = (int)(o->op - tflite_ops);
        if (m->tensor[o->input[0]].type != TFLITE_INT16 || m->tensor[o->output[0]].type != TFLITE_INT16) continue;
        seen[op]++;
        const bool grouped = op == TFLITE_CONV_2D && o->version == TFLITE_CONV_GROUPED_VERSION;
        if (versions[op] > 0 && !grouped) ck_assert_int_eq(o->version, versions[op]);
        if (op == TFLITE_ADD) ck_assert_int_eq(o->option[ADD_POT_SCALE_INT16], 0);
        if (op != TFLITE_CONV_2D && op != TFLITE_DEPTHWISE_CONV_2D && op != TFLITE_FULLY_CONNECTED) continue;
        ck_assert_int_eq(m->tensor[o->input[1]].type, TFLITE_INT8);
        ck_assert_int_eq(m->tensor[o->input[2]].type, TFLITE_INT64);
    }
}

START_TEST(files)
{
    begin_model();
    int seen[TFLITE_OPS] = {0}, written = 0, wide = 0;
    for (int i = 0; i < GRAPHS; i++) {
        const Graph *g = wide_graph(arena, random_graph(arena, (uint64_t)i, 4, ROUNDING_TFLITE_DOUBLE), (uint64_t)i,
                                    i % 3 == 0 ? WIDE_ALL : WIDE_SOME);
        TfliteModel *m = exported(g);
        if (m == NULL) continue;
        written++;
        wide += check_tensors(g, m);
        check_operators(m, seen);
    }
    ck_assert_int_ge(written, 5);
    ck_assert_int_ge(wide, 20);
    ck_assert(seen[TFLITE_CONV_2D] > 0 && seen[TFLITE_FULLY_CONNECTED] > 0 && seen[TFLITE_ADD] > 0);
    end_model();
}
END_TEST

/* LiteRT adds in int32 there. */
START_TEST(sums_of_dense_layers)
{
    begin_model();
    enum { INPUTS = 1024 };
    static int8_t w[INPUTS];
    for (int i = 0; i < INPUTS; i++) w[i] = 127;
    const int64_t bias = 5;
    const float scale = 1e-3f, std = 1.0f / 255.0f, mean = 0.0f;
    GraphTensor t[3] = {{"input", 1, 1, INPUTS, 1.0f, -128, 8, -128, 127, FORMAT_INT8},
                        {"x", 1, 1, INPUTS, 0x1p-7f, 0, 16, -32768, 32767, FORMAT_INT16},
                        {"y", 1, 1, 1, 100.0f, 0, 16, -32768, 32767, FORMAT_INT16}};
    float means[INPUTS], stds[INPUTS];
    for (int c = 0; c < INPUTS; c++) means[c] = mean, stds[c] = std;
    Node n[2] = {{.op = NODE_REQUANT, .name = "x", .inputs = 1, .output = 1, .lo = -32768, .hi = 32767},
                 {.op = NODE_DENSE,
                  .name = "y",
                  .inputs = 1,
                  .input = {1},
                  .output = 2,
                  .lo = -32768,
                  .hi = 32767,
                  .geom = dense_geom(1, INPUTS, 1),
                  .weight_bits = 8,
                  .weights = w,
                  .wide_bias = &bias,
                  .weight_scale = &scale}};
    Graph g = {.rounding = ROUNDING_XNNPACK,
               .tensors = 3,
               .nodes = 2,
               .tensor = t,
               .node = n,
               .output = 2,
               .classes = 1,
               .channels = INPUTS,
               .mean = means,
               .std = stds,
               .model_name = "big"};
    const char *path = arena_printf(arena, "%s.tflite", model_path);
    refused(tflite_export(arena, &g, path, NULL),
            "layer \"y\": sums of int16 codes beyond 2^31, which LiteRT adds in int32 in a dense layer");
    g.rounding = ROUNDING_TFLITE_DOUBLE;
    must(tflite_export(arena, &g, path, NULL));
    unlink(path);
    end_model();
}
END_TEST

TEST_MAIN("tflite_int16", files, sums_of_dense_layers)
