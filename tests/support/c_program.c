#include "tests/support/c_program.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "deploy/exporter.h"
#include "graph/engine.h"
#include "tests/support/random_graph.h"

enum { IMAGES = 4, MOST_BYTES = 1 << 20 };

static void must(Status status) { ck_assert_msg(status == STATUS_OK, "%s", status_message()); }

static int shell(const char *command) { return system(command); } /* NOLINT: commands of this file */

Status c_export(Arena *arena, const char *folder, const Graph *g, const char *name, const char *options)
{
    cJSON *json = options == NULL ? NULL : cJSON_Parse(options);
    const Status status = exporter_write(exporter_find("c"), arena, g, file_join(arena, folder, name), json);
    cJSON_Delete(json);
    return status;
}

static const char harness[] = "#include <stdio.h>\n#include \"models.h\"\n"
                              "static int8_t in[1 << 17];\nstatic float out[1 << 14];\n"
                              "int main(int argc, char **argv)\n{\n"
                              "    FILE *from = fopen(argv[argc - 2], \"rb\"), *to = fopen(argv[argc - 1], \"wb\");\n"
                              "    for (int m = 0; m < MODELS; m++) {\n"
                              "        for (int i = 0; i < IMAGES; i++) {\n"
                              "            if (fread(in, 1, model[m].in, from) != model[m].in) return 100;\n"
                              "            model[m].run(in, out);\n"
                              "            fwrite(out, 1, model[m].out, to);\n"
                              "        }\n"
                              "        if (model[m].self_test() != 0) return m + 1;\n"
                              "    }\n"
                              "    return fclose(to) == 0 ? 0 : 102;\n}\n";

static const char *answer_type(const Graph *g)
{
    const GraphTensor *y = &g->tensor[g->output];
    return graph_tensor_is_float(y)  ? "float"
           : graph_tensor_is_sums(y) ? "int32_t"
           : graph_tensor_is_wide(y) ? "int16_t"
                                     : "int8_t";
}

static void put(Arena *arena, const char *folder, const char *name, const char *text)
{
    must(file_write(arena, file_join(arena, folder, name), text, strlen(text)));
}

static void put_program(Arena *arena, const char *folder, const Graph *const *g, int graphs, const char *options)
{
    char *includes = arena_strdup(arena, ""), *rows = includes, *calls = includes;
    for (int i = 0; i < graphs; i++) {
        must(c_export(arena, folder, g[i], arena_printf(arena, "m%d.c", i), options));
        includes = arena_printf(arena, "%s#include \"m%d.h\"\n", includes, i);
        calls = arena_printf(arena, "%sstatic void run%d(const int8_t *x, void *y) { m%d_run(x, (%s *)y); }\n", calls,
                             i, i, answer_type(g[i]));
        rows =
            arena_printf(arena, "%s    {run%d, m%d_self_test, M%d_INPUT_BYTES, M%d_OUTPUT_BYTES},\n", rows, i, i, i, i);
    }
    put(arena, folder, "models.h",
        arena_printf(arena,
                     "%senum { MODELS = %d, IMAGES = %d };\n%s"
                     "static const struct {\n    void (*run)(const int8_t *, void *);\n"
                     "    int (*self_test)(void);\n    size_t in, out;\n} model[] = {\n%s};\n",
                     includes, graphs, IMAGES, calls, rows));
    put(arena, folder, "main.c", harness);
}

static const char *switches(Arena *arena, int graphs)
{
    char *list = arena_strdup(arena, "");
    for (int i = 0; i < graphs; i++) list = arena_printf(arena, "%s -DM%d_SELF_TEST -DM%d_WITH_FLOATS", list, i, i);
    return list;
}

static size_t write_images(Arena *arena, const char *folder, const Graph *const *g, int graphs, char *answers)
{
    char *images = arena_alloc(arena, MOST_BYTES);
    size_t in = 0, out = 0;
    for (int i = 0; i < graphs; i++) {
        const size_t x = IMAGES * graph_tensor_bytes(&g[i]->tensor[0]);
        const size_t y = IMAGES * graph_tensor_bytes(&g[i]->tensor[g[i]->output]);
        Engine *engine;
        ck_assert(in + x <= MOST_BYTES && out + y <= MOST_BYTES);
        memcpy(images + in, random_images(arena, g[i], (uint64_t)i, IMAGES), x);
        must(engine_create_planned(arena, g[i], &engine));
        engine_run(engine, (const int8_t *)images + in, IMAGES, answers + out);
        in += x, out += y;
    }
    must(file_write(arena, file_join(arena, folder, "in.bin"), images, in));
    return out;
}

void c_must_answer(Arena *arena, const char *folder, const Graph *const *g, int graphs, const char *options)
{
    static const char *const compilers[] = {"gcc -O1 -march=native",
                                            "clang -O0 -fsanitize=undefined -fno-sanitize-recover=all"};
    put_program(arena, folder, g, graphs, options);
    char *expected = arena_alloc(arena, MOST_BYTES);
    const size_t bytes = write_images(arena, folder, g, graphs, expected);
    int built = 0;
    for (size_t c = 0; c < sizeof compilers / sizeof compilers[0]; c++) {
        const int name = (int)strcspn(compilers[c], " ");
        if (shell(arena_printf(arena, "command -v %.*s >/dev/null", name, compilers[c])) != 0) continue;
        const char *build = arena_printf(arena, "cd %s && %s " C_STRICT "%s *.c -o program && ./program in.bin out.bin",
                                         folder, compilers[c], switches(arena, graphs));
        const int status = shell(build);
        ck_assert_msg(status == 0, "%s: %d", build, status);
        unsigned char *answers;
        size_t got;
        must(file_read(arena, file_join(arena, folder, "out.bin"), MOST_BYTES, &answers, &got));
        ck_assert_uint_eq(got, bytes);
        for (size_t i = 0; i < bytes; i++)
            ck_assert_msg((char)answers[i] == expected[i], "%s: byte %zu of %zu", compilers[c], i, bytes);
        built++;
    }
    ck_assert_int_gt(built, 0);
}

void c_self_test_must_notice(Arena *arena, const char *folder, const Graph *g, const char *options)
{
    must(c_export(arena, folder, g, "m.c", options));
    put(arena, folder, "main.c", "#include \"m.h\"\nint main(void) { return m_self_test(); }\n");
    const char *build =
        arena_printf(arena, "cd %s && cc -std=c99 -DM_SELF_TEST m.c main.c -o program && ./program", folder);
    ck_assert_int_eq(shell(build), 0);
    unsigned char *text;
    size_t bytes;
    must(file_read(arena, file_join(arena, folder, "m.c"), 1 << 24, &text, &bytes));
    char *biases = strstr((char *)text, "logits_bias[");
    ck_assert_ptr_nonnull(biases);
    char *digit = strchr(biases, '{');
    digit += strcspn(digit, "123456789");
    ck_assert_int_ne(digit[0], '\0');
    digit[0] = digit[0] == '9' ? '1' : '9'; /* it moves by at least a tenth of itself */
    put(arena, folder, "m.c", (char *)text);
    ck_assert_int_ne(shell(build), 0);
}
