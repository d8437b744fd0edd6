/* safetensors: round trips, the exact bytes, damage of every kind, files that lie. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "tests/support/suite.h"

static char dir[64], path[128];

static Arena *begin(void)
{
    strcpy(dir, "/tmp/bitfold_safe_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/x.safetensors", dir);
    return arena_create();
}

static void end(Arena *a)
{
    unlink(path);
    ck_assert_int_eq(rmdir(dir), 0); /* fails if a temporary was left */
    arena_destroy(a);
}

static const float f32[6] = {1.5f, -2, 3, 0, 1e-30f, -0.0f};
static const int8_t i8[3] = {-128, 0, 127};
static const int64_t i64[2] = {-1, INT64_MAX};
static const double f64[1] = {0.1};
static const uint8_t u8[5] = {0, 1, 2, 254, 255};
static const int32_t i32[1] = {INT32_MIN};
static const uint64_t u64[1] = {UINT64_MAX};

static Status write_sample(Arena *a)
{
    SafeWriter *w = safe_writer(a);
    safe_add_metadata(w, "graph", "{\"a\": [1]}\n\\ \x01 \xc3\xa4\xf0\x9f\x98\x80");
    safe_add(w, "codes", ST_I8, 1, (const int64_t[]){3}, i8);
    safe_add(w, "conv1.weight", ST_F32, 2, (const int64_t[]){2, 3}, f32);
    safe_add(w, "step", ST_I64, 1, (const int64_t[]){2}, i64);
    safe_add(w, "empty", ST_F32, 2, (const int64_t[]){0, 7}, NULL);
    safe_add_metadata(w, "", "");
    safe_add(w, "scalar \"x\"", ST_F64, 0, NULL, f64);
    safe_add(w, "bytes", ST_U8, 1, (const int64_t[]){5}, u8);
    safe_add(w, "bias", ST_I32, 8, (const int64_t[]){1, 1, 1, 1, 1, 1, 1, 1}, i32);
    safe_add(w, "seed", ST_U64, 1, (const int64_t[]){1}, u64);
    return safe_write(w, path);
}

START_TEST(safe_round_trip)
{
    Arena *a = begin();
    ck_assert_msg(write_sample(a) == STATUS_OK, "%s", status_message());
    SafeFile f;
    ck_assert_msg(safe_read(a, path, true, &f) == STATUS_OK, "%s", status_message());

    static const char *const order[] = {"step",  "scalar \"x\"", "seed",  "conv1.weight",
                                        "empty", "bias",         "codes", "bytes"};
    ck_assert_int_eq(f.n, 8);
    for (int i = 0; i < f.n; i++) {
        ck_assert_str_eq(f.tensor[i].name, order[i]);
        ck_assert_uint_eq((uintptr_t)f.tensor[i].data % safe_type_bytes(f.tensor[i].type), 0);
    }
    const struct {
        const char *name;
        SafeType type;
        int rank;
        int64_t dim[ST_MAX_RANK];
        const void *data;
        size_t bytes;
    } wants[] = {
        {"codes", ST_I8, 1, {3}, i8, sizeof i8},
        {"conv1.weight", ST_F32, 2, {2, -1}, f32, sizeof f32},
        {"step", ST_I64, 1, {2}, i64, sizeof i64},
        {"empty", ST_F32, 2, {0, 7}, NULL, 0},
        {"scalar \"x\"", ST_F64, 0, {0}, f64, sizeof f64},
        {"bytes", ST_U8, 1, {-1}, u8, sizeof u8},
        {"bias", ST_I32, 8, {1, 1, 1, 1, 1, 1, 1, 1}, i32, sizeof i32},
        {"seed", ST_U64, 1, {1}, u64, sizeof u64},
    };
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
        const SafeTensor *t;
        ck_assert_msg(safe_expect(&f, wants[i].name, wants[i].type, wants[i].rank, wants[i].dim, &t) == STATUS_OK, "%s",
                      status_message());
        ck_assert_uint_eq(t->bytes, wants[i].bytes);
        if (t->bytes > 0) ck_assert_mem_eq(t->data, wants[i].data, t->bytes);
    }
    ck_assert_int_eq(f.n_metadata, 3);
    ck_assert_str_eq(f.key[0], "crc32");
    ck_assert_str_eq(safe_metadata(&f, "graph"), "{\"a\": [1]}\n\\ \x01 \xc3\xa4\xf0\x9f\x98\x80");
    ck_assert_str_eq(safe_metadata(&f, ""), "");
    ck_assert_ptr_null(safe_metadata(&f, "Graph"));
    ck_assert_ptr_null(safe_find(&f, "conv1"));

    const SafeTensor *t;
    ck_assert_int_eq(safe_expect(&f, "conv1.weight", ST_F32, 2, (const int64_t[]){2, 4}, &t), STATUS_FORMAT);
    ck_assert_ptr_null(t);
    ck_assert_str_eq(status_message(),
                     arena_printf(a, "%s: tensor \"conv1.weight\": F32 [2,3]; must be F32 [2,4]", path));
    ck_assert_int_eq(safe_expect(&f, "conv1.weight", ST_I8, 1, (const int64_t[]){-1}, &t), STATUS_FORMAT);
    ck_assert_ptr_nonnull(strstr(status_message(), "F32 [2,3]; must be I8 [any]"));
    ck_assert_int_eq(safe_expect(&f, "none", ST_I8, 0, NULL, &t), STATUS_FORMAT);
    ck_assert_ptr_nonnull(strstr(status_message(), "tensor \"none\": missing; must be I8 []"));
    end(a);
}
END_TEST

