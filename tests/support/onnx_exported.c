#include "tests/support/onnx_exported.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"

const char *onnx_path;

void onnx_exported_begin(void)
{
    begin();
    onnx_path = inside("m.onnx");
}

void onnx_exported_end(void)
{
    unlink(onnx_path);
    ck_assert_int_eq(rmdir(folder), 0);
    arena_destroy(arena);
}

static const cJSON *parse(const char *text)
{
    cJSON *json;
    must(json_parse(text, strlen(text), "options", &json));
    const cJSON *kept = json_copy(arena, json);
    cJSON_Delete(json);
    return kept;
}

Status onnx_exported_export(const Graph *g, const char *options)
{
    return exporter_write(exporter_find("onnx"), arena, g, onnx_path, parse(options));
}

Status onnx_exported_export_float(Model *m, const char *options)
{
    return exporter_write_float(exporter_find("onnx"), arena, m, onnx_path, parse(options));
}

const Onnx__ModelProto *onnx_exported_read(void)
{
    Onnx__ModelProto *model;
    must(onnx_read(arena, onnx_path, &model));
    return model;
}

const Onnx__ModelProto *onnx_exported_read_back(const Graph *g, const char *options)
{
    must(onnx_exported_export(g, options));
    return onnx_exported_read();
}

const double *onnx_exported_input(const Graph *g, const int8_t *codes, int n)
{
    const GraphTensor *x = &g->tensor[0];
    const long cells = (long)x->h * x->w, image = cells * x->c;
    double *in = ARENA_ARRAY(arena, double, n *image);
    for (long i = 0; i < n * image; i++) in[i / image * image + i % x->c * cells + i % image / x->c] = codes[i] + 128;
    return in;
}

const Onnx__TensorProto *onnx_exported_constant(const Onnx__ModelProto *m, const char *name)
{
    for (size_t i = 0; i < m->graph->n_initializer; i++)
        if (strcmp(m->graph->initializer[i]->name, name) == 0) return m->graph->initializer[i];
    return NULL;
}

const Onnx__NodeProto *onnx_exported_maker(const Onnx__ModelProto *m, const char *value)
{
    for (size_t i = 0; i < m->graph->n_node; i++)
        if (strcmp(m->graph->node[i]->output[0], value) == 0) return m->graph->node[i];
    return NULL;
}

const Onnx__NodeProto *onnx_exported_node(const Onnx__ModelProto *m, const char *name)
{
    for (size_t i = 0; i < m->graph->n_node; i++)
        if (strcmp(m->graph->node[i]->name, name) == 0) return m->graph->node[i];
    ck_abort_msg("no node \"%s\"", name);
    return NULL;
}

int onnx_exported_count(const Onnx__ModelProto *m, const char *op)
{
    int n = 0;
    for (size_t i = 0; i < m->graph->n_node; i++) n += strcmp(m->graph->node[i]->op_type, op) == 0;
    return n;
}
