/* ONNX files that are damaged, or that no layer of ours computes: refused in a sentence, within the stated memory. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "deploy/onnx/import_onnx.h"
#include "deploy/onnx/onnx_file.h"
#include "tests/support/suite.h"

static Arena *arena;

static unsigned char *read_case(const char *name, size_t *bytes)
{
    unsigned char *data;
    ck_assert_int_eq(file_read(arena, arena_printf(arena, "tests/onnx/%s.onnx", name), 1 << 20, &data, bytes),
                     STATUS_OK);
    return data;
}

/* ---- damaged ----------------------------------------------------------------------------------------------------- */

static const char *const damaged[] = {"torch_row", "old_style", "qdq_codes", NULL};

/* Imports in an arena of its own and holds it to the bound.  True: it was taken. */
static bool try_import(Arena *own, const unsigned char *bytes, size_t length)
{
    ImportedModel m = {0};
    arena_reset(own);
    const Status status = import_onnx_bytes(own, bytes, length, "m.onnx", &m);
    cJSON_Delete(m.model);
    ck_assert_uint_le(arena_used_bytes(own), 64 * length + ((size_t)64 << 20));
    ck_assert(status == STATUS_OK || strncmp(status_message(), "m.onnx: ", 8) == 0);
    return status == STATUS_OK;
}

START_TEST(every_beginning_of_a_file)
{
    arena = arena_create();
    Arena *own = arena_create();
    for (int i = 0; damaged[i] != NULL; i++) {
        size_t bytes;
        const unsigned char *data = read_case(damaged[i], &bytes);
        long taken = 0;
        for (size_t n = 0; n < bytes; n++) {
            unsigned char *part = arena_alloc(arena, n); /* of its length: a read behind it shows */
            memcpy(part, data, n);
            taken += try_import(own, part, n);
        }
        ck_assert_msg(taken < 16, "%s: %ld beginnings were taken", damaged[i], taken); /* the operator set is last */
        ck_assert(try_import(own, data, bytes));
    }
    arena_destroy(own);
    arena_destroy(arena);
}
END_TEST

START_TEST(every_byte_changed)
{
    static const unsigned char change[] = {0x01, 0x80, 0xff};
    arena = arena_create();
    Arena *own = arena_create();
    for (int i = 0; damaged[i] != NULL; i++) {
        size_t bytes;
        unsigned char *data = read_case(damaged[i], &bytes);
        size_t refused = 0;
        for (size_t at = 0; at < bytes; at++)
            for (size_t k = 0; k < sizeof change; k++) {
                data[at] ^= change[k];
                refused += !try_import(own, data, bytes);
                data[at] ^= change[k];
            }
        ck_assert_uint_gt(refused, bytes / 2); /* weights and names may be anything */
    }
    arena_destroy(own);
    arena_destroy(arena);
}
END_TEST

/* ---- refused ----------------------------------------------------------------------------------------------------- */

typedef Onnx__ModelProto Net;

static Onnx__NodeProto *node(const Net *m, const char *op)
{
    for (size_t i = 0; i < m->graph->n_node; i++)
        if (strcmp(m->graph->node[i]->op_type, op) == 0) return m->graph->node[i];
    ck_abort_msg("no %s", op);
}

static Onnx__AttributeProto *attribute(const Net *m, const char *op, const char *name)
{
    Onnx__NodeProto *n = node(m, op);
    for (size_t i = 0; i < n->n_attribute; i++)
        if (strcmp(n->attribute[i]->name, name) == 0) return n->attribute[i];
    ck_abort_msg("no %s of %s", name, op);
}

static Onnx__TensorProto *initializer(const Net *m, const char *name)
{
    for (size_t i = 0; i < m->graph->n_initializer; i++)
        if (strcmp(m->graph->initializer[i]->name, name) == 0) return m->graph->initializer[i];
    ck_abort_msg("no initializer %s", name);
}

/* The constant in input i of the first node of this kind. */
static Onnx__TensorProto *input(const Net *m, const char *op, int i) { return initializer(m, node(m, op)->input[i]); }

