/* ONNX files: what is written is read; sizes that disagree, paths that lead elsewhere and bytes that are anything are
 * refused within the stated memory. */
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "deploy/onnx/onnx_build.h"
#include "deploy/onnx/onnx_tensor.h"
#include "tests/support/data_files.h"
#include "tests/support/scratch.h"
#include "tests/support/suite.h"

static Arena *arena;

static void must(Status status) { ck_assert_msg(status == STATUS_OK, "%s", status_message()); }

static void refused(Status status, Status want, const char *words)
{
    ck_assert_msg(status == want, "status %d, %s; should say: %s", status, status_message(), words);
    ck_assert_msg(strstr(status_message(), words) != NULL, "says: %s\nshould say: %s", status_message(), words);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static const Onnx__ModelProto *small_model_built(void)
{
    static const float weights[6] = {1, 2, 3, 4, 5, 6}, epsilon = 0.5f;
    OnnxBuilder *b = onnx_builder(arena, "net");
    onnx_input(b, "x", ONNX_FLOAT, 2, (const int[]){0, 3});
    const char *const in[2] = {"x", onnx_constant(b, "w", ONNX_FLOAT, 2, (const int64_t[]){2, 3}, weights)};
    onnx_node(b, "Gemm", "dense", 2, in, "y");
    onnx_int(b, "transB", 1);
    onnx_ints(b, "pads", 4, (const int[]){0, -1, 2, 300});
    onnx_float(b, "alpha", 0.25f);
    onnx_scalar(b, "e", ONNX_FLOAT, &epsilon);
    onnx_output(b, "y", ONNX_FLOAT, 2, (const int[]){0, 2});
    onnx_property(b, "mean", "[0.5]");
    const Onnx__ModelProto *m;
    must(onnx_finish(b, &m));
    return m;
}

static size_t pack(const Onnx__ModelProto *m, unsigned char **bytes)
{
    *bytes = arena_alloc(arena, protobuf_c_message_get_packed_size(&m->base));
    return protobuf_c_message_pack(&m->base, *bytes);
}

START_TEST(written_and_read)
{
    arena = arena_create();
    const char *folder = scratch_folder(arena), *path = file_join(arena, folder, "m.onnx");
    must(onnx_write(arena, small_model_built(), path));
    Onnx__ModelProto *m;
    must(onnx_read(arena, path, &m));
    ck_assert_str_eq(m->producer_name, "bitfold");
    ck_assert_int_eq(onnx_opset(m), ONNX_BUILD_OPSET);
    ck_assert_str_eq(onnx_metadata(m, "mean"), "[0.5]");
    const Onnx__NodeProto *n = m->graph->node[0];
    ck_assert_str_eq(n->op_type, "Gemm");
    ck_assert_int_eq(onnx_attribute_int(n, "transB", 0), 1);
    ck_assert_int_eq(onnx_attribute_int(n, "transA", 7), 7);
    ck_assert(onnx_attribute_float(n, "alpha", 1.0f) == 0.25f);
    ck_assert_str_eq(onnx_attribute_string(arena, n, "alpha", "none"), "none");
    ck_assert_int_eq((int)onnx_attribute(n, "pads")->n_ints, 4);
    ck_assert_int_eq(onnx_attribute(n, "pads")->ints[1], -1);
    OnnxTensor w;
    must(onnx_tensor_read(arena, m->graph->initializer[0], ".", &w));
    ck_assert(w.rank == 2 && w.count == 6 && ((const float *)w.data)[5] == 6.0f);
    /* Read and written again: the same bytes. */
    unsigned char *a, *b;
    const size_t length = pack(small_model_built(), &a);
    ck_assert_uint_eq(pack(m, &b), length);
    ck_assert_mem_eq(a, b, length);
    unlink(path);
    rmdir(folder);
    arena_destroy(arena);
}
END_TEST

START_TEST(two_values_of_one_name)
{
    arena = arena_create();
    OnnxBuilder *b = onnx_builder(arena, "net");
    onnx_input(b, "x", ONNX_FLOAT, 2, (const int[]){0, 3});
    onnx_node(b, "Relu", "r", 1, (const char *const[]){"x"}, "x");
    const Onnx__ModelProto *m;
    refused(onnx_finish(b, &m), STATUS_UNSUPPORTED, "\"x\"");
    arena_destroy(arena);
}
END_TEST

START_TEST(files_that_are_none)
{
    arena = arena_create();
    Onnx__ModelProto *m;
    refused(onnx_read(arena, "/nowhere/m.onnx", &m), STATUS_IO, "/nowhere/m.onnx: cannot open");
    refused(onnx_read(arena, "/tmp", &m), STATUS_IO, "not a regular file");
    refused(onnx_parse(arena, "", 0, "a.onnx", &m), STATUS_FORMAT, "a.onnx: holds no graph");
    refused(onnx_parse(arena, "\x80", 1, "a.onnx", &m), STATUS_FORMAT, "no ONNX model");
    refused(onnx_parse(arena, "{\"a\": 1}", 8, "a.onnx", &m), STATUS_FORMAT, "no ONNX model");
    arena_destroy(arena);
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------------------------------ */

enum { PREFIX = 8 };

static size_t put_varint(unsigned char *to, size_t value)
{
    size_t n = 0;
    for (; value > 127; value >>= 7) to[n++] = (unsigned char)(value | 128);
    to[n++] = (unsigned char)value;
    return n;
}

/* A field of this number and length, whose content is `pattern` again and again. */
static unsigned char *nested(int field, const void *pattern, size_t bytes, size_t times, size_t *length)
{
    unsigned char *out = arena_alloc(arena, PREFIX + bytes * times);
    out[0] = (unsigned char)(field << 3 | 2);
    *length = 1 + put_varint(out + 1, bytes * times);
    for (size_t i = 0; i < times; i++, *length += bytes) memcpy(out + *length, pattern, bytes);
    return out;
}

START_TEST(memory_is_bounded)
{
    static const struct {
        const char *what, *pattern;
        size_t bytes;
    } cases[] = {
        {"empty nodes", "\x0a\x00", 2},        {"empty initializers", "\x2a\x00", 2},
        {"graphs in a graph", "\x3a\x00", 2},  {"names over names", "\x12\x01n", 3},
        {"unknown fields", "\xf8\x07\x01", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t times = 1000; times <= 300000; times *= 300) {
            arena = arena_create();
            size_t length;
            const unsigned char *bytes = nested(7, cases[i].pattern, cases[i].bytes, times, &length);
            Arena *parsed = arena_create();
            Onnx__ModelProto *m;
            const Status status = onnx_parse(parsed, bytes, length, "m.onnx", &m);
            ck_assert_msg(status == STATUS_OK || status == STATUS_NOMEM, "%s: %s", cases[i].what, status_message());
            const size_t bound = ONNX_EXPANSION_BASE_BYTES + ONNX_EXPANSION * length;
            ck_assert_msg(arena_peak_bytes(parsed) <= bound + bound / 2, "%s: %zu bytes", cases[i].what,
                          arena_peak_bytes(parsed));
            if (i == 0 && times > 1000) refused(status, STATUS_NOMEM, "needs more than");
            arena_destroy(parsed);
            arena_destroy(arena);
        }
}
END_TEST

/* Graphs in attributes of nodes of graphs, 200,000 deep: an attribute's graph is a field the parser does not know. */
START_TEST(depth_is_bounded)
{
    arena = arena_create();
    enum { LEVELS = 200000, BYTES = LEVELS * 5 };
    static const unsigned char in_turn[3] = {1 << 3 | 2, 5 << 3 | 2, 6 << 3 | 2}; /* node, attribute, g */
    unsigned char *bytes = arena_alloc(arena, BYTES);
    size_t at = BYTES;
    for (int level = LEVELS - 1; level >= 0; level--) {
        unsigned char head[8] = {level == 0 ? 7 << 3 | 2 : in_turn[(level - 1) % 3]};
        const size_t n = 1 + put_varint(head + 1, BYTES - at);
        at -= n;
        memcpy(bytes + at, head, n);
    }
    Onnx__ModelProto *m;
    must(onnx_parse(arena, bytes + at, BYTES - at, "m.onnx", &m));
    ck_assert_int_eq((int)m->graph->node[0]->n_attribute, 1);
    arena_destroy(arena);
}
END_TEST

/* Every prefix of a file, and files with bytes changed: read or refused, and what is read can be asked. */
START_TEST(damaged_files)
{
    arena = arena_create();
    unsigned char *good;
    const size_t length = pack(small_model_built(), &good);
    Rng rng = rng_make(3, RNG_TEST, 9);
    int read = 0;
    for (size_t i = 0; i < length + 3000; i++) {
        Arena *a = arena_create();
        unsigned char *bytes = memcpy(arena_alloc(a, length), good, length);
        if (i >= length)
            for (int k = 0; k < 3; k++) bytes[rng_below(&rng, (uint32_t)length)] = (unsigned char)rng_below(&rng, 256);
        Onnx__ModelProto *m;
        if (onnx_parse(a, bytes, i < length ? i : length, "m.onnx", &m) == STATUS_OK) {
            read++;
            onnx_opset(m);
            onnx_metadata(m, "mean");
            for (size_t k = 0; k < m->graph->n_initializer; k++) {
                OnnxTensor t;
                if (onnx_tensor_read(a, m->graph->initializer[k], "/nowhere", &t) == STATUS_OK) ck_assert(t.count >= 0);
            }
            for (size_t k = 0; k < m->graph->n_node; k++) onnx_attribute_int(m->graph->node[k], "transB", 0);
        }
        arena_destroy(a);
    }
    ck_assert_int_ge(read, 100);
    arena_destroy(arena);
}
END_TEST

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static Onnx__TensorProto tensor(int32_t type, size_t rank, const int64_t *dim)
{
    Onnx__TensorProto t = ONNX__TENSOR_PROTO__INIT;
    t.name = (char *)(uintptr_t) "t";
    t.data_type = type;
    t.n_dims = rank;
    t.dims = ARENA_ARRAY(arena, int64_t, rank);
    if (rank > 0) memcpy(t.dims, dim, rank * sizeof *dim);
    return t;
}

static Status read_floats(const Onnx__TensorProto *p, OnnxTensor *t, const float **values)
{
    TRY(onnx_tensor_read(arena, p, ".", t));
    return onnx_tensor_floats(arena, t, values);
}

START_TEST(every_type)
{
    arena = arena_create();
    const int64_t dim[1] = {3};
    OnnxTensor t;
    const float *x;
    const int64_t *ints;
    int32_t narrow[3] = {-128, 0, 127}, half[3] = {0x3c00, 0x8001, 0xfc00};
    int64_t wide[3] = {-1, INT64_MAX, 5};
    double doubles[3] = {0.5, -2.0, 1e300};

    Onnx__TensorProto p = tensor(ONNX_INT8, 1, dim);
    p.n_int32_data = 3, p.int32_data = narrow;
    must(read_floats(&p, &t, &x));
    ck_assert(x[0] == -128.0f && x[2] == 127.0f && ((const int8_t *)t.data)[0] == -128);
    p.data_type = ONNX_UINT8;
    refused(onnx_tensor_read(arena, &p, ".", &t), STATUS_FORMAT, "value -128; its type holds 0 to 255");
    p.data_type = ONNX_INT32;
    must(onnx_tensor_read(arena, &p, ".", &t));
    must(onnx_tensor_ints(arena, &t, &ints));
    ck_assert_int_eq(ints[0], -128);

    p = tensor(ONNX_FLOAT16, 1, dim);
    p.n_int32_data = 3, p.int32_data = half;
    must(read_floats(&p, &t, &x));
    ck_assert(x[0] == 1.0f && x[1] == -0x1p-24f && x[2] == -INFINITY);
    refused(onnx_tensor_ints(arena, &t, &ints), STATUS_FORMAT, "holds floats");

    p = tensor(ONNX_INT64, 1, dim);
    p.n_int64_data = 3, p.int64_data = wide;
    must(onnx_tensor_read(arena, &p, ".", &t));
    must(onnx_tensor_ints(arena, &t, &ints));
    ck_assert_int_eq(ints[1], INT64_MAX);

    p = tensor(ONNX_DOUBLE, 1, dim);
    p.n_double_data = 3, p.double_data = doubles;
    must(read_floats(&p, &t, &x));
    ck_assert(x[1] == -2.0f && x[2] == INFINITY);

    p = tensor(ONNX_FLOAT, 0, NULL);
    p.has_raw_data = 1;
    p.raw_data = (ProtobufCBinaryData){4, (uint8_t *)(uintptr_t) "\0\0\x80\x3f"};
    must(read_floats(&p, &t, &x));
    ck_assert(t.rank == 0 && t.count == 1 && x[0] == 1.0f);
    arena_destroy(arena);
}
END_TEST

START_TEST(shapes_and_sizes)
{
    arena = arena_create();
    OnnxTensor t;
    int64_t count;
    static const struct {
        size_t rank;
        int64_t dim[9];
        const char *words;
    } bad[] = {
        {1, {-1}, "a dimension of -1"},
        {2, {1 << 20, 1 << 20}, "too many elements"},
        {4, {INT64_MAX, INT64_MAX, 2, 2}, "must be 0 to"},
        {8, {65536, 65536, 65536, 65536, 65536, 65536, 65536, 0}, "too many elements"},
        {9, {1, 1, 1, 1, 1, 1, 1, 1, 1}, "9 dimensions"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const Onnx__TensorProto p = tensor(ONNX_FLOAT, bad[i].rank, bad[i].dim);
        refused(onnx_tensor_count(&p, &count), STATUS_FORMAT, bad[i].words);
        refused(onnx_tensor_read(arena, &p, ".", &t), STATUS_FORMAT, bad[i].words);
    }
    Onnx__TensorProto p = tensor(ONNX_FLOAT, 2, (const int64_t[]){3, 0});
    must(onnx_tensor_read(arena, &p, ".", &t));
    ck_assert_int_eq(t.count, 0);
    p = tensor(ONNX_FLOAT, 1, (const int64_t[]){2});
    refused(onnx_tensor_read(arena, &p, ".", &t), STATUS_FORMAT, "0 values of data; its shape and type require 2");
    p.has_raw_data = 1;
    p.raw_data = (ProtobufCBinaryData){7, (uint8_t *)(uintptr_t) "1234567"};
    refused(onnx_tensor_read(arena, &p, ".", &t), STATUS_FORMAT, "7 bytes of data; its shape and type require 8");
    p.data_type = 16;
    refused(onnx_tensor_read(arena, &p, ".", &t), STATUS_UNSUPPORTED, "data type 16");
    arena_destroy(arena);
}
END_TEST

/* ---- external data ----------------------------------------------------------------------------------------------- */

static Onnx__TensorProto outside(const char *location, const char *offset, const char *length)
{
    const char *const key[3] = {"location", "offset", "length"}, *const value[3] = {location, offset, length};
    Onnx__TensorProto t = tensor(ONNX_INT8, 1, (const int64_t[]){4});
    t.data_location = ONNX_LOCATION_EXTERNAL;
    t.external_data = ARENA_ARRAY(arena, Onnx__StringStringEntryProto *, 3);
    for (int i = 0; i < 3; i++) {
        if (value[i] == NULL) continue;
        Onnx__StringStringEntryProto *e = ARENA_ARRAY(arena, Onnx__StringStringEntryProto, 1);
        *e = (Onnx__StringStringEntryProto)ONNX__STRING_STRING_ENTRY_PROTO__INIT;
        e->key = arena_strdup(arena, key[i]);
        e->value = arena_strdup(arena, value[i]);
        t.external_data[t.n_external_data++] = e;
    }
    return t;
}

START_TEST(external_data)
{
    arena = arena_create();
    const char *folder = scratch_folder(arena), *path = file_join(arena, folder, "weights.bin");
    must(file_write(arena, path, "abcdefgh", 8));
    ck_assert_int_eq(symlink("/etc/passwd", file_join(arena, folder, "link")), 0);
    OnnxTensor t;
    Onnx__TensorProto p = outside("weights.bin", "2", "4");
    must(onnx_tensor_read(arena, &p, folder, &t));
    ck_assert_mem_eq(t.data, "cdef", 4);
    p = outside("./weights.bin", "4", NULL);
    must(onnx_tensor_read(arena, &p, folder, &t));
    ck_assert_mem_eq(t.data, "efgh", 4);
    static const struct {
        const char *location, *offset, *length, *words;
        Status status;
    } bad[] = {
        {"weights.bin", NULL, NULL, "8 bytes of data", STATUS_FORMAT},
        {"weights.bin", "6", "4", "ends before the data", STATUS_FORMAT},
        {"weights.bin", "9223372036854775807", "4", "ends before the data", STATUS_FORMAT},
        {"weights.bin", "2", "5", "5 bytes of data", STATUS_FORMAT},
        {"weights.bin", "-1", "4", "external offset \"-1\"", STATUS_FORMAT},
        {"weights.bin", "99999999999999999999", "4", "external offset", STATUS_FORMAT},
        {"weights.bin", "1", "4x", "external length \"4x\"", STATUS_FORMAT},
        {"/etc/passwd", NULL, NULL, "must be a file below the folder", STATUS_FORMAT},
        {"../weights.bin", NULL, NULL, "must be a file below the folder", STATUS_FORMAT},
        {"a/../../weights.bin", NULL, NULL, "must be a file below the folder", STATUS_FORMAT},
        {"link", NULL, NULL, "external data: \"link\"; must be a file below the folder", STATUS_FORMAT},
        {"..", NULL, NULL, "must be a file below the folder", STATUS_FORMAT},
        {"", NULL, NULL, "must be a file below the folder", STATUS_FORMAT},
        {NULL, NULL, NULL, "must be a file below the folder", STATUS_FORMAT},
        {"absent.bin", NULL, NULL, "cannot open", STATUS_IO},
        {".", NULL, NULL, "is not a regular file", STATUS_IO},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        p = outside(bad[i].location, bad[i].offset, bad[i].length);
        refused(onnx_tensor_read(arena, &p, folder, &t), bad[i].status, bad[i].words);
    }
    folder_remove(folder);
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("onnx file", written_and_read, two_values_of_one_name, files_that_are_none, memory_is_bounded,
          depth_is_bounded, damaged_files, every_type, shapes_and_sizes, external_data)
