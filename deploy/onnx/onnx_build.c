#include "deploy/onnx/onnx_build.h"

#include <stdlib.h>
#include <string.h>

#include "deploy/onnx/onnx_tensor.h"
#include "include/bitfold.h"

typedef struct {
    size_t n, room;
    void **at;
} List;

struct OnnxBuilder {
    Arena *arena;
    List nodes, constants, properties;
    List attributes; /* of the last node */
    Onnx__GraphProto graph;
    Onnx__ModelProto model;
    int ir, opset;
    bool single_image;
};

static void append(Arena *arena, List *list, void *item)
{
    if (list->n == list->room) {
        list->room = list->room == 0 ? 8 : 2 * list->room;
        void **grown = ARENA_ARRAY(arena, void *, list->room);
        if (list->n > 0) memcpy(grown, list->at, list->n * sizeof *grown);
        list->at = grown;
    }
    list->at[list->n++] = item;
}

#define NEW(b, type, init) ((type *)memcpy(arena_alloc((b)->arena, sizeof(type)), &(const type)init, sizeof(type)))

/* Messages hold mutable strings, but nothing here or in the writer changes one. */
static char *text(const char *s) { return (char *)(uintptr_t)s; }

OnnxBuilder *onnx_builder(Arena *arena, const char *graph_name)
{
    OnnxBuilder *b = arena_zalloc(arena, sizeof *b);
    b->arena = arena;
    b->graph = (Onnx__GraphProto)ONNX__GRAPH_PROTO__INIT;
    b->graph.name = text(graph_name);
    b->ir = ONNX_BUILD_IR, b->opset = ONNX_BUILD_OPSET;
    return b;
}

Arena *onnx_arena(const OnnxBuilder *b) { return b->arena; }

void onnx_needs_int16(OnnxBuilder *b) { b->ir = ONNX_INT16_IR, b->opset = ONNX_INT16_OPSET; }

void onnx_single_image(OnnxBuilder *b) { b->single_image = true; }

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static Onnx__NodeProto *last_node(OnnxBuilder *b) { return b->nodes.at[b->nodes.n - 1]; }

const char *onnx_node(OnnxBuilder *b, const char *op, const char *name, int inputs, const char *const *input,
                      const char *output)
{
    ASSERT(inputs >= 0 && inputs <= ONNX_NODE_MAX_INPUTS);
    Onnx__NodeProto *node = NEW(b, Onnx__NodeProto, ONNX__NODE_PROTO__INIT);
    node->op_type = text(op);
    node->name = text(name);
    node->n_input = (size_t)inputs;
    node->input = ARENA_ARRAY(b->arena, char *, inputs);
    for (int i = 0; i < inputs; i++) node->input[i] = text(input[i]);
    node->n_output = 1;
    node->output = ARENA_ARRAY(b->arena, char *, 1);
    node->output[0] = text(output);
    append(b->arena, &b->nodes, node);
    b->attributes = (List){0};
    return output;
}

void onnx_outputs(OnnxBuilder *b, int n, const char *const *output)
{
    Onnx__NodeProto *node = last_node(b);
    char **all = ARENA_ARRAY(b->arena, char *, n + 1);
    all[0] = node->output[0];
    for (int i = 0; i < n; i++) all[i + 1] = text(output[i]);
    node->n_output = (size_t)n + 1;
    node->output = all;
}

static Onnx__AttributeProto *attribute(OnnxBuilder *b, const char *name, OnnxAttributeType type)
{
    Onnx__AttributeProto *a = NEW(b, Onnx__AttributeProto, ONNX__ATTRIBUTE_PROTO__INIT);
    a->name = text(name);
    a->has_type = 1;
    a->type = type;
    append(b->arena, &b->attributes, a);
    last_node(b)->n_attribute = b->attributes.n;
    last_node(b)->attribute = (Onnx__AttributeProto **)(void *)b->attributes.at;
    return a;
}

void onnx_int(OnnxBuilder *b, const char *name, int64_t value)
{
    Onnx__AttributeProto *a = attribute(b, name, ONNX_ATTRIBUTE_INT);
    a->has_i = 1;
    a->i = value;
}

void onnx_ints(OnnxBuilder *b, const char *name, int n, const int *values)
{
    Onnx__AttributeProto *a = attribute(b, name, ONNX_ATTRIBUTE_INTS);
    a->n_ints = (size_t)n;
    a->ints = ARENA_ARRAY(b->arena, int64_t, n);
    for (int i = 0; i < n; i++) a->ints[i] = values[i];
}

