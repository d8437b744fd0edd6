/* Layers in floats in TFLite files: each float of a plain reading of the file is the engine's within 1e-5 of the largest,
 * each code is the engine's; what TFLite's kernels do not know is refused. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "deploy/lower.h"
#include "graph/engine.h"
#include "graph/node.h"
#include "tests/support/mixed_graph.h"
#include "tests/support/random_graph.h"
#include "tests/support/scratch.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "tests/support/tflite_file.h"
#include "tests/support/tflite_graph.h"
#include "tests/support/tflite_interpreter.h"

enum { IMAGES = 3, GRAPHS = 60 };

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

static TfliteModel *exported(const Graph *g, const char *options)
{
    must(export(g, options));
    return tflite_read_back(arena, path);
}

/* The tensor of the model that has the name of graph tensor t; -1: none, as of another reshape's. */
static int named(const TfliteModel *m, const GraphTensor *t)
{
    for (int i = 0; i < m->tensors; i++)
        if (strcmp(m->tensor[i].name, t->name) == 0) return i;
    return -1;
}

static bool steps_of_own_grids; /* floats may differ by steps of grids that are found at run time */

static void compare_floats(const GraphTensor *t, const float *got, const float *want, long n)
{
    double most = 0.0;
    for (long i = 0; i < n; i++) most = fmax(most, fabs((double)want[i]));
    const double bound = most * (steps_of_own_grids ? 1e-2 : t->format == FORMAT_FLOAT16 ? 0x1p-10 : 1e-5);
    for (long i = 0; i < n; i++)
        if (isfinite(want[i]) && !(fabs((double)got[i] - (double)want[i]) <= bound))
            ck_abort_msg("\"%s\"[%ld]: %.9g in the file, %.9g in the engine, at most %g apart", t->name, i,
                         (double)got[i], (double)want[i], bound);
}

/* Every tensor; what follows a float sees the engine's. */
static void compare_image(const Graph *g, const TfliteModel *m, const Engine *engine, const int8_t *image, int k)
{
    const float **known = ARENA_ARRAY(arena, const float *, m->tensors);
    for (int t = 0; t < g->tensors; t++) {
        const int at = named(m, &g->tensor[t]);
        if (at >= 0 && graph_tensor_is_float(&g->tensor[t]))
            known[at] =
                (const float *)(const void *)engine_tensor(engine, t) + k * graph_tensor_elements(&g->tensor[t]);
    }
    int8_t **value = tflite_run_knowing(arena, m, g->rounding, image, known);
    for (int t = 1; t < g->tensors; t++) {
        const GraphTensor *x = &g->tensor[t];
        const int at = named(m, x);
        const long n = graph_tensor_elements(x);
        ck_assert_msg(at >= 0 && value[at] != NULL, "%s", x->name);
        if (graph_tensor_is_float(x)) {
            compare_floats(x, (const void *)value[at], known[at], n);
            continue;
        }
        const int8_t *want = engine_tensor(engine, t) + k * n;
        if (m->tensor[at].type == TFLITE_INT8) ck_assert_msg(memcmp(value[at], want, (size_t)n) == 0, "%s", x->name);
    }
}

static void compare(const Graph *g, const char *options)
{
    const TfliteModel *m = exported(g, options);
    const int8_t *images = random_images(arena, g, 3, IMAGES);
    Engine *engine;
    must(engine_create(arena, g, IMAGES, &engine));
    engine_run(engine, images, IMAGES, arena_alloc(arena, IMAGES * graph_tensor_bytes(&g->tensor[g->output])));
    for (int k = 0; k < IMAGES; k++) compare_image(g, m, engine, images + k * graph_tensor_elements(&g->tensor[0]), k);
    unlink(path);
}

