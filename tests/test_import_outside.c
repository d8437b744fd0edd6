/* External data that many tensors share: a file's bytes may be read twice, not as often as a model has tensors. */
#include <string.h>

#include "base/file.h"
#include "deploy/onnx/import_onnx.h"
#include "deploy/onnx/onnx_file.h"
#include "tests/support/data_files.h"
#include "tests/support/scratch.h"
#include "tests/support/suite.h"

enum { CHANNELS = 3, WEIGHTS = CHANNELS * CHANNELS, MOST_LAYERS = 4 };

static int64_t weight_dims[] = {CHANNELS, CHANNELS, 1, 1};

static Onnx__TypeProto *image_type(Arena *arena)
{
    static const int64_t size[] = {1, CHANNELS, 1, 1};
    Onnx__TensorShapeProto *shape = arena_alloc(arena, sizeof *shape);
    onnx__tensor_shape_proto__init(shape);
    shape->dim = ARENA_ARRAY(arena, Onnx__TensorShapeProto__Dimension *, 4);
    for (int i = 0; i < 4; i++) {
        Onnx__TensorShapeProto__Dimension *d = arena_alloc(arena, sizeof *d);
        onnx__tensor_shape_proto__dimension__init(d);
        d->has_dim_value = 1, d->dim_value = size[i];
        shape->dim[shape->n_dim++] = d;
    }
    Onnx__TypeProto__Tensor *tensor = arena_alloc(arena, sizeof *tensor);
    onnx__type_proto__tensor__init(tensor);
    tensor->has_elem_type = 1, tensor->elem_type = ONNX_FLOAT, tensor->shape = shape;
    Onnx__TypeProto *type = arena_alloc(arena, sizeof *type);
    onnx__type_proto__init(type);
    type->tensor_type = tensor;
    return type;
}

static Onnx__ValueInfoProto **one_value(Arena *arena, char *name)
{
    Onnx__ValueInfoProto **list = ARENA_ARRAY(arena, Onnx__ValueInfoProto *, 1);
    list[0] = arena_alloc(arena, sizeof **list);
    onnx__value_info_proto__init(list[0]);
    list[0]->name = name, list[0]->type = image_type(arena);
    return list;
}

static Onnx__TensorProto *shared_weights(Arena *arena, char *name, char *location)
{
    Onnx__TensorProto *t = arena_alloc(arena, sizeof *t);
    Onnx__StringStringEntryProto *e = arena_alloc(arena, sizeof *e);
    onnx__tensor_proto__init(t);
    onnx__string_string_entry_proto__init(e);
    e->key = "location", e->value = location;
    t->name = name, t->dims = weight_dims, t->n_dims = 4;
    t->has_data_type = 1, t->data_type = ONNX_FLOAT;
    t->has_data_location = 1, t->data_location = ONNX_LOCATION_EXTERNAL;
    t->external_data = ARENA_ARRAY(arena, Onnx__StringStringEntryProto *, 1);
    t->external_data[t->n_external_data++] = e;
    return t;
}

/* Convolutions in a row, each with weights of its own that are the bytes of one file. */
static void put_model(Arena *arena, const char *path, int layers)
{
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto opset, *opsets = &opset;
    onnx__model_proto__init(&model);
    onnx__graph_proto__init(&graph);
    onnx__operator_set_id_proto__init(&opset);
    opset.has_version = 1, opset.version = 13;
    model.graph = &graph, model.opset_import = &opsets, model.n_opset_import = 1;
    graph.node = ARENA_ARRAY(arena, Onnx__NodeProto *, layers);
    graph.initializer = ARENA_ARRAY(arena, Onnx__TensorProto *, layers);
    for (int i = 0; i < layers; i++) {
        Onnx__NodeProto *n = graph.node[graph.n_node++] = arena_alloc(arena, sizeof *n);
        onnx__node_proto__init(n);
        n->op_type = "Conv";
        n->input = ARENA_ARRAY(arena, char *, 2), n->n_input = 2;
        n->output = ARENA_ARRAY(arena, char *, 1), n->n_output = 1;
        n->input[0] = arena_printf(arena, "v%d", i), n->input[1] = arena_printf(arena, "w%d", i);
        n->output[0] = arena_printf(arena, "v%d", i + 1);
        graph.initializer[graph.n_initializer++] =
            shared_weights(arena, n->input[1], i % 2 == 0 ? "weights.bin" : "./weights.bin");
    }
    graph.input = one_value(arena, "v0"), graph.n_input = 1;
    graph.output = one_value(arena, arena_printf(arena, "v%d", layers)), graph.n_output = 1;
    ck_assert_msg(onnx_write(arena, &model, path) == STATUS_OK, "%s", status_message());
}

START_TEST(a_file_is_read_twice_at_most)
{
    static const float weights[WEIGHTS] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    Arena *arena = arena_create();
    const char *folder = scratch_folder(arena), *path = file_join(arena, folder, "m.onnx");
    put_bytes(folder, "weights.bin", weights, sizeof weights);
    for (int layers = 1; layers <= MOST_LAYERS; layers++) {
        ImportedModel m = {0};
        put_model(arena, path, layers);
        const Status status = import_onnx(arena, path, &m);
        cJSON_Delete(m.model);
        ck_assert_msg((status == STATUS_OK) == (layers <= 2), "%d layers: %s", layers, status_message());
        if (status != STATUS_OK) ck_assert_ptr_nonnull(strstr(status_message(), "that other tensors have twice over"));
    }
    folder_remove(folder);
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("import_outside", a_file_is_read_twice_at_most)