void onnx_float(OnnxBuilder *b, const char *name, float value)
{
    Onnx__AttributeProto *a = attribute(b, name, ONNX_ATTRIBUTE_FLOAT);
    a->has_f = 1;
    a->f = value;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

const char *onnx_constant(OnnxBuilder *b, const char *name, OnnxDataType type, int rank, const int64_t *dim,
                          const void *data)
{
    Onnx__TensorProto *t = NEW(b, Onnx__TensorProto, ONNX__TENSOR_PROTO__INIT);
    size_t count = 1;
    t->n_dims = (size_t)rank;
    t->dims = ARENA_ARRAY(b->arena, int64_t, rank);
    for (int i = 0; i < rank; i++) t->dims[i] = dim[i], count *= (size_t)dim[i];
    t->has_data_type = 1;
    t->data_type = type;
    t->name = text(name);
    t->has_raw_data = 1;
    t->raw_data = (ProtobufCBinaryData){.len = count * onnx_type_bytes(type), .data = (uint8_t *)(uintptr_t)data};
    append(b->arena, &b->constants, t);
    return name;
}

const char *onnx_scalar(OnnxBuilder *b, const char *name, OnnxDataType type, const void *value)
{
    void *copy = arena_alloc(b->arena, onnx_type_bytes(type));
    memcpy(copy, value, onnx_type_bytes(type));
    return onnx_constant(b, name, type, 0, NULL, copy);
}

static Onnx__ValueInfoProto **value_info(OnnxBuilder *b, const char *name, OnnxDataType type, int rank, const int *dim)
{
    Onnx__TensorShapeProto *shape = NEW(b, Onnx__TensorShapeProto, ONNX__TENSOR_SHAPE_PROTO__INIT);
    shape->n_dim = (size_t)rank;
    shape->dim = ARENA_ARRAY(b->arena, Onnx__TensorShapeProto__Dimension *, rank);
    for (int i = 0; i < rank; i++) {
        shape->dim[i] = NEW(b, Onnx__TensorShapeProto__Dimension, ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT);
        const bool symbolic = i == 0 && !b->single_image;
        if (symbolic) shape->dim[i]->dim_param = text("N");
        if (!symbolic) shape->dim[i]->has_dim_value = 1, shape->dim[i]->dim_value = i == 0 ? 1 : dim[i];
    }
    Onnx__TypeProto__Tensor *tensor = NEW(b, Onnx__TypeProto__Tensor, ONNX__TYPE_PROTO__TENSOR__INIT);
    tensor->has_elem_type = 1;
    tensor->elem_type = type;
    tensor->shape = shape;
    Onnx__ValueInfoProto *info = NEW(b, Onnx__ValueInfoProto, ONNX__VALUE_INFO_PROTO__INIT);
    info->name = text(name);
    info->type = NEW(b, Onnx__TypeProto, ONNX__TYPE_PROTO__INIT);
    info->type->tensor_type = tensor;
    Onnx__ValueInfoProto **list = ARENA_ARRAY(b->arena, Onnx__ValueInfoProto *, 1);
    list[0] = info;
    return list;
}

void onnx_input(OnnxBuilder *b, const char *name, OnnxDataType type, int rank, const int *dim)
{
    b->graph.n_input = 1;
    b->graph.input = value_info(b, name, type, rank, dim);
}

void onnx_output(OnnxBuilder *b, const char *name, OnnxDataType type, int rank, const int *dim)
{
    b->graph.n_output = 1;
    b->graph.output = value_info(b, name, type, rank, dim);
}

void onnx_property(OnnxBuilder *b, const char *key, const char *value)
{
    Onnx__StringStringEntryProto *entry = NEW(b, Onnx__StringStringEntryProto, ONNX__STRING_STRING_ENTRY_PROTO__INIT);
    entry->key = text(key);
    entry->value = text(value);
    append(b->arena, &b->properties, entry);
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static Status check_unique(const char **name, size_t n, const char *what)
{
    qsort(name, n, sizeof *name, by_text);
    for (size_t i = 1; i < n; i++)
        if (strcmp(name[i - 1], name[i]) == 0)
            return status_fail(STATUS_UNSUPPORTED,
                               "layer \"%s\": its name is what the file calls another %s; rename the layer", name[i],
                               what);
    return STATUS_OK;
}

/* ONNX knows a value by its name alone, ONNX Runtime a node too, and layers are named by their user. */
static Status check_names(OnnxBuilder *b)
{
    size_t n = 0;
    size_t outputs = 0;
    for (size_t i = 0; i < b->nodes.n; i++) outputs += ((Onnx__NodeProto *)b->nodes.at[i])->n_output;
    const char **name = ARENA_ARRAY(b->arena, const char *, outputs + b->constants.n + 1);
    for (size_t i = 0; i < b->nodes.n; i++) name[n++] = ((Onnx__NodeProto *)b->nodes.at[i])->name;
    TRY(check_unique(name, n, "node"));
    n = 0;
    if (b->graph.n_input > 0) name[n++] = b->graph.input[0]->name;
    for (size_t i = 0; i < b->nodes.n; i++) {
        const Onnx__NodeProto *node = b->nodes.at[i];
        for (size_t k = 0; k < node->n_output; k++) name[n++] = node->output[k];
    }
    for (size_t i = 0; i < b->constants.n; i++) name[n++] = ((Onnx__TensorProto *)b->constants.at[i])->name;
    return check_unique(name, n, "value");
}

Status onnx_finish(OnnxBuilder *b, const Onnx__ModelProto **model)
{
    TRY(check_names(b));
    b->graph.n_node = b->nodes.n;
    b->graph.node = (Onnx__NodeProto **)(void *)b->nodes.at;
    b->graph.n_initializer = b->constants.n;
    b->graph.initializer = (Onnx__TensorProto **)(void *)b->constants.at;
    Onnx__OperatorSetIdProto *opset = NEW(b, Onnx__OperatorSetIdProto, ONNX__OPERATOR_SET_ID_PROTO__INIT);
    opset->domain = text("");
    opset->has_version = 1;
    opset->version = b->opset;
    b->model = (Onnx__ModelProto)ONNX__MODEL_PROTO__INIT;
    b->model.has_ir_version = 1;
    b->model.ir_version = b->ir;
    b->model.producer_name = text("bitfold");
    b->model.producer_version = text(BITFOLD_VERSION);
    b->model.graph = &b->graph;
    b->model.n_opset_import = 1;
    b->model.opset_import = ARENA_ARRAY(b->arena, Onnx__OperatorSetIdProto *, 1);
    b->model.opset_import[0] = opset;
    b->model.n_metadata_props = b->properties.n;
    b->model.metadata_props = (Onnx__StringStringEntryProto **)(void *)b->properties.at;
    *model = &b->model;
    return STATUS_OK;
}
