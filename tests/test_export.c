/* The exported file: what is written is read, what is wrong is refused by name, what is hostile harms nobody. */
#include <cjson/cJSON.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/parallel.h"
#include "base/safetensors.h"
#include "deploy/exporter.h"
#include "deploy/plan.h"
#include "kernels/kernels.h"
#include "tests/support/random_graph.h"
#include "tests/support/scratch.h"
#include "tests/support/suite.h"

static Arena *arena;
static const char *folder;
static const char *model_path, *manifest_path;

static void begin(void)
{
    arena = arena_create();
    folder = scratch_folder(arena);
    model_path = file_join(arena, folder, "m.safetensors");
    manifest_path = file_join(arena, folder, "m.json");
}

static void end(void)
{
    unlink(model_path);
    unlink(manifest_path);
    ck_assert_int_eq(rmdir(folder), 0);
    arena_destroy(arena);
}

static void must(Status status) { ck_assert_msg(status == STATUS_OK, "%s", status_message()); }

static void refused(Status status, const char *words)
{
    ck_assert_msg(status != STATUS_OK, "accepted; should say: %s", words);
    ck_assert_msg(strstr(status_message(), words) != NULL, "says: %s\nshould say: %s", status_message(), words);
}

/* ---- a small graph with every op ------------------------------------------------------------------------------------------ */

enum { INPUT, CONV, DW, MAX, RQA, RQB, CAT, ADD, LUT, AVG, FLAT, FCA, FCB, SUM, TENSORS };

static const QTensor zoo_tensor[TENSORS] = {
    [INPUT] = {"input", 4, 4, 2, 0.02f, 0, 8, -128, 127},   [CONV] = {"conv", 4, 4, 4, 0.1f, -128, 8, -128, 127},
    [DW] = {"dw", 2, 2, 4, 0.2f, 112, 4, 112, 127},         [MAX] = {"max", 2, 2, 4, 0.1f, -128, 8, -128, 127},
    [RQA] = {"rqa", 2, 2, 4, 0.15f, -20, 8, -128, 127},     [RQB] = {"rqb", 2, 2, 4, 0.15f, -20, 8, -128, 127},
    [CAT] = {"cat", 2, 2, 8, 0.15f, -20, 8, -128, 127},     [ADD] = {"add", 2, 2, 4, 0.3f, 3, 8, -128, 127},
    [LUT] = {"lut", 2, 2, 4, 0.01f, 0, 6, -31, 31},         [AVG] = {"avg", 1, 1, 8, 0.15f, -20, 8, -128, 127},
    [FLAT] = {"flat", 1, 1, 16, 0.01f, 0, 6, -31, 31},      [FCA] = {"fca", 1, 1, 3, 0.5f, 0, 8, -128, 127},
    [FCB] = {"fcb", 1, 1, 3, 0.4f, 0, 8, -128, 127},        [SUM] = {"sum", 1, 1, 3, 0.6f, 5, 8, -128, 127},
};

static void give_weights(QNode *n, int count, int outputs)
{
    int8_t *w = ARENA_ARRAY(arena, int8_t, count);
    int32_t *bias = ARENA_ARRAY(arena, int32_t, outputs);
    float *scale = ARENA_ARRAY(arena, float, outputs);
    for (int i = 0; i < count; i++) w[i] = (int8_t)(4 * (i % 8 - 4));
    for (int o = 0; o < outputs; o++) bias[o] = 100 * o - 50, scale[o] = 0.01f * (float)(o + 1);
    n->weights = w, n->bias = bias, n->weight_scale = scale, n->weight_bits = 4, n->weight_shift = 2;
}

