/* The .tflite export: what is in the file is what is in the graph, and computes the same codes. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "deploy/tflite/export_tflite.h"
#include "deploy/exporter.h"
#include "tests/support/random_graph.h"
#include "tests/support/scratch.h"
#include "tests/support/suite.h"
#include "tests/support/tflite_file.h"
#include "tests/support/tflite_graph.h"
#include "tests/support/tflite_interpreter.h"
#include "tests/support/zoo_graph.h"
#include "graph/engine.h"
#include "graph/node.h"

static Arena *arena;
static const char *folder, *path;

static void begin(void)
{
    arena = arena_create();
    folder = scratch_folder(arena);
    path = file_join(arena, folder, "m.tflite");
}

static void end(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
    arena_destroy(arena);
}

static void must(Status status) { ck_assert_msg(status == STATUS_OK, "%s", status_message()); }

static Status export(const Graph *g, const char *options) { return tflite_export(arena, g, path, options); }

static void refused(const Graph *g, const char *options, const char *words)
{
    ck_assert_msg(export(g, options) != STATUS_OK, "accepted; should say: %s", words);
    ck_assert_msg(strstr(status_message(), words) != NULL, "says: %s\nshould say: %s", status_message(), words);
    ck_assert(!file_exists(path));
}

static TfliteModel *exported(const Graph *g, const char *options)
{
    must(export(g, options));
    return tflite_read_back(arena, path);
}

/* The operator that writes the tensor of this name; the tensor itself through *y. */
static const TfliteOperator *writer_of(const TfliteModel *m, const char *name, const TfliteTensor **y)
{
    for (int i = 0; i < m->operators; i++) {
        *y = &m->tensor[m->node[i].output[0]];
        if (strcmp((*y)->name, name) == 0) return &m->node[i];
    }
    ck_abort_msg("nothing writes %s", name);
}

static long elements(const TfliteTensor *t)
{
    long n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->shape[i];
    return n;
}

static void same_grid(const TfliteTensor *t, const GraphTensor *x)
{
    ck_assert(t->type == TFLITE_INT8 && t->scales == 1 && t->zero_points == 1);
    ck_assert(t->scale[0] == x->scale && t->zero_point[0] == x->zero_point);
    ck_assert_int_eq(elements(t), graph_tensor_elements(x));
    ck_assert(t->signature_rank == t->rank && t->shape[0] == 1 && t->signature[0] == -1);
    if (t->rank == 4)
        ck_assert(t->shape[1] == x->h && t->shape[2] == x->w && t->shape[3] == x->c);
    else
        ck_assert(t->rank == 2 && x->h == 1 && x->w == 1);
}

static void same_weights(const TfliteModel *m, const TfliteOperator *o, const Graph *g, const Node *n)
{
    const TfliteTensor *w = &m->tensor[o->input[1]], *bias = &m->tensor[o->input[2]];
    int64_t shape[4];
    ck_assert_int_eq(w->rank, node_weight_shape(n, shape));
    for (int i = 0; i < w->rank; i++) ck_assert_int_eq(w->shape[i], shape[i]);
    ck_assert(w->type == TFLITE_INT8 && bias->type == TFLITE_INT32 && bias->rank == 1);
    ck_assert(w->data_bytes == (size_t)node_weights(n) && memcmp(w->data, n->weights, w->data_bytes) == 0);
    ck_assert(bias->data_bytes == 4 * (size_t)n->geom.o && memcmp(bias->data, n->bias, bias->data_bytes) == 0);
    ck_assert(w->scales == n->geom.o || w->scales == 1);
    ck_assert_int_eq(bias->scales, w->scales);
    if (w->scales > 1) ck_assert_int_eq(w->axis, n->op == NODE_DWCONV2D ? 3 : 0);
    for (int i = 0; i < n->geom.o; i++) {
        const int k = w->scales == 1 ? 0 : i;
        ck_assert(w->scale[k] == n->weight_scale[i] && w->zero_point[k] == 0 && bias->zero_point[k] == 0);
        ck_assert(bias->scale[k] == g->tensor[n->input[0]].scale * n->weight_scale[i]);
    }
}

