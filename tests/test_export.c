/* The exported file: what is written is read, the manifest tells the truth, a failed write leaves what was there. */
#include <cjson/cJSON.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "deploy/safetensors/export_safetensors.h"
#include "base/file.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "deploy/exporter.h"
#include "tests/support/fixture.h"
#include "tests/support/mixed_graph.h"
#include "tests/support/random_graph.h"
#include "tests/support/suite.h"
#include "tests/support/embedding_graph.h"
#include "tests/support/zoo_graph.h"
#include "graph/graph_read.h"
#include "graph/node.h"
#include "graph/plan.h"

static void same_graph(const Graph *a, const Graph *b)
{
    ck_assert_int_eq(a->rounding, b->rounding);
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
        GraphTensor s = a->tensor[i], t = b->tensor[i];
        ck_assert_str_eq(s.name, t.name);
        ck_assert_mem_eq(&s.scale, &t.scale, sizeof s.scale);
        ck_assert(s.h == t.h && s.w == t.w && s.c == t.c && s.bits == t.bits && s.qmin == t.qmin && s.qmax == t.qmax &&
                  s.zero_point == t.zero_point);
    }
    for (int i = 0; i < a->nodes; i++) {
        const Node *m = &a->node[i], *n = &b->node[i];
        ck_assert_int_eq(m->op, n->op);
        ck_assert_str_eq(m->name, n->name);
        ck_assert_int_eq(m->inputs, n->inputs);
        ck_assert_mem_eq(m->input, n->input, sizeof(int) * (size_t)m->inputs);
        ck_assert_int_eq(m->output, n->output);
        ck_assert(m->lo == n->lo && m->hi == n->hi);
        if (m->op == NODE_MAXPOOL || m->op == NODE_AVGPOOL || node_has_weights(m))
            ck_assert_mem_eq(&m->geom, &n->geom, sizeof m->geom);
        if (m->op == NODE_LUT) ck_assert_mem_eq(m->table, n->table, 256);
        if (!node_has_weights(m)) continue;
        ck_assert(m->weight_bits == n->weight_bits && m->weight_shift == n->weight_shift && m->levels == n->levels);
        if (m->levels > 0) ck_assert_mem_eq(m->level, n->level, (size_t)m->levels);
        ck_assert_mem_eq(m->weights, n->weights, (size_t)node_weights(m));
        ck_assert_mem_eq(m->bias, n->bias, sizeof(int32_t) * (size_t)m->geom.o);
        ck_assert_mem_eq(m->weight_scale, n->weight_scale, sizeof(float) * (size_t)m->geom.o);
    }
}

static void read_back(const char *path, unsigned char **data, size_t *bytes)
{
    must(file_read(arena, path, 1 << 24, data, bytes));
}

static void same_bytes_again(const Graph *g)
{
    unsigned char *first[2], *second[2];
    size_t bytes[2], again[2];
    Graph *read;
    must(export_safetensors(arena, g, model_path));
    read_back(model_path, &first[0], &bytes[0]);
    read_back(manifest_path, &first[1], &bytes[1]);
    must(graph_read(arena, model_path, &read));
    same_graph(g, read);
    must(export_safetensors(arena, read, model_path));
    read_back(model_path, &second[0], &again[0]);
    read_back(manifest_path, &second[1], &again[1]);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(bytes[i], again[i]);
        ck_assert_mem_eq(first[i], second[i], bytes[i]);
    }
}

START_TEST(written_is_read_and_written_the_same)
{
    begin_model();
    same_bytes_again(zoo_graph(arena));
    for (int i = 0; i < 20; i++) same_bytes_again(random_graph(arena, 100 + (uint64_t)i, 12, (Rounding)(i % 3)));
    end_model();
}
END_TEST

