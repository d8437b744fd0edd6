/* ONNX messages changed field by field, by their descriptors: whatever comes out is well formed, and mostly wrong. */
#include <stdlib.h>
#include <string.h>

#include "deploy/onnx/onnx_tensor.h"
#include "tests/fuzz/fuzz.h"

enum { MOST_MESSAGES = 2048 };
#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static char *const ops[] = {"Conv",
                            "Gemm",
                            "MatMul",
                            "BatchNormalization",
                            "Relu",
                            "Clip",
                            "Add",
                            "Sub",
                            "Mul",
                            "Div",
                            "Concat",
                            "MaxPool",
                            "AveragePool",
                            "GlobalAveragePool",
                            "GlobalMaxPool",
                            "ReduceMean",
                            "Pad",
                            "Softmax",
                            "Identity",
                            "Dropout",
                            "Cast",
                            "Transpose",
                            "Flatten",
                            "Reshape",
                            "Squeeze",
                            "Unsqueeze",
                            "QuantizeLinear",
                            "DequantizeLinear",
                            "Constant",
                            "Shape",
                            "Gather",
                            "Slice",
                            "ConstantOfShape"};
static char *const keys[] = {"axis",         "axes",     "perm",     "pads",      "strides",  "dilations",
                             "kernel_shape", "group",    "auto_pad", "ceil_mode", "keepdims", "alpha",
                             "transB",       "value",    "shape",    "min",       "max",      "to",
                             "epsilon",      "location", "offset",   "length"};
static char *const odd_words[] = {"", "input", "output", "../x", "NOTSET", "SAME_UPPER"};

typedef struct {
    Arena *arena;
    Rng *rng;
    FuzzBytes *change;
    int n;
    ProtobufCMessage *message[MOST_MESSAGES]; /* all of the file */
} Change;

static void *take(void *arena, size_t bytes) { return arena_alloc(arena, bytes); }
static void give_back(void *arena, void *block) { (void)arena, (void)block; }

static uint32_t pick(Change *c, size_t n) { return rng_below(c->rng, (uint32_t)n); }

static void *member(ProtobufCMessage *m, unsigned offset) { return (uint8_t *)m + offset; }

static void collect(Change *c, ProtobufCMessage *m)
{
    if (m == NULL || c->n == MOST_MESSAGES) return;
    c->message[c->n++] = m;
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        if (f->type != PROTOBUF_C_TYPE_MESSAGE) continue;
        void *at = member(m, f->offset);
        if (f->label != PROTOBUF_C_LABEL_REPEATED) {
            collect(c, *(ProtobufCMessage **)at);
            continue;
        }
        const size_t n = *(size_t *)member(m, f->quantifier_offset);
        for (size_t k = 0; k < n; k++) collect(c, (*(ProtobufCMessage ***)at)[k]);
    }
}

static int64_t odd_integer(Change *c, int64_t now)
{
    static const int64_t odd[] = {0,     1,       2,         3,         4,         5,         7,         8,
                                  13,    16,      -1,        -2,        127,       128,       255,       65535,
                                  65536, 1 << 24, INT32_MAX, INT32_MIN, 1ll << 32, 1ll << 40, INT64_MAX, INT64_MIN};
    switch (pick(c, 4)) {
    case 0:
        return (int64_t)((uint64_t)now + 1);
    case 1:
        return (int64_t)((uint64_t)now - 1);
    default:
        return odd[pick(c, COUNT(odd))];
    }
}

static float odd_float(Change *c, float now)
{
    static const float odd[] = {0.0f, -0.0f, 1.0f, -1.0f, 6.0f, 1e-40f, 1e-8f, 0.5f, 1e30f, 3e38f};
    switch (pick(c, 4)) {
    case 0:
        return now * 2.0f;
    case 1:
        return (float)strtod(pick(c, 2) == 0 ? "nan" : "inf", NULL);
    default:
        return odd[pick(c, COUNT(odd))];
    }
}

/* A string that stands somewhere in the file, mostly of the same kind. */
static char *other_string(Change *c, const ProtobufCMessageDescriptor *kind)
{
    const uint32_t choice = pick(c, 8);
    if (choice == 0) return odd_words[pick(c, COUNT(odd_words))];
    if (choice < 3 && kind == &onnx__node_proto__descriptor) return ops[pick(c, COUNT(ops))];
    if (choice < 4 && kind != &onnx__node_proto__descriptor) return keys[pick(c, COUNT(keys))];
    for (int tries = 0; tries < 8; tries++) {
        ProtobufCMessage *m = c->message[pick(c, (size_t)c->n)];
        if (tries < 6 && m->descriptor != kind) continue;
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[pick(c, m->descriptor->n_fields)];
        if (f->type != PROTOBUF_C_TYPE_STRING) continue;
        void *at = member(m, f->offset);
        if (f->label != PROTOBUF_C_LABEL_REPEATED && *(char **)at != NULL) return *(char **)at;
        const size_t n = f->label == PROTOBUF_C_LABEL_REPEATED ? *(size_t *)member(m, f->quantifier_offset) : 0;
        if (n > 0) return (*(char ***)at)[pick(c, n)];
    }
    return odd_words[0];
}

