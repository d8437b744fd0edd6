/* The imported layers as the `model` part of a config, and their parameters as a checkpoint names them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/onnx/import_onnx_graph.h"

#define IMPORTED(ID, layer, op) [IMPORT_##ID] = #layer,
static const char *const type_names[] = {
#include "deploy/import_layers.def"
};
#undef IMPORTED

/* The shortest decimal that is this float. */
static double shortest(float x)
{
    char text[32];
    int digits = 1;
    do snprintf(text, sizeof text, "%.*g", digits, (double)x);
    while (strtof(text, NULL) != x && ++digits < 10);
    return strtod(text, NULL);
}

/* A number where both are equal, else [rows, columns]. */
static void add_pair(cJSON *json, const char *key, int rows, int columns)
{
    if (rows == columns)
        cJSON_AddNumberToObject(json, key, rows);
    else
        cJSON_AddItemToObject(json, key, cJSON_CreateIntArray((const int[]){rows, columns}, 2));
}

/* By name where a rule gives the same padding. */
static void add_padding(cJSON *json, const ConvGeom *g, bool pool)
{
    int same[4];
    const int pad[4] = {g->pt, g->pb, g->pl, g->pr};
    same_padding(g->h, g->kh, g->sh, g->dh, &same[0], &same[1]);
    same_padding(g->w, g->kw, g->sw, g->dw, &same[2], &same[3]);
    const bool is_same = memcmp(pad, same, sizeof pad) == 0, none = (pad[0] | pad[1] | pad[2] | pad[3]) == 0;
    if (none ? pool || is_same : is_same && !pool) return; /* the default */
    if (none || is_same)
        cJSON_AddStringToObject(json, "padding", none ? "valid" : "same");
    else
        cJSON_AddItemToObject(json, "pads", cJSON_CreateIntArray(pad, 4));
}

static void add_window(cJSON *json, const ConvGeom *g, bool pool)
{
    add_pair(json, "kernel", g->kh, g->kw);
    if (pool ? g->sh != g->kh || g->sw != g->kw : g->sh != 1 || g->sw != 1) add_pair(json, "stride", g->sh, g->sw);
    if (g->dh != 1 || g->dw != 1) add_pair(json, "dilation", g->dh, g->dw);
    add_padding(json, g, pool);
}

static void add_unit(cJSON *json, const ImportLayer *l)
{
    if (l->gamma != NULL) {
        cJSON_AddBoolToObject(json, "batch_norm", true);
        if (l->epsilon != 1e-5f) cJSON_AddNumberToObject(json, "bn_epsilon", shortest(l->epsilon));
        const float momentum = fminf(fmaxf(1.0f - l->momentum, 0.0001f), 1.0f);
        if (fabsf(momentum - 0.1f) > 1e-6f) cJSON_AddNumberToObject(json, "bn_momentum", shortest(momentum));
    } else if (l->bias == NULL) {
        cJSON_AddStringToObject(json, "bias", "off");
    }
}

static cJSON *layer_json(const Import *im, int index)
{
    const ImportLayer *l = &im->layer[index];
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "type", type_names[l->kind]);
    cJSON_AddStringToObject(json, "name", l->name);
    if (l->inputs > 1 || l->input[0] != index - 1) {
        cJSON *inputs = cJSON_AddArrayToObject(json, "inputs");
        for (int i = 0; i < l->inputs; i++)
            cJSON_AddItemToArray(inputs,
                                 cJSON_CreateString(l->input[i] == THE_IMAGE ? "input" : im->layer[l->input[i]].name));
    }
    if (l->kind == IMPORT_CONV) cJSON_AddNumberToObject(json, "filters", l->geom.o);
    if (l->kind == IMPORT_DENSE) cJSON_AddNumberToObject(json, "units", l->geom.o);
    const int multiplier = l->kind == IMPORT_DEPTHWISE ? l->geom.o / l->geom.c : 1;
    if (multiplier != 1) cJSON_AddNumberToObject(json, "multiplier", multiplier);
    if (l->kind == IMPORT_CONV && l->geom.groups != 1) cJSON_AddNumberToObject(json, "groups", l->geom.groups);
    if (l->kind == IMPORT_CONV || l->kind == IMPORT_DEPTHWISE) add_window(json, &l->geom, false);
    if (l->kind == IMPORT_MAXPOOL || l->kind == IMPORT_AVGPOOL) add_window(json, &l->geom, true);
    if (import_has_weights(l)) add_unit(json, l);
    if (l->kind == IMPORT_ACTIVATION)
        cJSON_AddStringToObject(json, "function", activation_names[l->activation]);
    else if (l->activation != 0)
        cJSON_AddStringToObject(json, "activation", activation_names[l->activation]);
    return json;
}

static void add_array(const Import *im, ImportedArray *array, int *n, const ImportLayer *l, const char *name,
                      long count, const float *values)
{
    if (values != NULL) array[(*n)++] = (ImportedArray){arena_printf(im->arena, "%s.%s", l->name, name), count, values};
}

Status import_to_config(Import *im, ImportedModel *out)
{
    enum { ARRAYS = 6 };
    import_fuse_curves(im);
    ImportedArray *array = ARENA_ARRAY(im->arena, ImportedArray, ARRAYS * im->layers);
    out->model = cJSON_CreateObject();
    cJSON_AddItemToObject(out->model, "input", cJSON_CreateIntArray(out->input, 3));
    cJSON *layers = cJSON_AddArrayToObject(out->model, "layers");
    for (int i = 0; i < im->layers; i++) {
        const ImportLayer *l = &im->layer[i];
        cJSON_AddItemToArray(layers, layer_json(im, i));
        if (!import_has_weights(l)) continue;
        const long o = l->geom.o;
        add_array(im, array, &out->arrays, l, "weight", import_inner(l) * o, l->weights);
        add_array(im, array, &out->arrays, l, "bias", o, l->bias);
        add_array(im, array, &out->arrays, l, "bn.gamma", o, l->gamma);
        add_array(im, array, &out->arrays, l, "bn.beta", o, l->beta);
        add_array(im, array, &out->arrays, l, "bn.mean", o, l->mean);
        add_array(im, array, &out->arrays, l, "bn.var", o, l->variance);
    }
    out->array = array;
    return STATUS_OK;
}