static void set_text(Onnx__AttributeProto *a, const char *text)
{
    a->s = (ProtobufCBinaryData){strlen(text), (uint8_t *)(void *)arena_strdup(arena, text)};
}

static void set_float(Onnx__TensorProto *t, size_t at, float x) { memcpy(t->raw_data.data + 4 * at, &x, sizeof x); }

static void rename_op(const Net *m, const char *from, const char *to)
{
    for (size_t i = 0; i < m->graph->n_node; i++)
        if (strcmp(m->graph->node[i]->op_type, from) == 0) m->graph->node[i]->op_type = arena_strdup(arena, to);
}

#define SPOIL(name, body)                                                                                              \
    static void name(Net *m) { body; }
SPOIL(op_lstm, node(m, "MaxPool")->op_type = "LSTM")
SPOIL(op_foreign, node(m, "MaxPool")->domain = "com.microsoft")
SPOIL(op_several, rename_op(m, "MaxPool", "LSTM"); rename_op(m, "Relu", "Elu");
      attribute(m, "Flatten", "axis")->name = "axes"; node(m, "Gemm")->domain = "com.microsoft")
SPOIL(op_steep, node(m, "Relu")->op_type = "HardSigmoid")
SPOIL(op_wide, node(m, "Relu")->op_type = "Cast")
SPOIL(op_uses, rename_op(m, "Add", "Div"); rename_op(m, "Relu", "Floor"))
SPOIL(attribute_unknown, attribute(m, "MaxPool", "strides")->name = "steps")
SPOIL(name_dangling, node(m, "Relu")->input[0] = "nowhere")
SPOIL(name_cycle, node(m, "Conv")->input[0] = node(m, "Relu")->output[0])
SPOIL(name_twice, node(m, "Relu")->output[0] = node(m, "Conv")->output[0])
SPOIL(name_initializer, node(m, "Relu")->output[0] = m->graph->initializer[0]->name)
SPOIL(output_missing, m->graph->output[0]->name = "nowhere")
SPOIL(output_image, m->graph->output[0]->name = m->graph->input[0]->name)
SPOIL(outputs_none, m->graph->n_output = 0)
SPOIL(opset_old, m->opset_import[0]->version = 6)
SPOIL(opset_none, m->n_opset_import = 0)
SPOIL(input_type, m->graph->input[0]->type->tensor_type->elem_type = 11)
SPOIL(input_dynamic, m->graph->input[0]->type->tensor_type->shape->dim[2]->has_dim_value = 0)
SPOIL(input_huge, m->graph->input[0]->type->tensor_type->shape->dim[2]->dim_value = INT64_C(1) << 40)
SPOIL(input_rank, m->graph->input[0]->type->tensor_type->shape->n_dim = 1)
SPOIL(conv_group, attribute(m, "Conv", "group")->i = 2)
SPOIL(conv_group_zero, attribute(m, "Conv", "group")->i = 0)
SPOIL(conv_stride, attribute(m, "Conv", "strides")->ints[0] = 0)
SPOIL(conv_stride_huge, attribute(m, "Conv", "strides")->ints[0] = INT64_MAX)
SPOIL(conv_pad, attribute(m, "Conv", "pads")->ints[1] = -1)
SPOIL(conv_pads, attribute(m, "Conv", "pads")->n_ints = 2)
SPOIL(conv_kernel, attribute(m, "Conv", "kernel_shape")->ints[0] = 4)
SPOIL(conv_one_dimension, input(m, "Conv", 1)->n_dims = 3; input(m, "Conv", 1)->dims[2] *= input(m, "Conv", 1)->dims[3])
SPOIL(conv_weights, input(m, "Conv", 1)->dims[0] = 4)
SPOIL(conv_negative, input(m, "Conv", 1)->dims[0] = -3)
SPOIL(conv_overflow, input(m, "Conv", 1)->dims[0] = INT64_C(1) << 62)
SPOIL(conv_nan, set_float(input(m, "Conv", 1), 3, NAN))
SPOIL(conv_bias, node(m, "Conv")->input[2] = node(m, "Conv")->input[1])
SPOIL(gemm_trans, attribute(m, "Gemm", "transB")->i = 0)
SPOIL(gemm_input, node(m, "Gemm")->input[0] = node(m, "Relu")->output[0])
SPOIL(flatten_axis, attribute(m, "Flatten", "axis")->i = 2)
SPOIL(pool_ceil, attribute(m, "MaxPool", "ceil_mode")->i = 1; attribute(m, "MaxPool", "pads")->ints[0] = 2)
SPOIL(keras_auto_pad, set_text(attribute(m, "Conv", "auto_pad"), "SAME"))
SPOIL(keras_perm, attribute(m, "Transpose", "perm")->ints[1] = 0)
SPOIL(shuffle_perm, attribute(m, "Transpose", "perm")->ints[1] = 0)
SPOIL(keras_layout, memcpy(attribute(m, "Transpose", "perm")->ints, ((int64_t[]){0, 2, 1, 3}), 4 * sizeof(int64_t)))
SPOIL(keras_clip, set_float(input(m, "Clip", 2), 0, 5.0f))
SPOIL(keras_softmax, node(m, "Relu")->op_type = "Softmax")
SPOIL(keras_reshape, input(m, "Reshape", 1)->n_dims = 0)
SPOIL(old_pad_mode, set_text(attribute(m, "Pad", "mode"), "reflect"))
SPOIL(old_pad_channels, attribute(m, "Pad", "pads")->ints[1] = 1)
SPOIL(old_pad_value, attribute(m, "Pad", "value")->f = 1.0f)
SPOIL(old_mean, attribute(m, "ReduceMean", "axes")->ints[0] = 1)
SPOIL(old_variance, set_float(input(m, "BatchNormalization", 4), 1, -1.0f))
SPOIL(concat_axis, attribute(m, "Concat", "axis")->i = 1)
SPOIL(q_scale, set_float(input(m, "DequantizeLinear", 1), 0, 0.0f))
SPOIL(q_other_scale, node(m, "DequantizeLinear")->input[1] = "c8")
SPOIL(q_codes_alone, node(m, "Conv")->input[1] = "c2")
SPOIL(q_not_quantized, node(m, "Add")->input[0] = node(m, "Relu")->output[0])
SPOIL(q_codes_added, node(m, "Add")->input[0] = "QuantizeLinear_6:0")
SPOIL(q_missing, node(m, "QuantizeLinear")->op_type = "Identity"; node(m, "QuantizeLinear")->n_input = 3)
SPOIL(q_weight_zero, initializer(m, "c4")->raw_data.data[1] = 3)

