/* The int8 model as one .safetensors file (docs/format.md), with a readable manifest next to it. */
#include "deploy/safetensors/export_safetensors.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "deploy/exporter.h"
#include "deploy/safetensors/manifest.h"
#include "graph/graph_text.h"
#include "graph/node_float.h"
#include "graph/node_groups.h"

static void add_float_weights(Arena *arena, SafeWriter *file, const Node *n)
{
    int64_t shape[4];
    const int rank = node_weight_shape(n, shape);
    const int64_t outputs[1] = {n->geom.o};
    const void *weights = n->weights;
    if (n->float_weights != NULL) {
        const size_t count = (size_t)node_weights(n);
        void *stored = arena_alloc(arena, count * format_bytes(n->weight_format));
        format_pack(n->weight_format, count, n->float_weights, stored);
        weights = stored;
    }
    safe_add(file, arena_printf(arena, "%s.weight", n->name), node_safe_type(n->weight_format), rank, shape, weights);
    safe_add(file, arena_printf(arena, "%s.bias", n->name), ST_F32, 1, outputs, n->float_bias);
    const int64_t groups[2] = {outputs[0], node_weight_groups(n)};
    if (n->float_weights == NULL)
        safe_add(file, arena_printf(arena, "%s.weight_scale", n->name), ST_F32, n->weight_group > 0 ? 2 : 1, groups,
                 n->weight_scale);
}

static void add_groups(Arena *arena, SafeWriter *file, const Node *n)
{
    int64_t dim[4];
    const int rank = node_groups_shape(n, dim);
    if (n->weight_affine)
        safe_add(file, arena_printf(arena, "%s.weight_zero_point", n->name), ST_I8, rank, dim, n->weight_zero_point);
    if (n->weight_multiple != NULL)
        safe_add(file, arena_printf(arena, "%s.weight_multiple", n->name), ST_U8, rank, dim, n->weight_multiple);
}

static void add_node(Arena *arena, SafeWriter *file, const Graph *g, const Node *n)
{
    if (node_has_weights(n) && node_is_split(n)) add_groups(arena, file, n);
    if (node_has_weights(n) && node_is_float(g, n)) {
        add_float_weights(arena, file, n);
        return;
    }
    int64_t shape[4];
    for (const NodeBinary *b = node_binary(g, n); b != NULL && b->suffix != NULL; b++) {
        const void *data;
        memcpy(&data, (const char *)n + b->member, sizeof data);
        safe_add(file, arena_printf(arena, "%s.%s", n->name, b->suffix), b->type, b->shape(n, shape), shape, data);
    }
}

static void add_tensors(Arena *arena, SafeWriter *file, const Graph *g)
{
    float *scale = ARENA_ARRAY(arena, float, g->tensors);
    int32_t *zero_point = ARENA_ARRAY(arena, int32_t, g->tensors);
    for (int i = 0; i < g->tensors; i++) scale[i] = g->tensor[i].scale, zero_point[i] = g->tensor[i].zero_point;
    const int64_t tensors[1] = {g->tensors}, channels[1] = {g->channels};
    safe_add(file, "tensor.scale", ST_F32, 1, tensors, scale);
    safe_add(file, "tensor.zero_point", ST_I32, 1, tensors, zero_point);
    safe_add(file, "input.mean", ST_F32, 1, channels, g->mean);
    safe_add(file, "input.std", ST_F32, 1, channels, g->std);
    for (int i = 0; i < g->nodes; i++) add_node(arena, file, g, &g->node[i]);
    if (g->scale.mean == NULL) return;
    const int64_t outputs[1] = {g->classes};
    safe_add(file, "target.mean", ST_F32, 1, outputs, g->scale.mean);
    safe_add(file, "target.std", ST_F32, 1, outputs, g->scale.std);
}

static void add_metadata(Arena *arena, SafeWriter *file, const Graph *g)
{
    cJSON *graph = graph_to_json(arena, g), *classes = graph_classes_json(g);
    safe_add_metadata(file, "format", "bitfold-int8");
    safe_add_metadata(file, "version", arena_printf(arena, "%d", graph_version(g)));
    safe_add_metadata(file, "dialect", rounding_names[g->rounding]);
    safe_add_metadata(file, "model", g->model_name);
    safe_add_metadata(file, "classes", json_print_compact(arena, classes));
    if (g->scale.mean != NULL) safe_add_metadata(file, "task", g->task);
    safe_add_metadata(file, "graph", json_print_compact(arena, graph));
    cJSON_Delete(classes);
    cJSON_Delete(graph);
}

/* The manifest comes last: it holds the CRC of the model, so one left from an older model shows itself. */
static Status write_file(Arena *arena, const Graph *g, const char *path, const void *options)
{
    (void)options;
    SafeWriter *file = safe_writer(arena);
    add_metadata(arena, file, g);
    add_tensors(arena, file, g);
    TRY(safe_write(file, path));
    SafeFile written;
    TRY(safe_read(arena, path, true, &written));
    return manifest_write(arena, g, path, safe_metadata(&written, "crc32"));
}

const ExporterType exporter_safetensors = {
    .name = "safetensors",
    .doc = "folded int8 weights, int32 biases and the graph in one file, with a JSON manifest next to it",
    .extension = ".safetensors",
    .signature = "\"format\":\"bitfold-int8\"",
    .companion = ".json",
    .companion_signature = "bitfold-int8 manifest",
    .floats = true,
    .dynamic = true,
    .wide = true,
    .sums = true,
    .write = write_file,
};

Status export_safetensors(Arena *arena, const Graph *g, const char *path)
{
    return exporter_write(&exporter_safetensors, arena, g, path, NULL);
}
