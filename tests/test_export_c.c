/* Exported C: compiled strictly, it answers as the engine does, on every op, width and rounding; it is the same text
 * every time; what it cannot express is refused. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "deploy/c/c_cost.h"
#include "deploy/exporter.h"
#include "quant/quantizer.h"
#include "tests/support/c_graphs.h"
#include "tests/support/c_program.h"
#include "tests/support/random_graph.h"
#include "tests/support/scratch.h"
#include "tests/support/suite.h"
#include "tests/support/zoo_graph.h"
#include "graph/engine.h"

enum { IMAGES = 8, MAX_TEXT = 1 << 24 };
#define STRICT "-std=c99 -Wall -Wextra -Wpedantic -Wconversion -Werror"

static Arena *arena;
static const char *folder;

static void begin(void)
{
    arena = arena_create();
    folder = scratch_folder(arena);
}

static int shell(const char *command) { return system(command); } /* NOLINT: commands of this file */

static bool have(const char *program)
{
    return shell(arena_printf(arena, "command -v %s >/dev/null 2>&1", program)) == 0;
}

static void end(void)
{
    ck_assert_int_eq(shell(arena_printf(arena, "rm -r %s", folder)), 0);
    arena_destroy(arena);
}

static void must(Status status) { ck_assert_msg(status == STATUS_OK, "%s", status_message()); }

static void refused(Status status, const char *words)
{
    ck_assert_msg(status != STATUS_OK, "accepted; should say: %s", words);
    ck_assert_msg(strstr(status_message(), words) != NULL, "says: %s\nshould say: %s", status_message(), words);
}

static const char *path_of(const char *name) { return file_join(arena, folder, name); }

static Status export_c(const Graph *g, const char *name, const char *options)
{
    cJSON *json = options == NULL ? NULL : cJSON_Parse(options);
    const Status status = exporter_write(exporter_find("c"), arena, g, path_of(name), json);
    cJSON_Delete(json);
    return status;
}

static char *text_of(const char *name)
{
    unsigned char *data;
    size_t bytes;
    must(file_read(arena, path_of(name), MAX_TEXT, &data, &bytes));
    return memcpy(arena_alloc(arena, bytes + 1), data, bytes + 1);
}

/* ---- a program around them --------------------------------------------------------------------------------------- */

/* For each model of the table: codes in, answers out; pixels in, codes out; floats in, codes out, answers as floats. */
static const char harness[] =
    "#include <stdio.h>\n"
    "#include \"models.h\"\n"
    "static int8_t in[1 << 16], out[1 << 16];\nstatic uint8_t pixels[1 << 16];\nstatic float values[1 << 16];\n"
    "int main(int argc, char **argv)\n{\n"
    "    FILE *from = fopen(argv[argc - 2], \"rb\"), *to = fopen(argv[argc - 1], \"wb\");\n"
    "    for (int m = 0; m < MODELS; m++) {\n"
    "        const size_t n = model[m].in, o = model[m].out;\n"
    "        for (int i = 0; i < IMAGES; i++) {\n"
    "            if (fread(in, 1, n, from) != n) return 100;\n"
    "            model[m].run(in, out);\n"
    "            const int best = model[m].argmax(out);\n"
    "            fwrite(out, 1, o, to);\n"
    "            fwrite(&best, sizeof best, 1, to);\n"
    "            model[m].dequantize(out, values);\n"
    "            fwrite(values, sizeof values[0], o, to);\n"
    "        }\n"
    "        if (fread(pixels, 1, n, from) != n || fread(values, sizeof values[0], n, from) != n) return 101;\n"
    "        model[m].pixels(pixels, in);\n"
    "        fwrite(in, 1, n, to);\n"
    "        model[m].quantize(values, in);\n"
    "        fwrite(in, 1, n, to);\n"
    "        if (model[m].self_test() != 0) return m + 1;\n"
    "    }\n"
    "    return fclose(to) == 0 ? 0 : 102;\n}\n";

static void put(const char *name, const char *text) { must(file_write(arena, path_of(name), text, strlen(text))); }