static void retype(Onnx__AttributeProto *a, int type)
{
    a->has_type = 1;
    a->type = type;
}
static void epsilon_int(Net *m)
{
    Onnx__AttributeProto *a = attribute(m, "BatchNormalization", "epsilon");
    retype(a, ONNX_ATTRIBUTE_INT);
    a->has_f = 0, a->has_i = 1, a->i = 1;
}
static void epsilon_disguised(Net *m) /* says what it should be, holds another */
{
    epsilon_int(m);
    retype(attribute(m, "BatchNormalization", "epsilon"), ONNX_ATTRIBUTE_FLOAT);
}
static void strides_int(Net *m)
{
    Onnx__AttributeProto *a = attribute(m, "Conv", "strides");
    retype(a, ONNX_ATTRIBUTE_INT);
    a->n_ints = 0;
    a->has_i = 1;
    a->i = 1;
}
static void strides_unknown(Net *m) { retype(attribute(m, "Conv", "strides"), 77); }

/* Every node of a kind. */
static void each(Net *m, const char *op, void (*change)(Onnx__NodeProto *n))
{
    for (size_t i = 0; i < m->graph->n_node; i++)
        if (strcmp(m->graph->node[i]->op_type, op) == 0) change(m->graph->node[i]);
}
static void stride_0(Onnx__NodeProto *n)
{
    for (size_t i = 0; i < n->n_attribute; i++)
        if (strcmp(n->attribute[i]->name, "strides") == 0) n->attribute[i]->ints[0] = 0;
}
static void trans_a(Onnx__NodeProto *n)
{
    for (size_t i = 0; i < n->n_attribute; i++)
        if (strcmp(n->attribute[i]->name, "transB") == 0) n->attribute[i]->name = "transA";
}
/* Of attributes, nodes behind one another, and one that is refused for its place. */
static void values_several(Net *m)
{
    each(m, "Conv", stride_0);
    each(m, "MaxPool", stride_0);
    each(m, "Gemm", trans_a);
    node(m, "Relu")->op_type = "LSTM";
}
/* Of constants, nodes beside one another: the two convolutions that read one value. */
static void constants_beside(Net *m)
{
    int spoilt = 0;
    for (size_t i = 0; i < m->graph->n_node && spoilt == 0; i++)
        for (size_t k = i + 1; k < m->graph->n_node && spoilt == 0; k++) {
            const Onnx__NodeProto *a = m->graph->node[i], *b = m->graph->node[k];
            if (strcmp(a->op_type, "Conv") != 0 || strcmp(b->op_type, "Conv") != 0) continue;
            if (strcmp(a->input[0], b->input[0]) != 0) continue;
            set_float(initializer(m, a->input[1]), 0, NAN);
            set_float(initializer(m, b->input[1]), 0, NAN);
            spoilt = 2;
        }
    ck_assert_int_eq(spoilt, 2);
}