START_TEST(manifest_tells_the_truth)
{
    begin_model();
    const Graph *g = zoo_graph(arena);
    must(export_safetensors(arena, g, model_path));
    cJSON *json;
    must(json_read(arena, manifest_path, &json));
    SafeFile file;
    must(safe_read(arena, model_path, true, &file));
    ck_assert_str_eq(json_get(json, "crc32")->valuestring, safe_metadata(&file, "crc32"));
    ck_assert_str_eq(json_get(json, "file")->valuestring, "m.safetensors");
    ck_assert_str_eq(json_get(json, "dialect")->valuestring, "tflite-single");
    ck_assert_str_eq(cJSON_GetArrayItem(json_get(json, "classes"), 1)->valuestring, "dog \"rex\"");
    const double macs = 72.0 * 16 + 36 * 4 + 96 + 48;
    ck_assert_double_eq(json_get(json, "macs")->valuedouble, macs);
    ck_assert_double_eq(json_get(json, "weights")->valuedouble, 72 + 36 + 96 + 48);
    ck_assert_double_eq(json_get(json, "flash_bytes")->valuedouble,
                        (72 + 36 + 96 + 48) / 2 + 8 * (4 + 4 + 3 + 3) + 256);
    ck_assert_double_eq(json_get(json, "arena_bytes")->valuedouble, (double)graph_arena_bytes(g));
    const cJSON *tensor = cJSON_GetArrayItem(json_get(json, "tensors"), DW);
    ck_assert_str_eq(json_get(tensor, "name")->valuestring, "dw");
    ck_assert((float)json_get(tensor, "scale")->valuedouble == 0.2f);
    ck_assert_int_eq(json_get(tensor, "zero_point")->valueint, 112);
    const cJSON *scale = json_get(cJSON_GetArrayItem(json_get(json, "nodes"), FCB - 1), "weight_scale");
    for (int o = 0; o < 3; o++)
        ck_assert((float)cJSON_GetArrayItem(scale, o)->valuedouble == g->node[FCB - 1].weight_scale[o]);
    cJSON_Delete(json);
    end_model();
}
END_TEST

START_TEST(exporters_are_registered)
{
    begin_model();
    int n = 0;
    for (; exporters[n] != NULL; n++) {
        ck_assert_ptr_eq(exporter_find(exporters[n]->name), exporters[n]);
        ck_assert_int_eq(exporters[n]->extension[0], '.');
        ck_assert_uint_gt(strlen(exporters[n]->doc), 10);
        ck_assert_ptr_nonnull(exporters[n]->signature);
        ck_assert((exporters[n]->companion == NULL) == (exporters[n]->companion_signature == NULL));
        const char *path = arena_printf(arena, "%s/x%s", folder, exporters[n]->extension);
        ck_assert_ptr_eq(exporter_of(path), exporters[n]);
        ck_assert_ptr_null(exporter_of(arena_printf(arena, "%s/%s", folder, exporters[n]->extension)));
        refused(exporter_write(exporters[n], arena, zoo_graph(arena), arena_printf(arena, "%s/x", folder), NULL),
                "must end in");
        cJSON *options = cJSON_Parse("{\"no such option\": 1}");
        refused(exporter_write(exporters[n], arena, zoo_graph(arena), path, options), "no such option");
        cJSON_Delete(options);
        Graph *bad = zoo_graph(arena);
        bad->tensor[DW].scale = NAN;
        refused(exporter_write(exporters[n], arena, bad, path, NULL), "tensor \"dw\": scale nan");
        ck_assert(!file_exists(path));
    }
    ck_assert_int_ge(n, 1);
    ck_assert_ptr_null(exporter_find("no such format"));
    end_model();
}
END_TEST

START_TEST(a_failed_write_leaves_the_old_file)
{
    begin_model();
    unsigned char *before, *after;
    size_t bytes, bytes_after;
    must(export_safetensors(arena, zoo_graph(arena), model_path));
    read_back(model_path, &before, &bytes);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){.rlim_cur = 1024, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    Graph *other = zoo_graph(arena);
    other->model_name = "other";
    const Status status = export_safetensors(arena, other, model_path);
    setrlimit(RLIMIT_FSIZE, &old);
    ck_assert_int_eq(status, STATUS_IO);
    read_back(model_path, &after, &bytes_after);
    ck_assert_uint_eq(bytes, bytes_after);
    ck_assert_mem_eq(before, after, bytes);
    refused(export_safetensors(arena, zoo_graph(arena), "/nonexistent/m.safetensors"),
            "/nonexistent/m.safetensors: cannot");
    end_model();
}
END_TEST

