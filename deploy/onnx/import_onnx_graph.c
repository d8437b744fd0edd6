#include "deploy/onnx/import_onnx_graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* ---- what to say ------------------------------------------------------------------------------------------------- */

/* A word of the file, safe to print, without quotes. */
static const char *bare(const Import *im, const char *text)
{
    char *quoted = json_quote(im->arena, onnx_text(text));
    quoted[strlen(quoted) - 1] = '\0';
    return quoted + 1;
}

static const char *label(const Import *im, const ImportNode *n)
{
    const Onnx__NodeProto *p = n->proto;
    const bool named = onnx_text(p->name)[0] != '\0';
    const char *name = named ? p->name : p->n_output > 0 ? p->output[0] : "";
    return arena_printf(im->arena, "node%s \"%.200s\" (op %.60s)", named ? "" : " that gives", bare(im, name),
                        bare(im, p->op_type));
}

Status import_refuse(const Import *im, const ImportNode *n, Status code, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return status_fail(code, "%s: %s: %s", im->path, label(im, n), text);
}

Status import_at(const Import *im, const ImportNode *n, Status status)
{
    return status == STATUS_OK ? STATUS_OK : status_prefix(status, "%s: %s", im->path, label(im, n));
}

void import_note(Import *im, const char *format, ...)
{
    if (im->notes >= IMPORT_MAX_LAYERS) return;
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    im->note[im->notes++] = arena_strdup(im->arena, text);
}

void *import_alloc(Import *im, size_t bytes)
{
    if (bytes > im->allowance_bytes) {
        status_fail(STATUS_NOMEM, "constants and weights of more than %zu bytes beside what was read; the file may not",
                    im->allowance_bytes);
        return NULL;
    }
    im->allowance_bytes -= bytes;
    return arena_try_alloc(im->arena, bytes);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) { return strcmp(((const Value *)a)->name, ((const Value *)b)->name); }

static int find_value(const Import *im, const char *name)
{
    const Value key = {.name = name};
    const Value *v = bsearch(&key, im->value, (size_t)im->values, sizeof key, by_name);
    return v == NULL ? -1 : (int)(v - im->value);
}

