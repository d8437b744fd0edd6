/* Attributes by themselves: their types, and values that no layer has.  The reading functions of
 * deploy/onnx/onnx_file.h take the field of the type they are for; that it is the one that is filled, is checked here,
 * once for each node. */
#include <string.h>

#include "deploy/onnx/import_onnx_graph.h"

static const char *const type_names[] = {"undefined", "FLOAT",  "INT",  "STRING", "TENSOR",
                                         "GRAPH",     "FLOATS", "INTS", "STRINGS"};
enum { TYPES = (int)(sizeof type_names / sizeof type_names[0]), UNDEFINED = 0 };

/* ONNX gives a name the same type in all operators but one. */
static const struct {
    const char *name;
    int type;
} types[] = {
    {"allowzero", ONNX_ATTRIBUTE_INT},
    {"alpha", ONNX_ATTRIBUTE_FLOAT},
    {"auto_pad", ONNX_ATTRIBUTE_STRING},
    {"axes", ONNX_ATTRIBUTE_INTS},
    {"axis", ONNX_ATTRIBUTE_INT},
    {"beta", ONNX_ATTRIBUTE_FLOAT},
    {"ceil_mode", ONNX_ATTRIBUTE_INT},
    {"count_include_pad", ONNX_ATTRIBUTE_INT},
    {"dilations", ONNX_ATTRIBUTE_INTS},
    {"ends", ONNX_ATTRIBUTE_INTS},
    {"epsilon", ONNX_ATTRIBUTE_FLOAT},
    {"group", ONNX_ATTRIBUTE_INT},
    {"keepdims", ONNX_ATTRIBUTE_INT},
    {"kernel_shape", ONNX_ATTRIBUTE_INTS},
    {"max", ONNX_ATTRIBUTE_FLOAT},
    {"min", ONNX_ATTRIBUTE_FLOAT},
    {"mode", ONNX_ATTRIBUTE_STRING},
    {"momentum", ONNX_ATTRIBUTE_FLOAT},
    {"noop_with_empty_axes", ONNX_ATTRIBUTE_INT},
    {"pads", ONNX_ATTRIBUTE_INTS},
    {"perm", ONNX_ATTRIBUTE_INTS},
    {"ratio", ONNX_ATTRIBUTE_FLOAT},
    {"saturate", ONNX_ATTRIBUTE_INT},
    {"seed", ONNX_ATTRIBUTE_INT},
    {"shape", ONNX_ATTRIBUTE_INTS},
    {"spatial", ONNX_ATTRIBUTE_INT},
    {"starts", ONNX_ATTRIBUTE_INTS},
    {"storage_order", ONNX_ATTRIBUTE_INT},
    {"strides", ONNX_ATTRIBUTE_INTS},
    {"to", ONNX_ATTRIBUTE_INT},
    {"training_mode", ONNX_ATTRIBUTE_INT},
    {"transA", ONNX_ATTRIBUTE_INT},
    {"transB", ONNX_ATTRIBUTE_INT},
    {"value", ONNX_ATTRIBUTE_TENSOR},
    {"value_float", ONNX_ATTRIBUTE_FLOAT},
    {"value_floats", ONNX_ATTRIBUTE_FLOATS},
    {"value_int", ONNX_ATTRIBUTE_INT},
    {"value_ints", ONNX_ATTRIBUTE_INTS},
};

static int required(const char *op, const char *name)
{
    if (strcmp(op, "Pad") == 0 && strcmp(name, "value") == 0) return ONNX_ATTRIBUTE_FLOAT;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0) return types[i].type;
    return UNDEFINED;
}

/* Whether the field of `type` is filled; a number that is 0 and an empty list may be left out of the file. */
static bool holds(const Onnx__AttributeProto *a, int type)
{
    switch (type) {
    case ONNX_ATTRIBUTE_FLOAT:
        return a->has_f;
    case ONNX_ATTRIBUTE_INT:
        return a->has_i;
    case ONNX_ATTRIBUTE_STRING:
        return a->has_s;
    case ONNX_ATTRIBUTE_TENSOR:
        return a->t != NULL;
    case ONNX_ATTRIBUTE_FLOATS:
        return a->n_floats > 0;
    case ONNX_ATTRIBUTE_INTS:
        return a->n_ints > 0;
    case ONNX_ATTRIBUTE_STRINGS:
        return a->n_strings > 0;
    default:
        return false;
    }
}