static QGraph *zoo(void)
{
    QGraph *g = arena_zalloc(arena, sizeof *g);
    *g = (QGraph){.dialect = DIALECT_TFLITE_SINGLE, .tensors = TENSORS, .nodes = TENSORS - 1, .output = SUM, .classes = 3,
                  .channels = 2, .model_name = "zoo"};
    g->tensor = memcpy(arena_alloc(arena, sizeof zoo_tensor), zoo_tensor, sizeof zoo_tensor);
    g->node = ARENA_ARRAY(arena, QNode, TENSORS - 1);
    static const struct {
        QOp op;
        int inputs, input[2];
    } wiring[TENSORS] = {
        [CONV] = {QOP_CONV2D, 1, {INPUT}},  [DW] = {QOP_DWCONV2D, 1, {CONV}}, [MAX] = {QOP_MAXPOOL, 1, {CONV}},
        [RQA] = {QOP_REQUANT, 1, {DW}},     [RQB] = {QOP_REQUANT, 1, {MAX}},  [CAT] = {QOP_CONCAT, 2, {RQA, RQB}},
        [ADD] = {QOP_ADD, 2, {RQA, DW}},    [LUT] = {QOP_LUT, 1, {ADD}},      [AVG] = {QOP_AVGPOOL, 1, {CAT}},
        [FLAT] = {QOP_RESHAPE, 1, {LUT}},   [FCA] = {QOP_DENSE, 1, {AVG}},    [FCB] = {QOP_DENSE, 1, {FLAT}},
        [SUM] = {QOP_ADD, 2, {FCA, FCB}},
    };
    for (int t = 1; t < TENSORS; t++) {
        QNode *n = &g->node[t - 1];
        const QTensor *y = &g->tensor[t], *x = &g->tensor[wiring[t].input[0]];
        *n = (QNode){.op = wiring[t].op, .name = y->name, .inputs = wiring[t].inputs, .output = t, .lo = y->qmin,
                     .hi = y->qmax};
        memcpy(n->input, wiring[t].input, sizeof wiring[t].input);
        n->geom = (ConvGeom){.n = 1, .h = x->h, .w = x->w, .c = x->c, .o = y->c, .oh = y->h, .ow = y->w, .kh = 2, .kw = 2,
                             .sh = 2, .sw = 2, .dh = 1, .dw = 1, .groups = 1};
        if (n->op != QOP_DENSE) continue;
        n->geom.c = (int)qtensor_elements(x);
        n->geom.h = n->geom.w = n->geom.kh = n->geom.kw = n->geom.sh = n->geom.sw = 1;
    }
    QNode *conv = &g->node[CONV - 1], *dw = &g->node[DW - 1];
    conv->geom.kh = conv->geom.kw = 3, conv->geom.sh = conv->geom.sw = 1;
    conv->geom.pt = conv->geom.pb = conv->geom.pl = conv->geom.pr = 1;
    dw->geom.kh = dw->geom.kw = 3, dw->geom.pb = dw->geom.pr = 1, dw->geom.groups = 4;
    give_weights(conv, 4 * 3 * 3 * 2, 4);
    give_weights(dw, 3 * 3 * 4, 4);
    give_weights(&g->node[FCA - 1], 3 * 8, 3);
    give_weights(&g->node[FCB - 1], 3 * 16, 3);
    int8_t *table = ARENA_ARRAY(arena, int8_t, 256);
    for (int i = 0; i < 256; i++) table[i] = (int8_t)(i % 63 - 31);
    g->node[LUT - 1].table = table;
    float *mean = ARENA_ARRAY(arena, float, 2), *std = ARENA_ARRAY(arena, float, 2);
    mean[0] = 0.5f, mean[1] = 0.25f, std[0] = 0.2f, std[1] = 0.3f;
    g->mean = mean, g->std = std;
    g->class_names = ARENA_ARRAY(arena, const char *, 3);
    g->class_names[0] = "cat", g->class_names[1] = "dog \"rex\"", g->class_names[2] = "é";
    return g;
}

/* ---- what is written is read ---------------------------------------------------------------------------------------------- */

static void same_graph(const QGraph *a, const QGraph *b)
{
    ck_assert_int_eq(a->dialect, b->dialect);
    ck_assert_int_eq(a->tensors, b->tensors);
    ck_assert_int_eq(a->nodes, b->nodes);
    ck_assert_int_eq(a->output, b->output);
    ck_assert_int_eq(a->classes, b->classes);
    ck_assert_str_eq(a->model_name, b->model_name);
    for (int i = 0; i < a->classes; i++) ck_assert_str_eq(a->class_names[i], b->class_names[i]);
    ck_assert_int_eq(a->channels, b->channels);
    ck_assert_mem_eq(a->mean, b->mean, sizeof(float) * (size_t)a->channels);
    ck_assert_mem_eq(a->std, b->std, sizeof(float) * (size_t)a->channels);
    for (int i = 0; i < a->tensors; i++) {
        QTensor s = a->tensor[i], t = b->tensor[i];
        ck_assert_str_eq(s.name, t.name);
        ck_assert_mem_eq(&s.scale, &t.scale, sizeof s.scale);
        ck_assert(s.h == t.h && s.w == t.w && s.c == t.c && s.bits == t.bits && s.qmin == t.qmin && s.qmax == t.qmax &&
                  s.zero_point == t.zero_point);
    }
    for (int i = 0; i < a->nodes; i++) {
        const QNode *m = &a->node[i], *n = &b->node[i];
        ck_assert_int_eq(m->op, n->op);
        ck_assert_str_eq(m->name, n->name);
        ck_assert_int_eq(m->inputs, n->inputs);
        ck_assert_mem_eq(m->input, n->input, sizeof(int) * (size_t)m->inputs);
        ck_assert_int_eq(m->output, n->output);
        ck_assert(m->lo == n->lo && m->hi == n->hi);
        if (m->op == QOP_MAXPOOL || m->op == QOP_AVGPOOL || qop_has_weights(m->op))
            ck_assert_mem_eq(&m->geom, &n->geom, sizeof m->geom);
        if (m->op == QOP_LUT) ck_assert_mem_eq(m->table, n->table, 256);
        if (!qop_has_weights(m->op)) continue;
        ck_assert(m->weight_bits == n->weight_bits && m->weight_shift == n->weight_shift);
        ck_assert_mem_eq(m->weights, n->weights, (size_t)qnode_weights(m));
        ck_assert_mem_eq(m->bias, n->bias, sizeof(int32_t) * (size_t)m->geom.o);
        ck_assert_mem_eq(m->weight_scale, n->weight_scale, sizeof(float) * (size_t)m->geom.o);
    }
}

