/* Graphs of codes and floats: the engine against the naive interpreter, the model file, and what a sound graph is. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/parallel.h"
#include "base/safetensors.h"
#include "deploy/exporter.h"
#include "deploy/safetensors/export_safetensors.h"
#include "graph/engine.h"
#include "graph/graph_check.h"
#include "graph/graph_read.h"
#include "graph/node_float.h"
#include "graph/plan.h"
#include "tests/support/fixture.h"
#include "tests/support/mixed_graph.h"
#include "tests/support/naive_interpreter.h"
#include "tests/support/random_graph.h"
#include "tests/support/suite.h"

enum { GRAPHS = 40, IMAGES = 5 };

static const float *floats(const Engine *e, int t, long first)
{
    return (const float *)(const void *)engine_tensor(e, t) + first;
}

/* The other order of sums may move a value across a rounding of its format. */
static double tolerance(const GraphTensor *t, const double *x, long n)
{
    static const double step[FORMATS] = {[FORMAT_FLOAT16] = 0x1p-10,
                                         [FORMAT_BFLOAT16] = 0x1p-7,
                                         [FORMAT_FLOAT8_E4M3] = 0x1p-3,
                                         [FORMAT_FLOAT8_E5M2] = 0x1p-2};
    double most = 0;
    for (long i = 0; i < n; i++)
        if (isfinite(x[i])) most = fmax(most, fabs(x[i]));
    return most * (1e-5 + step[t->format]) + 1e-30;
}

static void compare_tensor(const Graph *g, const Engine *engine, NaiveModel *naive, int t, int image)
{
    const GraphTensor *y = &g->tensor[t];
    const long n = graph_tensor_elements(y);
    if (!graph_tensor_is_float(y)) {
        for (long i = 0; i < n; i++)
            if (engine_tensor(engine, t)[image * n + i] != naive_codes(naive, t)[i])
                ck_abort_msg("%s, \"%s\"[%ld]: engine %d, interpreter %d", rounding_names[g->rounding], y->name, i,
                             engine_tensor(engine, t)[image * n + i], (int)naive_codes(naive, t)[i]);
        return;
    }
    const float *got = floats(engine, t, image * n);
    const double *want = naive_floats(naive, t), most = tolerance(y, want, n);
    for (long i = 0; i < n; i++)
        if (isfinite(want[i]) && isfinite(got[i]) && !(fabs((double)got[i] - want[i]) <= most))
            ck_abort_msg("\"%s\"[%ld] in %s: engine %g, interpreter %g, tolerance %g", y->name, i,
                         format_names[y->format], (double)got[i], want[i], most);
    naive_set_floats(naive, t, got);
}

/* Kept or planned, on any number of threads: the same bytes. */
static void compare_engines(const Graph *g, const int8_t *images, NaiveModel *naive)
{
    const size_t bytes = IMAGES * graph_tensor_bytes(&g->tensor[g->output]);
    void *first = arena_alloc(arena, bytes), *logits = arena_alloc(arena, bytes);
    for (int threads = 1; threads <= 3; threads += 2) {
        parallel_set_threads(threads);
        Engine *kept, *planned;
        must(engine_create(arena, g, IMAGES, &kept));
        must(engine_create_planned(arena, g, &planned));
        engine_run(kept, images, IMAGES, threads == 1 ? first : logits);
        if (threads > 1) ck_assert_mem_eq(logits, first, bytes);
        engine_run(planned, images, IMAGES, logits);
        ck_assert_mem_eq(logits, first, bytes);
        if (threads > 1) continue;
        for (int i = 0; i < IMAGES; i++) {
            naive_image(naive, images + i * graph_tensor_elements(&g->tensor[0]));
            for (int k = 0; k < naive_nodes(naive); k++) compare_tensor(g, kept, naive, naive_step(naive, k), i);
        }
    }
}

/* What is read is what was written, byte by byte when it is written again. */
static Graph *written_and_read(const Graph *built)
{
    uint8_t *first, *second;
    size_t bytes, again;
    Graph *g;
    must(export_safetensors(arena, built, model_path));
    must(graph_read(arena, model_path, &g));
    must(file_read(arena, model_path, SIZE_MAX, &first, &bytes));
    must(export_safetensors(arena, g, model_path));
    must(file_read(arena, model_path, SIZE_MAX, &second, &again));
    ck_assert_uint_eq(bytes, again);
    ck_assert_mem_eq(first, second, bytes);
    return g;
}

