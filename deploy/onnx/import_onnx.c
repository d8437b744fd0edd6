#include "deploy/onnx/import_onnx_graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const ImportOp ops[] = {
    {"Conv", import_conv, 2, 3, "auto_pad dilations group kernel_shape pads strides"},
    {"Gemm", import_gemm, 2, 3, "alpha beta transA transB"},
    {"MatMul", import_matmul, 2, 2, ""},
    {"BatchNormalization", import_batch_norm, 5, 5, "epsilon momentum training_mode spatial"},
    {"Relu", import_relu, 1, 1, ""},
    {"Clip", import_clip, 1, 3, "min max"},
#define ONNX_CURVE(curve, operator, attributes) {operator, import_curve, 1, 1, attributes},
#define ONNX_PRODUCT(curve, gate)
#include "deploy/onnx/onnx_curves.def"
#undef ONNX_CURVE
#undef ONNX_PRODUCT
    {"HardSwish", import_hard_swish, 1, 1, ""},
    {"Add", import_add, 2, 2, ""},
    {"Sub", import_scale, 2, 2, ""},
    {"Mul", import_multiply, 2, 2, ""},
    {"Div", import_scale, 2, 2, ""},
    {"Concat", import_concat, 1, 1024, "axis"},
    {"Slice", import_slice, 1, 5, "starts ends axes"},
    {"Split", import_split, 1, 2, "axis split num_outputs"},
    {"MaxPool", import_maxpool, 1, 1, "auto_pad ceil_mode dilations kernel_shape pads storage_order strides"},
    {"AveragePool", import_avgpool, 1, 1, "auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides"},
    {"GlobalAveragePool", import_global_avgpool, 1, 1, ""},
    {"GlobalMaxPool", import_global_maxpool, 1, 1, ""},
    {"ReduceMean", import_reduce_mean, 1, 2, "axes keepdims noop_with_empty_axes"},
    {"Pad", import_pad, 1, 4, "mode pads value"},
    {"Gather", import_gather, 2, 2, "axis"},
    {"Softmax", import_softmax, 1, 1, "axis"},
    {"LogSoftmax", import_softmax, 1, 1, "axis"},
    {"Identity", import_same, 1, 1, ""},
    {"Dropout", import_same, 1, 3, "ratio seed"},
    {"Cast", import_cast, 1, 1, "to saturate"},
    {"Transpose", import_transpose, 1, 1, "perm"},
    {"Flatten", import_flatten, 1, 1, "axis"},
    {"Reshape", import_reshape, 1, 2, "shape allowzero"},
    {"Squeeze", import_squeeze, 1, 2, "axes"},
    {"Unsqueeze", import_unsqueeze, 1, 2, "axes"},
    {"QuantizeLinear", import_quantize, 2, 3, "axis saturate"},
    {"DequantizeLinear", import_dequantize, 2, 3, "axis"},
    /* of constants and shapes only */
    {"Constant", NULL, 0, 0, "value value_int value_ints value_float value_floats"},
    {"Shape", NULL, 1, 1, ""},
    {"Floor", NULL, 1, 1, ""},
    {"Ceil", NULL, 1, 1, ""},
    {"ConstantOfShape", NULL, 1, 1, "value"},
};