static void read_back(const char *path, unsigned char **data, size_t *bytes)
{
    must(file_read(arena, path, 1 << 24, data, bytes));
}

static void same_bytes_again(const QGraph *g)
{
    unsigned char *first[2], *second[2];
    size_t bytes[2], again[2];
    QGraph *read;
    must(qgraph_write(arena, g, model_path));
    read_back(model_path, &first[0], &bytes[0]);
    read_back(manifest_path, &first[1], &bytes[1]);
    must(qgraph_read(arena, model_path, &read));
    same_graph(g, read);
    must(qgraph_write(arena, read, model_path));
    read_back(model_path, &second[0], &again[0]);
    read_back(manifest_path, &second[1], &again[1]);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(bytes[i], again[i]);
        ck_assert_mem_eq(first[i], second[i], bytes[i]);
    }
}

START_TEST(written_is_read_and_written_the_same)
{
    begin();
    must(qgraph_check(zoo()));
    same_bytes_again(zoo());
    for (int i = 0; i < 20; i++) same_bytes_again(random_graph(arena, 100 + (uint64_t)i, 12, (Dialect)(i % 3)));
    end();
}
END_TEST

START_TEST(manifest_tells_the_truth)
{
    begin();
    const QGraph *g = zoo();
    must(qgraph_write(arena, g, model_path));
    cJSON *json;
    must(json_read(arena, manifest_path, &json));
    SafeFile file;
    must(safe_read(arena, model_path, true, &file));
    ck_assert_str_eq(json_get(json, "crc32")->valuestring, safe_metadata(&file, "crc32"));
    ck_assert_str_eq(json_get(json, "file")->valuestring, "m.safetensors");
    ck_assert_str_eq(json_get(json, "dialect")->valuestring, "tflite-single");
    ck_assert_str_eq(cJSON_GetArrayItem(json_get(json, "classes"), 1)->valuestring, "dog \"rex\"");
    const double macs = 72.0 * 16 + 36 * 4 + 24 + 48;
    ck_assert_double_eq(json_get(json, "macs")->valuedouble, macs);
    ck_assert_double_eq(json_get(json, "weights")->valuedouble, 72 + 36 + 24 + 48);
    ck_assert_double_eq(json_get(json, "flash_bytes")->valuedouble, (72 + 36 + 24 + 48) / 2 + 8 * (4 + 4 + 3 + 3) + 256);
    ck_assert_double_eq(json_get(json, "arena_bytes")->valuedouble, (double)qgraph_arena_bytes(g));
    const cJSON *tensor = cJSON_GetArrayItem(json_get(json, "tensors"), DW);
    ck_assert_str_eq(json_get(tensor, "name")->valuestring, "dw");
    ck_assert((float)json_get(tensor, "scale")->valuedouble == 0.2f);
    ck_assert_int_eq(json_get(tensor, "zero_point")->valueint, 112);
    const cJSON *scale = json_get(cJSON_GetArrayItem(json_get(json, "nodes"), FCB - 1), "weight_scale");
    for (int o = 0; o < 3; o++)
        ck_assert((float)cJSON_GetArrayItem(scale, o)->valuedouble == g->node[FCB - 1].weight_scale[o]);
    cJSON_Delete(json);
    end();
}
END_TEST

START_TEST(exporters_are_registered)
{
    begin();
    int n = 0;
    for (; exporters[n] != NULL; n++) {
        ck_assert_ptr_eq(exporter_find(exporters[n]->name), exporters[n]);
        ck_assert_int_eq(exporters[n]->extension[0], '.');
        ck_assert_uint_gt(strlen(exporters[n]->doc), 10);
        const char *path = arena_printf(arena, "%s/x%s", folder, exporters[n]->extension);
        refused(exporter_write(exporters[n], arena, zoo(), arena_printf(arena, "%s/x", folder), NULL), "must end in");
        cJSON *options = cJSON_Parse("{\"no such option\": 1}");
        refused(exporter_write(exporters[n], arena, zoo(), path, options), "no such option");
        cJSON_Delete(options);
        QGraph *bad = zoo();
        bad->tensor[DW].scale = NAN;
        refused(exporter_write(exporters[n], arena, bad, path, NULL), "tensor \"dw\": scale nan");
        ck_assert(!file_exists(path));
    }
    ck_assert_int_ge(n, 1);
    ck_assert_ptr_null(exporter_find("no such format"));
    end();
}
END_TEST

START_TEST(a_failed_write_leaves_the_old_file)
{
    begin();
    unsigned char *before, *after;
    size_t bytes, bytes_after;
    must(qgraph_write(arena, zoo(), model_path));
    read_back(model_path, &before, &bytes);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){.rlim_cur = 1024, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    QGraph *other = zoo();
    other->model_name = "other";
    const Status status = qgraph_write(arena, other, model_path);
    setrlimit(RLIMIT_FSIZE, &old);
    ck_assert_int_eq(status, STATUS_IO);
    read_back(model_path, &after, &bytes_after);
    ck_assert_uint_eq(bytes, bytes_after);
    ck_assert_mem_eq(before, after, bytes);
    refused(qgraph_write(arena, zoo(), "/nonexistent/m.safetensors"), "/nonexistent/m.safetensors: cannot");
    end();
}
END_TEST

