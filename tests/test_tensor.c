/* tensor and numbers: single values and tensors on grids and in formats, by hand. */
#include <math.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/format.h"
#include "base/npy.h"
#include "base/safetensors.h"
#include "compress/tensor_scheme.h"
#include "compress/tensor_file.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static void is(float got, float want) { ck_assert_double_eq((double)got, (double)want); }

static void refused_as_usage(const char *command, const char *words)
{
    const Outcome o = program_run(arena, &(Where){.folder = folder}, command);
    ck_assert_int_eq(o.code, 2);
    has(o.err, words);
}

static TensorGrid grid_with(TensorScheme scheme, int bits, int axis, int rank, const int64_t *dim, const float *x)
{
    TensorGrid g;
    must(tensor_grid_make(arena, &(TensorGridConfig){.scheme = scheme, .bits = bits, .axis = axis}, rank, dim, x, &g));
    return g;
}

static TensorGrid grid_of(TensorScheme scheme, int n, const float *x)
{
    return grid_with(scheme, 8, -1, 1, (const int64_t[]){n}, x);
}

/* Weights of a published language model, rounded to 4 digits, with the extremes of the tensor they are of. */
enum { CORNER = 36 };
static const float corner[CORNER + 2] = {
    -.4738f, -.2614f, -.0978f, .0513f,  -.0584f, .0250f,  .0874f,  .1473f,  .2387f, -.0525f, -.0113f,  -.0156f, .0039f,
    .0695f,  .3668f,  .1143f,  .0363f,  -.0318f, -.2592f, -.0164f, .1991f,  .0095f, -.0516f, .0319f,   .1517f,  .2170f,
    .1043f,  .0293f,  -.0429f, -.0475f, -.4100f, -.1924f, -.2400f, -.0046f, .0070f, .0198f,  -2.8437f, 2.7915f};

START_TEST(codes_of_absmax_and_zeropoint)
{
    static const int absmax[CORNER] = {-21, -12, -4, 2, -3, 1, 4, 7,  11, -2, -1, -1, 0,   3,  16,  5, 2, -1,
                                       -12, -1,  9,  0, -2, 1, 7, 10, 5,  1,  -2, -2, -18, -9, -11, 0, 0, 1};
    static const int zeropoint[CORNER] = {-20, -11, -3, 3, -2, 2, 5, 8,  12, -1, 0,  0,  1,   4,  18,  6, 3, 0,
                                          -11, 0,   10, 1, -1, 2, 8, 11, 6,  2,  -1, -1, -18, -8, -10, 1, 1, 2};
    begin();
    const TensorGrid a = grid_of(SCHEME_ABSMAX, CORNER + 2, corner), z = grid_of(SCHEME_ZEROPOINT, CORNER + 2, corner);
    for (int i = 0; i < CORNER; i++) {
        ck_assert_int_eq(a.codes[i], absmax[i]);
        ck_assert_int_eq(z.codes[i], zeropoint[i]);
        is(a.restored[i], (float)absmax[i] / a.factor[0]);
        is(z.restored[i], (float)(zeropoint[i] - 1) / z.factor[0]);
    }
    ck_assert_double_eq_tol((double)a.factor[0], 127.0 / 2.8437, 1e-5);
    ck_assert_double_eq_tol((double)z.factor[0], 255.0 / 5.6352, 1e-5);
    ck_assert_int_eq(z.zero_point[0], 1);
    ck_assert_int_eq(a.qmin, -127);
    ck_assert_int_eq(z.qmin, -128);
    end();
}
END_TEST

/* x / scale is a tie and the zero point odd: who rounds before adding it and who after disagree. */
START_TEST(order_of_rounding_and_shift)
{
    static const float x[] = {-129.0f, 126.0f, 0.5f};
    begin();
    const TensorGrid z = grid_of(SCHEME_ZEROPOINT, 3, x), a = grid_of(SCHEME_AFFINE, 3, x);
    is(z.factor[0], 1.0f);
    is(a.scale[0], 1.0f);
    ck_assert_int_eq(z.zero_point[0], 1);
    ck_assert_int_eq(a.zero_point[0], 1);
    ck_assert_int_eq(z.codes[2], 2);
    ck_assert_int_eq(a.codes[2], 1);
    end();
}
END_TEST