typedef struct {
    const char *file;
    void (*spoil)(Net *m);
    const char *words; /* of the sentence */
} Refused;

static const Refused refused[] = {
    {"torch_lenet", op_lstm, "node \"/MaxPool\" (op LSTM): no layer computes it; must be one of: Conv, "},
    {"torch_lenet", op_foreign, "(op MaxPool): of domain \"com.microsoft\"; must be"},
    {"torch_lenet", op_several, "6 nodes that no layer computes: 3 Elu (\"/Relu\", \"/Relu_1\", \"/Relu_2\"), "},
    {"torch_lenet", op_several, "1 LSTM (\"/MaxPool\")"},
    {"torch_lenet", op_several, "1 Flatten with \"axes\" (\"/Flatten\")"},
    {"torch_lenet", op_several, "1 com.microsoft.Gemm (\""},
    {"torch_lenet", op_steep, "(op HardSigmoid): alpha: 0.2, beta: 0.5; must be 1/6 and 0.5, as of hard_sigmoid"},
    {"torch_lenet", op_wide, "(op Cast): to: 0; must be 1 (float) of an activation, or 6 (int32) of codes"},
    {"torch_resnet", op_uses,
     "7 nodes that no layer computes: 5 Floor of an activation (\"/Relu\", \"/layer1/Relu\", \"/layer1/Relu_1\", ...), "
     "2 Div of two activations (\"/layer1/Add\", \"/layer2/Add\"); "},
    {"torch_lenet", values_several,
     "6 nodes that no layer computes: 2 Conv: strides: 0 (\"/conv1/Conv\", \"/conv2/Conv\"), 1 LSTM (\"/Relu\"), "},
    {"torch_lenet", values_several, "1 MaxPool: strides: 0 (\"/MaxPool\"), "},
    {"torch_lenet", values_several, " Gemm: transA: 1 (\"/"},
    {"torch_resnet", constants_beside, "2 nodes that no layer computes: 2 Conv: a constant holds nan (\"/"},
    {"torch_lenet", attribute_unknown, "(op MaxPool): attribute \"steps\"; must be one of: auto_pad"},
    {"torch_lenet", name_dangling, "(op Relu): reads \"nowhere\"; a node before it"},
    {"torch_lenet", name_cycle, "(op Conv): reads \"/Relu_output_0\", which a later node gives"},
    {"torch_lenet", name_twice, "two values named \"/conv1/Conv_output_0\"; names must be unique"},
    {"torch_lenet", name_initializer, "names must be unique"},
    {"torch_lenet", output_missing, "no node gives the output \"nowhere\""},
    {"torch_lenet", output_image, "is not what a layer gives"},
    {"torch_lenet", outputs_none, "1 inputs and 0 outputs; must have"},
    {"torch_lenet", opset_old, "operator set 6; must be 7 or later"},
    {"torch_lenet", opset_none, "operator set 0; must be 7 or later"},
    {"torch_lenet", input_type, "input \"image\": data type 11; must be a tensor of float, int8 or uint8"},
    {"torch_lenet", input_dynamic, "dimension 2 is \"\"; must be"},
    {"torch_lenet", input_huge, "dimension 2 is 1099511627776; must be"},
    {"torch_lenet", input_rank, "1 dimensions; must be"},
    {"torch_lenet", conv_group, "(op Conv): group: 2, weights [3, 1, ...] on 1 channels; must"},
    {"torch_lenet", conv_group_zero, "group: 0"},
    {"torch_lenet", conv_stride, "strides: 0; must be 1 to 127"},
    {"torch_lenet", conv_stride_huge, "strides: 9223372036854775807; must be 1 to 127"},
    {"torch_lenet", conv_pad, "pads: -1; must be 0 to 127"},
    {"torch_lenet", conv_pads, "pads: of 2 numbers; must be of 4"},
    {"torch_lenet", conv_kernel, "kernel of 5 cells beside kernel_shape; must be"},
    {"torch_lenet", conv_one_dimension, "a kernel of 1 dimensions; must be of 2, rows and columns"},
    {"torch_lenet", conv_weights, "tensor \"conv1.weight\""},
    {"torch_lenet", conv_negative, "tensor \"conv1.weight\": a dimension of -3"},
    {"torch_lenet", conv_overflow, "tensor \"conv1.weight\": a dimension of 4611686018427387904"},
    {"torch_lenet", conv_nan, "a constant holds nan; every number must be finite"},
    {"torch_lenet", conv_bias, "a bias of 75 numbers; must be one for each of 3 outputs"},
    {"torch_lenet", gemm_trans, "(op Gemm): weights [12, 48] of rank 2 on rows of 48; must be a matrix that fits"},
    {"torch_lenet", gemm_input, "(op Gemm): input 0: 4 dimensions; must be [N, K]"},
    {"torch_lenet", flatten_axis, "(op Flatten): axis: 2; must be 1"},
    {"torch_lenet", pool_ceil, "(op MaxPool): pads: top 2, bottom 0"},
    {"keras_cnn", keras_auto_pad, "auto_pad: \"SAME\"; must be NOTSET, SAME_UPPER, SAME_LOWER or VALID"},
    {"keras_cnn", keras_perm, "(op Transpose): perm; must be a permutation of 4 dimensions"},
    {"shuffle", shuffle_perm, "(op Transpose): perm: of channels in 3 groups; must exchange the groups and what is"},
    {"keras_cnn", keras_layout, "(op Conv): group: 1, weights [4, 3, ...] on 12 channels"},
    {"keras_cnn", keras_clip, "(op Clip): min: 0, max: 5; must be"},
    {"keras_cnn", keras_softmax, "(op Softmax): axis: -1; must be that of the classes"},
    {"keras_cnn", keras_reshape, "tensor \"c2\": 16 bytes of data; its shape and type require 8"},
    {"old_style", old_pad_mode, "(op Pad): mode: \"reflect\"; must be constant"},
    {"old_style", old_pad_channels, "(op Pad): pads: dimension 1; must be of rows and columns only"},
    {"old_style", old_pad_value, "(op Pad): value: 1; must be 0"},
    {"old_style", old_mean, "(op ReduceMean): axes: not all of rows and columns, or channels too; must be"},
    {"old_style", old_variance, "variance[1]: -1; must be 0 or more"},
    {"keras_concat", concat_axis, "(op Concat): axis: 1, input 0: not the channels of maps of one size; must be"},
    {"qdq_uint8", q_scale, "scale: 0; must be finite and above 0"},
    {"qdq_uint8", q_other_scale, "of codes made with 0.00392156886, -128; must be the same"},
    {"qdq_uint8", q_codes_alone, "weights in float beside quantized activations; must be int8 behind DequantizeLinear"},
    {"qdq_uint8", q_not_quantized, "(op Add): input 0: is not quantized; in a model with integers QuantizeLinear"},
    {"qdq_uint8", q_codes_added, "(op Add): input 0: is int8 or uint8; DequantizeLinear must stand before it"},
    {"qdq_uint8", q_missing, "must be 1 to 1 inputs"},
    {"torch_resnet_bn", epsilon_int, "(op BatchNormalization): attribute \"epsilon\": INT; must be FLOAT"},
    {"torch_resnet_bn", epsilon_disguised, "(op BatchNormalization): attribute \"epsilon\": INT; must be FLOAT"},
    {"torch_lenet", strides_int, "(op Conv): attribute \"strides\": INT; must be INTS"},
    {"torch_lenet", strides_unknown, "(op Conv): attribute \"strides\": of type 77; must be INTS"},
    {"qdq_uint8", q_weight_zero, "weights with zero point 3; must be symmetric"},
};

