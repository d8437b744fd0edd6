#include <string.h>

#include "deploy/tflite/flatbuffer.h"
#include "deploy/tflite/tflite_model.h"
#include "deploy/tflite/tflite_schema.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof(a)[0]))

/* Which buffer holds tensor t's bytes: 0, the empty one, for what is computed; constants count from 1. */
static int *number_buffers(Arena *arena, const TfliteModel *m, int *buffers)
{
    int *of = ARENA_ARRAY(arena, int, m->tensors);
    *buffers = 1;
    for (int t = 0; t < m->tensors; t++) of[t] = m->tensor[t].data == NULL ? 0 : (*buffers)++;
    return of;
}

static size_t write_words(FlatWriter *w, int n, const int32_t *word)
{
    return flat_vector(w, (size_t)n, sizeof *word, sizeof *word, word);
}

/* ---- operators --------------------------------------------------------------------------------------------------- */

/* The operator codes in use, each pair of operator and version once, in order of appearance. */
typedef struct {
    int n, *of; /* of[operator]: its entry */
    const TfliteOperator **entry;
} Codes;

static Codes number_codes(Arena *arena, const TfliteModel *m)
{
    Codes c = {.of = ARENA_ARRAY(arena, int, m->operators),
               .entry = ARENA_ARRAY(arena, const TfliteOperator *, m->operators)};
    for (int i = 0; i < m->operators; i++) {
        const TfliteOperator *o = &m->node[i];
        int k = 0;
        while (k < c.n && (c.entry[k]->op != o->op || c.entry[k]->version != o->version)) k++;
        if (k == c.n) c.entry[c.n++] = o;
        c.of[i] = k;
    }
    return c;
}

static size_t write_codes(FlatWriter *w, const Codes *c)
{
    const size_t list = flat_references(w, (size_t)c->n);
    for (int i = 0; i < c->n; i++) {
        const int code = c->entry[i]->op->code;
        const FlatField fields[] = {FLAT_BYTE(CODE_OLD, code < CODE_OLD_LIMIT ? code : CODE_OLD_LIMIT),
                                    FLAT_WORD(CODE_VERSION, c->entry[i]->version), FLAT_WORD(CODE_NEW, code)};
        flat_link_element(w, list, (size_t)i, flat_table(w, COUNT(fields), fields));
    }
    return list;
}

static size_t write_options(FlatWriter *w, const TfliteOperator *o)
{
    FlatField field[TFLITE_MAX_OPTIONS];
    int n = 0;
    for (int i = 0; i < TFLITE_MAX_OPTIONS; i++) {
        const TfliteOption *type = &o->op->option[i];
        if (type->bytes > 0 && o->option[i] != type->absent)
            field[n++] = (FlatField){.id = i, .bytes = type->bytes, .value = o->option[i]};
    }
    return flat_table(w, n, field);
}