static void add_value(Import *im, const char *name, int maker, const Onnx__TensorProto *proto)
{
    im->value[im->values++] = (Value){.name = name, .maker = maker, .proto = proto};
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Files of the first versions list the initializers among the inputs, too. */
static Status find_input(Import *im, const Onnx__ValueInfoProto **input)
{
    const Onnx__GraphProto *g = im->graph;
    const char **names = ARENA_ARRAY(im->arena, const char *, g->n_initializer + 1);
    for (size_t i = 0; i < g->n_initializer; i++) names[i] = onnx_text(g->initializer[i]->name);
    qsort(names, g->n_initializer, sizeof *names, by_text);
    size_t inputs = 0;
    for (size_t i = 0; i < g->n_input; i++) {
        const char *name = onnx_text(g->input[i]->name);
        if (bsearch(&name, names, g->n_initializer, sizeof *names, by_text) != NULL) continue;
        *input = g->input[i];
        inputs++;
    }
    if (inputs != 1 || g->n_output != 1)
        return status_fail(STATUS_UNSUPPORTED,
                           "%s: %zu inputs and %zu outputs; must have one image and one row of logits", im->path,
                           inputs, g->n_output);
    return STATUS_OK;
}

static Status count_values(const Import *im, size_t *most)
{
    const Onnx__GraphProto *g = im->graph;
    *most = 1 + g->n_initializer;
    for (size_t i = 0; i < g->n_node; i++) *most += g->node[i]->n_output;
    if (g->n_node <= IMPORT_MAX_NODES && *most <= IMPORT_MAX_VALUES) return STATUS_OK;
    return status_fail(STATUS_UNSUPPORTED, "%s: %zu nodes that give %zu values; at most %d and %d are accepted",
                       im->path, g->n_node, *most, IMPORT_MAX_NODES, IMPORT_MAX_VALUES);
}

static Status collect_values(Import *im, const Onnx__ValueInfoProto *input, size_t most)
{
    const Onnx__GraphProto *g = im->graph;
    im->value = arena_zalloc(im->arena, sizeof *im->value * most);
    add_value(im, onnx_text(input->name), -1, NULL);
    for (size_t i = 0; i < g->n_initializer; i++)
        add_value(im, onnx_text(g->initializer[i]->name), -1, g->initializer[i]);
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_output; k++)
            if (g->node[i]->output[k][0] != '\0') add_value(im, g->node[i]->output[k], (int)i, NULL);
    qsort(im->value, (size_t)im->values, sizeof *im->value, by_name);
    for (int i = 1; i < im->values; i++)
        if (by_name(&im->value[i - 1], &im->value[i]) == 0)
            return status_fail(STATUS_FORMAT, "%s: two values named %.200s; names must be unique", im->path,
                               json_quote(im->arena, im->value[i].name));
    im->input = find_value(im, onnx_text(input->name));
    im->output = find_value(im, onnx_text(g->output[0]->name));
    if (im->output < 0)
        return status_fail(STATUS_FORMAT, "%s: no node gives the output %.200s; one must", im->path,
                           json_quote(im->arena, onnx_text(g->output[0]->name)));
    return STATUS_OK;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static Status resolve_node(Import *im, int index, ImportNode *n)
{
    const Onnx__NodeProto *p = im->graph->node[index];
    *n = (ImportNode){.proto = p, .inputs = (int)p->n_input, .outputs = (int)p->n_output};
    n->input = arena_zalloc(im->arena, sizeof(int) * (p->n_input + p->n_output));
    n->output = n->input + p->n_input;
    for (int i = 0; i < n->inputs; i++) {
        n->input[i] = p->input[i][0] == '\0' ? -1 : find_value(im, p->input[i]);
        if (p->input[i][0] == '\0') continue;
        if (n->input[i] < 0)
            return MALFORMED(im, n, "reads %.200s; a node before it, an initializer or the input must give it",
                             json_quote(im->arena, p->input[i]));
        if (im->value[n->input[i]].maker >= index)
            return MALFORMED(im, n, "reads %.200s, which a later node gives; nodes must follow those they read",
                             json_quote(im->arena, p->input[i]));
    }
    for (int i = 0; i < n->outputs; i++) n->output[i] = p->output[i][0] == '\0' ? -1 : find_value(im, p->output[i]);
    return STATUS_OK;
}

/* Keeps the nodes that the output depends on, in their order. */
static void keep_needed(Import *im, ImportNode *all, int count)
{
    bool *needed = ARENA_ARRAY(im->arena, bool, count + 1);
    im->value[im->output].readers = 1;
    if (im->value[im->output].maker >= 0) needed[im->value[im->output].maker] = true;
    for (int i = count - 1; i >= 0; i--) {
        if (!needed[i]) continue;
        for (int k = 0; k < all[i].inputs; k++) {
            if (all[i].input[k] < 0) continue;
            Value *v = &im->value[all[i].input[k]];
            v->readers++;
            if (v->maker >= 0) needed[v->maker] = true;
        }
    }
    im->node = all;
    for (int i = 0; i < count; i++)
        if (needed[i]) im->node[im->nodes++] = all[i];
}

/* ---- the image --------------------------------------------------------------------------------------------------- */

static Status bad_input(const Import *im, const char *what)
{
    return status_fail(
        STATUS_UNSUPPORTED,
        "%s: input %.100s: %s; must be a tensor of float, int8 or uint8, [images, ...] with 1 to 3 further "
        "dimensions whose lengths are known, 1 to 4096",
        im->path, json_quote(im->arena, im->value[im->input].name), what);
}

/* Taken as [N,C,H,W] until a layer shows what it is. */
static Status read_image(Import *im, const Onnx__ValueInfoProto *input)
{
    const Onnx__TypeProto__Tensor *t = input->type == NULL ? NULL : input->type->tensor_type;
    if (t == NULL || t->shape == NULL) return bad_input(im, "no tensor with a shape");
    im->image_type = (OnnxDataType)t->elem_type;
    im->image_is_codes = im->image_type == ONNX_INT8 || im->image_type == ONNX_UINT8;
    if (im->image_type != ONNX_FLOAT && !im->image_is_codes)
        return bad_input(im, arena_printf(im->arena, "data type %d", t->elem_type));
    const int rank = (int)t->shape->n_dim;
    if (t->shape->n_dim < 2 || t->shape->n_dim > 4)
        return bad_input(im, arena_printf(im->arena, "%zu dimensions", t->shape->n_dim));
    static const Axis order[3][3] = {{AXIS_C}, {AXIS_H, AXIS_W}, {AXIS_C, AXIS_H, AXIS_W}};
    int size[AXES] = {1, 1, 1, 1};
    Activated *a = ARENA_ARRAY(im->arena, Activated, 1);
    *a = (Activated){.source = THE_IMAGE, .view = {.rank = rank, .dim = {{1, {AXIS_N}}}}, .codes = im->image_is_codes};
    for (int i = 1; i < rank; i++) {
        const Onnx__TensorShapeProto__Dimension *d = t->shape->dim[i];
        if (!d->has_dim_value || d->dim_value < 1 || d->dim_value > (rank == 2 ? 65536 : 4096))
            return bad_input(im,
                             arena_printf(im->arena, "dimension %d is %s", i,
                                          d->has_dim_value ? arena_printf(im->arena, "%lld", (long long)d->dim_value)
                                                           : json_quote(im->arena, onnx_text(d->dim_param))));
        const Axis axis = order[rank - 2][i - 1];
        size[axis] = (int)d->dim_value;
        if (d->dim_value > 1) a->view.dim[i] = (ViewDim){1, {axis}};
    }
    if ((int64_t)size[AXIS_H] * size[AXIS_W] * size[AXIS_C] > GRAPH_TENSOR_MAX_ELEMENTS)
        return bad_input(im, arena_printf(im->arena, "more than %d numbers", GRAPH_TENSOR_MAX_ELEMENTS));
    im->image = a->size = (Extent){size[AXIS_H], size[AXIS_W], size[AXIS_C]};
    a->exclusive = im->value[im->input].readers == 1;
    im->value[im->input].kind = VALUE_ACTIVATION;
    im->value[im->input].activated = a;
    return STATUS_OK;
}

Status import_graph(Import *im, const Onnx__ModelProto *model)
{
    im->graph = model->graph;
    im->opset = onnx_opset(model);
    if (im->opset < 7)
        return status_fail(STATUS_UNSUPPORTED, "%s: operator set %lld; must be 7 or later", im->path,
                           (long long)im->opset);
    const Onnx__ValueInfoProto *input = NULL;
    size_t most = 0;
    TRY(count_values(im, &most));
    TRY(find_input(im, &input));
    TRY(collect_values(im, input, most));
    const int count = (int)im->graph->n_node;
    ImportNode *all = ARENA_ARRAY(im->arena, ImportNode, count + 1);
    for (int i = 0; i < count; i++) TRY(resolve_node(im, i, &all[i]));
    keep_needed(im, all, count);
    for (int i = 0; i < im->values; i++)
        if (im->value[i].proto != NULL) im->value[i].kind = VALUE_CONSTANT;
    return read_image(im, input);
}

/* ---- a node's parts ---------------------------------------------------------------------------------------------- */

Value *import_input(const Import *im, const ImportNode *n, int i)
{
    return i < 0 || i >= n->inputs || n->input[i] < 0 ? NULL : &im->value[n->input[i]];
}

Value *import_output(const Import *im, const ImportNode *n, int i)
{
    return i >= n->outputs || n->output[i] < 0 ? NULL : &im->value[n->output[i]];
}