START_TEST(grids_of_known_ranges)
{
    static const float image[] = {-10.0f, 0.0f, 30.0f}, wide[] = {-31.54f, 0.0f, 65.36f};
    begin();
    const TensorGrid a = grid_of(SCHEME_AFFINE, 3, image), s = grid_of(SCHEME_SYMMETRIC, 3, image);
    is(a.scale[0], 40.0f / 255.0f);
    ck_assert_int_eq(a.zero_point[0], -64);
    ck_assert_double_eq_tol((double)a.restored[0], -10.0392, 1e-4);
    is(a.restored[1], 0.0f);
    ck_assert_double_eq_tol((double)a.restored[2], 29.9608, 1e-4);
    is(s.scale[0], 30.0f / 127.0f);
    const TensorGrid w = grid_of(SCHEME_AFFINE, 3, wide), ws = grid_of(SCHEME_SYMMETRIC, 3, wide);
    ck_assert_double_eq_tol((double)w.scale[0], 0.38, 1e-6);
    ck_assert_int_eq(w.zero_point[0], -45);
    ck_assert_double_eq_tol((double)ws.scale[0], 0.5146, 5e-5);
    end();
}
END_TEST

START_TEST(what_is_measured)
{
    static const float x[] = {-3.0f, 0.25f, 1.0f, 3.0f};
    begin();
    const TensorGrid g = grid_with(SCHEME_SYMMETRIC, 3, -1, 1, (const int64_t[]){4}, x);
    static const int8_t codes[] = {-3, 0, 1, 3};
    ck_assert_mem_eq(g.codes, codes, 4);
    ck_assert_double_eq(g.largest_error, 0.25);
    ck_assert_int_eq(g.largest_at, 1);
    ck_assert_double_eq(g.mean_error, 0.25 / 4);
    ck_assert_double_eq_tol(g.sqnr_db, 10 * log10(19.0625 / 0.0625), 1e-9);
    ck_assert_int_eq(g.unused, 3); /* of -3 .. 3: -2, -1 and 2 */
    ck_assert_int_eq(g.count[0], 1);
    ck_assert_int_eq(g.count[3], 1);
    ck_assert(isinf(grid_of(SCHEME_ABSMAX, 1, (const float[]){0.0f}).sqnr_db));
    end();
}
END_TEST

START_TEST(a_grid_for_each_index)
{
    static const float x[2][3][2] = {{{1, -2}, {10, 20}, {100, 127}}, {{0.5f, 1}, {-40, 5}, {3, -254}}};
    static const float largest[] = {2, 40, 254};
    begin();
    const TensorGrid g = grid_with(SCHEME_SYMMETRIC, 8, 1, 3, (const int64_t[]){2, 3, 2}, &x[0][0][0]);
    ck_assert_int_eq(g.grids, 3);
    for (int k = 0; k < 3; k++) is(g.scale[k], largest[k] / 127.0f);
    for (int i = 0; i < 12; i++)
        ck_assert_int_eq(g.codes[i], (int)rint((double)((&x[0][0][0])[i] / g.scale[i / 2 % 3])));
    end();
}
END_TEST

/* Negative to 0, up to 1 to 1, above 1 to 2. */
START_TEST(codes_of_a_codebook)
{
    static const float x[3][3] = {{.1f, .5f, -1.2f}, {-2.1f, 1.5f, .1f}, {-3.1f, 2.1f, .3f}},
                       entry[] = {-0.5f, 0.5f, 1.5f};
    static const int8_t want[] = {1, 1, 0, 0, 2, 1, 0, 2, 1};
    TensorGrid g;
    begin();
    const TensorGridConfig config = {.scheme = SCHEME_CODEBOOK, .axis = -1, .entries = 3, .entry = entry};
    must(tensor_grid_make(arena, &config, 2, (const int64_t[]){3, 3}, x[0], &g));
    ck_assert_mem_eq(g.codes, want, sizeof want);
    for (int i = 0; i < 9; i++) is(g.restored[i], entry[want[i]]);
    ck_assert_int_eq(g.unused, 0);
    must(npy_write(arena, inside("m.npy"), "<f4", 2, (const int64_t[]){3, 3}, x, sizeof x));
    const char *said = program_must(arena, folder, "tensor m.npy --entries -0.5,0.5,1.5");
    has(said, "codebook: entries -0.5 0.5 1.5, codes 0 to 2");
    has(said, "       0     2     1\n");
    refused_as_usage("tensor m.npy --entries 1", "must be 2 to 128 rising numbers");
    refused_as_usage("tensor m.npy --entries 1,0.5", "must be 2 to 128 rising numbers");
    refused_as_usage("tensor m.npy --entries 1,x", "must be 2 to 128 rising numbers");
    refused_as_usage("tensor m.npy --entries 1,2 --bits 4", "a codebook has neither");
    refused_as_usage("tensor m.npy --scheme codebook", "with --entries");
    end();
}
END_TEST

