#include "deploy/safetensors/manifest.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "deploy/exporter.h"
#include "graph/plan.h"
#include "graph/graph_text.h"
#include "graph/node_groups.h"

static cJSON *decimals(const float *x, int n)
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < n; i++) cJSON_AddItemToArray(list, cJSON_CreateNumber(json_decimal(x[i])));
    return list;
}

static cJSON *tensor_entry(Arena *arena, const GraphTensor *t, size_t offset)
{
    cJSON *entry = graph_tensor_to_json(arena, t);
    if (!graph_tensor_is_float(t)) {
        cJSON_AddNumberToObject(entry, "scale", json_decimal(t->scale));
        cJSON_AddNumberToObject(entry, "zero_point", t->zero_point);
    }
    cJSON_AddNumberToObject(entry, "arena_offset", (double)offset);
    return entry;
}

/* In integers one for each output. */
static int node_scales(const Graph *g, const Node *n)
{
    return n->geom.o * (node_is_float(g, n) ? node_weight_groups(n) : 1);
}

static cJSON *node_entry(Arena *arena, const Graph *g, const Node *n)
{
    cJSON *entry = node_to_json(arena, g, n);
    if (!node_has_weights(n)) return entry;
    cJSON_AddNumberToObject(entry, "weights", (double)node_weights(n));
    cJSON_AddNumberToObject(entry, "macs", (double)node_macs(g, n));
    if (n->weight_scale != NULL)
        cJSON_AddItemToObject(entry, "weight_scale", decimals(n->weight_scale, node_scales(g, n)));
    return entry;
}

static cJSON *manifest(Arena *arena, const Graph *g, const char *file, const char *crc32)
{
    const Plan plan = plan_make(arena, g, &plan_of_engine);
    double macs = 0, weights = 0;
    for (int i = 0; i < g->nodes; i++) {
        macs += (double)node_macs(g, &g->node[i]);
        weights += (double)node_weights(&g->node[i]);
    }
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "format", "bitfold-int8 manifest");
    cJSON_AddNumberToObject(root, "version", graph_version(g));
    cJSON_AddStringToObject(root, "model", g->model_name);
    cJSON_AddStringToObject(root, "file", file);
    cJSON_AddStringToObject(root, "crc32", crc32);
    cJSON_AddStringToObject(root, "dialect", rounding_names[g->rounding]);
    cJSON_AddNumberToObject(root, "macs", macs);
    cJSON_AddNumberToObject(root, "weights", weights);
    cJSON_AddNumberToObject(root, "flash_bytes", (double)graph_flash_bytes(g));
    cJSON_AddNumberToObject(root, "arena_bytes", (double)plan.bytes);
    cJSON_AddItemToObject(root, "classes", graph_classes_json(g));
    if (g->scale.mean != NULL) {
        cJSON_AddStringToObject(root, "task", g->task);
        cJSON_AddItemToObject(root, "target_mean", decimals(g->scale.mean, g->classes));
        cJSON_AddItemToObject(root, "target_std", decimals(g->scale.std, g->classes));
    }
    cJSON_AddItemToObject(root, "mean", decimals(g->mean, g->channels));
    cJSON_AddItemToObject(root, "std", decimals(g->std, g->channels));
    cJSON_AddStringToObject(root, "output", g->tensor[g->output].name);
    cJSON *tensors = cJSON_AddArrayToObject(root, "tensors");
    for (int i = 0; i < g->tensors; i++)
        cJSON_AddItemToArray(tensors, tensor_entry(arena, &g->tensor[i], plan.tensor[i].offset));
    cJSON *nodes = cJSON_AddArrayToObject(root, "nodes");
    for (int i = 0; i < g->nodes; i++) cJSON_AddItemToArray(nodes, node_entry(arena, g, &g->node[i]));
    return root;
}

Status manifest_write(Arena *arena, const Graph *g, const char *path, const char *crc32)
{
    const char *slash = strrchr(path, '/');
    cJSON *json = manifest(arena, g, slash == NULL ? path : slash + 1, crc32);
    const char *text = json_print(arena, json);
    cJSON_Delete(json);
    return file_write(arena, exporter_companion(&exporter_safetensors, arena, path), text, strlen(text));
}