/* ---- every rule of qgraph_check --------------------------------------------------------------------------------------------- */

static int8_t *weights_of(QGraph *g, int t) { return (int8_t *)(uintptr_t)g->node[t - 1].weights; }
static int32_t *bias_of(QGraph *g, int t) { return (int32_t *)(uintptr_t)g->node[t - 1].bias; }
static float *scale_of(QGraph *g, int t) { return (float *)(uintptr_t)g->node[t - 1].weight_scale; }

/* Breaks one rule of g, number k, and returns what must be said about it; NULL when there is no such number. */
static const char *break_rule(QGraph *g, int k)
{
    int i = 0;
#define T(t) g->tensor[t]
#define N(t) g->node[t - 1]
#define CASE(change, words)                                                                                            \
    if (i++ == k) {                                                                                                    \
        change;                                                                                                        \
        return words;                                                                                                  \
    }
    CASE(g->dialect = (Dialect)3, "graph: dialect 3; must be 0 to 2")
    CASE(g->nodes = 0, "graph: 0 nodes and 14 tensors; must be 1 to 1024 nodes")
    CASE(g->tensors--, "graph: 13 nodes and 13 tensors")
    CASE(T(DW).name = "", "tensor 2: its name; must be 1 to 255 bytes")
    CASE(T(DW).name = "a\nb", "tensor 2: its name; must be 1 to 255 bytes, none a control character")
    CASE(T(DW).name = "conv", "tensor \"conv\": the name of tensors 1 and 2; must be unique")
    CASE(T(INPUT).name = "image", "tensor 0: named \"image\"; must be \"input\"")
    CASE(T(DW).w = 0, "tensor \"dw\": shape [2,0,4]; each size must be 1 to 65536")
    CASE(T(DW).c = 65537, "tensor \"dw\": shape [2,2,65537]; each size must be 1 to 65536")
    CASE((T(DW).h = 65536, T(DW).w = 65536), "tensor \"dw\": shape [65536,65536,4]; at most 67108864 elements")
    CASE(T(ADD).scale = 0.0f, "tensor \"add\": scale 0; must be finite and above 0")
    CASE(T(ADD).scale = NAN, "tensor \"add\": scale nan; must be finite and above 0")
    CASE(T(ADD).scale = INFINITY, "tensor \"add\": scale inf; must be finite and above 0")
    CASE(T(ADD).bits = 9, "tensor \"add\": bits 9; must be 2 to 8")
    CASE(T(DW).qmin = 100, "tensor \"dw\": codes 100 to 127; must be at most 2^4")
    CASE(T(ADD).qmax = 128, "tensor \"add\": codes -128 to 128; must be at most 2^8, within -128 to 127")
    CASE(T(ADD).qmax = -128, "tensor \"add\": codes -128 to -128")
    CASE(T(DW).zero_point = 111, "tensor \"dw\": zero point 111; must be one of the codes 112 to 127")
    CASE(g->output = 0, "graph: output tensor 0; must be 1 to 13")
    CASE(g->classes = 4, "graph: 4 classes; must be the 3 elements of output \"sum\"")
    CASE(g->class_names[1] = NULL, "graph: class 1; must have a name")
    CASE(g->model_name = NULL, "graph: no model name")
    CASE(g->channels = 3, "graph: 3 image channels; must be the 2 of \"input\"")
    CASE(((float *)(uintptr_t)g->mean)[1] = NAN, "graph: channel 1: mean nan, std 0.3; must be finite")
    CASE(((float *)(uintptr_t)g->std)[0] = 0.0f, "graph: channel 0: mean 0.5, std 0; must be finite, std above 0")
    CASE(N(DW).op = (QOp)10, "node \"dw\": op 10; must be 0 to 9")
    CASE(N(DW).name = NULL, "node 1: its name")
    CASE(N(DW).name = "dv", "node \"dv\": its output is named \"dw\"; must have the node's name")
    CASE(N(DW).output = TENSORS, "node \"dw\": output tensor 14; must be 1 to 13")
    CASE(N(DW).output = CONV, "node \"dw\": output tensor 1 is written twice")
    CASE(N(DW).inputs = 0, "node \"dw\": 0 inputs of a depthwise_conv2d; must be 1 to 1")
    CASE(N(ADD).inputs = 1, "node \"add\": 1 inputs of a add; must be 2 to 2")
    CASE(N(CAT).inputs = 17, "node \"cat\": 17 inputs of a concat; must be 1 to 16")
    CASE(N(DW).input[0] = MAX, "node \"dw\": input 0 is tensor 3; must be the image or the output of an earlier node")
    CASE(N(ADD).input[1] = ADD, "node \"add\": input 1 is tensor 7; must be the image or")
    CASE(N(ADD).input[1] = -1, "node \"add\": input 1 is tensor -1; must be")
    CASE(N(DW).lo = 111, "node \"dw\": clamp 111 to 127; must lie in the codes 112 to 127")
    CASE((N(DW).lo = 120, N(DW).hi = 119), "node \"dw\": clamp 120 to 119")
    CASE(N(CONV).geom.h = 5, "node \"conv\": geometry [1,5,4,2] of input \"input\" [4,4,2]; must agree")
    CASE(N(CONV).geom.n = 2, "node \"conv\": geometry [2,4,4,2] of input")
    CASE(N(FCB).geom.c = 15, "node \"fcb\": geometry [1,1,1,15] of input \"flat\" [1,1,16]; must agree")
    CASE(N(CONV).geom.o = 3, "node \"conv\": geometry [4,4,3] of its output [4,4,4]; must agree")
    CASE(N(CONV).geom.kh = 0, "node \"conv\": rows: kernel 0, stride 1, dilation 1; each must be 1 to 4096")
    CASE(N(CONV).geom.sw = 4097, "node \"conv\": columns: kernel 3, stride 4097, dilation 1; each must be 1 to 4096")
    CASE(N(CONV).geom.dh = 0, "node \"conv\": rows: kernel 3, stride 1, dilation 0; each")
    CASE(N(CONV).geom.pl = -1, "node \"conv\": columns: padding -1 and 1; must be 0 to 4096")
    CASE(N(CONV).geom.dh = 3, "node \"conv\": rows: window of 7 on 4 with padding 1 and 1; must fit")
    CASE(N(CONV).geom.pb = 2, "node \"conv\": rows: output size 4; must be 5")
    CASE((N(MAX).geom.pt = 2, N(MAX).geom.sh = 3), "node \"max\": rows: pool of 2 with dilation 1, padding 2 and 0; must be")
    CASE((N(MAX).geom.dw = 2, N(MAX).geom.sw = 1), "node \"max\": columns: pool of 2 with dilation 2, padding 0 and 0")
    CASE((N(FCA).geom.kh = 2, N(FCA).geom.pt = 1), "node \"fca\": a dense node with kernel 2 x 1 in 1 groups; must be 1 x 1")
    CASE(N(CONV).geom.groups = 3, "node \"conv\": 3 groups of 2 input and 4 output channels; must divide both")
    CASE(N(CONV).geom.groups = 0, "node \"conv\": 0 groups of 2 input and 4 output channels")
    CASE(N(DW).geom.groups = 2, "node \"dw\": 2 groups of 4 channels; a depthwise node has one per channel")
    CASE((T(MAX).c = 5, N(MAX).geom.o = 5), "node \"max\": 5 output channels; a pool keeps the 4 of its input")
    CASE((T(DW).c = 4096, T(MAX).c = 4096), "node \"dw\": geometry [2,2,4] of its output [2,2,4096]")
    CASE(N(CONV).weights = NULL, "node \"conv\": no weights, bias or weight scales")
    CASE(N(CONV).weight_bits = 1, "node \"conv\": 1-bit weights shifted by 2; must be 2 to 8 bits")
    CASE(N(CONV).weight_shift = 5, "node \"conv\": 4-bit weights shifted by 5; must be 2 to 8 bits, shifted by 0 to 8 - bits")
    CASE(weights_of(g, CONV)[3] = 5, "node \"conv\": weight 5 of output 0; must be a 4-bit code shifted by 2")
    CASE(weights_of(g, CONV)[71] = 32, "node \"conv\": weight 32 of output 3; must be a 4-bit code shifted by 2")
    CASE(weights_of(g, DW)[7] = -36, "node \"dw\": weight -36 of output 3; must be a 4-bit code shifted by 2")
    CASE(bias_of(g, FCB)[1] = INT32_MAX, "node \"fcb\": output 1: sums up to 2147487615 with bias 2147483647; must stay")
    CASE(bias_of(g, CONV)[2] = INT32_MIN, "node \"conv\": output 2: sums up to 2147500544 with bias -2147483648")
    CASE(scale_of(g, CONV)[1] = -0.5f, "node \"conv\": output 1: weight scale -0.5; must be finite and above 0")
    CASE(scale_of(g, CONV)[1] = INFINITY, "node \"conv\": output 1: weight scale inf")
    CASE(scale_of(g, CONV)[1] = 1e9f, "node \"conv\": sums up to ")
    CASE((T(CONV).scale = T(MAX).scale = 1e-38f, g->dialect = DIALECT_XNNPACK), "node \"conv\": sums up to ")
    CASE((T(INPUT).scale = scale_of(g, CONV)[0] = 1e20f, T(CONV).scale = 1e37f, g->dialect = DIALECT_XNNPACK),
         "node \"conv\": multiplier inf; must be finite in float32")
    CASE(T(MAX).scale = 0.11f, "node \"max\": input \"conv\" on the grid (0.100000001, -128), output on (0.109999999, -128)")
    CASE(T(MAX).zero_point = 0, "node \"max\": input \"conv\" on the grid (0.100000001, -128), output on (0.100000001, 0)")
    CASE((T(MAX).qmax = 100, T(MAX).bits = 8), "node \"max\": codes -128 to 127 of input \"conv\"; must lie in the output's -128")
    CASE(T(AVG).scale = 0.16f, "node \"avg\": input \"cat\" on the grid")
    CASE(T(CAT).zero_point = 3, "node \"cat\": input \"rqa\" on the grid (0.150000006, -20), output on (0.150000006, 3)")
    CASE(T(CAT).h = 1, "node \"cat\": input \"rqa\" of 2 x 2 cells; must be the output's 1 x 2")
    CASE(T(CAT).c = 7, "node \"cat\": 7 output channels; must be the 8 of its inputs together")
    CASE(T(RQA).c = 5, "node \"rqa\": [2,2,4] to [2,2,5]; must be one shape")
    CASE(T(RQB).scale = 1e-9f, "node \"rqb\": sums up to 255 times the multiplier")
    CASE(T(ADD).w = 3, "node \"add\": adds [2,2,4] and [2,2,4] to [2,3,4]; must be one shape")
    CASE(T(ADD).scale = 1e-7f, "node \"add\": adds scales 0.150000006 and 0.200000003 to 1.00000001e-07; their ratios must be")
    CASE((T(ADD).scale = 5e-4f, g->dialect = DIALECT_XNNPACK), "their ratios must be ones that xnnpack can represent")
    CASE(T(LUT).h = 1, "node \"lut\": [2,2,4] to [1,2,4]; must be one shape")
    CASE(N(LUT).table = NULL, "node \"lut\": no table; must have one")
    CASE(((int8_t *)(uintptr_t)N(LUT).table)[9] = 32, "node \"lut\": table[9] is 32; must be -31 to 31")
    CASE(T(FLAT).c = 15, "node \"flat\": 16 elements in, 15 out; must be the same number")
    CASE(T(FLAT).scale = 0.02f, "node \"flat\": input \"lut\" on the grid")
#undef CASE
#undef N
#undef T
    return NULL;
}