START_TEST(values_that_have_no_grid)
{
    static const float bad[] = {1, 2, 3, NAN, 5, 6}, far[] = {1e30f, 1e30f}, wide[] = {-3e38f, 3e38f};
    TensorGrid g;
    begin();
    ck_assert_int_eq(tensor_grid_make(arena, &(TensorGridConfig){.scheme = SCHEME_AFFINE, .bits = 8, .axis = -1}, 2,
                                      (const int64_t[]){2, 3}, bad, &g),
                     STATUS_NUMERIC);
    ck_assert_str_eq(status_message(), "value nan at [1,0]; must be finite");
    ck_assert_int_eq(tensor_grid_make(arena, &(TensorGridConfig){.scheme = SCHEME_ZEROPOINT, .bits = 8, .axis = -1}, 1,
                                      (const int64_t[]){2}, far, &g),
                     STATUS_NUMERIC);
    ck_assert_ptr_nonnull(strstr(status_message(), "2^24 steps"));
    ck_assert_int_eq(tensor_grid_make(arena, &(TensorGridConfig){.scheme = SCHEME_AFFINE, .bits = 8, .axis = -1}, 1,
                                      (const int64_t[]){2}, wide, &g),
                     STATUS_NUMERIC);
    has(status_message(), "must be a float32");
    end();
}
END_TEST

static void expect_values(const TensorFile *f, int i, int n, const float *want)
{
    const float *x;
    ck_assert_int_eq(tensor_file_at(f, i)->count, n);
    must(tensor_file_values(arena, f, i, &x));
    for (int k = 0; k < n; k++) is(x[k], want[k]);
}

START_TEST(tensors_of_safetensors)
{
    static const struct {
        SafeType type;
        union {
            double f64[3];
            float f32[3];
            uint16_t u16[3];
            int16_t i16[3];
            uint32_t u32[3];
            int64_t i64[3];
            int8_t i8[3];
            uint8_t u8[3];
        } data;
        float want[3];
    } cases[] = {{ST_F64, {.f64 = {0.5, -2, 96}}, {0.5f, -2, 96}},
                 {ST_F32, {.f32 = {0.5f, -2, 96}}, {0.5f, -2, 96}},
                 {ST_F16, {.u16 = {0x3800, 0xC000, 0x5600}}, {0.5f, -2, 96}},
                 {ST_BF16, {.u16 = {0x3F00, 0xC000, 0x42C0}}, {0.5f, -2, 96}},
                 {ST_F8_E4M3, {.u8 = {0x30, 0xC0, 0x6C}}, {0.5f, -2, 96}},
                 {ST_F8_E5M2, {.u8 = {0x38, 0xC0, 0x56}}, {0.5f, -2, 96}},
                 {ST_I8, {.i8 = {1, -2, 96}}, {1, -2, 96}},
                 {ST_U8, {.u8 = {1, 254, 96}}, {1, 254, 96}},
                 {ST_BOOL, {.u8 = {1, 0, 1}}, {1, 0, 1}},
                 {ST_U16, {.u16 = {1, 65534, 96}}, {1, 65534, 96}},
                 {ST_I16, {.i16 = {1, -2, 96}}, {1, -2, 96}},
                 {ST_U32, {.u32 = {1, 4000000000u, 96}}, {1, 4e9f, 96}},
                 {ST_I64, {.i64 = {1, -2, 1LL << 40}}, {1, -2, 0x1p40f}}};
    enum { CASES = sizeof cases / sizeof cases[0] };
    const int64_t dim[] = {3};
    begin();
    SafeWriter *w = safe_writer(arena);
    for (int i = 0; i < CASES; i++) safe_add(w, safe_type_name(cases[i].type), cases[i].type, 1, dim, &cases[i].data);
    must(safe_write(w, inside("t.safetensors")));
    TensorFile *f;
    must(tensor_file_read(arena, inside("t.safetensors"), &f));
    for (int i = 0; i < CASES; i++) {
        int at;
        must(tensor_file_find(f, safe_type_name(cases[i].type), &at));
        expect_values(f, at, 3, cases[i].want);
    }
    end();
}
END_TEST