static void put_program(int models, const Graph *const *g)
{
    char *includes = arena_strdup(arena, ""), *rows = includes;
    for (int i = 0; i < models; i++) {
        includes = arena_printf(arena, "%s#include \"m%d.h\"\n", includes, i);
        rows = arena_printf(arena,
                            "%s    {m%d_run, m%d_self_test, m%d_argmax, m%d_quantize_pixels, m%d_quantize, "
                            "m%d_dequantize, M%d_INPUT_BYTES, M%d_OUTPUT_BYTES},\n",
                            rows, i, i, i, i, i, i, i, i);
        must(export_c(g[i], arena_printf(arena, "m%d.c", i), NULL));
    }
    put("models.h", arena_printf(arena,
                                 "%senum { MODELS = %d, IMAGES = %d };\n"
                                 "static const struct {\n    void (*run)(const int8_t *, int8_t *);\n"
                                 "    int (*self_test)(void);\n    int (*argmax)(const int8_t *);\n"
                                 "    void (*pixels)(const uint8_t *, int8_t *);\n"
                                 "    void (*quantize)(const float *, int8_t *);\n"
                                 "    void (*dequantize)(const int8_t *, float *);\n    size_t in, out;\n"
                                 "} model[] = {\n%s};\n",
                                 includes, models, IMAGES, rows));
    put("main.c", harness);
}

static const char *switches(int models)
{
    char *list = arena_strdup(arena, "");
    for (int i = 0; i < models; i++) list = arena_printf(arena, "%s -DM%d_SELF_TEST -DM%d_WITH_FLOATS", list, i, i);
    return list;
}

/* Compiles with and without the macros, runs, and gives what the program wrote. */
static char *answers(const char *compiler, int models)
{
    const char *plain = arena_printf(arena, "cd %s && %s " STRICT " -fsyntax-only m[0-9]*.c", folder, compiler);
    ck_assert_msg(shell(plain) == 0, "%s", plain);
    const char *build = arena_printf(arena, "cd %s && %s " STRICT "%s *.c -o program && ./program in.bin out.bin",
                                     folder, compiler, switches(models));
    const int status = shell(build);
    ck_assert_msg(status == 0, "%s: %d", build, status);
    return text_of("out.bin");
}

typedef struct {
    char *data;
    size_t bytes;
} Bytes;

static void append(Bytes *b, const void *data, size_t bytes)
{
    char *longer = arena_alloc(arena, b->bytes + bytes);
    if (b->bytes > 0) memcpy(longer, b->data, b->bytes);
    memcpy(longer + b->bytes, data, bytes);
    *b = (Bytes){longer, b->bytes + bytes};
}

/* What the harness reads and what it must write. */
static void expect(const Graph *g, int number, Bytes *in, Bytes *out)
{
    const GraphTensor *x = &g->tensor[0], *y = &g->tensor[g->output];
    const size_t n = (size_t)graph_tensor_elements(x), o = (size_t)g->classes;
    const int8_t *images = random_images(arena, g, (uint64_t)number, IMAGES);
    int8_t *logits = arena_alloc(arena, IMAGES * o), *codes = arena_alloc(arena, n);
    uint8_t *pixels = arena_alloc(arena, n);
    float *values = ARENA_ARRAY(arena, float, n), *reals = ARENA_ARRAY(arena, float, o);
    Engine *engine;
    must(engine_create_planned(arena, g, &engine));
    engine_run(engine, images, IMAGES, logits);
    append(in, images, IMAGES * n);
    for (size_t i = 0; i < IMAGES; i++) {
        int best = 0;
        for (size_t k = 0; k < o; k++) {
            const int8_t *answer = logits + i * o;
            if (answer[k] > answer[best]) best = (int)k;
            reals[k] = y->scale * (float)(answer[k] - y->zero_point);
        }
        append(out, logits + i * o, o);
        append(out, &best, sizeof best);
        append(out, reals, sizeof *reals * o);
    }
    Rng rng = rng_make((uint64_t)number, RNG_TEST, 90);
    for (size_t i = 0; i < n; i++) {
        pixels[i] = (uint8_t)rng_u32(&rng);
        /* Halves now and then: ties. */
        const float steps = 300.0f * (rng_uniform(&rng) - 0.5f);
        values[i] = x->scale * (i % 3 == 0 ? rintf(steps) + 0.5f : steps);
    }
    append(in, pixels, n);
    append(in, values, sizeof *values * n);
    graph_quantize_pixels(g, pixels, 1, codes);
    append(out, codes, n);
    for (size_t i = 0; i < n; i++)
        codes[i] = (int8_t)quantize_value(values[i], x->scale, x->zero_point, x->qmin, x->qmax);
    append(out, codes, n);
}