static void change_bytes(Change *c, ProtobufCBinaryData *b)
{
    const size_t room = b->len + 64;
    uint8_t *copy = arena_alloc(c->arena, room);
    if (b->len > 0) memcpy(copy, b->data, b->len);
    const size_t now = pick(c, 8) == 0 ? pick(c, room) : c->change(copy, b->len, pick(c, 2) == 0 ? room : b->len + 1);
    if (now > b->len) memset(copy + b->len, 0, now - b->len);
    *b = (ProtobufCBinaryData){now, copy};
}

static size_t element_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_FLOAT:
        return 4;
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 8; /* 64-bit numbers and pointers */
    }
}

static void change_value(Change *c, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, void *at)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
        *(int32_t *)at = (int32_t)odd_integer(c, *(int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        *(float *)at = odd_float(c, *(float *)at);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)at = (double)odd_float(c, 1.0f);
        break;
    case PROTOBUF_C_TYPE_STRING:
        *(char **)at = other_string(c, m->descriptor);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        change_bytes(c, at);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        for (int tries = 0; tries < 8; tries++) { /* another one of its kind */
            ProtobufCMessage *other = c->message[pick(c, (size_t)c->n)];
            if ((const void *)other->descriptor == f->descriptor) *(ProtobufCMessage **)at = other;
        }
        break;
    default:
        *(int64_t *)at = odd_integer(c, *(int64_t *)at);
    }
}

static void change_list(Change *c, ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    size_t *n = member(m, f->quantifier_offset);
    uint8_t **list = member(m, f->offset);
    const size_t each = element_bytes(f->type);
    if (*n == 0 && (f->type == PROTOBUF_C_TYPE_MESSAGE || f->type == PROTOBUF_C_TYPE_BYTES)) return;
    uint8_t *copy = arena_zalloc(c->arena, (*n + 1) * each);
    if (*n > 0) memcpy(copy, *list, *n * each);
    const size_t i = *n > 0 ? pick(c, *n) : 0, j = *n > 0 ? pick(c, *n) : 0;
    const uint32_t choice = *n == 0 ? 0 : pick(c, 6);
    if (choice == 0) { /* one more */
        if (*n > 0)
            memcpy(copy + *n * each, copy + i * each, each);
        else
            change_value(c, m, f, copy);
        ++*n;
    } else if (choice == 1) {
        memmove(copy + i * each, copy + (i + 1) * each, (*n - 1 - i) * each);
        --*n;
    } else if (choice == 2) {
        uint8_t one[sizeof(ProtobufCBinaryData)];
        memcpy(one, copy + i * each, each);
        memcpy(copy + i * each, copy + j * each, each);
        memcpy(copy + j * each, one, each);
    } else
        change_value(c, m, f, copy + i * each);
    *list = copy;
}

static void change_one(Change *c)
{
    ProtobufCMessage *m = c->message[pick(c, (size_t)c->n)];
    const ProtobufCFieldDescriptor *f = &m->descriptor->fields[pick(c, m->descriptor->n_fields)];
    const bool pointer = f->type == PROTOBUF_C_TYPE_MESSAGE || f->type == PROTOBUF_C_TYPE_STRING;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        change_list(c, m, f);
    } else if (pointer && pick(c, 8) == 0) {
        *(void **)member(m, f->offset) = NULL;
    } else {
        if (!pointer) *(protobuf_c_boolean *)member(m, f->quantifier_offset) = pick(c, 8) > 0;
        change_value(c, m, f, member(m, f->offset));
    }
}

static Onnx__StringStringEntryProto *pair(Change *c, char *key, char *value)
{
    Onnx__StringStringEntryProto *p = arena_alloc(c->arena, sizeof *p);
    onnx__string_string_entry_proto__init(p);
    p->key = key, p->value = value;
    return p;
}

/* The tensor's data are in the model's own file now: somewhere in it, as many as there were or about that. */
static void put_outside(Change *c, Onnx__TensorProto *t, size_t file_bytes)
{
    const size_t bytes = t->has_raw_data ? t->raw_data.len : 4 * (size_t)pick(c, 9);
    t->has_raw_data = 0, t->has_data_location = 1, t->data_location = ONNX_LOCATION_EXTERNAL;
    t->external_data = ARENA_ARRAY(c->arena, Onnx__StringStringEntryProto *, 3);
    t->external_data[0] = pair(c, "location", pick(c, 8) == 0 ? "m.onnx/../m.onnx" : FUZZ_ONNX_FILE);
    t->external_data[1] = pair(c, "offset", arena_printf(c->arena, "%u", pick(c, file_bytes + 1)));
    t->external_data[2] = pair(c, "length", arena_printf(c->arena, "%zu", bytes + (pick(c, 8) == 0)));
    t->n_external_data = 1 + pick(c, 3);
    if (pick(c, 2) == 0) t->n_external_data = 3;
}

