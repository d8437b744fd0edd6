/* The naive interpreter's reading of a model file. */
#include "tests/support/naive_model.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const void *naive_binary(const NaiveModel *m, const char *owner, const char *what)
{
    char key[600];
    snprintf(key, sizeof key, "%s.%s", owner, what);
    const cJSON *entry = cJSON_GetObjectItemCaseSensitive(m->header, key);
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    if (cJSON_GetArraySize(offsets) != 2) abort();
    return m->data + (size_t)cJSON_GetArrayItem(offsets, 0)->valuedouble;
}

const cJSON *naive_member(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (item == NULL) abort();
    return item;
}

const char *naive_text(const cJSON *object, const char *key) { return naive_member(object, key)->valuestring; }

int naive_number(const cJSON *object, const char *key, int index)
{
    const cJSON *item = naive_member(object, key);
    return cJSON_IsArray(item) ? cJSON_GetArrayItem(item, index)->valueint : item->valueint;
}

int naive_by_name(const NaiveModel *m, const char *name)
{
    for (int i = 0; i < m->tensors; i++)
        if (strcmp(m->tensor[i].name, name) == 0) return i;
    abort();
}

static unsigned char *slurp(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) return NULL;
    fseek(f, 0, SEEK_END);
    *bytes = (size_t)ftell(f);
    rewind(f);
    unsigned char *file = malloc(*bytes + 1);
    if (fread(file, 1, *bytes, f) != *bytes) abort();
    fclose(f);
    return file;
}

NaiveModel *naive_open(const char *path)
{
    NaiveModel *m = calloc(1, sizeof *m);
    size_t bytes = 0, length = 0;
    m->file = slurp(path, &bytes);
    for (int i = 7; m->file != NULL && bytes >= 8 && i >= 0; i--) length = length << 8 | m->file[i];
    if (length == 0 || length > bytes - 8) {
        naive_close(m);
        return NULL;
    }
    m->data = m->file + 8 + length;
    m->header = cJSON_ParseWithLength((const char *)m->file + 8, length);
    const cJSON *metadata = naive_member(m->header, "__metadata__");
    if (strcmp(naive_text(metadata, "format"), "bitfold-int8") != 0) abort();
    const char *rounding = naive_text(metadata, "dialect");
    m->rounding = strcmp(rounding, "tflite-single") == 0   ? 's'
                  : strcmp(rounding, "tflite-double") == 0 ? 'd'
                                                           : rounding[0];
    m->graph = cJSON_Parse(naive_text(metadata, "graph"));
    const cJSON *tensors = naive_member(m->graph, "tensors");
    m->tensors = cJSON_GetArraySize(tensors);
    m->tensor = calloc((size_t)m->tensors, sizeof *m->tensor);
    const float *scale = naive_binary(m, "tensor", "scale");
    const int32_t *zero = naive_binary(m, "tensor", "zero_point");
    for (int i = 0; i < m->tensors; i++) {
        const cJSON *t = cJSON_GetArrayItem(tensors, i);
        Grid *g = &m->tensor[i];
        *g = (Grid){.name = naive_text(t, "name"),
                    .h = naive_number(t, "shape", 0),
                    .w = naive_number(t, "shape", 1),
                    .c = naive_number(t, "shape", 2),
                    .scale = scale[i],
                    .zero = zero[i]};
        const cJSON *format = cJSON_GetObjectItemCaseSensitive(t, "format");
        g->wide = format != NULL && strcmp(format->valuestring, "int16") == 0;
        g->sums = format != NULL && strcmp(format->valuestring, "int32") == 0;
        if (format != NULL && !g->wide && !g->sums) {
            g->format = format->valuestring;
            g->x = calloc((size_t)naive_elements(m, i), sizeof *g->x);
            continue;
        }
        g->lo = naive_number(t, "qmin", 0), g->hi = naive_number(t, "qmax", 0);
        g->q = calloc((size_t)naive_elements(m, i), sizeof *g->q);
    }
    return m;
}

void naive_close(NaiveModel *m)
{
    for (int i = 0; i < m->tensors; i++) free(m->tensor[i].q), free(m->tensor[i].x);
    free(m->tensor);
    cJSON_Delete(m->graph);
    cJSON_Delete(m->header);
    free(m->file);
    free(m);
}

int naive_tensors(const NaiveModel *m) { return m->tensors; }
const char *naive_name(const NaiveModel *m, int t) { return m->tensor[t].name; }
long naive_elements(const NaiveModel *m, int t) { return (long)m->tensor[t].h * m->tensor[t].w * m->tensor[t].c; }
const int64_t *naive_codes(const NaiveModel *m, int t) { return m->tensor[t].q; }
const double *naive_floats(const NaiveModel *m, int t) { return m->tensor[t].x; }
void naive_set_floats(NaiveModel *m, int t, const float *x)
{
    for (long i = 0; i < naive_elements(m, t); i++) m->tensor[t].x[i] = (double)x[i];
}