START_TEST(every_rule_is_checked)
{
    begin();
    int k = 0;
    for (;; k++) {
        QGraph *g = zoo();
        const char *words = break_rule(g, k);
        if (words == NULL) break;
        refused(qgraph_check(g), words);
        ck_assert_int_ne(qgraph_write(arena, g, model_path), STATUS_OK);
        ck_assert(!file_exists(model_path) && !file_exists(manifest_path));
    }
    ck_assert_int_gt(k, 80);
    end();
}
END_TEST

/* ---- hostile files ------------------------------------------------------------------------------------------------------------ */

static void put(const unsigned char *data, size_t bytes)
{
    FILE *f = fopen(model_path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, bytes, f), bytes);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(damage_is_noticed)
{
    begin();
    unsigned char *data;
    size_t bytes;
    QGraph *g;
    must(qgraph_write(arena, zoo(), model_path));
    read_back(model_path, &data, &bytes);
    Arena *model_arena = arena;
    for (size_t n = 0; n < bytes; n += 13) {
        put(data, n);
        arena = arena_create();
        refused(qgraph_read(arena, model_path, &g), model_path);
        arena_destroy(arena);
    }
    for (size_t n = 0; n < bytes; n += 3) {
        data[n] ^= (unsigned char)(1u << n % 8);
        put(data, bytes);
        data[n] ^= (unsigned char)(1u << n % 8);
        arena = arena_create();
        refused(qgraph_read(arena, model_path, &g), model_path);
        arena_destroy(arena);
    }
    arena = model_arena;
    end();
}
END_TEST

