/* Reads what export_safetensors.c writes.  The file is hostile until every word of it has been checked: the text by the
 * field tables, the binary by type and shape, the whole by graph_check. */
#include "graph/graph_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/field.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "graph/graph_check.h"
#include "graph/graph_text.h"
#include "graph/node_float.h"
#include "graph/node_groups.h"

static Status want_metadata(const SafeFile *file, const char *key, const char **value)
{
    *value = safe_metadata(file, key);
    if (*value == NULL)
        return status_fail(STATUS_FORMAT, "%s: no metadata \"%s\"; an int8 model must have it", file->path, key);
    return STATUS_OK;
}

static Status read_identity(const SafeFile *file, Graph *g, int *number)
{
    const char *format, *version, *rounding;
    TRY(want_metadata(file, "format", &format));
    TRY(want_metadata(file, "version", &version));
    TRY(want_metadata(file, "dialect", &rounding));
    TRY(want_metadata(file, "model", &g->model_name));
    if (strcmp(format, "bitfold-int8") != 0)
        return status_fail(STATUS_FORMAT, "%s: format \"%.60s\"; must be \"bitfold-int8\"", file->path, format);
    *number = 0;
    for (int v = 1; v <= GRAPH_LAST_VERSION; v++)
        if (version[0] == '0' + v && version[1] == '\0') *number = v;
    if (*number == 0)
        return status_fail(STATUS_FORMAT, "%s: version \"%.60s\"; this program reads versions 1 to %d", file->path,
                           version, GRAPH_LAST_VERSION);
    const int d = name_find(rounding_names, rounding);
    if (d < 0) {
        char names[128] = "";
        for (size_t i = 0, at = 0; i < ROUNDINGS; i++)
            at += (size_t)snprintf(names + at, sizeof names - at, i == 0 ? "%s" : ", %s", rounding_names[i]);
        return status_fail(STATUS_FORMAT, "%s: dialect \"%.60s\"; must be one of: %s", file->path, rounding, names);
    }
    g->rounding = (Rounding)d;
    g->task = safe_metadata(file, "task"); /* of value targets */
    return STATUS_OK;
}

static Status classes_from_json(Arena *arena, const cJSON *list, const char *where, Graph *g)
{
    const int n = cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list) || (n != 0 && n != g->classes))
        return status_fail(STATUS_FORMAT, "%s: classes; must be a list of %d names, or empty", where, g->classes);
    if (n == 0) return STATUS_OK;
    g->class_names = ARENA_ARRAY(arena, const char *, n);
    int i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item)) return status_fail(STATUS_FORMAT, "%s: classes[%d]; must be a string", where, i);
        g->class_names[i++] = arena_strdup(arena, item->valuestring);
    }
    return STATUS_OK;
}

static Status read_json(const SafeFile *file, const char *key, Arena *arena, cJSON **json)
{
    const char *text;
    TRY(want_metadata(file, key, &text));
    return json_parse(text, strlen(text), arena_printf(arena, "%s: metadata \"%s\"", file->path, key), json);
}

static Status read_text(Arena *arena, const SafeFile *file, Graph *g)
{
    cJSON *json;
    TRY(read_json(file, "graph", arena, &json));
    Status status = graph_from_json(arena, json, file->path, g);
    cJSON_Delete(json);
    TRY(status);
    const GraphTensor *out = &g->tensor[g->output];
    if (graph_tensor_elements(out) > GRAPH_TENSOR_MAX_ELEMENTS)
        return status_fail(STATUS_FORMAT, "%s: output \"%s\" of %ld elements; at most %d", file->path, out->name,
                           graph_tensor_elements(out), GRAPH_TENSOR_MAX_ELEMENTS);
    g->classes = (int)graph_tensor_elements(out);
    TRY(read_json(file, "classes", arena, &json));
    status = classes_from_json(arena, json, file->path, g);
    cJSON_Delete(json);
    return status;
}

static Status want(const SafeFile *file, const char *name, SafeType type, int rank, const int64_t *dim,
                   const void **data)
{
    const SafeTensor *tensor;
    TRY(safe_expect(file, name, type, rank, dim, &tensor));
    *data = tensor->data;
    return STATUS_OK;
}