static void same_window(const TfliteOperator *o, const Node *n)
{
    const ConvGeom *g = &n->geom;
    const int32_t *k = o->option;
    ck_assert(k[CONV_STRIDE_W] == g->sw && k[CONV_STRIDE_H] == g->sh); /* the same places in all three kinds */
    if (n->op == NODE_CONV2D) ck_assert(k[CONV_DILATION_W] == g->dw && k[CONV_DILATION_H] == g->dh);
    if (n->op == NODE_DWCONV2D)
        ck_assert(k[DW_DILATION_W] == g->dw && k[DW_DILATION_H] == g->dh && k[DW_MULTIPLIER] == g->o / g->c);
    if (!node_has_weights(n)) ck_assert(k[POOL_WIDTH] == g->kw && k[POOL_HEIGHT] == g->kh);
}

static void same_node(const TfliteModel *m, const Graph *g, const Node *n)
{
    static const int operators[] = {
        [NODE_CONV2D] = TFLITE_CONV_2D,
        [NODE_DWCONV2D] = TFLITE_DEPTHWISE_CONV_2D,
        [NODE_DENSE] = TFLITE_FULLY_CONNECTED,
        [NODE_ADD] = TFLITE_ADD,
        [NODE_CONCAT] = TFLITE_CONCATENATION,
        [NODE_MAXPOOL] = TFLITE_MAX_POOL_2D,
        [NODE_AVGPOOL] = TFLITE_AVERAGE_POOL_2D,
        [NODE_RESHAPE] = TFLITE_RESHAPE,
        [NODE_MULTIPLY] = TFLITE_MUL,
        [NODE_LUT] = TFLITE_GATHER,
    };
    const TfliteTensor *y;
    const TfliteOperator *o = writer_of(m, n->name, &y);
    same_grid(y, &g->tensor[n->output]);
    while (o->op == &tflite_ops[TFLITE_MAXIMUM] || o->op == &tflite_ops[TFLITE_MINIMUM])
        o = writer_of(m, m->tensor[o->input[0]].name, &y);
    if (n->op == NODE_REQUANT) return; /* in several forms; that they compute the same is a test below */
    ck_assert_ptr_eq(o->op, &tflite_ops[operators[n->op]]);
    if (n->op == NODE_LUT) { /* its input comes as indices */
        const TfliteTensor *table = &m->tensor[o->input[0]];
        ck_assert(table->scale[0] == y->scale[0] && table->zero_point[0] == y->zero_point[0]);
        ck_assert(table->data_bytes == 256 && memcmp(table->data, n->table, 256) == 0);
        return;
    }
    for (int i = 0; i < n->inputs; i++)
        ck_assert(m->tensor[o->input[i]].scale[0] == g->tensor[n->input[i]].scale &&
                  m->tensor[o->input[i]].zero_point[0] == g->tensor[n->input[i]].zero_point);
    if (node_has_weights(n)) same_weights(m, o, g, n);
    if (node_has_weights(n) ? n->op != NODE_DENSE : n->op == NODE_MAXPOOL || n->op == NODE_AVGPOOL) same_window(o, n);
}

static void same_graph(const Graph *g)
{
    const TfliteModel *m = exported(g, NULL);
    ck_assert_str_eq(m->signature_key, "serving_default");
    ck_assert(m->input_names == 1 && m->input_name[0].tensor == m->input[0]);
    ck_assert(m->output_names == 1 && m->output_name[0].tensor == m->output[0]);
    ck_assert_str_eq(m->input_name[0].name, "input");
    ck_assert_str_eq(m->output_name[0].name, g->tensor[g->output].name);
    same_grid(&m->tensor[m->input[0]], &g->tensor[0]);
    same_grid(&m->tensor[m->output[0]], &g->tensor[g->output]);
    ck_assert_ptr_nonnull(strstr(m->description, rounding_names[g->rounding]));
    for (int i = 0; i < g->nodes; i++) same_node(m, g, &g->node[i]);
}

