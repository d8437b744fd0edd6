/* The .tflite reader on files that are not what they should be. */
#include <math.h>
#include <string.h>

#include "deploy/tflite/export_tflite.h"
#include "deploy/tflite/flatbuffer.h"
#include "deploy/tflite/tflite_schema.h"
#include "tests/support/suite.h"
#include "tests/support/tflite_graph.h"

static void must(Status status) { ck_assert_msg(status == STATUS_OK, "%s", status_message()); }

static unsigned char *small_file(Arena *arena, size_t *bytes)
{
    TfliteModel *m;
    must(tflite_build(arena, tflite_zoo_graph(arena), &(TfliteOptions){0}, &m));
    return tflite_write(arena, m, bytes);
}

static unsigned long text_sum(const char *text)
{
    unsigned long sum = 0;
    for (; text != NULL && *text != '\0'; text++) sum += (unsigned char)*text;
    return sum;
}

static unsigned long byte_sum(const void *data, size_t bytes)
{
    unsigned long sum = 0;
    for (size_t i = 0; i < bytes; i++) sum += ((const unsigned char *)data)[i];
    return sum;
}

/* Touches everything the model gives access to, by the rules a user of it would rely on. */
static unsigned long walk(const TfliteModel *m)
{
    unsigned long sum = text_sum(m->description) + text_sum(m->signature_key) + text_sum(m->metadata_name);
    sum += byte_sum(m->metadata, m->metadata_bytes);
    for (int i = 0; i < m->tensors; i++) {
        const TfliteTensor *t = &m->tensor[i];
        size_t elements = 1;
        for (int k = 0; k < t->rank; k++) elements *= (size_t)t->shape[k];
        if (t->data != NULL) sum += byte_sum(t->data, tflite_bytes(t->type, elements));
        sum += text_sum(t->name) + byte_sum(t->scale, sizeof(float) * (size_t)t->scales) +
               byte_sum(t->zero_point, sizeof(int64_t) * (size_t)t->zero_points) +
               byte_sum(t->signature, sizeof(int32_t) * (size_t)t->signature_rank);
        if (t->scales > 1) sum += (unsigned long)t->shape[t->axis];
    }
    for (int i = 0; i < m->operators; i++) {
        const TfliteOperator *o = &m->node[i];
        for (int k = 0; k < o->inputs; k++)
            if (o->input[k] >= 0) sum += (unsigned long)m->tensor[o->input[k]].rank;
        sum += (unsigned long)m->tensor[o->output[0]].rank + text_sum(o->op->name);
    }
    for (int i = 0; i < m->inputs; i++) sum += (unsigned long)m->tensor[m->input[i]].rank;
    for (int i = 0; i < m->outputs; i++) sum += (unsigned long)m->tensor[m->output[i]].rank;
    for (int i = 0; i < m->input_names; i++)
        sum += text_sum(m->input_name[i].name) + (unsigned long)m->tensor[m->input_name[i].tensor].rank;
    for (int i = 0; i < m->output_names; i++)
        sum += text_sum(m->output_name[i].name) + (unsigned long)m->tensor[m->output_name[i].tensor].rank;
    return sum;
}

typedef struct {
    long accepted, refused, beyond_bound, bad_sentence;
    unsigned long sum;
} Tally;

/* Read from memory of exactly its size, so that a sanitizer sees the first byte beyond. */
static void try_file(Arena *scratch, const void *data, size_t bytes, Tally *tally)
{
    arena_reset(scratch);
    TfliteModel *m;
    const Status status = tflite_check(scratch, data, bytes, "m.tflite", &m);
    tally->beyond_bound += arena_used_bytes(scratch) > TFLITE_READ_RATIO * bytes + TFLITE_READ_SLACK;
    if (status == STATUS_OK) {
        tally->accepted++;
        tally->sum += walk(m);
    } else {
        tally->refused++;
        tally->bad_sentence +=
            strncmp(status_message(), "m.tflite: ", 10) != 0 || strstr(status_message(), ";") == NULL;
    }
}

static void check_tally(const Tally *t)
{
    ck_assert_int_eq(t->beyond_bound, 0);
    ck_assert_int_eq(t->bad_sentence, 0);
    ck_assert_int_gt(t->refused, 0);
}

START_TEST(every_byte_changed)
{
    Arena *arena = arena_create(), *scratch = arena_create();
    size_t bytes;
    unsigned char *data = small_file(arena, &bytes);
    Tally tally = {0};
    static const unsigned char flips[] = {0x01, 0x04, 0x80, 0xff};
    for (size_t i = 0; i < bytes; i++)
        for (size_t k = 0; k < sizeof flips; k++) {
            data[i] ^= flips[k];
            try_file(scratch, data, bytes, &tally);
            data[i] ^= flips[k];
        }
    check_tally(&tally);
    ck_assert_int_gt(tally.accepted, 0); /* weights may be anything */
    arena_destroy(scratch);
    arena_destroy(arena);
}
END_TEST