START_TEST(safe_bytes_are_these)
{
    Arena *a = begin();
    SafeWriter *w = safe_writer(a);
    safe_add_metadata(w, "k", "v");
    safe_add(w, "b", ST_U8, 1, (const int64_t[]){2}, "\x07\x08");
    safe_add(w, "a", ST_F32, 2, (const int64_t[]){1, 1}, f32);
    ck_assert_int_eq(safe_write(w, path), STATUS_OK);
    unsigned char *data, *again;
    size_t n, n_again;
    ck_assert_int_eq(file_read(a, path, 10000, &data, &n), STATUS_OK);
    static const char head[] = "{\"__metadata__\":{\"crc32\":\"",
                      rest[] = "\",\"k\":\"v\"},\"a\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]},"
                               "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[4,6]}}";
    const size_t json = sizeof head - 1 + 8 + sizeof rest - 1, padded = (json + 7) / 8 * 8;
    ck_assert_uint_eq(n, 8 + padded + 6);
    ck_assert_uint_eq(data[0] + 256u * data[1], padded);
    for (int i = 2; i < 8; i++) ck_assert_uint_eq(data[i], 0);
    ck_assert_mem_eq(data + 8, head, sizeof head - 1);
    ck_assert_mem_eq(data + 8 + sizeof head - 1 + 8, rest, sizeof rest - 1);
    for (size_t i = json; i < padded; i++) ck_assert_int_eq(data[8 + i], ' ');
    ck_assert_mem_eq(data + 8 + padded, "\0\0\xc0\x3f\x07\x08", 6);

    char digits[9] = "";
    memcpy(digits, data + 8 + sizeof head - 1, 8);
    memset(data + 8 + sizeof head - 1, '0', 8);
    ck_assert_uint_eq(strtoul(digits, NULL, 16), crc32(0, data, (uInt)n));

    /* Equal content, equal bytes; writing twice from one writer too. */
    ck_assert_int_eq(write_sample(a), STATUS_OK);
    ck_assert_int_eq(file_read(a, path, 10000, &data, &n), STATUS_OK);
    ck_assert_int_eq(write_sample(a), STATUS_OK);
    ck_assert_int_eq(file_read(a, path, 10000, &again, &n_again), STATUS_OK);
    ck_assert_uint_eq(n, n_again);
    ck_assert_mem_eq(data, again, n);
    ck_assert_int_eq(safe_write(w, path), STATUS_OK);
    SafeFile f;
    ck_assert_int_eq(safe_read(a, path, true, &f), STATUS_OK);
    ck_assert_str_eq(safe_metadata(&f, "crc32"), digits);
    /* An empty file is a file. */
    ck_assert_int_eq(safe_write(safe_writer(a), path), STATUS_OK);
    ck_assert_int_eq(safe_read(a, path, true, &f), STATUS_OK);
    ck_assert_int_eq(f.n, 0);
    end(a);
}
END_TEST