static size_t write_operators(FlatWriter *w, const TfliteModel *m, const Codes *codes)
{
    const size_t list = flat_references(w, (size_t)m->operators);
    for (int i = 0; i < m->operators; i++) {
        const TfliteOperator *o = &m->node[i];
        const bool options = o->op->options_type != 0;
        const FlatField fields[] = {
            FLAT_WORD(OPERATOR_CODE, codes->of[i]), FLAT_REFERENCE(OPERATOR_INPUTS), FLAT_REFERENCE(OPERATOR_OUTPUTS),
            FLAT_BYTE(OPERATOR_OPTIONS_TYPE, o->op->options_type), FLAT_REFERENCE(OPERATOR_OPTIONS)};
        const size_t at = flat_table(w, COUNT(fields) - (options ? 0 : 2), fields);
        flat_link_element(w, list, (size_t)i, at);
        flat_link(w, at, OPERATOR_INPUTS, write_words(w, o->inputs, o->input));
        flat_link(w, at, OPERATOR_OUTPUTS, write_words(w, o->outputs, o->output));
        if (options) flat_link(w, at, OPERATOR_OPTIONS, write_options(w, o));
    }
    return list;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static size_t write_quantization(FlatWriter *w, const TfliteTensor *t)
{
    const FlatField fields[] = {FLAT_REFERENCE(QUANTIZATION_SCALE), FLAT_REFERENCE(QUANTIZATION_ZERO_POINT),
                                FLAT_WORD(QUANTIZATION_AXIS, t->axis)};
    const size_t at = flat_table(w, COUNT(fields), fields);
    flat_link(w, at, QUANTIZATION_SCALE,
              flat_vector(w, (size_t)t->scales, sizeof *t->scale, sizeof *t->scale, t->scale));
    flat_link(w, at, QUANTIZATION_ZERO_POINT,
              flat_vector(w, (size_t)t->zero_points, sizeof *t->zero_point, sizeof *t->zero_point, t->zero_point));
    return at;
}

static size_t write_tensors(FlatWriter *w, const TfliteModel *m, const int *buffer_of)
{
    const size_t list = flat_references(w, (size_t)m->tensors);
    for (int i = 0; i < m->tensors; i++) {
        const TfliteTensor *t = &m->tensor[i];
        FlatField field[TENSOR_SIGNATURE + 1] = {FLAT_REFERENCE(TENSOR_SHAPE), FLAT_BYTE(TENSOR_TYPE, t->type),
                                                 FLAT_WORD(TENSOR_BUFFER, buffer_of[i]), FLAT_REFERENCE(TENSOR_NAME)};
        int fields = TENSOR_NAME + 1;
        if (t->scales > 0) field[fields++] = FLAT_REFERENCE(TENSOR_QUANTIZATION);
        if (t->signature_rank > 0) field[fields++] = FLAT_REFERENCE(TENSOR_SIGNATURE);
        const size_t at = flat_table(w, fields, field);
        flat_link_element(w, list, (size_t)i, at);
        flat_link(w, at, TENSOR_SHAPE, write_words(w, t->rank, t->shape));
        flat_link(w, at, TENSOR_NAME, flat_string(w, t->name));
        if (t->scales > 0) flat_link(w, at, TENSOR_QUANTIZATION, write_quantization(w, t));
        if (t->signature_rank > 0) flat_link(w, at, TENSOR_SIGNATURE, write_words(w, t->signature_rank, t->signature));
    }
    return list;
}

static void write_buffer(FlatWriter *w, size_t list, int index, const void *data, size_t bytes)
{
    const FlatField field = FLAT_REFERENCE(BUFFER_DATA);
    const size_t at = flat_table(w, data == NULL ? 0 : 1, &field);
    flat_link_element(w, list, (size_t)index, at);
    if (data != NULL) flat_link(w, at, BUFFER_DATA, flat_vector(w, bytes, 1, TFLITE_BUFFER_ALIGN, data));
}

/* The empty one, the constants', the metadata's. */
static size_t write_buffers(FlatWriter *w, const TfliteModel *m, const int *buffer_of, int buffers)
{
    const bool metadata = m->metadata_name != NULL;
    const size_t count = (size_t)buffers + (metadata ? 1 : 0), list = flat_references(w, count);
    write_buffer(w, list, 0, NULL, 0);
    for (int t = 0; t < m->tensors; t++)
        if (buffer_of[t] > 0) write_buffer(w, list, buffer_of[t], m->tensor[t].data, m->tensor[t].data_bytes);
    if (metadata) write_buffer(w, list, buffers, m->metadata, m->metadata_bytes);
    return list;
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

static size_t write_subgraph(FlatWriter *w, const TfliteModel *m, const Codes *codes, const int *buffer_of)
{
    const FlatField fields[] = {FLAT_REFERENCE(SUBGRAPH_TENSORS), FLAT_REFERENCE(SUBGRAPH_INPUTS),
                                FLAT_REFERENCE(SUBGRAPH_OUTPUTS), FLAT_REFERENCE(SUBGRAPH_OPERATORS),
                                FLAT_REFERENCE(SUBGRAPH_NAME)};
    const size_t list = flat_references(w, 1), at = flat_table(w, COUNT(fields), fields);
    flat_link_element(w, list, 0, at);
    flat_link(w, at, SUBGRAPH_INPUTS, write_words(w, m->inputs, m->input));
    flat_link(w, at, SUBGRAPH_OUTPUTS, write_words(w, m->outputs, m->output));
    flat_link(w, at, SUBGRAPH_NAME, flat_string(w, "main"));
    flat_link(w, at, SUBGRAPH_TENSORS, write_tensors(w, m, buffer_of));
    flat_link(w, at, SUBGRAPH_OPERATORS, write_operators(w, m, codes));
    return list;
}

static size_t write_names(FlatWriter *w, int n, const TfliteName *name)
{
    const size_t list = flat_references(w, (size_t)n);
    for (int i = 0; i < n; i++) {
        const FlatField fields[] = {FLAT_REFERENCE(NAME_TEXT), FLAT_WORD(NAME_TENSOR, name[i].tensor)};
        const size_t at = flat_table(w, COUNT(fields), fields);
        flat_link_element(w, list, (size_t)i, at);
        flat_link(w, at, NAME_TEXT, flat_string(w, name[i].name));
    }
    return list;
}

static size_t write_signature(FlatWriter *w, const TfliteModel *m)
{
    const FlatField fields[] = {FLAT_REFERENCE(SIGNATURE_INPUTS), FLAT_REFERENCE(SIGNATURE_OUTPUTS),
                                FLAT_REFERENCE(SIGNATURE_KEY)};
    const size_t list = flat_references(w, 1), at = flat_table(w, COUNT(fields), fields);
    flat_link_element(w, list, 0, at);
    flat_link(w, at, SIGNATURE_KEY, flat_string(w, m->signature_key));
    flat_link(w, at, SIGNATURE_INPUTS, write_names(w, m->input_names, m->input_name));
    flat_link(w, at, SIGNATURE_OUTPUTS, write_names(w, m->output_names, m->output_name));
    return list;
}

static size_t write_metadata(FlatWriter *w, const TfliteModel *m, int buffer)
{
    const FlatField fields[] = {FLAT_REFERENCE(METADATA_NAME), FLAT_WORD(METADATA_BUFFER, buffer)};
    const size_t list = flat_references(w, 1), at = flat_table(w, COUNT(fields), fields);
    flat_link_element(w, list, 0, at);
    flat_link(w, at, METADATA_NAME, flat_string(w, m->metadata_name));
    return list;
}

unsigned char *tflite_write(Arena *arena, const TfliteModel *m, size_t *bytes)
{
    int buffers;
    const int *buffer_of = number_buffers(arena, m, &buffers);
    const Codes codes = number_codes(arena, m);
    FlatField field[MODEL_SIGNATURES + 1] = {FLAT_WORD(MODEL_VERSION, TFLITE_VERSION), FLAT_REFERENCE(MODEL_CODES),
                                             FLAT_REFERENCE(MODEL_SUBGRAPHS), FLAT_REFERENCE(MODEL_DESCRIPTION),
                                             FLAT_REFERENCE(MODEL_BUFFERS)};
    int fields = MODEL_BUFFERS + 1;
    if (m->metadata_name != NULL) field[fields++] = FLAT_REFERENCE(MODEL_METADATA);
    if (m->signature_key != NULL) field[fields++] = FLAT_REFERENCE(MODEL_SIGNATURES);

    FlatWriter w = flat_writer(arena, TFLITE_IDENTIFIER);
    const size_t model = flat_table(&w, fields, field);
    flat_set_root(&w, model);
    flat_link(&w, model, MODEL_DESCRIPTION, flat_string(&w, m->description));
    flat_link(&w, model, MODEL_CODES, write_codes(&w, &codes));
    flat_link(&w, model, MODEL_SUBGRAPHS, write_subgraph(&w, m, &codes, buffer_of));
    if (m->signature_key != NULL) flat_link(&w, model, MODEL_SIGNATURES, write_signature(&w, m));
    if (m->metadata_name != NULL) flat_link(&w, model, MODEL_METADATA, write_metadata(&w, m, buffers));
    flat_link(&w, model, MODEL_BUFFERS, write_buffers(&w, m, buffer_of, buffers));
    *bytes = w.bytes;
    return w.data;
}