START_TEST(every_word_replaced)
{
    Arena *arena = arena_create(), *scratch = arena_create();
    size_t bytes;
    unsigned char *data = small_file(arena, &bytes);
    Tally tally = {0};
    const uint32_t words[] = {0,          1,          0x7fffffff,      0x80000000,
                              0xffffffff, 0xfffffffc, (uint32_t)bytes, (uint32_t)bytes - 4};
    for (size_t i = 0; i + 4 <= bytes; i += 4)
        for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
            uint32_t before;
            memcpy(&before, data + i, 4);
            memcpy(data + i, &words[k], 4);
            try_file(scratch, data, bytes, &tally);
            memcpy(data + i, &before, 4);
        }
    check_tally(&tally);
    arena_destroy(scratch);
    arena_destroy(arena);
}
END_TEST

START_TEST(every_truncation)
{
    Arena *arena = arena_create(), *scratch = arena_create();
    size_t bytes;
    const unsigned char *data = small_file(arena, &bytes);
    Tally tally = {0};
    for (size_t n = 0; n < bytes; n++) try_file(scratch, data, n, &tally);
    check_tally(&tally);
    /* Nothing but the padding behind the last buffer may be missing. */
    ck_assert_int_le(tally.accepted, TFLITE_BUFFER_ALIGN);
    arena_destroy(scratch);
    arena_destroy(arena);
}
END_TEST

/* ---- files that only a hostile writer makes ---------------------------------------------------------------------- */

static const FlatField tensor_fields[] = {FLAT_REFERENCE(TENSOR_SHAPE), FLAT_BYTE(TENSOR_TYPE, TFLITE_INT8),
                                          FLAT_REFERENCE(TENSOR_QUANTIZATION)};

/* A file of `tensors` references to one tensor with `scales` scales. */
static unsigned char *shared_tensor(Arena *arena, size_t tensors, int32_t scales, size_t *bytes)
{
    FlatWriter w = flat_writer(arena, TFLITE_IDENTIFIER);
    const FlatField fields[] = {FLAT_WORD(MODEL_VERSION, TFLITE_VERSION), FLAT_REFERENCE(MODEL_SUBGRAPHS),
                                FLAT_REFERENCE(MODEL_BUFFERS)};
    const FlatField graph_field = FLAT_REFERENCE(SUBGRAPH_TENSORS), scale_field = FLAT_REFERENCE(QUANTIZATION_SCALE);
    const size_t root = flat_table(&w, 3, fields);
    flat_set_root(&w, root);
    const size_t graphs = flat_references(&w, 1), graph = flat_table(&w, 1, &graph_field);
    flat_link(&w, root, MODEL_SUBGRAPHS, graphs);
    flat_link_element(&w, graphs, 0, graph);
    const size_t buffers = flat_references(&w, 1);
    flat_link(&w, root, MODEL_BUFFERS, buffers);
    flat_link_element(&w, buffers, 0, flat_table(&w, 0, NULL));
    const size_t list = flat_references(&w, tensors), tensor = flat_table(&w, 3, tensor_fields);
    flat_link(&w, graph, SUBGRAPH_TENSORS, list);
    for (size_t i = 0; i < tensors; i++) flat_link_element(&w, list, i, tensor);
    flat_link(&w, tensor, TENSOR_SHAPE, flat_vector(&w, 1, 4, 4, &scales));
    const size_t quantization = flat_table(&w, 1, &scale_field);
    flat_link(&w, tensor, TENSOR_QUANTIZATION, quantization);
    float *scale = ARENA_ARRAY(arena, float, scales);
    for (int i = 0; i < scales; i++) scale[i] = 1.0f;
    flat_link(&w, quantization, QUANTIZATION_SCALE, flat_vector(&w, (size_t)scales, 4, 4, scale));
    *bytes = w.bytes;
    return w.data;
}

static void says(const unsigned char *data, size_t bytes, const char *words)
{
    Arena *scratch = arena_create();
    TfliteModel *m;
    ck_assert_msg(tflite_check(scratch, data, bytes, "m.tflite", &m) != STATUS_OK, "accepted; should say: %s", words);
    ck_assert_msg(strstr(status_message(), words) != NULL, "says: %s\nshould say: %s", status_message(), words);
    ck_assert_uint_le(arena_used_bytes(scratch), TFLITE_READ_RATIO * bytes + TFLITE_READ_SLACK);
    arena_destroy(scratch);
}