START_TEST(safe_every_flip_and_truncation_is_seen)
{
    Arena *a = begin();
    ck_assert_int_eq(write_sample(a), STATUS_OK);
    unsigned char *good;
    size_t n;
    ck_assert_int_eq(file_read(a, path, 100000, &good, &n), STATUS_OK);
    unsigned char *bad = arena_alloc(a, n + 1);
    Arena *step = arena_create();
    SafeFile f;
    for (size_t i = 0; i < n; i++) {
        memcpy(bad, good, n);
        bad[i] ^= (unsigned char)(1 << i % 8);
        FILE *out = fopen(path, "wb"); /* not file_write: no fsync per byte */
        ck_assert_uint_eq(fwrite(bad, 1, n, out), n);
        fclose(out);
        ck_assert_msg(safe_read(step, path, true, &f) == STATUS_FORMAT, "bit %zu of byte %zu", i % 8, i);
        ck_assert_ptr_nonnull(strstr(status_message(), path));
        arena_reset(step);
    }
    for (size_t length = 0; length < n; length++) {
        FILE *out = fopen(path, "wb");
        ck_assert_uint_eq(fwrite(good, 1, length, out), length);
        fclose(out);
        ck_assert_msg(safe_read(step, path, true, &f) == STATUS_FORMAT, "%zu of %zu bytes", length, n);
        arena_reset(step);
    }
    FILE *out = fopen(path, "wb");
    memcpy(bad, good, n);
    bad[n] = 0;
    fwrite(bad, 1, n + 1, out);
    fclose(out);
    ck_assert_int_eq(safe_read(step, path, true, &f), STATUS_FORMAT);
    ck_assert_ptr_nonnull(strstr(status_message(), "the file is damaged"));
    arena_destroy(step);
    end(a);
}
END_TEST

/* A file without CRC: this header, then `data` bytes. */
static Status read_raw(Arena *a, const char *header, size_t header_bytes, size_t data, SafeFile *f)
{
    FILE *out = fopen(path, "wb");
    for (int i = 0; i < 8; i++) fputc((int)((uint64_t)header_bytes >> 8 * i & 255), out);
    fwrite(header, 1, header_bytes, out);
    for (size_t i = 0; i < data; i++) fputc((int)(i & 255), out);
    fclose(out);
    return safe_read(a, path, false, f);
}

#define T(name, type, shape, offsets)                                                                                  \
    "\"" name "\":{\"dtype\":" type ",\"shape\":" shape ",\"data_offsets\":" offsets "}"