START_TEST(tensors_of_npy)
{
    static const uint16_t half[] = {0x3800, 0xC000};
    static const double wide[] = {0.5, -2};
    static const int8_t small[] = {-1, 5};
    begin();
    must(npy_write(arena, inside("h.npy"), "<f2", 1, (const int64_t[]){2}, half, sizeof half));
    must(npy_write(arena, inside("d.npy"), "<f8", 2, (const int64_t[]){2, 1}, wide, sizeof wide));
    must(npy_write(arena, inside("i.npy"), "|i1", 1, (const int64_t[]){2}, small, sizeof small));
    must(npy_write(arena, inside("short.npy"), "<f8", 1, (const int64_t[]){3}, wide, sizeof wide));
    must(npy_write(arena, inside("c.npy"), "<c8", 1, (const int64_t[]){2}, wide, sizeof wide));
    TensorFile *f;
    must(tensor_file_read(arena, inside("h.npy"), &f));
    expect_values(f, 0, 2, (const float[]){0.5f, -2});
    must(tensor_file_read(arena, inside("d.npy"), &f));
    ck_assert_int_eq(tensor_file_at(f, 0)->rank, 2);
    expect_values(f, 0, 2, (const float[]){0.5f, -2});
    must(tensor_file_read(arena, inside("i.npy"), &f));
    expect_values(f, 0, 2, (const float[]){-1, 5});
    ck_assert_int_eq(tensor_file_read(arena, inside("short.npy"), &f), STATUS_FORMAT);
    ck_assert_ptr_nonnull(strstr(status_message(), "16 bytes of elements; its shape and type require 24"));
    put_text(folder, "rows.csv", "\n1, 2.5\r\n-3e2;4\n\n");
    must(tensor_file_read(arena, inside("rows.csv"), &f));
    ck_assert_int_eq(tensor_file_at(f, 0)->rank, 2);
    expect_values(f, 0, 4, (const float[]){1, 2.5f, -300, 4});
    put_text(folder, "row.txt", "-10 0\t30");
    must(tensor_file_read(arena, inside("row.txt"), &f));
    ck_assert_int_eq(tensor_file_at(f, 0)->rank, 1);
    expect_values(f, 0, 3, (const float[]){-10, 0, 30});
    put_text(folder, "bad.txt", "1 2\n3\n");
    program_refuses(arena, folder, "tensor bad.txt", "bad.txt: line 2: 1 numbers; must be 2, as in the first row");
    put_text(folder, "bad.txt", "1 2\n3 4x\n");
    program_refuses(arena, folder, "tensor bad.txt", "bad.txt: line 2: \"4x\\n\"; must be a number");
    program_refuses(arena, folder, "tensor c.npy", "elements of type <c8; must be integers of 1 to 8 bytes or floats");
    refused_as_usage("tensor h.npy:w", "one tensor without a name");
    refused_as_usage("tensor h.npy --axis 1", "--axis 1 of shape [2]; must be below 1");
    refused_as_usage("tensor h.npy -o codes.npy", "must end in .safetensors");
    refused_as_usage("tensor h.tx", "must be .npy, .safetensors, .onnx, .txt or .csv");
    end();
}
END_TEST

/* The whole verb: initializers of an ONNX model, a table of them, one of them, the file it writes. */
START_TEST(the_verb)
{
    begin();
    char here[PATH_MAX];
    ck_assert_ptr_nonnull(realpath("tests/onnx/torch_lenet.onnx", here));
    cJSON *all = program_json(arena, folder, arena_printf(arena, "tensor %s --bits 4", here));
    const cJSON *list = cJSON_GetObjectItem(all, "tensors"), *first = cJSON_GetArrayItem(list, 0);
    ck_assert_int_ge(cJSON_GetArraySize(list), 2);
    const char *name = cJSON_GetObjectItem(first, "name")->valuestring;
    const char *table = program_must(arena, folder, arena_printf(arena, "tensor %s --bits 4", here));
    ck_assert_int_eq(line_count(table), cJSON_GetArraySize(list) + 1);
    const char *one =
        program_must(arena, folder, arena_printf(arena, "tensor %s:%s --bits 4 -o g.safetensors", here, name));
    ck_assert_ptr_nonnull(strstr(one, "codes -7 to 7"));
    ck_assert_ptr_nonnull(strstr(one, "of 15 codes unused"));
    SafeFile f;
    must(safe_read(arena, inside("g.safetensors"), true, &f));
    const SafeTensor *codes = safe_find(&f, arena_printf(arena, "%s.codes", name)),
                     *values = safe_find(&f, arena_printf(arena, "%s.values", name)),
                     *scale = safe_find(&f, arena_printf(arena, "%s.scale", name));
    double sum = 0, number = 0;
    for (size_t i = 0; i < codes->bytes; i++) {
        const int q = ((const int8_t *)codes->data)[i];
        is(((const float *)values->data)[i], ((const float *)scale->data)[0] * (float)q);
        sum += q == -7;
    }
    number = cJSON_GetArrayItem(cJSON_GetObjectItem(first, "histogram"), 0)->valuedouble;
    ck_assert_double_eq(sum, number);
    refused_as_usage(arena_printf(arena, "tensor %s:%sx", here, name), "did you mean");
    cJSON_Delete(all);
    refused_as_usage(arena_printf(arena, "tensor %s --scheme absmin", here),
                     "must be symmetric, affine, absmax, zeropoint");
    end();
}
END_TEST