START_TEST(answers_as_the_engine_does)
{
    static const char *const compilers[] = {"gcc -O1", "clang -O0 -fsanitize=undefined -fno-sanitize-recover=all"};
    begin();
    const Graph *g[C_GRAPHS];
    Bytes in = {NULL, 0}, out = {NULL, 0};
    for (int i = 0; i < C_GRAPHS; i++) {
        g[i] = c_graph(arena, i);
        expect(g[i], i, &in, &out);
    }
    put_program(C_GRAPHS, g);
    must(file_write(arena, path_of("in.bin"), in.data, in.bytes));
    int built = 0;
    for (size_t c = 0; c < sizeof compilers / sizeof compilers[0]; c++) {
        if (!have(c == 0 ? "gcc" : "clang")) continue;
        ck_assert_msg(memcmp(answers(compilers[c], C_GRAPHS), out.data, out.bytes) == 0, "%s", compilers[c]);
        built++;
    }
    if (have("g++"))
        ck_assert_int_eq(
            shell(arena_printf(arena, "cd %s && g++ -Wall -Wextra -Wpedantic -Werror%s -fsyntax-only -x c++ models.h",
                               folder, switches(C_GRAPHS))),
            0);
    ck_assert_int_gt(built, 0);
    end();
}
END_TEST

/* Other targets compile it as strictly, with the few functions a compiler may call left to the linker. */
START_TEST(compiles_for_microcontrollers)
{
    static const char *const compilers[] = {"arm-none-eabi-gcc -mthumb -mcpu=cortex-m3 -Os",
                                            "arm-none-eabi-gcc -mthumb -mcpu=cortex-m7 -O3", "gcc -m32 -O0", "gcc -O3",
                                            "clang -m32 -O3"};
    begin();
    must(export_c(c_graph(arena, 0), "m.c", "{\"prefix\": \"Net_1\"}"));
    must(export_c(c_graph(arena, 3), "n.c", "{\"golden\": 16}"));
    must(export_c(c_graph(arena, C_POINTWISE), "p.c", NULL));
    for (size_t c = 0; c < sizeof compilers / sizeof compilers[0]; c++) {
        const char *program = arena_printf(arena, "%.*s", (int)strcspn(compilers[c], " "), compilers[c]);
        if (!have(program)) continue;
        const char *build = arena_printf(arena,
                                         "cd %s && %s " STRICT " -ffreestanding -DNET_1_SELF_TEST -DN_SELF_TEST "
                                         "-DN_WITH_FLOATS -c m.c n.c p.c",
                                         folder, compilers[c]);
        ck_assert_msg(shell(build) == 0, "%s", build);
    }
    end();
}
END_TEST

START_TEST(self_test_notices_a_bias)
{
    begin();
    c_self_test_must_notice(arena, folder, c_graph(arena, 0), "{\"golden\": 1}");
    end();
}
END_TEST