/* Writes the zoo with one text replaced in one metadata value, and one tensor dropped, renamed or reshaped; the CRC is right. */
typedef struct {
    const char *key, *from, *to, *words;
} Lie;

static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    ck_assert_msg(at != NULL, "nothing to replace: %s", from);
    return arena_printf(arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void write_lie(const SafeFile *file, const Lie *lie)
{
    SafeWriter *writer = safe_writer(arena);
    for (int i = 0; i < file->n_metadata; i++) {
        if (strcmp(file->key[i], "crc32") == 0) continue;
        const bool hit = strcmp(file->key[i], lie->key) == 0;
        if (hit && lie->to == NULL) continue;
        safe_add_metadata(writer, file->key[i], hit ? replaced(file->value[i], lie->from, lie->to) : file->value[i]);
    }
    for (int i = 0; i < file->n; i++) {
        SafeTensor t = file->tensor[i];
        if (strcmp(t.name, lie->key) == 0) {
            if (lie->to == NULL) continue;
            if (strcmp(lie->from, "type") == 0)
                t.type = ST_U8, t.dim[t.rank - 1] *= (int64_t)safe_type_bytes(file->tensor[i].type);
            else if (strcmp(lie->from, "flat") == 0)
                t.dim[0] = (int64_t)(t.bytes / safe_type_bytes(t.type)), t.rank = 1;
            else
                t.name = lie->to;
        }
        safe_add(writer, t.name, t.type, t.rank, t.dim, t.data);
    }
    must(safe_write(writer, model_path));
}

START_TEST(lies_are_refused_by_name)
{
    static const Lie lies[] = {
        {"format", "bitfold-int8", "bitfold-int9", "format \"bitfold-int9\"; must be \"bitfold-int8\""},
        {"format", NULL, NULL, "no metadata \"format\""},
        {"version", "1", "2", "version \"2\"; this program reads version 1"},
        {"dialect", "tflite-single", "tflite", "dialect \"tflite\"; must be xnnpack, tflite-single or tflite-double"},
        {"model", NULL, NULL, "no metadata \"model\""},
        {"classes", NULL, NULL, "no metadata \"classes\""},
        {"classes", "\"cat\",", "", "classes; must be a list of 3 names"},
        {"classes", "\"cat\"", "7", "classes[0]; must be a string"},
        {"classes", "[", "{", "metadata \"classes\""},
        {"graph", NULL, NULL, "no metadata \"graph\""},
        {"graph", "{", "[", "metadata \"graph\""},
        {"graph", "\"output\":\"sum\"", "\"output\":\"summ\"", "output \"summ\"; must be the name of a tensor"},
        {"graph", "\"output\":\"sum\"", "\"output\":3", "must be an object of \"output\", \"tensors\" and \"nodes\""},
        {"graph", "\"output\":\"sum\"", "\"output\":\"conv\"", "classes; must be a list of 64 names"},
        {"graph", "\"tensors\":[", "\"tensors\":[7,", "graph of 13 nodes and 15 tensors"},
        {"graph", "{\"name\":\"dw\",\"shape\":[2,2,4]", "{\"name\":\"dw\",\"shape\":[2,2]", "tensor \"dw\".shape"},
        {"graph", "{\"name\":\"dw\",\"shape\":[2,2,4]", "{\"name\":\"dw\",\"shape\":[2,2,1e9]", "tensor \"dw\".shape"},
        {"graph", "{\"name\":\"dw\",\"shape\":[2,2,4]", "{\"name\":\"dw\",\"shape\":[2,2,-4]", "tensor \"dw\".shape"},
        {"graph", "{\"name\":\"dw\",\"shape\":[2,2,4]", "{\"name\":\"dw\",\"shape\":[2,2,8]", "dw.weight"},
        {"graph", "{\"name\":\"flat\",\"shape\":[1,1,16]", "{\"name\":\"flat\",\"shape\":[65536,65536,65536]", "fcb.weight"},
        {"graph", "{\"name\":\"max\",\"shape\":[2,2,4]", "{\"name\":\"max\",\"shape\":[65536,65536,4]",
         "tensor \"max\": shape [65536,65536,4]; at most"},
        {"graph", "{\"name\":\"sum\",\"shape\":[1,1,3]", "{\"name\":\"sum\",\"shape\":[65536,65536,3]", "output \"sum\" of"},
        {"graph", "\"bits\":4", "\"bits\":3.5", "tensor \"dw\".bits"},
        {"graph", "\"bits\":4", "\"bitz\":4", "tensor \"dw\": unknown key \"bitz\"; did you mean \"bits\"?"},
        {"graph", "\"qmin\":112", "\"qmin\":-128", "tensor \"dw\": codes -128 to 127; must be at most 2^4"},
        {"graph", "\"op\":\"conv2d\"", "\"op\":\"conv3d\"", "node \"conv\": op \"conv3d\"; must be conv2d, depthwise_conv2d"},
        {"graph", "\"op\":\"conv2d\"", "\"op\":7", "node \"conv\": op 7; must be conv2d"},
        {"graph", "\"op\":\"conv2d\",", "", "node \"conv\": op missing; must be conv2d"},
        {"graph", "\"op\":\"conv2d\"", "\"op\":\"dense\"", "node \"conv\": unknown key \"kernel\""},
        {"graph", "\"op\":\"lut\"", "\"op\":\"reshape\"", "17 tensors; its graph needs 16"},
        {"graph", "\"name\":\"dw\",\"inputs\":[\"conv\"]", "\"name\":\"dw\",\"inputs\":[\"sum\"]",
         "node \"dw\": input 0 is tensor 13; must be the image or the output of an earlier node"},
        {"graph", "\"name\":\"dw\",\"inputs\":[\"conv\"]", "\"name\":\"dw\",\"inputs\":[\"cnv\"]",
         "node \"dw\": input \"cnv\"; must be the name of a tensor"},
        {"graph", "\"name\":\"dw\",\"inputs\":[\"conv\"]", "\"name\":\"dw\",\"inputs\":[]", "node \"dw\".inputs"},
        {"graph", "\"name\":\"dw\",\"inputs\":[\"conv\"]", "\"name\":\"dv\",\"inputs\":[\"conv\"]",
         "node \"dv\": its output; must be a tensor of the node's name"},
        {"graph", "\"name\":\"dw\",\"inputs\":[\"conv\"]", "\"name\":\"conv\",\"inputs\":[\"input\"]", "conv"},
        {"graph", "\"name\":\"dw\",\"shape\"", "\"name\":\"conv\",\"shape\"", "node \"dw\": its output"},
        {"graph", "\"kernel\":[3,3]", "\"kernel\":[3]", "node \"conv\".kernel"},
        {"graph", "\"kernel\":[3,3]", "\"kernel\":[4097,3]", "node \"conv\".kernel"},
        {"graph", "\"kernel\":[3,3]", "\"kernel\":[3,4]", "conv.weight"},
        {"graph", "\"stride\":[1,1]", "\"stride\":[0,1]", "node \"conv\".stride"},
        {"graph", "\"dilation\":[1,1]", "\"dilation\":[1,1,1]", "node \"conv\".dilation"},
        {"graph", "\"padding\":[1,1,1,1]", "\"padding\":[1,-1,1,1]", "node \"conv\".padding"},
        {"graph", "\"padding\":[1,1,1,1]", "\"padding\":[1,2,1,1]", "node \"conv\": rows: output size 4; must be 5"},
        {"graph", "\"groups\":1", "\"groups\":0", "node \"conv\".groups"},
        {"graph", "\"groups\":1", "\"groups\":2", "conv.weight"},
        {"graph", "\"groups\":4", "\"groups\":1", "node \"dw\": 1 groups of 4 channels"},
        {"graph", "\"weight_bits\":4", "\"weight_bits\":2", "node \"conv\": weight -16 of output 0"},
        {"graph", "\"weight_shift\":2", "\"weight_shift\":3", "node \"conv\": weight -12 of output 0"},
        {"graph", "\"clamp\":[-128,127]", "\"clamp\":[127,-128]", "node \"conv\": clamp 127 to -128"},
        {"graph", "\"clamp\":[-128,127]", "\"clamp\":[-129,127]", "node \"conv\".clamp"},
        {"tensor.scale", "", NULL, "tensor.scale"},
        {"tensor.scale", "type", "", "tensor.scale"},
        {"input.mean", "", NULL, "input.mean"},
        {"conv.weight", "", NULL, "conv.weight"},
        {"conv.weight", "flat", "", "conv.weight"},
        {"conv.weight", "type", "", "conv.weight"},
        {"conv.bias", "", "conv.bais", "conv.bias"},
        {"dw.weight_scale", "", NULL, "dw.weight_scale"},
        {"lut.table", "", NULL, "lut.table"},
    };
    begin();
    must(qgraph_write(arena, zoo(), model_path));
    SafeFile file;
    must(safe_read(arena, model_path, true, &file));
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        QGraph *g;
        write_lie(&file, &lies[i]);
        refused(qgraph_read(arena, model_path, &g), lies[i].words);
        refused(STATUS_FORMAT, model_path);
    }
    end();
}
END_TEST