START_TEST(mixed_graphs)
{
    begin_model();
    int seen[NODE_KINDS] = {0}, formats[FORMATS] = {0}, curves[CURVES] = {0}, codes = 0;
    for (int i = 0; i < GRAPHS; i++) {
        const Graph *integers = random_graph(arena, (uint64_t)i, 10, (Rounding)(i % ROUNDINGS));
        const Graph *built = mixed_graph(arena, integers, (uint64_t)i, i % 5 == 4 ? MIX_ALL : MIX_FORMATS);
        ck_assert_msg(graph_check(built) == STATUS_OK, "graph %d: %s", i, status_message());
        ck_assert_int_eq(graph_version(built), 2);
        const Graph *g = written_and_read(built);
        NaiveModel *naive = naive_open(model_path);
        ck_assert_ptr_nonnull(naive);
        compare_engines(g, random_images(arena, g, (uint64_t)i, IMAGES), naive);
        naive_close(naive);
        for (int k = 0; k < g->nodes; k++) {
            const Node *n = &g->node[k];
            if (!node_is_float(g, n) && !node_type(n)->converts) continue;
            seen[n->op]++;
            formats[node_y(g, n)->format]++;
            if (n->curve != NULL) curves[curve_index(n->curve)]++;
            codes += node_has_weights(n) && n->weights != NULL;
        }
    }
    for (int k = 0; k < NODE_KINDS; k++)
        if (node_types[k]->in_float != NULL || node_types[k]->converts)
            ck_assert_msg(seen[k] >= 3, "%s: %d", node_types[k]->name, seen[k]);
    for (int f = FORMAT_FLOAT32; f < FORMATS; f++) ck_assert_int_ge(formats[f], 3);
    for (int k = 0; k < CURVES; k++) ck_assert_int_ge(curves[k], 3);
    ck_assert_int_ge(codes, 3);
    end_model();
}
END_TEST

static Graph *two_nodes(void)
{
    static GraphTensor tensors[3];
    static Node nodes[2];
    static const float mean = 0.0f, std = 1.0f, w[4] = {1.0f, -0.5f, 2.0f, 0.25f}, bias[2] = {0.5f, -1.0f};
    static Graph g;
    tensors[0] =
        (GraphTensor){.name = "input", .h = 1, .w = 1, .c = 2, .scale = 0.5f, .bits = 8, .qmin = -128, .qmax = 127};
    tensors[1] = (GraphTensor){.name = "d", .h = 1, .w = 1, .c = 2, .format = FORMAT_FLOAT32};
    tensors[2] = (GraphTensor){.name = "y", .h = 1, .w = 1, .c = 2, .format = FORMAT_FLOAT16};
    nodes[0] = (Node){.op = NODE_DEQUANTIZE, .name = "d", .inputs = 1, .input = {0}, .output = 1};
    nodes[1] = (Node){.op = NODE_DENSE,
                      .name = "y",
                      .inputs = 1,
                      .input = {1},
                      .output = 2,
                      .activation = 1,
                      .weight_format = FORMAT_FLOAT32,
                      .float_weights = w,
                      .float_bias = bias};
    nodes[1].geom = dense_geom(1, 2, 2);
    g = (Graph){.tensors = 3,
                .nodes = 2,
                .tensor = tensors,
                .node = nodes,
                .output = 2,
                .classes = 2,
                .channels = 1,
                .model_name = "two"};
    g.channels = 2;
    static float means[2], stds[2];
    means[0] = means[1] = mean, stds[0] = stds[1] = std;
    g.mean = means, g.std = stds;
    return &g;
}

/* d = {1, -2}; y = relu({1 + 1 + 0.5, 2 - 0.5 - 1}). */
START_TEST(worked_example)
{
    begin_model();
    const Graph *g = two_nodes();
    must(graph_check(g));
    Engine *e;
    must(engine_create(arena, g, 1, &e));
    float y[2];
    engine_run(e, (const int8_t[2]){2, -4}, 1, y);
    ck_assert(y[0] == 2.5f && y[1] == 0.5f);
    ck_assert_uint_eq(graph_tensor_bytes(&g->tensor[2]), 8);
    ck_assert_uint_eq(graph_flash_bytes(g), 4 * 4 + 2 * 4);
    end_model();
}
END_TEST

static void unsound(const Graph *g, const char *words) { refused(graph_check(g), words); }