START_TEST(equal_models_give_equal_text)
{
    begin();
    const Graph *g = c_graph(arena, 2);
    must(export_c(g, "m.c", NULL));
    const char *source = text_of("m.c"), *header = text_of("m.h");
    must(export_c(g, "m.c", NULL));
    ck_assert_str_eq(source, text_of("m.c"));
    ck_assert_str_eq(header, text_of("m.h"));
    must(file_make_dir(path_of("elsewhere")));
    must(export_c(c_graph(arena, 2), "elsewhere/m.c", NULL));
    ck_assert_str_eq(source, text_of("elsewhere/m.c"));
    ck_assert_str_eq(header, text_of("elsewhere/m.h"));
    ck_assert_ptr_nonnull(strstr(header, "belongs to whoever generated it"));
    const char *code = strstr(source, "#include"), *floats = strstr(source, "#ifdef M_WITH_FLOATS");
    ck_assert_ptr_nonnull(code);
    ck_assert_ptr_nonnull(floats);
    ck_assert_ptr_null(strstr(arena_printf(arena, "%.*s", (int)(floats - code), code), "float"));
    end();
}
END_TEST

/* The header's macros are enough to make the codes that camera bytes become; tables for them are in the flash. */
START_TEST(header_tells_what_a_pixel_is)
{
    begin();
    const Graph *plain = c_graph(arena, 0), *own = c_graph(arena, C_ZOO);
    Graph *alike = c_graph(arena, C_ZOO);
    alike->mean = (const float[]){0.5f, 0.5f}, alike->std = (const float[]){0.3f, 0.3f};
    ck_assert_int_eq(c_pixels(arena, plain).tables, 0);
    ck_assert_int_eq(c_pixels(arena, alike).tables, 1);
    ck_assert_int_eq(c_pixels(arena, own).tables, 2);
    must(export_c(plain, "p.c", NULL));
    ck_assert_ptr_null(strstr(text_of("p.c"), "pixel_code"));
    ck_assert_ptr_null(strstr(text_of("p.h"), "camera bytes;"));
    const Plan plan = c_plan_make(arena, own);
    const CCost cost = c_cost(arena, own, &plan);
    size_t flash = 512;
    for (int i = 0; i < cost.layers; i++)
        flash += cost.layer[i].weight_bytes + cost.layer[i].bias_bytes + cost.layer[i].multiplier_bytes;
    ck_assert_uint_eq(cost.flash_bytes, flash);
    must(export_c(own, "m.c", NULL));
    const char *header = text_of("m.h");
    ck_assert_ptr_nonnull(strstr(text_of("m.c"), "pixel_code[512]"));
    ck_assert_ptr_nonnull(strstr(header, arena_printf(arena, "#define M_FLASH_BYTES %zu\n", flash)));
    ck_assert_ptr_nonnull(strstr(header, "; 512 of it the codes of camera bytes;"));
    ck_assert_ptr_nonnull(strstr(header, "#define M_MEAN {0.5f, 0.25f}\n#define M_STD {0.200000003f, 0.300000012f}\n"));
    put("main.c", "#include \"m.h\"\n"
                  "int main(void)\n{\n"
                  "    static const float mean[] = M_MEAN, std[] = M_STD;\n"
                  "    static uint8_t pixels[M_INPUT_BYTES];\n    static float values[M_INPUT_BYTES];\n"
                  "    static int8_t a[M_INPUT_BYTES], b[M_INPUT_BYTES];\n"
                  "    for (int p = 0; p < 256; p++) {\n"
                  "        for (int i = 0; i < M_INPUT_BYTES; i++) {\n"
                  "            const int c = i % M_CHANNELS;\n"
                  "            pixels[i] = (uint8_t)p, values[i] = ((float)p / 255.0f - mean[c]) / std[c];\n        }\n"
                  "        m_quantize_pixels(pixels, a);\n        m_quantize(values, b);\n"
                  "        for (int i = 0; i < M_INPUT_BYTES; i++)\n            if (a[i] != b[i]) return 1;\n"
                  "    }\n    return 0;\n}\n");
    ck_assert_int_eq(shell(arena_printf(arena, "cd %s && %s " STRICT " -DM_WITH_FLOATS m.c main.c -o app && ./app",
                                        folder, have("gcc") ? "gcc" : "clang")),
                     0);
    end();
}
END_TEST