/* What the file says, or in old files, which say nothing, what is filled. */
static int given(const Onnx__AttributeProto *a, int wanted)
{
    if (a->has_type && a->type != UNDEFINED && a->type != wanted) return a->type;
    if (holds(a, wanted)) return wanted;
    for (int type = 1; type < TYPES; type++)
        if (holds(a, type)) return type;
    return a->has_type && a->type == wanted ? wanted : UNDEFINED;
}

Status import_attribute_types(const Import *im, const ImportNode *n)
{
    for (size_t i = 0; i < n->proto->n_attribute; i++) {
        const Onnx__AttributeProto *a = n->proto->attribute[i];
        const int wanted = required(onnx_text(n->proto->op_type), onnx_text(a->name)), type = given(a, wanted);
        if (type == wanted) continue;
        const char *name = type >= 0 && type < TYPES ? type_names[type] : arena_printf(im->arena, "of type %d", type);
        return MALFORMED(im, n, "attribute \"%.60s\": %s; must be %s", onnx_text(a->name), name, type_names[wanted]);
    }
    return STATUS_OK;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static Status conv_values(Import *im, const ImportNode *n)
{
    ImportWindow unused;
    return import_window_values(im, n, &unused);
}

static Status pool_values(Import *im, const ImportNode *n)
{
    ImportWindow w;
    TRY(import_window_values(im, n, &w));
    if (w.dilation[0] == 1 && w.dilation[1] == 1) return STATUS_OK;
    return UNSUPPORTED(im, n, "dilations: [%d, %d]; must be 1 of a pool", w.dilation[0], w.dilation[1]);
}

static Status gemm_values(Import *im, const ImportNode *n)
{
    if (onnx_attribute_int(n->proto, "transA", 0) == 0) return STATUS_OK;
    return UNSUPPORTED(im, n, "transA: 1; must be 0");
}

static Status batch_norm_values(Import *im, const ImportNode *n)
{
    if (onnx_attribute_int(n->proto, "training_mode", 0) != 0 || onnx_attribute_int(n->proto, "spatial", 1) != 1)
        return UNSUPPORTED(im, n, "training_mode or spatial; must be 0 and 1: export the network as it evaluates");
    const float epsilon = onnx_attribute_float(n->proto, "epsilon", 1e-5f);
    if (epsilon >= 1e-12f && epsilon <= 1.0f) return STATUS_OK;
    return UNSUPPORTED(im, n, "epsilon: %g; must be 1e-12 to 1", (double)epsilon);
}

static Status pad_values(Import *im, const ImportNode *n)
{
    const char *mode = onnx_attribute_string(im->arena, n->proto, "mode", "constant");
    if (strcmp(mode, "constant") == 0) return STATUS_OK;
    return UNSUPPORTED(im, n, "mode: \"%.40s\"; must be constant", mode);
}

static Status cast_values(Import *im, const ImportNode *n)
{
    const int64_t to = onnx_attribute_int(n->proto, "to", 0);
    if (to == ONNX_FLOAT || to == ONNX_INT32) return STATUS_OK;
    return UNSUPPORTED(im, n, "to: %lld; must be 1 (float) of an activation, or 6 (int32) of codes", (long long)to);
}

static Status reshape_values(Import *im, const ImportNode *n)
{
    if (onnx_attribute_int(n->proto, "allowzero", 0) == 0) return STATUS_OK;
    return UNSUPPORTED(im, n, "allowzero: 1; must be 0");
}

static const struct {
    const char *op;
    Status (*check)(Import *im, const ImportNode *n);
} values[] = {
    {"Conv", conv_values},
    {"MaxPool", pool_values},
    {"AveragePool", pool_values},
    {"Gemm", gemm_values},
    {"BatchNormalization", batch_norm_values},
    {"Pad", pad_values},
    {"Cast", cast_values},
    {"Reshape", reshape_values},
};

Status import_attribute_values(Import *im, const ImportNode *n)
{
    TRY(import_attribute_types(im, n));
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (strcmp(values[i].op, onnx_text(n->proto->op_type)) == 0) return values[i].check(im, n);
    return STATUS_OK;
}