/* Of a node in floats. */
static Status read_float_weights(Arena *arena, const SafeFile *file, Node *n, int *used)
{
    int64_t dim[4];
    const void *data, *scale = NULL, *bias;
    const int rank = node_weight_shape(n, dim);
    const int64_t outputs[1] = {n->geom.o};
    const SafeType type = node_safe_type(n->weight_format);
    TRY(want(file, arena_printf(arena, "%s.weight", n->name), type, rank, dim, &data));
    TRY(want(file, arena_printf(arena, "%s.bias", n->name), ST_F32, 1, outputs, &bias));
    *used += 2;
    n->float_bias = bias;
    if (n->weight_format == FORMAT_FLOAT32) n->float_weights = data;
    if (n->weight_format == FORMAT_FLOAT32) return STATUS_OK;
    if (format_is_float(n->weight_format)) {
        float *values = arena_alloc(arena, sizeof *values * (size_t)node_weights(n));
        format_unpack(n->weight_format, (size_t)node_weights(n), data, values);
        n->float_weights = values;
        return STATUS_OK;
    }
    const int64_t groups[2] = {outputs[0], node_weight_groups(n)};
    TRY(want(file, arena_printf(arena, "%s.weight_scale", n->name), ST_F32, n->weight_group > 0 ? 2 : 1, groups,
             &scale));
    (*used)++;
    n->weights = data, n->weight_scale = scale;
    return STATUS_OK;
}

/* Of weights with zero points or groups. */
static Status read_groups(Arena *arena, const SafeFile *file, const Graph *g, Node *n, int *used)
{
    int64_t dim[4];
    const void *data;
    const int rank = node_groups_shape(n, dim);
    if (n->weight_affine) {
        TRY(want(file, arena_printf(arena, "%s.weight_zero_point", n->name), ST_I8, rank, dim, &data));
        n->weight_zero_point = data;
        (*used)++;
    }
    if (n->weight_group > 0 && !node_is_float(g, n)) {
        TRY(want(file, arena_printf(arena, "%s.weight_multiple", n->name), ST_U8, rank, dim, &data));
        n->weight_multiple = data;
        (*used)++;
    }
    return STATUS_OK;
}

static Status read_node(Arena *arena, const SafeFile *file, const Graph *g, Node *n, int *used)
{
    if (node_has_weights(n) && node_is_split(n)) TRY(read_groups(arena, file, g, n, used));
    if (node_has_weights(n) && node_is_float(g, n)) return read_float_weights(arena, file, n, used);
    for (const NodeBinary *b = node_binary(g, n); b != NULL && b->suffix != NULL; b++) {
        int64_t dim[4];
        const void *data;
        const int rank = b->shape(n, dim);
        TRY(want(file, arena_printf(arena, "%s.%s", n->name, b->suffix), b->type, rank, dim, &data));
        memcpy((char *)n + b->member, &data, sizeof data);
        (*used)++;
    }
    return STATUS_OK;
}

static Status read_binary(Arena *arena, const SafeFile *file, Graph *g)
{
    const int64_t tensors[1] = {g->tensors}, channels[1] = {g->tensor[0].c};
    const void *scale, *zero_point, *mean, *std;
    TRY(want(file, "tensor.scale", ST_F32, 1, tensors, &scale));
    TRY(want(file, "tensor.zero_point", ST_I32, 1, tensors, &zero_point));
    TRY(want(file, "input.mean", ST_F32, 1, channels, &mean));
    TRY(want(file, "input.std", ST_F32, 1, channels, &std));
    g->channels = g->tensor[0].c;
    g->mean = mean;
    g->std = std;
    for (int i = 0; i < g->tensors; i++) {
        g->tensor[i].scale = ((const float *)scale)[i];
        g->tensor[i].zero_point = ((const int32_t *)zero_point)[i];
    }
    int used = 4;
    if (g->task != NULL) {
        const int64_t outputs[1] = {g->classes};
        TRY(want(file, "target.mean", ST_F32, 1, outputs, &mean));
        TRY(want(file, "target.std", ST_F32, 1, outputs, &std));
        g->scale = (TargetScale){mean, std};
        TRY(target_scale_check(file->path, &g->scale, g->classes));
        used += 2;
    }
    for (int i = 0; i < g->nodes; i++) TRY(read_node(arena, file, g, &g->node[i], &used));
    if (used != file->n)
        return status_fail(STATUS_FORMAT, "%s: %d tensors; its graph needs %d", file->path, file->n, used);
    return STATUS_OK;
}

Status graph_read(Arena *arena, const char *path, Graph **out)
{
    SafeFile file;
    TRY(safe_read(arena, path, true, &file));
    Graph *g = arena_zalloc(arena, sizeof *g);
    int number = 0;
    TRY(read_identity(&file, g, &number));
    TRY(read_text(arena, &file, g));
    if (number < graph_version(g))
        return status_fail(STATUS_FORMAT,
                           "%s: version \"%d\" of a graph that is not all int8%s; must be version \"%d\"", path, number,
                           graph_version(g) > 2 ? " with one scale for an output and no zero points of weights" : "",
                           graph_version(g));
    TRY(read_binary(arena, &file, g));
    if (graph_check(g) != STATUS_OK) return status_prefix(STATUS_FORMAT, "%s", path);
    *out = g;
    return STATUS_OK;
}