START_TEST(unsound_graphs)
{
    begin_model();
    static const float nan_bias[2] = {NAN, 0.0f}, fine[4] = {1.0f, -0.5f, 2.0f, 0x1.000002p0f};
    static const int8_t codes[4] = {7, -8, 100, 0};
    static const float scales[2] = {0.1f, 0.2f};
    Graph *g = two_nodes();
    g->node[1].input[0] = 0;
    unsound(g, "node \"y\": input \"input\" in int8, output in float16; must be all codes or all floats, with a "
               "dequantize node between");
    g = two_nodes(), g->node[1].float_bias = nan_bias;
    unsound(g, "channel 0: bias nan; must be finite");
    g = two_nodes(), g->node[1].float_weights = fine, g->node[1].weight_format = FORMAT_BFLOAT16;
    unsound(g, "weight 1; must be a finite value of bfloat16");
    g = two_nodes(), g->node[1].float_weights = NULL, g->node[1].weights = codes, g->node[1].weight_scale = scales;
    g->node[1].weight_format = FORMAT_INT8, g->node[1].weight_bits = 4;
    unsound(g, "weight 100; must be a 4-bit code");
    g = two_nodes(), g->tensor[2].scale = 1.0f;
    unsound(g, "tensor \"y\": a grid in float16");
    g = two_nodes(), g->tensor[2].format = (Format)FORMATS;
    unsound(g, "tensor \"y\": format 8; must be int8, int16, int32 or a float format");
    g = two_nodes(), g->tensor[1].format = FORMAT_BFLOAT16;
    unsound(g, "node \"d\": int8 to bfloat16; must be codes to float32");
    g = two_nodes(), g->node[1].activation = 3;
    unsound(g, "activation 3; must be 0 to 2 in floats");
    g = two_nodes(), g->tensor[0] = (GraphTensor){.name = "input", .h = 1, .w = 1, .c = 2, .format = FORMAT_FLOAT32};
    unsound(g, "tensor \"input\": format float32; must be int8");
    g = two_nodes();
    Node *n = &g->node[1];
    *n = (Node){.op = NODE_LUT, .name = "y", .inputs = 1, .input = {1}, .output = 2};
    unsound(g, "node \"y\": no curve; must have one in floats, none in integers");
    static const CurveType bend = {.name = "bend"};
    n->curve = &bend;
    unsound(g, "node \"y\": curve bend; must be one of curve_types");
    n->curve = &curve_types[0];
    must(graph_check(g));
    g = two_nodes(), g->tensor[2] = g->tensor[0], g->tensor[2].name = "y", g->tensor[1] = g->tensor[0];
    g->tensor[1].name = "d", g->node[0].op = NODE_RESHAPE;
    g->node[1] = (Node){.op = NODE_LUT, .name = "y", .inputs = 1, .input = {1}, .output = 2, .curve = &curve_types[0]};
    unsound(g, "node \"y\": a curve; must have one in floats, none in integers");
    end_model();
}
END_TEST

/* Version 1 says nothing of floats, and a file of codes alone is one. */
START_TEST(versions)
{
    begin_model();
    SafeFile file;
    const Graph *integers = random_graph(arena, 3, 10, ROUNDING_XNNPACK);
    ck_assert_int_eq(graph_version(integers), 1);
    must(export_safetensors(arena, integers, model_path));
    must(safe_read(arena, model_path, true, &file));
    ck_assert_str_eq(safe_metadata(&file, "version"), "1");
    must(export_safetensors(arena, two_nodes(), model_path));
    must(safe_read(arena, model_path, true, &file));
    ck_assert_str_eq(safe_metadata(&file, "version"), "2");
    /* The same file under version 1, and under one that is not known. */
    static const char *const other[][2] = {
        {"1", "version \"1\" of a graph that is not all int8; must be version \"2\""},
        {"4", "version \"4\"; this program reads versions 1 to 3"}};
    for (int i = 0; i < 2; i++) {
        SafeWriter *w = safe_writer(arena);
        for (int k = 1; k < file.n_metadata; k++)
            safe_add_metadata(w, file.key[k], strcmp(file.key[k], "version") == 0 ? other[i][0] : file.value[k]);
        for (int k = 0; k < file.n; k++) {
            const SafeTensor *t = &file.tensor[k];
            safe_add(w, t->name, t->type, t->rank, t->dim, t->data);
        }
        must(safe_write(w, model_path));
        Graph *g;
        ck_assert_int_eq(graph_read(arena, model_path, &g), STATUS_FORMAT);
        ck_assert_msg(strstr(status_message(), other[i][1]) != NULL, "%s", status_message());
    }
    end_model();
}
END_TEST

/* Grids found at run time: another image beside it changes nothing of an image (compare_engines compares batches with
 * single images), and the file says input_bits. */
START_TEST(dynamic_graphs)
{
    begin_model();
    int seen[NODE_KINDS] = {0};
    for (int i = 0; i < GRAPHS; i++) {
        const Graph *integers = random_graph(arena, 700 + (uint64_t)i, 10, (Rounding)(i % ROUNDINGS));
        const Graph *built = mixed_graph(arena, integers, (uint64_t)i, MIX_DYNAMIC);
        ck_assert_msg(graph_check(built) == STATUS_OK, "graph %d: %s", i, status_message());
        const Graph *g = written_and_read(built);
        NaiveModel *naive = naive_open(model_path);
        ck_assert_ptr_nonnull(naive);
        compare_engines(g, random_images(arena, g, (uint64_t)i, IMAGES), naive);
        naive_close(naive);
        for (int k = 0; k < g->nodes; k++) {
            ck_assert_int_eq(g->node[k].input_bits, built->node[k].input_bits);
            seen[g->node[k].op] += g->node[k].input_bits == 8;
        }
    }
    ck_assert_int_ge(seen[NODE_CONV2D], 3);
    ck_assert_int_ge(seen[NODE_DWCONV2D], 3);
    ck_assert_int_ge(seen[NODE_DENSE], 3);
    end_model();
}
END_TEST

TEST_MAIN("engine_floats", mixed_graphs, dynamic_graphs, worked_example, unsound_graphs, versions)