/* As many raw bytes as shape and type say, where that is not far from what there is. */
static void fit_tensor(Change *c, Onnx__TensorProto *t)
{
    int64_t count;
    if (!t->has_raw_data || onnx_tensor_count(t, &count) != STATUS_OK) return;
    const size_t bytes = (size_t)count * onnx_type_bytes(t->data_type), old = t->raw_data.len;
    if (bytes == old || bytes > 8 * old + 64) return;
    uint8_t *copy = arena_zalloc(c->arena, bytes + 1);
    for (size_t i = 0; i < bytes && old > 0; i++) copy[i] = t->raw_data.data[i % old];
    t->raw_data = (ProtobufCBinaryData){bytes, copy};
}

/* A node, as another one is or with another operator, between a value and a node that reads it. */
static void put_between(Change *c, Onnx__GraphProto *g)
{
    if (g->n_node == 0) return;
    const size_t at = pick(c, g->n_node), n = g->n_node + 1;
    Onnx__NodeProto *reader = g->node[at], *fresh = arena_alloc(c->arena, sizeof *fresh);
    *fresh = *g->node[pick(c, g->n_node)];
    if (reader->n_input == 0 || fresh->n_input == 0) return;
    if (pick(c, 3) > 0) fresh->op_type = ops[pick(c, COUNT(ops))];
    if (pick(c, 3) == 0) fresh->n_attribute = 0;
    if (pick(c, 2) == 0) fresh->n_input = 1;
    char **input = ARENA_ARRAY(c->arena, char *, fresh->n_input), **output = ARENA_ARRAY(c->arena, char *, 1);
    char **read = ARENA_ARRAY(c->arena, char *, reader->n_input);
    memcpy(input, fresh->input, sizeof *input * fresh->n_input);
    memcpy(read, reader->input, sizeof *read * reader->n_input);
    const size_t k = pick(c, reader->n_input);
    input[0] = read[k];
    read[k] = output[0] = arena_printf(c->arena, "between_%u", pick(c, 1 << 16));
    fresh->input = input, fresh->output = output, fresh->n_output = 1, reader->input = read;
    Onnx__NodeProto **list = ARENA_ARRAY(c->arena, Onnx__NodeProto *, n);
    memcpy(list, g->node, sizeof *list * at);
    memcpy(list + at + 1, g->node + at, sizeof *list * (n - 1 - at));
    list[at] = fresh;
    g->node = list, g->n_node = n;
}

static size_t change_model(Change *c, uint8_t *data, size_t bytes, size_t room)
{
    ProtobufCAllocator allocator = {take, give_back, c->arena};
    ProtobufCMessage *model = protobuf_c_message_unpack(&onnx__model_proto__descriptor, &allocator, bytes, data);
    if (model == NULL) return 0;
    collect(c, model);
    Onnx__GraphProto *g = ((Onnx__ModelProto *)(void *)model)->graph;
    if (g != NULL && pick(c, 4) == 0)
        put_between(c, g);
    else
        for (uint32_t i = 0, changes = pick(c, 4); i <= changes; i++) change_one(c);
    if (g != NULL && g->n_initializer > 0 && pick(c, 16) == 0)
        for (size_t i = pick(c, 8) == 0 ? 0 : pick(c, g->n_initializer); i < g->n_initializer; i++)
            put_outside(c, g->initializer[i], bytes);
    if (pick(c, 4) > 0)
        for (int i = 0; i < c->n; i++)
            if (c->message[i]->descriptor == &onnx__tensor_proto__descriptor)
                fit_tensor(c, (Onnx__TensorProto *)(void *)c->message[i]);
    if (protobuf_c_message_get_packed_size(model) > room) return 0;
    return protobuf_c_message_pack(model, data);
}

size_t fuzz_mutate_onnx(uint8_t *data, size_t bytes, size_t room, Rng *rng, FuzzBytes *change)
{
    if (rng_below(rng, 8) == 0) return change(data, bytes, room);
    Arena *arena = arena_create();
    Change *c = arena_zalloc(arena, sizeof *c);
    c->arena = arena, c->rng = rng, c->change = change;
    const size_t now = change_model(c, data, bytes, room);
    arena_destroy(arena);
    return now > 0 ? now : change(data, bytes, room);
}