START_TEST(shared_parts_are_bounded)
{
    Arena *arena = arena_create();
    size_t bytes;
    const unsigned char *data = shared_tensor(arena, 20000, 20000, &bytes);
    says(data, bytes, "again and again");
    data = shared_tensor(arena, 100000, 1, &bytes);
    says(data, bytes, "tensors: 100000 of them; at most 65536");
    data = shared_tensor(arena, 1, 1, &bytes);
    says(data, bytes, "inputs: 0 of them");
    arena_destroy(arena);
}
END_TEST

START_TEST(not_such_a_file)
{
    says((const unsigned char *)"", 0, "byte 0: a header of 8 bytes; must lie within the 0 bytes");
    says((const unsigned char *)"GGUF....GGUF....", 16, "not the identifier TFL3");
    says((const unsigned char *)"\x04\0\0\0TFL3", 8, "must lie within");
    says((const unsigned char *)"\xff\xff\xff\xffTFL3", 8, "byte 4294967295: a table");
}
END_TEST

/* A file may leave out what has a default, and put a constant's bytes where it likes. */
START_TEST(sparse_file_is_read)
{
    Arena *arena = arena_create();
    size_t bytes;
    unsigned char *data = small_file(arena, &bytes), *moved = arena_alloc(arena, bytes + 1);
    memcpy(moved + 1, data, bytes);
    TfliteModel *m, *again;
    must(tflite_check(arena, data, bytes, "m.tflite", &m));
    must(tflite_check(arena, moved + 1, bytes, "m.tflite", &again));
    const char *what;
    ck_assert_msg(tflite_same(m, again, &what), "%s", what);
    m->signature_key = NULL, m->metadata_name = NULL, m->description = "";
    m->input_names = m->output_names = 0, m->metadata = NULL, m->metadata_bytes = 0;
    for (int i = 0; i < m->tensors; i++) {
        if (m->tensor[i].type == TFLITE_INT32 && m->tensor[i].scales > 0) m->tensor[i].zero_points = 0;
        m->tensor[i].signature_rank = 0;
    }
    data = tflite_write(arena, m, &bytes);
    must(tflite_check(arena, data, bytes, "m.tflite", &again));
    ck_assert_msg(tflite_same(m, again, &what), "%s", what);
    again->tensor[0].name = "other";
    ck_assert(!tflite_same(m, again, &what));
    ck_assert_str_eq(what, m->tensor[0].name);
    arena_destroy(arena);
}
END_TEST

/* What the graph says is checked, too. */
START_TEST(wrong_graphs)
{
    static const float infinite = INFINITY;
    static const int64_t outside = 300;
    static const struct {
        int change;
        const char *words;
    } cases[] = {{0, "must be a constant, the graph's input or written before"},
                 {1, "1 inputs; must be 2 to 2"},
                 {2, "must be one that nothing else writes"},
                 {3, "is left out; must be given"},
                 {4, "must be 1, or one for each index of dimension 0"},
                 {5, "scale inf; must be finite"},
                 {6, "zero point 300; must be one of its type's -128 to 127"},
                 {7, "a constant of"},
                 {8, "version 0; must be 1 to 127"},
                 {9, "outputs: 0 of them"},
                 {10, "inputs[0]: tensor 99; must be one of"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Arena *arena = arena_create();
        TfliteModel *m;
        must(tflite_build(arena, tflite_zoo_graph(arena), &(TfliteOptions){0}, &m));
        TfliteOperator *first = &m->node[0], *add = NULL;
        for (int k = 0; k < m->operators; k++)
            if (m->node[k].op == &tflite_ops[TFLITE_ADD]) add = &m->node[k];
        int32_t *input = ARENA_ARRAY(arena, int32_t, 3);
        memcpy(input, first->input, sizeof *input * 3);
        TfliteTensor *x = &m->tensor[input[0]], *w = &m->tensor[input[1]];
        switch (cases[i].change) {
        case 0:
            input[0] = add->output[0], first->input = input;
            break;
        case 1:
            add->inputs = 1;
            break;
        case 2:
            add->output = first->output;
            break;
        case 3:
            input[1] = -1, first->input = input;
            break;
        case 4:
            w->scales = w->zero_points = 3;
            break;
        case 5:
            x->scale = &infinite;
            break;
        case 6:
            x->zero_point = &outside;
            break;
        case 7:
            w->data_bytes--;
            break;
        case 8:
            add->version = 0;
            break;
        case 9:
            m->outputs = 0;
            break;
        case 10:
            input[0] = 99, m->input = input;
            break;
        }
        size_t bytes;
        const unsigned char *data = tflite_write(arena, m, &bytes);
        says(data, bytes, cases[i].words);
        arena_destroy(arena);
    }
}
END_TEST

TEST_MAIN("tflite_read", every_byte_changed, every_word_replaced, every_truncation, shared_parts_are_bounded,
          not_such_a_file, sparse_file_is_read, wrong_graphs)