START_TEST(file_holds_the_graph)
{
    begin();
    same_graph(tflite_zoo_graph(arena));
    for (int i = 0; i < 40; i++) same_graph(tflite_random_graph(arena, (uint64_t)i, 14, (Rounding)(i % 3)));
    end();
}
END_TEST

static long different_codes(const Graph *g, const char *options, uint64_t seed)
{
    enum { IMAGES = 3 };
    const TfliteModel *m = exported(g, options);
    const int8_t *images = random_images(arena, g, seed, IMAGES);
    Engine *engine;
    must(engine_create(arena, g, IMAGES, &engine));
    int8_t *logits = arena_alloc(arena, (size_t)(IMAGES * g->classes));
    engine_run(engine, images, IMAGES, logits);
    long different = 0;
    for (int k = 0; k < IMAGES; k++) {
        int8_t **value = tflite_run(arena, m, g->rounding, images + k * graph_tensor_elements(&g->tensor[0]));
        for (int i = 0; i < g->nodes; i++) {
            const TfliteTensor *y;
            const TfliteOperator *o = writer_of(m, g->node[i].name, &y);
            const long n = elements(y);
            const int8_t *want = engine_tensor(engine, g->node[i].output) + k * n, *got = value[o->output[0]];
            const GraphTensor *t = &g->tensor[g->node[i].output];
            for (long e = 0; e < n; e++)
                different += y->type == TFLITE_FLOAT32
                                 ? ((const float *)(const void *)got)[e] != t->scale * (float)(want[e] - t->zero_point)
                                 : got[e] != want[e];
        }
    }
    return different;
}

START_TEST(file_computes_the_codes)
{
    begin();
    Graph *zoo = tflite_zoo_graph(arena);
    for (int d = ROUNDING_XNNPACK; d <= ROUNDING_TFLITE_DOUBLE; d++) {
        zoo->rounding = (Rounding)d;
        ck_assert_int_eq(different_codes(zoo, NULL, 1), 0);
        ck_assert_int_eq(different_codes(zoo, "{\"io\": \"float\"}", 1), 0);
    }
    for (int i = 0; i < 90; i++) {
        const Graph *g = tflite_random_graph(arena, (uint64_t)i, 14, (Rounding)(i % 3));
        const long different = different_codes(g, NULL, (uint64_t)i);
        ck_assert_msg(different == 0, "random graph %d: %ld codes differ", i, different);
    }
    end();
}
END_TEST

START_TEST(float_ends)
{
    begin();
    Graph *g = tflite_zoo_graph(arena);
    const TfliteModel *m = exported(g, "{\"io\": \"float\"}");
    const TfliteTensor *x = &m->tensor[m->input[0]], *y = &m->tensor[m->output[0]];
    ck_assert(x->type == TFLITE_FLOAT32 && y->type == TFLITE_FLOAT32 && x->scales == 0 && y->scales == 0);
    ck_assert_str_eq(x->name, "input");
    ck_assert_str_eq(y->name, "sum");
    ck_assert_ptr_eq(m->node[0].op, &tflite_ops[TFLITE_QUANTIZE]);
    ck_assert_ptr_eq(m->node[m->operators - 1].op, &tflite_ops[TFLITE_DEQUANTIZE]);
    same_grid(&m->tensor[m->node[0].output[0]], &g->tensor[0]);
    same_grid(&m->tensor[m->node[m->operators - 1].input[0]], &g->tensor[g->output]);
    unlink(path);
    g->tensor[0].qmax = 100;
    refused(g, "{\"io\": \"float\"}", "input: codes -128 to 100");
    refused(g, "{\"io\": \"int4\"}", "io");
    end();
}
END_TEST

START_TEST(equal_graphs_give_equal_bytes)
{
    begin();
    unsigned char *data[2];
    size_t bytes[2];
    for (int i = 0; i < 2; i++) {
        must(export(tflite_zoo_graph(arena), NULL));
        must(file_read(arena, path, 1 << 20, &data[i], &bytes[i]));
    }
    ck_assert(bytes[0] == bytes[1] && memcmp(data[0], data[1], bytes[0]) == 0);
    ck_assert_ptr_nonnull(memmem(data[0], 256, exporter_tflite.signature, strlen(exporter_tflite.signature)));
    end();
}
END_TEST