/* One max pool, which every format can hold. */
static const Graph *pool_graph(Rounding rounding)
{
    static const float mean[3] = {0.5f, 0.5f, 0.5f}, std[3] = {0.25f, 0.25f, 0.25f};
    GraphTensor *tensor = ARENA_ARRAY(arena, GraphTensor, 2);
    for (int t = 0; t < 2; t++)
        tensor[t] = (GraphTensor){.name = t == 0 ? "input" : "pool",
                                  .h = t == 0 ? 4 : 2,
                                  .w = 4,
                                  .c = 3,
                                  .scale = 0.02f,
                                  .bits = 8,
                                  .qmin = -128,
                                  .qmax = 127};
    Node *node = ARENA_ARRAY(arena, Node, 1);
    *node = (Node){.op = NODE_MAXPOOL, .name = "pool", .inputs = 1, .output = 1};
    node->geom = (ConvGeom){1, 4, 4, 3, 3, 2, 4, 2, 1, 2, 1, 1, 1, 0, 0, 0, 0, .groups = 3};
    Graph *g = ARENA_ARRAY(arena, Graph, 1);
    *g = (Graph){.rounding = rounding,
                 .tensors = 2,
                 .nodes = 1,
                 .tensor = tensor,
                 .node = node,
                 .output = 1,
                 .classes = 24,
                 .channels = 3,
                 .mean = mean,
                 .std = std,
                 .model_name = "pool"};
    return g;
}

/* In the first rounding the exporter takes. */
static Status write_any(const ExporterType *type, const char *path)
{
    Status status = STATUS_UNSUPPORTED;
    for (int d = 0; rounding_names[d] != NULL && status != STATUS_OK && status != STATUS_STATE; d++)
        status = exporter_write(type, arena, pool_graph((Rounding)d), path, NULL);
    return status;
}

/* Every exporter: equal bytes each time, over its own files; never over another's. */
START_TEST(only_an_export_is_replaced)
{
    for (int n = 0; exporters[n] != NULL; n++) {
        begin();
        const ExporterType *type = exporters[n];
        const char *path = inside(arena_printf(arena, "x%s", type->extension));
        const char *second = exporter_companion(type, arena, path);
        unsigned char *a[2], *b[2];
        size_t a_bytes[2], b_bytes[2];
        for (int time = 0; time < 2; time++) {
            must(write_any(type, path));
            must(file_read(arena, path, 1 << 24, &a[time], &a_bytes[time]));
            if (second != NULL) must(file_read(arena, second, 1 << 24, &b[time], &b_bytes[time]));
        }
        ck_assert(a_bytes[0] == a_bytes[1] && memcmp(a[0], a[1], a_bytes[0]) == 0);
        if (second != NULL) ck_assert(b_bytes[0] == b_bytes[1] && memcmp(b[0], b[1], b_bytes[0]) == 0);
        ck_assert(exporter_made(type, path));
        must(file_write(arena, path, "mine", 4));
        refused(write_any(type, path), "is no exported model");
        must(file_write(arena, path, a[0], a_bytes[0]));
        if (second != NULL) {
            must(file_write(arena, second, "mine", 4));
            refused(write_any(type, path), "is no exported model");
        }
        end();
    }
}
END_TEST

/* A graph of one block and a dense layer that has the operation. */
static const Graph *graph_with(NodeKind op, Rounding rounding, uint64_t *seed, const Node **node)
{
    if (op == NODE_EMBEDDING) { /* random graphs have none: it reads the image alone */
        const Graph *g = embedding_graph(arena, rounding, (*seed)++);
        *node = &g->node[0];
        return g;
    }
    for (;; ++*seed) {
        const Graph *g = random_graph(arena, *seed, 1, rounding);
        for (int i = 0; i < g->nodes; i++)
            if (g->node[i].op == op) {
                ++*seed;
                *node = &g->node[i];
                return g;
            }
    }
}

/* What an exporter is known to have no operator for; it carries every other kind. */
static bool known_to_lack(const ExporterType *type, NodeKind kind)
{
    const struct {
        const ExporterType *type;
        NodeKind kind;
    } lacks[] = {{exporter_find("tflite"), NODE_EMBEDDING}};
    for (size_t i = 0; i < sizeof lacks / sizeof lacks[0]; i++)
        if (lacks[i].type == type && lacks[i].kind == kind) return true;
    return false;
}

static bool refuses_by_name(const ExporterType *type, NodeKind kind, const char *layer, const char *path)
{
    const char *words = arena_printf(arena, "layer \"%s\": a node of type %s, for which %s has no operator", layer,
                                     node_types[kind]->name, type->runtime);
    return strstr(status_message(), words) != NULL && !file_exists(path);
}