START_TEST(files_compute_the_engines_values)
{
    begin();
    int seen[NODE_KINDS] = {0}, curves[CURVES] = {0}, halves = 0, codes = 0;
    for (int i = 0; i < GRAPHS; i++) {
        const Graph *integers = tflite_random_graph(arena, 400 + (uint64_t)i, 10, (Rounding)(i % 3));
        const Mixture mixture = i % 5 == 4 ? MIX_ALL : i % 3 == 0 ? MIX_FLOAT16 : MIX_FLOAT32;
        const Graph *g = mixed_graph(arena, integers, (uint64_t)i, mixture);
        compare(g, i % 4 == 0 ? "{\"io\": \"float\"}" : NULL);
        for (int k = 0; k < g->nodes; k++) {
            const Node *n = &g->node[k];
            if (!node_is_float(g, n) && !node_type(n)->converts) continue;
            seen[n->op]++;
            if (n->curve != NULL) curves[curve_index(n->curve)]++;
            halves += node_y(g, n)->format == FORMAT_FLOAT16;
            codes += node_has_weights(n) && n->weights != NULL;
        }
    }
    for (int k = 0; k < NODE_KINDS; k++)
        if (node_types[k]->in_float != NULL || node_types[k]->converts)
            ck_assert_msg(seen[k] > 0, "%s", node_types[k]->name);
    for (int k = 0; k < CURVES; k++) ck_assert_msg(curves[k] > 0, "%s", curve_names[k]);
    ck_assert(halves > 0 && codes > 0);
    end();
}
END_TEST

static const char net[] =
    "{\"input\":[9,8,3],\"layers\":["
    "{\"type\":\"conv2d\",\"name\":\"stem\",\"filters\":5,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"depthwise_conv2d\",\"name\":\"d\",\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu6\"},"
    "{\"type\":\"global_avgpool\",\"name\":\"g\"},{\"type\":\"dense\",\"name\":\"logits\",\"units\":5}]}";

static Graph *lowered(const char *quant, Rounding rounding)
{
    Graph *g;
    must(model_lower(arena, small_model(arena, net, quant, 51), rounding, &g));
    return g;
}

static const TfliteTensor *constant(const TfliteModel *m, const char *name)
{
    for (int i = 0; i < m->tensors; i++)
        if (strcmp(m->tensor[i].name, name) == 0) return &m->tensor[i];
    ck_abort_msg("no tensor %s", name);
}

/* Weights lie in the file as they were quantized, and DEQUANTIZE makes floats of them; for TFLite Micro, which cannot,
 * they are floats. */
START_TEST(weights_are_stored_small)
{
    static const struct {
        const char *quant;
        TfliteType type;
        size_t bytes; /* of the stem's 5 * 3 * 3 * 3 */
    } cases[] = {
        {"{\"activations\":{\"format\":\"float32\"}}", TFLITE_INT8, 135},
        {"{\"weights\":{\"bits\":4},\"activations\":{\"format\":\"float32\"},\"first_last_bits\":0}", TFLITE_INT4, 68},
        {"{\"weights\":{\"bits\":2},\"activations\":{\"format\":\"float32\"},\"first_last_bits\":0}", TFLITE_INT4, 68},
        {"{\"weights\":{\"format\":\"float16\"},\"activations\":{\"format\":\"float32\"}}", TFLITE_FLOAT16, 270},
        {"{\"overrides\":[{\"layers\":\"stem\",\"format\":\"float32\"}]}", TFLITE_FLOAT32, 540},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Graph *g = lowered(cases[i].quant, ROUNDING_XNNPACK);
        const TfliteModel *m = exported(g, NULL);
        const TfliteTensor *w = constant(m, "stem/weight");
        ck_assert_int_eq((int)w->type, (int)cases[i].type);
        ck_assert_uint_eq(w->data_bytes, cases[i].bytes);
        ck_assert_int_eq(w->scales, w->type == TFLITE_INT8 || w->type == TFLITE_INT4 ? 5 : 0);
        unlink(path);
        compare(g, NULL);
        const Graph *micro = lowered(cases[i].quant, ROUNDING_TFLITE_DOUBLE);
        ck_assert_int_eq((int)constant(exported(micro, NULL), "stem/weight")->type, (int)TFLITE_FLOAT32);
        unlink(path);
        compare(micro, NULL);
    }
    end();
}
END_TEST