static const struct {
    const char *header;
    size_t data;
    const char *words;
} lies[] = {
    {"", 0, "no safetensors header"},
    {" {}", 0, "no safetensors header; it must begin with '{'"},
    {"[]", 0, "no safetensors header"},
    {"{", 0, "header:1:2: the text ends"},
    {"{}x", 0, "header:1:3: unexpected 'x'"},
    {"{}", 1, "1 bytes of data; the tensors must cover them and end at 0"},
    {"{" T("a", "\"U8\"", "[1]", "[0,1]") "," T("a", "\"U8\"", "[1]", "[1,2]") "}", 2, "duplicate key \"a\""},
    {"{\"a\":1}", 0, "tensor \"a\": 1; must be an object of dtype, shape and data_offsets"},
    {"{\"a\":{}}", 0, "tensor \"a\": dtype missing"},
    {"{\"a\":{\"dtype\":\"U8\"}}", 0, "tensor \"a\": shape missing"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[]}}", 1, "tensor \"a\": data_offsets missing"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1],\"x\":1}}", 1, "must be an object of dtype, shape"},
    {"{" T("a", "\"C64\"", "[1]", "[0,2]") "}", 2, "tensor \"a\": dtype \"C64\"; must be one of: U8, I8"},
    {"{" T("a", "7", "[1]", "[0,2]") "}", 2, "tensor \"a\": dtype 7; must be one of"},
    {"{" T("a\\u001b", "\"u8\"", "[1]", "[0,1]") "}", 1, "tensor \"a\\u001b\": dtype \"u8\""},
    {"{" T("a", "\"U8\"", "3", "[0,3]") "}", 3, "tensor \"a\": shape 3; must be a list of at most 8 lengths"},
    {"{" T("a", "\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", 1, "must be a list of at most 8"},
    {"{" T("a", "\"U8\"", "[-1]", "[0,1]") "}", 1, "shape [-1]; lengths must be integers, 0 to 2^53"},
    {"{" T("a", "\"U8\"", "[1.5]", "[0,1]") "}", 1, "shape [1.5]; lengths must be integers"},
    {"{" T("a", "\"U8\"", "[\"1\"]", "[0,1]") "}", 1, "lengths must be integers"},
    {"{" T("a", "\"U8\"", "[1e300]", "[0,1]") "}", 1, "lengths must be integers, 0 to 2^53"},
    {"{" T("a", "\"F32\"", "[4294967296,4294967296]", "[0,0]") "}", 0, "its bytes must fit 64 bits"},
    {"{" T("a", "\"F64\"", "[9007199254740992,256]", "[0,0]") "}", 0, "its bytes must fit 64 bits"},
    {"{" T("a", "\"F32\"", "[2]", "[0,4]") "}", 4, "data_offsets [0,4]; type and shape need 8 bytes"},
    {"{" T("a", "\"F32\"", "[1]", "[0,8]") "}", 8, "data_offsets [0,8]; type and shape need 4 bytes"},
    {"{" T("a", "\"F32\"", "[1]", "[0,4]") "}", 3, "data_offsets [0,4]; must be [begin, end] within the 3 bytes"},
    {"{" T("a", "\"F32\"", "[1]", "[4,0]") "}", 4, "data_offsets [4,0]; must be [begin, end]"},
    {"{" T("a", "\"F32\"", "[1]", "[-4,0]") "}", 4, "must be [begin, end]"},
    {"{" T("a", "\"F32\"", "[1]", "[0.5,4.5]") "}", 8, "must be [begin, end]"},
    {"{" T("a", "\"F32\"", "[1]", "[0,4,8]") "}", 8, "must be [begin, end]"},
    {"{" T("a", "\"F32\"", "[1]", "[0]") "}", 8, "must be [begin, end]"},
    {"{" T("a", "\"F32\"", "[1]", "4") "}", 8, "data_offsets 4; must be [begin, end]"},
    {"{" T("a", "\"F32\"", "[1]", "[9007199254740988,9007199254740992]") "}", 4, "within the 4 bytes of data"},
    {"{" T("a", "\"F32\"", "[1]", "[0,4]") "}", 8, "8 bytes of data; the tensors must cover them and end at 4"},
    {"{" T("a", "\"F32\"", "[1]", "[4,8]") "}", 8, "tensor \"a\": begins at byte 4 of the data; must begin at 0"},
    {"{" T("a", "\"U8\"", "[2]", "[0,2]") "," T("b", "\"U8\"", "[2]", "[3,5]") "}", 5,
     "tensor \"b\": begins at byte 3 of the data; must begin at 2"},
    {"{" T("b", "\"U8\"", "[2]", "[1,3]") "," T("a", "\"U8\"", "[2]", "[0,2]") "}", 3,
     "tensor \"b\": begins at byte 1 of the data; must begin at 2"},
    {"{" T("a", "\"U8\"", "[2]", "[0,2]") "," T("b", "\"U8\"", "[2]", "[0,2]") "}", 2,
     "begins at byte 0 of the data; must begin at 2"},
    {"{\"__metadata__\":[]}", 0, "__metadata__ []; must be an object of strings"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "__metadata__ \"k\": 1; must be a string"},
    {"{\"__metadata__\":{\"k\":\"\",\"crc32\":\"00000000\"}}", 0, "crc32 \"00000000\" is not at the head"},
    {"{\"__metadata__\":{\"crc32\":\"00000000\"}}", 0, "the file is damaged"},
    {"{\"__metadata__\":{\"crc32\":\"", 0, "header:1:26: string without an end"},
};

START_TEST(safe_refuses_lies)
{
    Arena *a = begin();
    SafeFile f;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        ck_assert_msg(read_raw(a, lies[i].header, strlen(lies[i].header), lies[i].data, &f) == STATUS_FORMAT,
                      "accepted: %s", lies[i].header);
        ck_assert_msg(strstr(status_message(), lies[i].words) != NULL && strstr(status_message(), path) != NULL,
                      "%s: \"%s\" lacks \"%s\"", lies[i].header, status_message(), lies[i].words);
    }
    static const uint64_t lengths[] = {
        3, 9, 100, (uint64_t)64 << 20, ((uint64_t)64 << 20) + 1, UINT64_MAX, (uint64_t)1 << 63};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        unsigned char bytes[10] = {[8] = '{', [9] = '}'};
        memcpy(bytes, &lengths[i], 8);
        ck_assert_int_eq(file_write(a, path, bytes, sizeof bytes), STATUS_OK);
        ck_assert_int_eq(safe_read(a, path, false, &f), STATUS_FORMAT);
        const bool absurd = lengths[i] > (uint64_t)64 << 20; /* and beyond the file, as all of them are */
        ck_assert_ptr_nonnull(strstr(status_message(), absurd ? "like a .safetensors file" : "header length"));
    }
    ck_assert_int_lt(arena_peak_bytes(a), 1 << 20);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(safe_read(a, path, false, &f), STATUS_IO);
    end(a);
}
END_TEST