static Net *read_net(const char *name)
{
    size_t bytes;
    Net *net;
    const unsigned char *data = read_case(name, &bytes);
    ck_assert_int_eq(onnx_parse(arena, data, bytes, "m.onnx", &net), STATUS_OK);
    return net;
}

static Status import_net(const Net *net)
{
    const size_t length = onnx__model_proto__get_packed_size(net);
    uint8_t *packed = arena_alloc(arena, length);
    onnx__model_proto__pack(net, packed);
    ImportedModel m = {0};
    const Status status = import_onnx_bytes(arena, packed, length, "m.onnx", &m);
    cJSON_Delete(m.model);
    return status;
}

START_TEST(what_no_layer_computes)
{
    int wrong = 0;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        arena = arena_create();
        const Refused *r = &refused[i];
        Net *net = read_net(r->file);
        r->spoil(net);
        const Status status = import_net(net);
        const char *said = status == STATUS_OK ? "(taken)" : status_message();
        const bool right = status != STATUS_OK && strstr(said, r->words) != NULL && strncmp(said, "m.onnx: ", 8) == 0;
        if (!right || strchr(said, ';') == NULL)
            wrong++, fprintf(stderr, "%s: \"%s\" is not in: %s\n", r->file, r->words, said);
        arena_destroy(arena);
    }
    ck_assert_int_eq(wrong, 0);
}
END_TEST