/* Every exporter writes every kind of node, or is known to lack it and refuses it by layer, kind and target.  A row that
 * goes missing from an exporter's table shows here. */
START_TEST(no_operation_is_left_out)
{
    enum { TRIALS = 100 }; /* other reasons to refuse a graph, as scales that a runtime cannot hold, do not count */
    for (int i = 0; exporters[i] != NULL; i++) {
        const ExporterType *type = exporters[i];
        begin();
        const char *path = inside(arena_printf(arena, "m%s", type->extension));
        for (int k = 0; node_types[k] != NULL; k++) {
            const NodeKind kind = (NodeKind)k;
            if (node_types[k]->converts) continue; /* floats_are_written_or_refused */
            const bool lacks = known_to_lack(type, kind);
            ck_assert_msg(exporter_carries(type, kind) == !lacks, "%s: %s", type->name, node_types[k]->name);
            uint64_t seed = 0;
            bool told = false;
            for (int trial = 0; trial < TRIALS && !told; trial++) {
                const Node *node;
                const Graph *g = graph_with(kind, exporter_rounding(type, ROUNDING_XNNPACK), &seed, &node);
                const Status status = exporter_write(type, arena, g, path, NULL);
                told = lacks ? status == STATUS_UNSUPPORTED && refuses_by_name(type, kind, node->name, path)
                             : status == STATUS_OK;
                unlink(path);
            }
            ck_assert_msg(told, "%s: %s: %s", type->name, node_types[k]->name, status_message());
        }
        end();
    }
}
END_TEST

/* A type that says nothing of floats is never given any. */
START_TEST(floats_are_not_given_to_others)
{
    begin();
    ExporterType other = *exporter_find("safetensors");
    other.name = "other", other.floats = false;
    const char *path = inside(arena_printf(arena, "m%s", other.extension));
    const Graph *g = mixed_graph(arena, random_graph(arena, 1, 3, ROUNDING_XNNPACK), 1, MIX_ALL);
    ck_assert_int_eq(exporter_write(&other, arena, g, path, NULL), STATUS_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(status_message(), "computes in float32; --to other writes integers only"));
    ck_assert(!file_exists(path));
    end();
}
END_TEST

/* The same of graphs in floats: every kind that computes in them, and those that convert. */
START_TEST(floats_are_written_or_refused)
{
    enum { TRIALS = 100 };
    for (int i = 0; exporters[i] != NULL; i++) {
        const ExporterType *type = exporters[i];
        bool written[NODE_KINDS] = {false};
        begin();
        const char *path = inside(arena_printf(arena, "m%s", type->extension));
        for (uint64_t seed = 0; seed < TRIALS; seed++) {
            const Rounding rounding = exporter_rounding(type, ROUNDING_XNNPACK);
            const Graph *g =
                mixed_graph(arena, random_graph(arena, seed, 1, rounding), seed, seed % 4 == 0 ? MIX_ALL : MIX_FLOAT32);
            if (graph_is_integer(g)) continue;
            Status status = exporter_write(type, arena, g, path, NULL);
            if (!type->floats || type->floats_option != NULL) {
                ck_assert_msg(status == STATUS_UNSUPPORTED && strstr(status_message(), "integers only") != NULL &&
                                  strstr(status_message(), "layer \"") != NULL && !file_exists(path),
                              "%s: %s", type->name, status_message());
                if (!type->floats) continue;
                cJSON *option = cJSON_Parse(type->floats_option);
                status = exporter_write(type, arena, g, path, option);
                cJSON_Delete(option);
            }
            for (int k = 0; k < g->nodes && status == STATUS_OK; k++)
                written[g->node[k].op] |= node_is_float(g, &g->node[k]) || node_type(&g->node[k])->converts;
            unlink(path);
        }
        for (int k = 0; node_types[k] != NULL && type->floats; k++)
            if ((node_types[k]->in_float != NULL || node_types[k]->converts) && !known_to_lack(type, (NodeKind)k))
                ck_assert_msg(written[k], "%s: %s in floats: %s", type->name, node_types[k]->name, status_message());
        end();
    }
}
END_TEST

TEST_MAIN("export", no_operation_is_left_out, floats_are_not_given_to_others, floats_are_written_or_refused,
          written_is_read_and_written_the_same, manifest_tells_the_truth, exporters_are_registered,
          only_an_export_is_replaced, a_failed_write_leaves_the_old_file)