static ConvGeom window(int in, int kernel, int stride, int dilation, int before, int after)
{
    const int out = (in + before + after - ((kernel - 1) * dilation + 1)) / stride + 1;
    return (ConvGeom){.n = 1,
                      .h = in,
                      .w = in,
                      .oh = out,
                      .ow = out,
                      .kh = kernel,
                      .kw = kernel,
                      .sh = stride,
                      .sw = stride,
                      .dh = dilation,
                      .dw = dilation,
                      .pt = before,
                      .pb = after,
                      .pl = before,
                      .pr = after};
}

START_TEST(padding_as_tensorflow_has_it)
{
    static const struct {
        int in, kernel, stride, dilation, before, after; /* given */
        int padding, pad_before, pad_after;              /* expected */
    } cases[] = {
        {8, 3, 1, 1, 0, 0, TFLITE_VALID, 0, 0}, {8, 3, 1, 1, 1, 1, TFLITE_SAME, 0, 0},
        {8, 3, 2, 1, 0, 1, TFLITE_SAME, 0, 0},  {8, 3, 2, 1, 1, 1, TFLITE_VALID, 1, 0},
        {7, 3, 2, 1, 1, 1, TFLITE_SAME, 0, 0},  {8, 5, 1, 1, 2, 2, TFLITE_SAME, 0, 0},
        {8, 4, 1, 1, 1, 2, TFLITE_SAME, 0, 0},  {8, 4, 1, 1, 2, 1, TFLITE_VALID, 2, 1},
        {9, 3, 1, 2, 2, 2, TFLITE_SAME, 0, 0},  {8, 3, 1, 1, 0, 1, TFLITE_VALID, 0, 1},
        {4, 2, 2, 1, 0, 1, TFLITE_VALID, 0, 0}, {8, 3, 1, 1, 4, 4, TFLITE_VALID, 4, 4},
        {5, 1, 2, 1, 0, 0, TFLITE_VALID, 0, 0}, {2, 5, 3, 1, 2, 2, TFLITE_VALID, 2, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ConvGeom g =
            window(cases[i].in, cases[i].kernel, cases[i].stride, cases[i].dilation, cases[i].before, cases[i].after);
        const TflitePadding p = tflite_padding(&g);
        ck_assert_msg(p.padding == cases[i].padding && p.top == cases[i].pad_before && p.left == p.top &&
                          p.bottom == cases[i].pad_after && p.right == p.bottom,
                      "case %zu: padding %d, %d before, %d after", i, p.padding, p.top, p.bottom);
    }
}
END_TEST

START_TEST(clamps)
{
    GraphTensor y = {"y", 1, 1, 1, 0.05f, -128, 8, -128, 127, FORMAT_INT8};
    const Node conv = {.op = NODE_CONV2D, .name = "y", .lo = -128, .hi = 127};
    const Graph g = {.tensor = &y};
    static const struct {
        int zero_point, lo, hi, expected, lowest, highest;
    } cases[] = {{-128, -128, 127, TFLITE_NO_ACTIVATION, -128, 127},
                 {3, -128, 127, TFLITE_NO_ACTIVATION, -128, 127},
                 {3, 3, 127, TFLITE_RELU, -128, 127},
                 {112, 112, 127, TFLITE_RELU, -128, 127},
                 {-100, -100, 20, TFLITE_RELU6, -128, 127},
                 {-100, -100, 21, TFLITE_NO_ACTIVATION, -100, 21},
                 {-128, -128, -8, TFLITE_RELU6, -128, 127},
                 {-128, -128, -7, TFLITE_NO_ACTIVATION, -128, -7},
                 {0, -127, 127, TFLITE_NO_ACTIVATION, -127, 127},
                 {3, 4, 127, TFLITE_NO_ACTIVATION, 4, 127},
                 {0, -8, 7, TFLITE_NO_ACTIVATION, -8, 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Node n = conv;
        n.lo = cases[i].lo, n.hi = cases[i].hi, y.zero_point = cases[i].zero_point;
        const TfliteClamp clamp = tflite_clamp(&g, &n);
        ck_assert_msg(clamp.activation == cases[i].expected && clamp.lowest == cases[i].lowest &&
                          clamp.highest == cases[i].highest,
                      "case %zu: %d, %d, %d", i, clamp.activation, clamp.lowest, clamp.highest);
    }
}
END_TEST

/* The interpreter's own ReLU6: 6 is a code, or lies beyond the grid, however far. */
START_TEST(six_on_any_grid)
{
    static const struct {
        float scale;
        int highest;
    } cases[] = {{0.5f, 5 + 12}, {0.25f, 5 + 24}, {6.0f / 121, 126}, {6.0f / 122, 127},
                 {1e-4f, 127},   {1e-12f, 127},   {1e-38f, 127}};
    static const int32_t shape[2] = {1, 4}, tensors[2] = {0, 1};
    static const int64_t zero_point = 5;
    static const int8_t codes[4] = {-128, 4, 16, 127};
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TfliteTensor tensor[2];
        for (int t = 0; t < 2; t++)
            tensor[t] = (TfliteTensor){.type = TFLITE_INT8,
                                       .rank = 2,
                                       .shape = shape,
                                       .scales = 1,
                                       .zero_points = 1,
                                       .scale = &cases[i].scale,
                                       .zero_point = &zero_point};
        TfliteOperator relu6 = {
            .op = &tflite_ops[TFLITE_RELU6_OP], .inputs = 1, .outputs = 1, .input = &tensors[0], .output = &tensors[1]};
        const TfliteModel m = {
            .tensors = 2, .operators = 1, .tensor = tensor, .node = &relu6, .inputs = 1, .input = &tensors[0]};
        const int8_t *y = tflite_run(arena, &m, ROUNDING_XNNPACK, codes)[1];
        ck_assert_msg(y[0] == 5 && y[1] == 5 && y[2] == 16 && y[3] == cases[i].highest, "scale %g: %d, %d, %d, %d",
                      (double)cases[i].scale, y[0], y[1], y[2], y[3]);
    }
    end();
}
END_TEST

/* The table of operators has a row for each. */
START_TEST(operators_are_told_apart)
{
    for (int i = 0; i < TFLITE_OPS; i++) {
        ck_assert_msg(tflite_ops[i].name != NULL, "operator %d has no row", i);
        for (int k = 0; k < i; k++) ck_assert_str_ne(tflite_ops[i].name, tflite_ops[k].name);
    }
}
END_TEST

START_TEST(refusals_name_the_layer)
{
    begin();
    Graph *g = tflite_zoo_graph(arena);
    ((int8_t *)g->node[FCA - 1].weights)[5] = -128, g->node[FCA - 1].weight_bits = 8, g->node[FCA - 1].weight_shift = 0;
    refused(g, NULL, "layer \"fca\": a weight of -128");
    g = tflite_zoo_graph(arena);
    g->node[AVG - 1].geom.pt = 1;
    refused(g, NULL, "layer \"avg\": an average pool");
    g = tflite_zoo_graph(arena);
    g->rounding = ROUNDING_ONNXRUNTIME;
    refused(g, NULL, "rounding onnxruntime; must be one that runtimes of tflite files round as, such as xnnpack");
    g->rounding = ROUNDING_XNNPACK;
    ((float *)g->node[CONV - 1].weight_scale)[2] = 2000.0f;
    refused(g, NULL, "layer \"conv\": output 2: multiplier");
    g->rounding = ROUNDING_TFLITE_DOUBLE;
    must(export(g, NULL));
    end();
}
END_TEST

TEST_MAIN("tflite", file_holds_the_graph, file_computes_the_codes, float_ends, equal_graphs_give_equal_bytes,
          padding_as_tensorflow_has_it, clamps, six_on_any_grid, operators_are_told_apart, refusals_name_the_layer)
