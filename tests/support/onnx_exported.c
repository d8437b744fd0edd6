#include "tests/support/onnx_exported.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/support/scratch.h"

OnnxExported onnx_exported_begin(Arena *arena)
{
    const char *folder = scratch_folder(arena);
    return (OnnxExported){arena, folder, file_join(arena, folder, "m.onnx")};
}

void onnx_exported_end(const OnnxExported *t)
{
    unlink(t->path);
    ck_assert_int_eq(rmdir(t->folder), 0);
}

static void must(Status status) { ck_assert_msg(status == STATUS_OK, "%s", status_message()); }

static const cJSON *parse(Arena *arena, const char *text)
{
    cJSON *json;
    must(json_parse(text, strlen(text), "options", &json));
    const cJSON *kept = json_copy(arena, json);
    cJSON_Delete(json);
    return kept;
}

Status onnx_exported_export(const OnnxExported *t, const QGraph *g, const char *options)
{
    return exporter_write(exporter_find("onnx"), t->arena, g, t->path, parse(t->arena, options));
}

Status onnx_exported_export_float(const OnnxExported *t, Model *m, const char *options)
{
    return exporter_write_float(exporter_find("onnx"), t->arena, m, t->path, parse(t->arena, options));
}

const Onnx__ModelProto *onnx_exported_read(const OnnxExported *t)
{
    Onnx__ModelProto *model;
    must(onnx_read(t->arena, t->path, &model));
    return model;
}

const Onnx__ModelProto *onnx_exported_read_back(const OnnxExported *t, const QGraph *g, const char *options)
{
    must(onnx_exported_export(t, g, options));
    return onnx_exported_read(t);
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
