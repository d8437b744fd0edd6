/* What an export of this program says in addition to its graph.  Nothing depends on it: what is not well-formed is left
 * out. */
#include <math.h>
#include <string.h>

#include "base/field.h"
#include "base/json.h"
#include "deploy/onnx/import_onnx_graph.h"

/* A list of n items, or NULL; the caller deletes it. */
static cJSON *read_list(const Import *im, const Onnx__ModelProto *proto, const char *key, int n)
{
    const char *text = onnx_metadata(proto, key);
    cJSON *list = NULL;
    if (text == NULL || json_parse(text, strlen(text), im->path, &list) != STATUS_OK) return NULL;
    if (cJSON_IsArray(list) && cJSON_GetArraySize(list) == n) return list;
    cJSON_Delete(list);
    return NULL;
}

static const float *read_floats(Import *im, const Onnx__ModelProto *proto, const char *key, int n, float least)
{
    cJSON *list = read_list(im, proto, key, n);
    float *x = list == NULL ? NULL : import_alloc(im, sizeof(float) * (size_t)n);
    int i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        const float v = cJSON_IsNumber(item) ? (float)item->valuedouble : NAN;
        if (x != NULL) x[i++] = v;
        if (!(isfinite(v) && v >= least)) x = NULL;
    }
    cJSON_Delete(list);
    return x;
}

static const char **read_strings(Import *im, const Onnx__ModelProto *proto, const char *key, int n)
{
    cJSON *list = read_list(im, proto, key, n);
    const char **text = list == NULL ? NULL : ARENA_ARRAY(im->arena, const char *, n);
    int i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (text != NULL) text[i++] = arena_strdup(im->arena, cJSON_IsString(item) ? item->valuestring : "");
        if (!cJSON_IsString(item)) text = NULL;
    }
    cJSON_Delete(list);
    return text;
}

void import_about(Import *im, const Onnx__ModelProto *proto, ImportedModel *out)
{
    if (strcmp(onnx_text(proto->producer_name), "bitfold") != 0) return;
    out->mean = read_floats(im, proto, "mean", out->input[2], -INFINITY);
    out->std = read_floats(im, proto, "std", out->input[2], 1e-4f);
    if (out->mean == NULL || out->std == NULL) out->mean = out->std = NULL;
    out->class_names = read_strings(im, proto, "classes", out->classes);
    out->title = onnx_metadata(proto, "model");
    const int rounding = name_find(rounding_names, onnx_metadata(proto, "dialect"));
    if (rounding >= 0) out->rounding = rounding_names[rounding];
}
