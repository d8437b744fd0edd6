#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "deploy/tflite/flatbuffer.h"
#include "deploy/tflite/tflite_model.h"
#include "deploy/tflite/tflite_schema.h"

enum { MAX_TENSORS = 1 << 16, MAX_SIZE_BYTES = INT32_MAX, MAX_OPERATOR_VERSION = 127 };

typedef struct {
    FlatReader flat; /* first failure sticks, here too */
    Arena *arena;
    TfliteModel *model;
    FlatTable root;
    int buffers, codes;
    FlatVector *buffer;
    struct Code {
        const TfliteOp *op;
        int version;
    } * code;
} Reader;

static bool ok(const Reader *r) { return r->flat.status == STATUS_OK; }

static void fail(Reader *r, Status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void fail(Reader *r, Status status, const char *format, ...)
{
    if (!ok(r)) return;
    char said[256];
    va_list args;
    va_start(args, format);
    vsnprintf(said, sizeof said, format, args);
    va_end(args);
    r->flat.status = status_fail(status, "%s", said);
}

/* A rule of the file; the sentence is "where: given; required". */
#define RULE(r, condition, ...)                                                                                        \
    do {                                                                                                               \
        if (!(condition)) fail(r, STATUS_FORMAT, __VA_ARGS__);                                                         \
    } while (0)

/* Zeroed elements, one for each of a vector of references. */
static void *elements(Reader *r, FlatVector v, size_t each, const char *what, int *count)
{
    *count = 0;
    RULE(r, v.n <= MAX_TENSORS, "%s: %zu of them; at most %d", what, v.n, (int)MAX_TENSORS);
    if (!ok(r)) return NULL;
    void *memory = arena_try_alloc(r->arena, each * v.n);
    if (memory == NULL) {
        r->flat.status = STATUS_NOMEM;
        return NULL;
    }
    memset(memory, 0, each * v.n);
    *count = (int)v.n;
    return memory;
}

/* ---- buffers and operator codes ----------------------------------------------------------------------------------- */

static void read_buffers(Reader *r)
{
    const FlatVector list = flat_get_tables(&r->flat, r->root, MODEL_BUFFERS);
    r->buffer = elements(r, list, sizeof *r->buffer, "buffers", &r->buffers);
    for (int i = 0; i < r->buffers && ok(r); i++) {
        const FlatTable t = flat_element(&r->flat, list, (size_t)i);
        RULE(r, flat_uint64(&r->flat, t, BUFFER_OFFSET, 0) == 0,
             "buffers[%d]: data behind the file's tables; must be inside them", i);
        r->buffer[i] = flat_get_vector(&r->flat, t, BUFFER_DATA, 1);
    }
}

static void read_codes(Reader *r)
{
    const FlatVector list = flat_get_tables(&r->flat, r->root, MODEL_CODES);
    r->code = elements(r, list, sizeof *r->code, "operator codes", &r->codes);
    for (int i = 0; i < r->codes && ok(r); i++) {
        const FlatTable t = flat_element(&r->flat, list, (size_t)i);
        const int old = flat_int8(&r->flat, t, CODE_OLD, 0), new = flat_int32(&r->flat, t, CODE_NEW, 0);
        const int code = old > new ? old : new;
        for (int k = 0; k < TFLITE_OPS; k++)
            if (tflite_ops[k].code == code) r->code[i].op = &tflite_ops[k];
        if (r->code[i].op == NULL)
            fail(r, STATUS_UNSUPPORTED, "operator_codes[%d]: code %d; must be one of those of an integer network", i,
                 code);
        r->code[i].version = flat_int32(&r->flat, t, CODE_VERSION, 1);
        RULE(r, r->code[i].version >= 1 && r->code[i].version <= MAX_OPERATOR_VERSION,
             "operator_codes[%d]: version %d; must be 1 to %d", i, r->code[i].version, (int)MAX_OPERATOR_VERSION);
    }
}

/* ---- tensors ------------------------------------------------------------------------------------------------------ */

static void read_shape(Reader *r, FlatTable table, TfliteTensor *t, int i)
{
    const FlatVector shape = flat_get_vector(&r->flat, table, TENSOR_SHAPE, sizeof(int32_t));
    const FlatVector signature = flat_get_vector(&r->flat, table, TENSOR_SIGNATURE, sizeof(int32_t));
    RULE(r, shape.n <= TFLITE_MAX_RANK, "tensors[%d]: %zu dimensions; at most %d", i, shape.n, (int)TFLITE_MAX_RANK);
    RULE(r, signature.n == 0 || signature.n == shape.n,
         "tensors[%d]: %zu dimensions, %zu in its shape signature; must be as many", i, shape.n, signature.n);
    if (!ok(r)) return;
    t->rank = (int)shape.n, t->shape = shape.data;
    t->signature_rank = (int)signature.n, t->signature = signature.data;
    int64_t bytes = (int64_t)tflite_type_bytes(t->type);
    for (int k = 0; k < t->rank && ok(r); k++) {
        RULE(r, t->shape[k] >= 1 && t->shape[k] <= MAX_SIZE_BYTES / bytes,
             "tensors[%d]: size %d of dimension %d; must be 1 or more, the tensor below 2^31 bytes", i, t->shape[k], k);
        bytes *= ok(r) ? t->shape[k] : 1;
        if (t->signature_rank > 0)
            RULE(r, t->signature[k] == -1 || t->signature[k] == t->shape[k],
                 "tensors[%d]: size %d of dimension %d, %d in its shape signature; must be the same or -1", i,
                 t->shape[k], k, t->signature[k]);
    }
    if (t->type == TFLITE_INT4) bytes = (int64_t)tflite_bytes(TFLITE_INT4, (size_t)bytes);
    if (t->data != NULL)
        RULE(r, t->data_bytes == (size_t)bytes, "tensors[%d]: a constant of %zu bytes; must be %lld", i, t->data_bytes,
             (long long)bytes);
}

static void read_quantization(Reader *r, FlatTable table, TfliteTensor *t, int i)
{
    const FlatTable q = flat_get_table(&r->flat, table, TENSOR_QUANTIZATION);
    const FlatVector scale = flat_get_vector(&r->flat, q, QUANTIZATION_SCALE, sizeof(float));
    const FlatVector zero_point = flat_get_vector(&r->flat, q, QUANTIZATION_ZERO_POINT, sizeof(int64_t));
    const int32_t axis = flat_int32(&r->flat, q, QUANTIZATION_AXIS, 0);
    if (flat_int8(&r->flat, q, QUANTIZATION_DETAILS_TYPE, 0) != 0)
        fail(r, STATUS_UNSUPPORTED, "tensors[%d]: a quantization of its own kind; must be scales and zero points", i);
    RULE(r, axis >= 0 && (axis == 0 || axis < t->rank), "tensors[%d]: quantized along dimension %d of %d; must exist",
         i, axis, t->rank);
    RULE(r, scale.n <= 1 || (ok(r) && axis < t->rank && scale.n == (size_t)t->shape[axis]),
         "tensors[%d]: %zu scales; must be 1, or one for each index of dimension %d", i, scale.n, axis);
    RULE(r, zero_point.n == 0 || zero_point.n == scale.n, "tensors[%d]: %zu scales, %zu zero points; must be as many",
         i, scale.n, zero_point.n);
    if (!ok(r)) return;
    t->scales = (int)scale.n, t->scale = scale.data, t->axis = scale.n > 0 ? axis : 0;
    t->zero_points = (int)zero_point.n, t->zero_point = zero_point.data;
    const int64_t lowest = t->type == TFLITE_INT8 ? INT8_MIN : t->type == TFLITE_UINT8 ? 0 : INT32_MIN;
    const int64_t highest = t->type == TFLITE_INT8 ? INT8_MAX : t->type == TFLITE_UINT8 ? UINT8_MAX : INT32_MAX;
    for (int k = 0; k < t->scales && ok(r); k++)
        RULE(r, isfinite(t->scale[k]) && t->scale[k] > 0.0f, "tensors[%d]: scale %g; must be finite and above 0", i,
             (double)t->scale[k]);
    for (int k = 0; k < t->zero_points && ok(r); k++)
        RULE(r, t->zero_point[k] >= lowest && t->zero_point[k] <= highest,
             "tensors[%d]: zero point %lld; must be one of its type's %lld to %lld", i, (long long)t->zero_point[k],
             (long long)lowest, (long long)highest);
}

static void read_tensor(Reader *r, FlatTable table, int i)
{
    TfliteTensor *t = &r->model->tensor[i];
    const int type = flat_int8(&r->flat, table, TENSOR_TYPE, 0);
    const char *name = flat_get_string(&r->flat, table, TENSOR_NAME);
    const uint32_t buffer = (uint32_t)flat_int32(&r->flat, table, TENSOR_BUFFER, 0);
    t->name = name == NULL ? "" : name, t->type = (TfliteType)type;
    if (tflite_type_bytes(t->type) == 0)
        fail(r, STATUS_UNSUPPORTED,
             "tensors[%d]: type %d; must be float32, float16, int32, uint8, int64, bool, int16, int8 or int4", i, type);
    if (flat_int8(&r->flat, table, TENSOR_VARIABLE, 0) != 0 || flat_int32(&r->flat, table, TENSOR_SPARSITY, 0) != 0 ||
        flat_int32(&r->flat, table, TENSOR_EXTERNAL_BUFFER, 0) != 0)
        fail(r, STATUS_UNSUPPORTED, "tensors[%d]: variable, sparse or in another file; must be plain", i);
    RULE(r, buffer < (uint32_t)r->buffers, "tensors[%d]: buffer %u; must be one of %d", i, buffer, r->buffers);
    if (!ok(r)) return;
    if (r->buffer[buffer].n > 0) t->data = r->buffer[buffer].data, t->data_bytes = r->buffer[buffer].n;
    RULE(r, t->data == NULL || r->buffer[buffer].at % tflite_type_bytes(t->type) == 0,
         "tensors[%d]: a constant at byte %zu; must stand at a multiple of its type's size", i, r->buffer[buffer].at);
    read_shape(r, table, t, i);
    read_quantization(r, table, t, i);
}

/* ---- operators ---------------------------------------------------------------------------------------------------- */

static void check_inputs(Reader *r, const TfliteOperator *o, int i, const bool *made)
{
    for (int k = 0; k < o->inputs && ok(r); k++)
        RULE(r, o->input[k] == -1 || (o->input[k] >= 0 && o->input[k] < r->model->tensors && made[o->input[k]]),
             "operators[%d] %s: input %d is tensor %d; must be a constant, the graph's input or written before", i,
             o->op->name, k, o->input[k]);
    RULE(r, o->inputs >= o->op->min_inputs && o->inputs <= o->op->max_inputs,
         "operators[%d] %s: %d inputs; must be %d to %d", i, o->op->name, o->inputs, o->op->min_inputs,
         o->op->max_inputs);
    for (int k = 0; k < o->op->min_inputs && ok(r); k++)
        RULE(r, o->input[k] != -1, "operators[%d] %s: input %d is left out; must be given", i, o->op->name, k);
}

static void read_options(Reader *r, FlatTable table, TfliteOperator *o, int i)
{
    const int type = flat_int8(&r->flat, table, OPERATOR_OPTIONS_TYPE, 0);
    const FlatTable options = flat_get_table(&r->flat, table, OPERATOR_OPTIONS);
    RULE(r, type == 0 || o->op->options_type == 0 || type == o->op->options_type,
         "operators[%d] %s: options of kind %d; must be %d", i, o->op->name, type, o->op->options_type);
    for (int k = 0; k < TFLITE_MAX_OPTIONS; k++) {
        const TfliteOption *field = &o->op->option[k];
        o->option[k] = field->absent;
        if (type == 0 || type != o->op->options_type || field->bytes == 0) continue;
        o->option[k] = field->bytes == 1 ? flat_int8(&r->flat, options, k, field->absent)
                                         : flat_int32(&r->flat, options, k, field->absent);
    }
}

static void read_operator(Reader *r, FlatTable table, int i, bool *made)
{
    TfliteOperator *o = &r->model->node[i];
    const uint32_t code = (uint32_t)flat_int32(&r->flat, table, OPERATOR_CODE, 0);
    const FlatVector input = flat_get_vector(&r->flat, table, OPERATOR_INPUTS, sizeof(int32_t));
    const FlatVector output = flat_get_vector(&r->flat, table, OPERATOR_OUTPUTS, sizeof(int32_t));
    RULE(r, code < (uint32_t)r->codes, "operators[%d]: operator code %u; must be one of %d", i, code, r->codes);
    RULE(r, input.n <= MAX_TENSORS && output.n == 1, "operators[%d]: %zu inputs, %zu outputs; must be at most %d and 1",
         i, input.n, output.n, (int)MAX_TENSORS);
    if (!ok(r)) return;
    o->op = r->code[code].op, o->version = r->code[code].version;
    o->inputs = (int)input.n, o->input = input.data;
    o->outputs = (int)output.n, o->output = output.data;
    check_inputs(r, o, i, made);
    read_options(r, table, o, i);
    const int32_t y = o->output[0];
    RULE(r, y >= 0 && y < r->model->tensors && !made[y],
         "operators[%d] %s: output tensor %d; must be one that nothing else writes", i, o->op->name, y);
    if (ok(r)) made[y] = true;
}

/* ---- the graph ---------------------------------------------------------------------------------------------------- */

/* The graph's inputs or outputs: tensors that are not constants. */
static const int32_t *read_ends(Reader *r, FlatTable graph, int id, const char *what, int *count)
{
    const FlatVector v = flat_get_vector(&r->flat, graph, id, sizeof(int32_t));
    const int32_t *tensor = v.data;
    RULE(r, v.n >= 1 && v.n <= MAX_TENSORS, "%s: %zu of them; must be 1 to %d", what, v.n, (int)MAX_TENSORS);
    for (size_t i = 0; i < v.n && ok(r); i++)
        RULE(r, tensor[i] >= 0 && tensor[i] < r->model->tensors && r->model->tensor[tensor[i]].data == NULL,
             "%s[%zu]: tensor %d; must be one of %d and no constant", what, i, tensor[i], r->model->tensors);
    *count = ok(r) ? (int)v.n : 0;
    return tensor;
}

static void read_graph(Reader *r)
{
    TfliteModel *m = r->model;
    const FlatVector graphs = flat_get_tables(&r->flat, r->root, MODEL_SUBGRAPHS);
    RULE(r, graphs.n == 1, "subgraphs: %zu of them; must be 1", graphs.n);
    const FlatTable graph = flat_element(&r->flat, graphs, 0);
    const FlatVector tensors = flat_get_tables(&r->flat, graph, SUBGRAPH_TENSORS);
    m->tensor = elements(r, tensors, sizeof *m->tensor, "tensors", &m->tensors);
    for (int i = 0; i < m->tensors && ok(r); i++) read_tensor(r, flat_element(&r->flat, tensors, (size_t)i), i);
    m->input = read_ends(r, graph, SUBGRAPH_INPUTS, "inputs", &m->inputs);
    m->output = read_ends(r, graph, SUBGRAPH_OUTPUTS, "outputs", &m->outputs);

    int marks;
    bool *made = elements(r, tensors, sizeof *made, "tensors", &marks);
    for (int i = 0; i < marks; i++) made[i] = m->tensor[i].data != NULL;
    for (int i = 0; i < m->inputs && ok(r); i++) made[m->input[i]] = true;
    const FlatVector nodes = flat_get_tables(&r->flat, graph, SUBGRAPH_OPERATORS);
    m->node = elements(r, nodes, sizeof *m->node, "operators", &m->operators);
    for (int i = 0; i < m->operators && ok(r); i++) read_operator(r, flat_element(&r->flat, nodes, (size_t)i), i, made);
    for (int i = 0; i < m->outputs && ok(r); i++)
        RULE(r, made[m->output[i]], "outputs[%d]: tensor %d; must be written by an operator", i, m->output[i]);
}

/* ---- names and metadata ------------------------------------------------------------------------------------------- */

static TfliteName *read_names(Reader *r, FlatTable signature, int id, int *count)
{
    const FlatVector list = flat_get_tables(&r->flat, signature, id);
    TfliteName *name = elements(r, list, sizeof *name, "signature", count);
    for (int i = 0; i < *count && ok(r); i++) {
        const FlatTable t = flat_element(&r->flat, list, (size_t)i);
        name[i].name = flat_get_string(&r->flat, t, NAME_TEXT);
        const uint32_t tensor = (uint32_t)flat_int32(&r->flat, t, NAME_TENSOR, 0);
        RULE(r, name[i].name != NULL && tensor < (uint32_t)r->model->tensors,
             "signature: name %d of tensor %u; must be given, the tensor one of %d", i, tensor, r->model->tensors);
        name[i].tensor = (int32_t)tensor;
    }
    return name;
}

static void read_signature(Reader *r)
{
    TfliteModel *m = r->model;
    const FlatVector list = flat_get_tables(&r->flat, r->root, MODEL_SIGNATURES);
    if (list.n == 0) return;
    const FlatTable signature = flat_element(&r->flat, list, 0);
    m->signature_key = flat_get_string(&r->flat, signature, SIGNATURE_KEY);
    RULE(r, m->signature_key != NULL && flat_int32(&r->flat, signature, SIGNATURE_SUBGRAPH, 0) == 0,
         "signature: no key or another subgraph; must have one, of subgraph 0");
    m->input_name = read_names(r, signature, SIGNATURE_INPUTS, &m->input_names);
    m->output_name = read_names(r, signature, SIGNATURE_OUTPUTS, &m->output_names);
}

static void read_metadata(Reader *r)
{
    TfliteModel *m = r->model;
    const FlatVector list = flat_get_tables(&r->flat, r->root, MODEL_METADATA);
    if (list.n == 0) return;
    const FlatTable t = flat_element(&r->flat, list, 0);
    const uint32_t buffer = (uint32_t)flat_int32(&r->flat, t, METADATA_BUFFER, 0);
    m->metadata_name = flat_get_string(&r->flat, t, METADATA_NAME);
    RULE(r, m->metadata_name != NULL && buffer < (uint32_t)r->buffers,
         "metadata: buffer %u, or no name; must have one and be one of %d", buffer, r->buffers);
    if (!ok(r)) return;
    m->metadata = r->buffer[buffer].data, m->metadata_bytes = r->buffer[buffer].n;
}

Status tflite_check(Arena *arena, const void *bytes, size_t size, const char *name, TfliteModel **model)
{
    if (size > MAX_SIZE_BYTES) return status_fail(STATUS_FORMAT, "%s: %zu bytes; must be below 2^31", name, size);
    unsigned char *copy = arena_try_alloc(arena, size);
    *model = arena_try_alloc(arena, sizeof **model);
    if (copy == NULL || *model == NULL) return status_prefix(STATUS_NOMEM, "%s", name);
    if (size > 0) memcpy(copy, bytes, size);
    memset(*model, 0, sizeof **model);
    Reader r = {.flat = flat_reader(copy, size), .arena = arena, .model = *model};
    r.root = flat_root(&r.flat, TFLITE_IDENTIFIER);
    const int version = flat_int32(&r.flat, r.root, MODEL_VERSION, 0);
    RULE(&r, version == TFLITE_VERSION, "version %d; must be %d", version, (int)TFLITE_VERSION);
    const char *description = flat_get_string(&r.flat, r.root, MODEL_DESCRIPTION);
    (*model)->description = description == NULL ? "" : description;
    read_buffers(&r);
    read_codes(&r);
    read_graph(&r);
    read_signature(&r);
    read_metadata(&r);
    return ok(&r) ? STATUS_OK : status_prefix(r.flat.status, "%s", name);
}