/* Whether `word` stands in a list separated by blanks. */
static bool listed(const char *list, const char *word)
{
    const size_t n = strlen(word);
    for (const char *p = list; n > 0 && (p = strstr(p, word)) != NULL; p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0')) return true;
    return false;
}

static const ImportOp *find_op(const ImportNode *n)
{
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (strcmp(ops[i].op, onnx_text(n->proto->op_type)) == 0) return &ops[i];
    return NULL;
}

/* What can be told without the values: the operator and its attributes.  *kind: what to count it as when it is refused.
 */
static Status check_op(const Import *im, const ImportNode *n, const char **kind)
{
    const Onnx__NodeProto *p = n->proto;
    const char *domain = onnx_text(p->domain), *name = onnx_text(p->op_type);
    const ImportOp *op = find_op(n);
    if (domain[0] != '\0' && strcmp(domain, "ai.onnx") != 0) {
        *kind = arena_printf(im->arena, "%.40s.%.40s", domain, name);
        return UNSUPPORTED(im, n, "of domain \"%.40s\"; must be an operator of ONNX itself", domain);
    }
    *kind = arena_printf(im->arena, "%.60s", name);
    if (op == NULL) {
        const char *known = "";
        for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
            known = arena_printf(im->arena, "%s%s%s", known, i == 0 ? "" : ", ", ops[i].op);
        return UNSUPPORTED(im, n, "no layer computes it; must be one of: %s", known);
    }
    if (n->inputs < op->min_inputs || n->inputs > op->max_inputs || n->outputs < 1) {
        *kind = arena_printf(im->arena, "%.60s of %d inputs", name, n->inputs);
        return UNSUPPORTED(im, n, "%d inputs, %d outputs; must be %d to %d inputs", n->inputs, n->outputs,
                           op->min_inputs, op->max_inputs);
    }
    for (size_t i = 0; i < p->n_attribute; i++) {
        const char *attribute = onnx_text(p->attribute[i]->name);
        if (listed(op->attributes, attribute)) continue;
        *kind = arena_printf(im->arena, "%.60s with \"%.60s\"", name, attribute);
        return UNSUPPORTED(im, n, "attribute \"%.60s\"; must be one of: %s", attribute,
                           op->attributes[0] == '\0' ? "none" : op->attributes);
    }
    return STATUS_OK;
}

/* And what the image's numbers go into: `depends` on them what value they flow into. */
static Status check_use(const Import *im, const ImportNode *n, const bool *depends, const char **kind)
{
    const ImportOp *op = find_op(n);
    int activations = 0;
    for (int i = 0; i < n->inputs; i++) activations += n->input[i] >= 0 && depends[n->input[i]];
    if (op->take == NULL && activations > 0 && strcmp(op->op, "Shape") != 0) {
        *kind = arena_printf(im->arena, "%s of an activation", op->op);
        return UNSUPPORTED(im, n, "of an activation; must be of constants or shapes");
    }
    if (activations > 1 && (op->take == import_scale || op->take == import_matmul)) {
        *kind = arena_printf(im->arena, "%s of two activations", op->op);
        return UNSUPPORTED(im, n, "of two activations; one must be a constant");
    }
    return STATUS_OK;
}

/* All that can be told before the nodes are taken one by one. */
static void check_nodes(Import *im, const bool *depends, ImportRefusals *r, bool *refused)
{
    for (int i = 0; i < im->nodes; i++) {
        const ImportNode *n = &im->node[i];
        const char *kind = NULL;
        Status status = check_op(im, n, &kind);
        if (status == STATUS_OK) status = check_use(im, n, depends, &kind);
        if (status == STATUS_OK && n->inputs > 0 && n->input[0] >= 0 && depends[n->input[0]]) {
            kind = NULL;
            status = import_attribute_values(im, n);
        }
        refused[i] = status != STATUS_OK;
        if (refused[i]) import_refusal_add(im, r, n, status, kind);
    }
}

/* Which values depend on the image's numbers.  Integers are computed with where one of them passes through
 * QuantizeLinear or DequantizeLinear. */
static const bool *find_quantization(Import *im)
{
    bool *depends = ARENA_ARRAY(im->arena, bool, im->values + 1);
    depends[im->input] = true;
    for (int i = 0; i < im->nodes; i++) {
        const ImportNode *n = &im->node[i];
        const char *op = onnx_text(n->proto->op_type);
        bool any = false;
        for (int k = 0; k < n->inputs; k++) any |= n->input[k] >= 0 && depends[n->input[k]];
        any &= strcmp(op, "Shape") != 0;
        im->quantized |= any && (strcmp(op, "QuantizeLinear") == 0 || strcmp(op, "DequantizeLinear") == 0);
        for (int k = 0; k < n->outputs; k++)
            if (n->output[k] >= 0) depends[n->output[k]] = any;
    }
    return depends;
}

static Status take_node(Import *im, const ImportNode *n)
{
    const ImportOp *op = find_op(n);
    bool done;
    TRY(import_attribute_types(im, n));
    TRY(import_fold(im, n, &done));
    if (!done && op->take == NULL) return UNSUPPORTED(im, n, "of an activation; must be of constants or shapes");
    if (!done) TRY(op->take(im, n));
    const Value *v = import_output(im, n, 0);
    if (v == NULL || v->kind == VALUE_NOT_YET) return MALFORMED(im, n, "its first output has no name; it is required");
    return STATUS_OK;
}

/* Whether a node reads what a node that was refused does not give. */
static bool is_behind(const Import *im, const ImportNode *n)
{
    for (int k = 0; k < n->inputs; k++)
        if (n->input[k] >= 0 && im->value[n->input[k]].kind == VALUE_NOT_YET) return true;
    return false;
}

/* Takes the nodes in order; after one that is refused only those that do not follow from it, for what else is
 * refused. */
static Status take_nodes(Import *im, const bool *depends)
{
    ImportRefusals *r = ARENA_ARRAY(im->arena, ImportRefusals, 1);
    bool *refused = ARENA_ARRAY(im->arena, bool, im->nodes + 1);
    check_nodes(im, depends, r, refused);
    for (int i = 0; i < im->nodes; i++) {
        const ImportNode *n = &im->node[i];
        if (refused[i] || (r->nodes > 0 && is_behind(im, n))) continue;
        const Status status = take_node(im, n);
        if (status == STATUS_NOMEM || status == STATUS_IO) return r->nodes > 0 ? import_refusal_end(im, r) : status;
        if (status != STATUS_OK) import_refusal_add(im, r, n, status, NULL);
    }
    return import_refusal_end(im, r);
}

/* The output must be one number for each class, from the last layer. */
static Status take_output(Import *im)
{
    const Value *v = &im->value[im->output];
    const char *name = v->name;
    const Activated *a = v->activated;
    if (v->kind != VALUE_ACTIVATION || a->groups.count > 0 || a->indices || a->source != im->layers - 1 ||
        im->layers == 0 || (a->pad[0] | a->pad[1] | a->pad[2] | a->pad[3]) != 0)
        return status_fail(STATUS_UNSUPPORTED,
                           "%s: output \"%.100s\": is not what a layer gives; must be a row of logits", im->path, name);
    if (im->quantized && !a->on_grid && !a->probabilities)
        return status_fail(
            STATUS_UNSUPPORTED,
            "%s: output \"%.100s\": is not quantized; in a model with integers QuantizeLinear must stand "
            "behind the last layer",
            im->path, name);
    ImportLayer *last = &im->layer[a->source];
    if (im->quantized && !last->has_grid)
        return status_fail(STATUS_UNSUPPORTED, "%s: %s: is not quantized; QuantizeLinear must stand behind it",
                           im->path, last->node);
    const Extent e = a->size;
    if (e.h == 1 && e.w == 1) return STATUS_OK;
    if (!view_in_order(&a->view) || im->layers == IMPORT_MAX_LAYERS)
        return status_fail(STATUS_UNSUPPORTED, "%s: output \"%.100s\": %d x %d x %d numbers; must be a row of logits",
                           im->path, name, e.h, e.w, e.c);
    const int count = e.h * e.w * e.c;
    ImportLayer *l = &im->layer[im->layers];
    *l = (ImportLayer){.name = import_unique_name(im, "logits"),
                       .node = "the output",
                       .kind = IMPORT_FLATTEN,
                       .inputs = 1,
                       .input = {im->layers - 1},
                       .in = e,
                       .out = {1, 1, count},
                       .has_grid = true,
                       .grid = last->grid};
    im->layers++;
    return STATUS_OK;
}

static Status walk(Import *im, const Onnx__ModelProto *proto, ImportedModel *out)
{
    TRY(import_graph(im, proto));
    import_bind_layout(im, proto);
    im->layer = ARENA_ARRAY(im->arena, ImportLayer, IMPORT_MAX_LAYERS);
    im->note = ARENA_ARRAY(im->arena, const char *, IMPORT_MAX_LAYERS);
    TRY(take_nodes(im, find_quantization(im)));
    TRY(take_output(im));
    const Extent e = im->layer[im->layers - 1].out;
    *out = (ImportedModel){.name = onnx_text(im->graph->name),
                           .input = {im->image.h, im->image.w, im->image.c},
                           .classes = e.c,
                           .notes = im->notes,
                           .note = im->note};
    import_about(im, proto, out);
    return im->quantized ? import_to_qgraph(im, out) : import_to_config(im, out);
}

static Status import_model(Arena *arena, const Onnx__ModelProto *proto, const char *path, ImportedModel *model)
{
    Import *im = ARENA_ARRAY(arena, Import, 1);
    *im = (Import){.arena = arena, .path = path, .folder = file_dirname(arena, path), .allowance_bytes = 16 << 20};
    return walk(im, proto, model);
}

Status import_onnx(Arena *arena, const char *path, ImportedModel *model)
{
    Onnx__ModelProto *proto;
    TRY(onnx_read(arena, path, &proto));
    return import_model(arena, proto, path, model);
}

Status import_onnx_bytes(Arena *arena, const void *bytes, size_t length, const char *path, ImportedModel *model)
{
    Onnx__ModelProto *proto;
    TRY(onnx_parse(arena, bytes, length, path, &proto));
    return import_model(arena, proto, path, model);
}