static void refused(const Graph *g, const char *words)
{
    ck_assert_int_eq(export(g, NULL), STATUS_UNSUPPORTED);
    ck_assert_msg(strstr(status_message(), words) != NULL, "says: %s\nshould say: %s", status_message(), words);
    ck_assert(!file_exists(path));
}

static const TfliteOperator *maker(const TfliteModel *m, const char *name)
{
    for (int i = 0; i < m->operators; i++)
        if (strcmp(m->tensor[m->node[i].output[0]].name, name) == 0) return &m->node[i];
    ck_abort_msg("no operator makes %s", name);
}

/* Grids found at run time: the kernels that TFLite calls hybrid read int8 weights and floats, and round codes otherwise. */
START_TEST(dynamic_layers_are_hybrid)
{
    static const struct {
        const char *layer;
        int version;
    } want[] = {{"stem", 5}, {"d", 6}, {"logits", 12}};
    begin();
    static const char dynamic[] = "{\"activations\":{\"scheme\":\"dynamic\"}}";
    const Graph *g = lowered(dynamic, ROUNDING_XNNPACK);
    const TfliteModel *m = exported(g, NULL);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const TfliteOperator *o = maker(m, want[i].layer);
        ck_assert_int_eq(o->version, want[i].version);
        ck_assert_int_eq((int)m->tensor[o->input[0]].type, (int)TFLITE_FLOAT32);
        ck_assert_int_eq((int)m->tensor[o->input[1]].type, (int)TFLITE_INT8);
        ck_assert_int_eq(m->tensor[o->input[1]].scales, 5);
    }
    ck_assert_int_eq(maker(m, "logits")->option[FC_ASYMMETRIC_INPUTS], 1);
    steps_of_own_grids = true;
    compare(g, NULL);
    steps_of_own_grids = false;
    refused(lowered(dynamic, ROUNDING_TFLITE_DOUBLE),
            "layer \"stem\": finds the grid of its input at run time (quant.activations.scheme \"dynamic\"), for which "
            "TFLite Micro has no kernel");
    Graph *grouped;
    must(model_lower(arena,
                     small_model(arena,
                                 "{\"input\":[9,8,4],\"layers\":[{\"type\":\"conv2d\",\"name\":\"g\",\"filters\":4,"
                                 "\"kernel\":3,\"groups\":2},{\"type\":\"global_avgpool\"}]}",
                                 dynamic, 51),
                     ROUNDING_XNNPACK, &grouped));
    refused(grouped, "layer \"g\": finds the grid of its input at run time");
    end();
}
END_TEST

START_TEST(other_formats_are_refused)
{
    begin();
    refused(lowered("{\"overrides\":[{\"layers\":\"d\",\"format\":\"bfloat16\"}]}", ROUNDING_XNNPACK),
            "layer \"d\": bfloat16, which the kernels of TFLite do not know; must be float32, float16 or int8");
    refused(lowered("{\"overrides\":[{\"layers\":\"stem\",\"weight_format\":\"float8_e4m3\"}]}", ROUNDING_XNNPACK),
            "layer \"stem.floats\": float8_e4m3, which the kernels of TFLite do not know");
    static const char half[] = "{\"overrides\":[{\"layers\":\"d\",\"format\":\"float16\"}]}";
    refused(lowered(half, ROUNDING_TFLITE_DOUBLE),
            "layer \"d\": float16, which the kernels of TFLite Micro do not know; must be float32 or int8");
    must(export(lowered(half, ROUNDING_XNNPACK), NULL));
    end();
}
END_TEST

TEST_MAIN("tflite_floats", files_compute_the_engines_values, weights_are_stored_small, dynamic_layers_are_hybrid,
          other_formats_are_refused)