/* Every attribute of every file here, each of another type. */
START_TEST(every_attribute_has_its_type)
{
    static const char *const files[] = {"keras_cnn",   "keras_mobile", "new_style",       "old_style", "qdq_int8",
                                        "torch_lenet", "torch_pads",   "torch_resnet_bn", NULL};
    long tried = 0;
    for (int f = 0; files[f] != NULL; f++) {
        arena = arena_create();
        const Net *net = read_net(files[f]);
        for (size_t i = 0; i < net->graph->n_node; i++)
            for (size_t k = 0; k < net->graph->node[i]->n_attribute; k++) {
                Onnx__AttributeProto *a = net->graph->node[i]->attribute[k];
                const Onnx__AttributeProto good = *a;
                const bool number = good.type == ONNX_ATTRIBUTE_INT;
                retype(a, number ? ONNX_ATTRIBUTE_FLOAT : ONNX_ATTRIBUTE_INT);
                a->has_i = !number, a->has_f = number, a->has_s = 0;
                a->n_ints = a->n_floats = 0;
                const Status status = import_net(net);
                *a = good;
                const char *words = arena_printf(arena, "(op %s): attribute \"%s\": %s; must be ",
                                                 net->graph->node[i]->op_type, a->name, number ? "FLOAT" : "INT");
                ck_assert_msg(status == STATUS_FORMAT && strstr(status_message(), words) != NULL, "%s: %s, not: %s",
                              files[f], status == STATUS_OK ? "(taken)" : status_message(), words);
                tried++;
            }
        arena_destroy(arena);
    }
    ck_assert_int_gt(tried, 100);
}
END_TEST

TEST_MAIN("import_onnx_bad", every_attribute_has_its_type, every_beginning_of_a_file, every_byte_changed,
          what_no_layer_computes)
