/* Layers, as operators make them: names, inputs, and what may still be put into one that is there. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "deploy/onnx/import_onnx_graph.h"

/* ---- names ------------------------------------------------------------------------------------------------------- */

static bool name_taken(const Import *im, const char *name)
{
    bool taken = strcmp(name, "input") == 0;
    for (int i = 0; i < im->layers && !taken; i++) taken = strcmp(im->layer[i].name, name) == 0;
    return taken;
}

const char *import_unique_name(const Import *im, const char *name)
{
    const char *unique = name;
    for (int i = 2; name_taken(im, unique); i++) unique = arena_printf(im->arena, "%s_%d", name, i);
    return unique;
}

/* What differs between a node's name and that of the module it is in: "/layer1/conv1/Conv" is "layer1_conv1". */
static size_t module_length(const char *name, const char *op)
{
    const char *last = strrchr(name, '/');
    if (last == NULL || last == name) return strlen(name);
    const size_t n = strlen(op);
    return strncmp(last + 1, op, n) == 0 && !isalpha((unsigned char)last[1 + n]) ? (size_t)(last - name) : strlen(name);
}

/* Letters, digits, '_' and '-', in an integer graph '.', too; unique in the model. */
static const char *layer_name(const Import *im, const ImportNode *n)
{
    enum { LONGEST = 60 };
    const char *op = onnx_text(n->proto->op_type), *given = onnx_text(n->proto->name);
    char text[LONGEST + 1];
    int k = 0;
    const size_t length = module_length(given, op);
    for (size_t i = 0; i < length && k < LONGEST; i++) {
        const char c = given[i];
        const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                          (c == '.' && im->quantized);
        if (!good && (k == 0 || text[k - 1] == '_')) continue;
        text[k++] = good ? c : '_';
    }
    while (k > 0 && text[k - 1] == '_') k--;
    if (k == 0)
        for (; k < LONGEST && isalpha((unsigned char)op[k]); k++) text[k] = (char)tolower((unsigned char)op[k]);
    text[k] = '\0';
    return import_unique_name(im, arena_strdup(im->arena, text));
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

Status import_unfinished(Import *im, const ImportNode *n, int i, Activated *a)
{
    const Value *v = import_input(im, n, i);
    if (v == NULL) return MALFORMED(im, n, "input %d: left out; it is required", i);
    if (v->kind != VALUE_ACTIVATION)
        return UNSUPPORTED(im, n, "input %d: is a constant; must be computed from the image", i);
    *a = *v->activated;
    if (a->groups.count > 0 && strcmp(n->proto->op_type, "Reshape") != 0 && strcmp(n->proto->op_type, "Transpose") != 0)
        return UNSUPPORTED(im, n, "input %d: its channels in %d groups; must be joined again by a Reshape", i,
                           a->groups.count);
    if (a->indices && strcmp(n->proto->op_type, "Add") != 0 && strcmp(n->proto->op_type, "Gather") != 0)
        return UNSUPPORTED(im, n, "input %d: codes as int32; a Gather must choose from a table with them", i);
    if (a->probabilities && strcmp(n->proto->op_type, "Identity") != 0 && strcmp(n->proto->op_type, "Reshape") != 0 &&
        strcmp(n->proto->op_type, "QuantizeLinear") != 0 && strcmp(n->proto->op_type, "DequantizeLinear") != 0)
        return UNSUPPORTED(im, n, "reads what a softmax gives; a softmax must be the end of the network");
    return STATUS_OK;
}

void import_set_activation(const Import *im, const ImportNode *n, const Activated *a)
{
    Value *v = import_output(im, n, 0);
    if (v == NULL) return;
    v->kind = VALUE_ACTIVATION;
    v->activated = ARENA_ARRAY(im->arena, Activated, 1);
    *v->activated = *a;
    v->activated->exclusive = a->exclusive && v->readers == 1;
}

Status import_activation(Import *im, const ImportNode *n, int i, Activated *a)
{
    TRY(import_unfinished(im, n, i, a));
    const bool raises = a->raise != 0.0f;
    if (!raises && a->factor == 0.0f) return STATUS_OK;
    float *numbers = ARENA_ARRAY(im->arena, float, a->size.c);
    for (int c = 0; c < a->size.c; c++) numbers[c] = raises ? a->raise : a->factor;
    const Activated from = *a;
    int layer;
    a->raise = a->factor = 0.0f;
    TRY(import_scale_layer(im, n, a, raises ? NULL : numbers, raises ? numbers : NULL, &layer));
    *a = import_layer_output(im, n, layer, &from.view);
    return STATUS_OK;
}

static bool has_pad(const Activated *a) { return (a->pad[0] | a->pad[1] | a->pad[2] | a->pad[3]) != 0; }

/* The numbers must be codes of a grid, and not the codes themselves. */
static Status check_grid(const Import *im, const ImportNode *n, int i, const Activated *a)
{
    if (a->codes) return UNSUPPORTED(im, n, "input %d: is int8 or uint8; DequantizeLinear must stand before it", i);
    if (im->quantized && !a->on_grid)
        return UNSUPPORTED(im, n,
                           "input %d: is not quantized; in a model with integers QuantizeLinear and DequantizeLinear "
                           "must stand before it",
                           i);
    return STATUS_OK;
}

Status import_plain(Import *im, const ImportNode *n, int i, Activated *a)
{
    TRY(import_activation(im, n, i, a));
    if (!has_pad(a)) return STATUS_OK;
    int layer;
    TRY(import_scale_layer(im, n, a, NULL, NULL, &layer));
    const View view = a->view;
    *a = import_layer_output(im, n, layer, &view);
    if (im->quantized) { /* zeros are on every grid */
        im->layer[layer].has_grid = true;
        im->layer[layer].grid = *import_grid_of(im, im->layer[layer].input[0]);
        a->on_grid = true;
    }
    return STATUS_OK;
}

Status import_settled(Import *im, const ImportNode *n, int i, Activated *a)
{
    TRY(import_unfinished(im, n, i, a));
    if (a->source == THE_IMAGE && !im->image_bound) import_bind_image(im, &a->view);
    return import_plain(im, n, i, a);
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

Status import_layer(Import *im, const ImportNode *n, ImportKind kind, int inputs, const Activated *a, int *index)
{
    if (im->layers == IMPORT_MAX_LAYERS)
        return UNSUPPORTED(im, n, "needs one layer more than %d; at most so many are accepted", IMPORT_MAX_LAYERS);
    for (int i = 0; i < inputs; i++) {
        TRY(check_grid(im, n, i, &a[i]));
        ASSERT(a[i].source != THE_IMAGE || im->image_bound);
    }
    ImportLayer *l = &im->layer[im->layers];
    *l = (ImportLayer){.kind = kind, .inputs = inputs, .name = layer_name(im, n), .least = -INFINITY, .most = INFINITY};
    l->node = arena_printf(im->arena, "node \"%.200s\" (op %.60s)", l->name, onnx_text(n->proto->op_type));
    for (int i = 0; i < inputs; i++) l->input[i] = a[i].source;
    const Activated *first = &a[0];
    l->in = l->out = first->size;
    l->in.h -= first->pad[0] + first->pad[1];
    l->in.w -= first->pad[2] + first->pad[3];
    *index = im->layers++;
    return STATUS_OK;
}

Activated import_layer_output(const Import *im, const ImportNode *n, int layer, const View *view)
{
    const Value *v = import_output(im, n, 0);
    return (Activated){
        .source = layer, .view = *view, .size = im->layer[layer].out, .exclusive = v != NULL && v->readers == 1};
}

bool import_has_weights(const ImportLayer *l)
{
    return l->kind == IMPORT_CONV || l->kind == IMPORT_DEPTHWISE || l->kind == IMPORT_DENSE;
}

long import_inner(const ImportLayer *l)
{
    return (long)l->geom.kh * l->geom.kw * (l->kind == IMPORT_DEPTHWISE ? 1 : l->geom.c / l->geom.groups);
}

const ImportGrid *import_grid_of(const Import *im, int source)
{
    return source == THE_IMAGE ? &im->image_grid : &im->layer[source].grid;
}

bool import_not_negative(const Import *im, int source)
{
    if (im->quantized) {
        const ImportGrid *g = import_grid_of(im, source);
        if (g->zero_point == g->qmin) return true;
    }
    if (source == THE_IMAGE) return false;
    const ImportLayer *l = &im->layer[source];
    if (activation_from(l->activation).relu || l->least >= 0.0f) return true;
    const bool passes = l->kind == IMPORT_MAXPOOL || l->kind == IMPORT_AVGPOOL || l->kind == IMPORT_GLOBAL_AVGPOOL;
    return passes && import_not_negative(im, l->input[0]);
}

ImportLayer *import_open_layer(const Import *im, const Activated *a)
{
    if (a->source == THE_IMAGE || !a->exclusive || has_pad(a) || a->codes) return NULL;
    ImportLayer *l = &im->layer[a->source];
    return l->has_grid ? NULL : l;
}

/* Weights of one value each; codes of 1 with that scale in a quantized model. */
static Status equal_weights(Import *im, const ImportNode *n, ImportLayer *l, float value)
{
    const size_t count = (size_t)l->geom.kh * (size_t)l->geom.kw * (size_t)l->geom.o;
    float *w = import_alloc(im, sizeof(float) * count);
    int8_t *codes = import_alloc(im, count);
    l->weight_scale = import_alloc(im, sizeof(float) * (size_t)l->geom.o);
    if (w == NULL || codes == NULL || l->weight_scale == NULL) return import_at(im, n, STATUS_NOMEM);
    for (size_t i = 0; i < count; i++) w[i] = value;
    memset(codes, 1, count);
    for (int o = 0; o < l->geom.o; o++) l->weight_scale[o] = value;
    l->weights = w;
    l->codes = im->quantized ? codes : NULL;
    return STATUS_OK;
}

Status import_scale_layer(Import *im, const ImportNode *n, const Activated *a, const float *factor, const float *shift,
                          int *index)
{
    TRY(import_layer(im, n, IMPORT_DEPTHWISE, 1, a, index));
    ImportLayer *l = &im->layer[*index];
    if (im->quantized && (factor != NULL || shift != NULL))
        return UNSUPPORTED(im, n, "in a model with integers; must be part of a convolution before it");
    const ImportWindow one = {{1, 1}, {1, 1}, {1, 1}, {0}}; /* with the padding of the activation */
    TRY(import_geom(im, n, l, a, &one, l->in.c, l->in.c));
    TRY(equal_weights(im, n, l, 1.0f));
    const size_t bytes = sizeof(float) * (size_t)l->in.c;
    if (factor != NULL) memcpy(l->weights, factor, bytes);
    if (shift != NULL) {
        l->bias = import_alloc(im, bytes);
        if (l->bias == NULL) return import_at(im, n, STATUS_NOMEM);
        memcpy(l->bias, shift, bytes);
    }
    return STATUS_OK;
}

Status import_mean_layer(Import *im, const ImportNode *n, ImportLayer *l)
{
    l->kind = IMPORT_DEPTHWISE;
    return equal_weights(im, n, l, 1.0f / (float)(l->geom.kh * l->geom.kw));
}