static const cJSON *format_of(const cJSON *json, int i, const char *format)
{
    const cJSON *number = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "numbers"), i);
    return cJSON_GetObjectItem(cJSON_GetObjectItem(number, "formats"), format);
}

START_TEST(numbers_in_every_format)
{
    begin();
    cJSON *json = program_json(arena, folder, "numbers 0.3952 65520 -0");
    static const struct {
        const char *format, *bits;
        double value;
    } want[] = {{"float16", "0 01101 1001010011", 0.395263671875},
                {"bfloat16", "0 01111101 1001010", 0.39453125},
                {"float8_e4m3", "0 0101 101", 0.40625},
                {"float8_e5m2", "0 01101 10", 0.375},
                {"float32", "0 01111101 10010100101011110101000", (double)0.3952f},
                {"float64", "0 01111111101 1001010010101111010011110000110110000100010011010000", 0.3952}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const cJSON *of = format_of(json, 0, want[i].format);
        ck_assert_double_eq(cJSON_GetObjectItem(of, "value")->valuedouble, want[i].value);
        ck_assert_str_eq(cJSON_GetObjectItem(of, "bits")->valuestring, want[i].bits);
        ck_assert_double_eq_tol(cJSON_GetObjectItem(of, "error")->valuedouble, want[i].value - 0.3952, 1e-16);
    }
    ck_assert_str_eq(cJSON_GetObjectItem(format_of(json, 1, "float16"), "hex")->valuestring, "0x7C00");
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(format_of(json, 1, "float16"), "value")));
    ck_assert_str_eq(cJSON_GetObjectItem(format_of(json, 2, "float8_e4m3"), "hex")->valuestring, "0x80");
    cJSON_Delete(json);
    const char *text = program_must(arena, folder, "numbers 0.3952");
    ck_assert_ptr_nonnull(strstr(text, "0.395263671875    6.37e-05    0.000244  0 01101 1001010011  0x3653"));
    refused_as_usage("numbers 1 two", "numbers: \"two\"; must be a number");
    end();
}
END_TEST

/* A double just off a tie of float16 that float32 would round onto it. */
START_TEST(doubles_are_rounded_once)
{
    const double tie = 1.0 + 0x1p-11, above = tie + 0x1p-40, below = tie - 0x1p-40;
    ck_assert_uint_eq(format_encode_double(FORMAT_FLOAT16, tie), 0x3C00);
    ck_assert_uint_eq(format_encode_double(FORMAT_FLOAT16, above), 0x3C01);
    ck_assert_uint_eq(format_encode_double(FORMAT_FLOAT16, below), 0x3C00);
    ck_assert_uint_eq(format_encode_double(FORMAT_FLOAT16, -above), 0xBC01);
    ck_assert_uint_eq(format_encode_double(FORMAT_BFLOAT16, (double)0x1.fep127f + 0x1p119), 0x7F80);
    ck_assert_uint_eq(format_encode_double(FORMAT_BFLOAT16, (double)0x1.fep127f + 0x1p119 - 0x1p80), 0x7F7F);
}
END_TEST

TEST_MAIN("tensor", codes_of_absmax_and_zeropoint, order_of_rounding_and_shift, grids_of_known_ranges, what_is_measured,
          a_grid_for_each_index, codes_of_a_codebook, values_that_have_no_grid, tensors_of_safetensors, tensors_of_npy,
          the_verb, numbers_in_every_format, doubles_are_rounded_once)