START_TEST(what_c_cannot_say_is_refused)
{
    begin();
    Graph *g = zoo_graph(arena);
    g->rounding = ROUNDING_XNNPACK;
    refused(export_c(g, "m.c", NULL),
            "rounding xnnpack; must be one that runtimes of c files round as, such as tflite-single");
    g->rounding = ROUNDING_TFLITE_DOUBLE;
    refused(export_c(g, "m.c", "{\"prefix\": \"9a\"}"), "prefix: \"9a\"; must be a letter");
    refused(export_c(g, "m.c", "{\"prefix\": \"a-b\"}"), "prefix: \"a-b\"; must be a letter");
    refused(export_c(g, "m.c", "{\"prefix\": \"\"}"), "prefix");
    refused(export_c(g, "m.c", "{\"golden\": 17}"), "golden: 17; must be an integer, 0 to 16");
    refused(export_c(g, "a\"b.c", NULL), "must hold none of");
    refused(export_c(g, "a\rb.c", NULL), "must hold none of");
    refused(export_c(g, ".c", NULL), "must end in .c");
    refused(export_c(g, "no/such/folder/m.c", NULL), "cannot");
    Graph *wide = zoo_graph(arena);
    wide->tensor[0] = (GraphTensor){"input", 1024, 512, 4, 0.02f, 0, 8, -128, 127, FORMAT_INT8};
    wide->channels = 4, wide->mean = wide->std = (const float[]){1, 1, 1, 1};
    wide->node[0] = wide->node[FCB - 1];
    wide->node[0].input[0] = 0, wide->node[0].output = 1, wide->node[0].geom.c = 1024 * 512 * 4;
    wide->node[0].weights = ARENA_ARRAY(arena, int8_t, 3 * 1024 * 512 * 4);
    wide->tensor[1] = wide->tensor[FCB];
    wide->nodes = 1, wide->tensors = 2, wide->output = 1;
    refused(export_c(wide, "m.c", NULL), "layer \"fcb\": 2097152 weights in a row; at most 1048576");
    ck_assert(!file_exists(path_of("m.c")) && !file_exists(path_of("m.h")));
    /* A name that is no identifier becomes one; without golden vectors there is no self-test. */
    must(export_c(g, "9 lives-\xc3\xa9.c", "{\"golden\": 0}"));
    const char *header = text_of("9 lives-\xc3\xa9.h");
    ck_assert_ptr_nonnull(strstr(header, "void m9_lives____run("));
    ck_assert_ptr_null(strstr(header, "self_test"));
    end();
}
END_TEST

/* Header and source belong together: where the source does not fit, an earlier header stays. */
START_TEST(both_files_or_neither)
{
    enum { LIMIT_BYTES = 8192 }; /* between the two */
    begin();
    must(export_c(c_graph(arena, 0), "m.c", "{\"golden\": 0}"));
    const char *source = text_of("m.c"), *header = text_of("m.h");
    ck_assert(strlen(header) < LIMIT_BYTES && strlen(source) > LIMIT_BYTES);
    Graph *other = c_graph(arena, 0);
    other->model_name = "other";
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){.rlim_cur = LIMIT_BYTES, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    const Status again = export_c(other, "m.c", NULL), first = export_c(other, "n.c", NULL);
    setrlimit(RLIMIT_FSIZE, &old);
    ck_assert(again == STATUS_IO && first == STATUS_IO);
    ck_assert_str_eq(source, text_of("m.c"));
    ck_assert_str_eq(header, text_of("m.h"));
    ck_assert(!file_exists(path_of("n.c")) && !file_exists(path_of("n.h")));
    ck_assert_int_eq(shell(arena_printf(arena, "test -z \"$(ls %s | grep tmp)\"", folder)), 0);
    end();
}
END_TEST

TEST_MAIN("export_c", answers_as_the_engine_does, compiles_for_microcontrollers, self_test_notices_a_bias,
          equal_models_give_equal_text, header_tells_what_a_pixel_is, what_c_cannot_say_is_refused,
          both_files_or_neither)