/* Files of other writers: no CRC, no metadata, any order of the header, data where its type may not stand. */
START_TEST(safe_reads_others)
{
    Arena *a = begin();
    SafeFile f;
    static const char header[] = "{" T("c", "\"F32\"", "[1]", "[3,7]") "," T("e", "\"F32\"", "[0]", "[3,3]") "," T(
        "a", "\"U8\"", "[3]", "[0,3]") "}\n ";
    ck_assert_msg(read_raw(a, header, strlen(header), 7, &f) == STATUS_OK, "%s", status_message());
    ck_assert_int_eq(f.n, 3);
    ck_assert_int_eq(f.n_metadata, 0);
    const SafeTensor *c;
    ck_assert_int_eq(safe_expect(&f, "c", ST_F32, 1, (const int64_t[]){1}, &c), STATUS_OK);
    ck_assert_uint_eq((uintptr_t)c->data % 4, 0);
    ck_assert_mem_eq(c->data, "\3\4\5\6", 4);
    ck_assert_int_eq(safe_read(a, path, true, &f), STATUS_FORMAT);
    ck_assert_ptr_nonnull(strstr(status_message(), "no CRC-32 at the head"));
    end(a);
}
END_TEST

START_TEST(safe_write_is_whole_or_absent)
{
    Arena *a = begin();
    ck_assert_int_eq(write_sample(a), STATUS_OK);
    unsigned char *before, *after;
    size_t n, n_after;
    ck_assert_int_eq(file_read(a, path, 100000, &before, &n), STATUS_OK);
    static const double big[100000];
    SafeWriter *w = safe_writer(a);
    safe_add(w, "big", ST_F64, 1, (const int64_t[]){100000}, big);

    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old;
    getrlimit(RLIMIT_FSIZE, &old);
    for (rlim_t limit = 0; limit <= 100000; limit = 10 * limit + 10) {
        const struct rlimit small = {.rlim_cur = limit, .rlim_max = old.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
        const Status status = safe_write(w, path);
        setrlimit(RLIMIT_FSIZE, &old);
        ck_assert_int_eq(status, STATUS_IO);
        ck_assert_str_eq(status_message(), arena_printf(a, "%s: cannot write: File too large", path));
        ck_assert_int_eq(file_read(a, path, 100000, &after, &n_after), STATUS_OK);
        ck_assert_uint_eq(n_after, n);
        ck_assert_mem_eq(before, after, n);
    }
    ck_assert_int_eq(safe_write(w, arena_printf(a, "%s/none/x", dir)), STATUS_IO);
    ck_assert_ptr_nonnull(strstr(status_message(), "/none/x: cannot create"));
    ck_assert_int_eq(safe_write(w, path), STATUS_OK);
    SafeFile f;
    ck_assert_int_eq(safe_read(a, path, true, &f), STATUS_OK);
    ck_assert_uint_eq(f.tensor[0].bytes, sizeof big);
    end(a);
}
END_TEST

/* A large file whose header is wrong, or promises less than there is, costs no more than the header. */
START_TEST(safe_reads_the_header_first)
{
    const char *headers[] = {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "{\"a\":1}", "{]"};
    const size_t file_bytes = (size_t)64 << 20;
    for (int i = 0; i < 3; i++) {
        Arena *a = begin(), *step = arena_create();
        uint8_t start[8] = {(uint8_t)strlen(headers[i])};
        FILE *out = fopen(path, "wb");
        ck_assert_uint_eq(fwrite(start, 1, 8, out), 8);
        ck_assert_uint_eq(fwrite(headers[i], 1, start[0], out), start[0]);
        fclose(out);
        ck_assert_int_eq(truncate(path, (off_t)file_bytes), 0);
        SafeFile f;
        ck_assert_int_eq(safe_read(step, path, false, &f), STATUS_FORMAT);
        ck_assert_ptr_nonnull(strstr(status_message(), path));
        ck_assert_uint_lt(arena_peak_bytes(step), 1 << 20);
        arena_destroy(step);
        end(a);
    }
}
END_TEST

TEST_MAIN("safetensors", safe_round_trip, safe_bytes_are_these, safe_every_flip_and_truncation_is_seen,
          safe_refuses_lies, safe_reads_the_header_first, safe_reads_others, safe_write_is_whole_or_absent)