/* Random damage with a CRC made right again: whatever is still accepted can be run. */
START_TEST(accepted_means_runnable)
{
    begin();
    unsigned char *data;
    size_t bytes;
    must(qgraph_write(arena, zoo(), model_path));
    read_back(model_path, &data, &bytes);
    char *digits = strstr((char *)data + 8, "\"crc32\":\"");
    ck_assert_ptr_nonnull(digits);
    digits += strlen("\"crc32\":\"");
    parallel_set_threads(1);
    Arena *model_arena = arena;
    unsigned char *copy = arena_alloc(arena, bytes);
    int accepted = 0, refusals = 0;
    for (int i = 0; i < 3000; i++) {
        Rng rng = rng_make(9, RNG_TEST, (uint64_t)i);
        memcpy(copy, data, bytes);
        for (int k = 0; k < 1 + i % 3; k++) {
            unsigned char *at = copy + (i % 2 ? rng_below(&rng, (uint32_t)bytes) : bytes - 1 - rng_below(&rng, 700));
            *at = *at >= '0' && *at <= '9' ? (unsigned char)('0' + rng_below(&rng, 10)) : (unsigned char)rng_u32(&rng);
        }
        char *crc = (char *)copy + (digits - (char *)data);
        memset(crc, '0', 8);
        char hex[9];
        snprintf(hex, sizeof hex, "%08lx", crc32(0, copy, (uInt)bytes));
        memcpy(crc, hex, 8);
        put(copy, bytes);
        arena = arena_create();
        QGraph *g;
        Engine *engine;
        if (qgraph_read(arena, model_path, &g) != STATUS_OK) {
            refusals++;
        } else if (engine_create_planned(arena, g, &engine) == STATUS_OK) {
            int8_t *image = arena_alloc(arena, (size_t)qtensor_elements(&g->tensor[0]));
            memset(image, g->tensor[0].zero_point, (size_t)qtensor_elements(&g->tensor[0]));
            engine_run(engine, image, 1, arena_alloc(arena, (size_t)g->classes));
            accepted++;
        }
        arena_destroy(arena);
    }
    arena = model_arena;
    ck_assert_int_gt(accepted, 100);
    ck_assert_int_gt(refusals, 100);
    end();
}
END_TEST

TEST_MAIN("export", written_is_read_and_written_the_same, manifest_tells_the_truth, exporters_are_registered,
          a_failed_write_leaves_the_old_file, every_rule_is_checked, damage_is_noticed, lies_are_refused_by_name,
          accepted_means_runnable)
