/* Names and texts of others: as file names, as C, on a terminal. */
#include <png.h>
#include <stdarg.h>
#include <string.h>

#include "deploy/safetensors/export_safetensors.h"
#include "base/file.h"
#include "base/names.h"
#include "base/text.h"
#include "base/rng.h"
#include "graph/graph.h"
#include "graph/graph_read.h"
#include "tests/support/data_files.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

/* ---- made into names --------------------------------------------------------------------------------------------- */

static const char *const odd[] = {
    "conv1", "a/b",         "a_b",      "a b",       "../escape", "/etc/passwd", "..",         ".",           ".hidden",
    "",      "-rf",         "int",      "_int",      "a_b-1",     "a_b-3",       "a_b_1",      "a_b_3",       "7up",
    "_7up",  "caf\xc3\xa9", "\xff\xfe", "x\ny",      "x\ty",      "*/ evil",     "\"quoted\"", "back\\slash", "a.b-c",
    "a-b",   "while",       "\x1b[2J",  "input.f32", "%s%n",      "a_b-1x1",     "CON",
};
enum { ODD = (int)(sizeof odd / sizeof odd[0]) };

static bool all_of(const char *name, const char *allowed) { return strspn(name, allowed) == strlen(name); }
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

static void check_names(int n, const char *const *names)
{
    char **files = names_of_files(arena, n, names), **identifiers = names_in_c(arena, n, names);
    for (int i = 0; i < n; i++) {
        ck_assert_msg(all_of(files[i], LETTERS ".-") && strchr(".-", files[i][0]) == NULL, "\"%s\" of \"%s\"", files[i],
                      names[i]);
        ck_assert_msg(all_of(identifiers[i], LETTERS) && strchr("0123456789", identifiers[i][0]) == NULL,
                      "\"%s\" of \"%s\"", identifiers[i], names[i]);
        ck_assert_uint_le(strlen(files[i]), NAME_MOST_BYTES);
        ck_assert_uint_le(strlen(identifiers[i]), NAME_MOST_BYTES);
        for (int k = 0; k < i; k++) {
            ck_assert_msg(strcmp(files[i], files[k]) != 0, "\"%s\" and \"%s\": %s", names[i], names[k], files[i]);
            ck_assert_msg(strcmp(identifiers[i], identifiers[k]) != 0, "\"%s\" and \"%s\": %s", names[i], names[k],
                          identifiers[i]);
        }
        const bool good = names[i][0] != '\0' && strlen(names[i]) <= NAME_MOST_BYTES &&
                          all_of(names[i], LETTERS ".-") && strchr(".-", names[i][0]) == NULL;
        if (good) ck_assert_str_eq(files[i], names[i]);
    }
}

START_TEST(every_name_is_a_file_name_and_an_identifier)
{
    begin();
    check_names(ODD, odd);
    ck_assert_str_eq(names_in_c(arena, 1, (const char *const[]){"conv1"})[0], "conv1");
    ck_assert_str_ne(names_in_c(arena, 1, (const char *const[]){"int"})[0], "int");
    char **file = names_of_files(arena, 3, (const char *const[]){"a/b", "a b", "a_b"});
    ck_assert_str_eq(file[0], "a_b-0");
    ck_assert_str_eq(file[1], "a_b-1");
    ck_assert_str_eq(file[2], "a_b");
    end();
}
END_TEST

/* Short names of few letters, so that many are made alike; long ones that differ only at their ends. */
START_TEST(names_stay_different)
{
    enum { NAMES = 60, ROUNDS = 100 };
    begin();
    for (uint64_t round = 0; round < ROUNDS; round++) {
        Rng rng = rng_make(round, RNG_TEST, 0);
        const char *names[NAMES];
        for (int i = 0; i < NAMES;) {
            char *name = arena_zalloc(arena, 8);
            for (uint32_t k = 0, n = rng_below(&rng, 6); k < n; k++) name[k] = "a_/.-01x"[rng_below(&rng, 8)];
            if (round % 2 == 1) name = arena_printf(arena, "%0200d%s", 0, name);
            int same = 0;
            while (same < i && strcmp(names[same], name) != 0) same++;
            if (same == i) names[i++] = name;
        }
        check_names(NAMES, names);
    }
    end();
}
END_TEST

/* ---- shown ------------------------------------------------------------------------------------------------------- */

static const char *format(const char *text, ...)
{
    static char buffer[64];
    va_list args;
    va_start(args, text);
    ck_assert_uint_eq(text_vformat(buffer, sizeof buffer, text, args), strlen(buffer));
    va_end(args);
    return buffer;
}

START_TEST(text_is_shown_without_controls)
{
    begin();
    static const char *const pairs[][2] = {
        {"plain, 50 % \xc2\xb5s caf\xc3\xa9 \xe2\x96\x88 \xf0\x9f\x8e\x89",
         "plain, 50 % \xc2\xb5s caf\xc3\xa9 \xe2\x96\x88 \xf0\x9f\x8e\x89"},
        {"\x1b[2J\x7f\a\n\r\t\v\f\b\x01", "\\x1b[2J\\x7f\\a\\n\\r\\t\\v\\f\\b\\x01"},
        {"\xc2\x9b"
         "31m",
         "\\u009b31m"},
        {"\xff\xc3(\xe2\x82", "\\xff\\xc3(\\xe2\\x82"},
        {"\xe2\x80\xae"
         "gnp.exe\xe2\x80\xa8\xe2\x81\xa6",
         "\\u202egnp.exe\\u2028\\u2066"},
        {"back\\slash", "back\\slash"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const char *shown = text_shown(arena, pairs[i][0]);
        ck_assert_str_eq(shown, pairs[i][1]);
        ck_assert_str_eq(text_shown(arena, shown), shown);
        ck_assert_str_eq(format("%s", pairs[i][0]), pairs[i][1]);
    }
    end();
}
END_TEST

START_TEST(formats_are_those_of_c)
{
    char want[64];
#define SAME(...)                                                                                                      \
    do {                                                                                                               \
        snprintf(want, sizeof want, __VA_ARGS__);                                                                      \
        ck_assert_str_eq(format(__VA_ARGS__), want);                                                                   \
    } while (0)
    SAME("%d %i %u %x %o|%5d|%-5d|%05d|%+d", -3, 4, 5U, 255U, 8U, 42, 42, 42, 42);
    SAME("%ld %lld %lu %llu %zu", -1L, -2LL, 3UL, 4ULL, (size_t)5);
    SAME("%.2f %g %.9g %e|%8.3f|%-8.1f|", 1.0 / 3.0, 1e-7, 0.1, 12345.678, 2.5, 2.5);
    SAME("%*d|%-*d|%.*f", 6, 7, 6, 7, 3, 0.5);
    SAME("%s|%8s|%-8s|%.3s|%.*s|%c|%%", "text", "right", "left", "bounded", 2, "two", 'c');
    ck_assert_str_eq(format("%-4s|%4s", "\xc3\xa9", "\xc2\xb5s"), "\xc3\xa9   |  \xc2\xb5s"); /* by characters */
    ck_assert_str_eq(format("%.2s|", "a\xc3\xa9"), "a|");                                     /* no half character */
    ck_assert_str_eq(format("line\nof ours: %s", "a\nb"), "line\nof ours: a\\nb");
    const char *cut = format("%s", "\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96"
                                   "\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88"
                                   "\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96"
                                   "\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88");
    ck_assert_uint_eq(strlen(cut), 63); /* 21 whole characters */
    ck_assert_str_eq(text_shown(arena = arena_create(), cut), cut);
    arena_destroy(arena);
}
END_TEST

START_TEST(messages_are_shown)
{
    status_fail(STATUS_IO, "%s: %.4s", "a\x1b[31m", "\xff\xff\xff\xff\xff");
    ck_assert_str_eq(status_message(), "a\\x1b[31m: \\xff\\xff\\xff\\xff");
    status_prefix(STATUS_IO, "layer \"%s\"", "b\rc");
    ck_assert_str_eq(status_message(), "layer \"b\\rc\": a\\x1b[31m: \\xff\\xff\\xff\\xff");
    status_fail(STATUS_IO, "%s", status_message());
    ck_assert_str_eq(status_message(), "layer \"b\\rc\": a\\x1b[31m: \\xff\\xff\\xff\\xff");
}
END_TEST

/* ---- through the program ----------------------------------------------------------------------------------------- */

static void no_control(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        ck_assert_msg(((unsigned char)*p >= ' ' || *p == '\n') && *p != 0x7f, "byte %02x in: %s", (unsigned char)*p,
                      text);
}

static void said_without_controls(const char *command, int code)
{
    const Outcome o = program_run(arena, &(Where){.folder = inside("here")}, command);
    ck_assert_msg(o.code == code, "bitfold %s: exit %d: %s", command, o.code, o.err);
    no_control(o.out);
    no_control(o.err);
}

static const char evil_class[] = "\x1b]0;owned\x07 */ \"?"
                                 "?/ \xc2\x9b"
                                 "2J";

/* An int8 file of the zoo whose tensors and classes have the worst names. */
static void put_evil_model(void)
{
    static const char *const names[] = {"../escape",
                                        "a/b",
                                        "a_b",
                                        "int",
                                        "*/ int evil; /*",
                                        "\xc2\x9b"
                                        "31m",
                                        "..",
                                        "x\\",
                                        "?"
                                        "?/",
                                        "$(touch hacked)",
                                        "%n%n"};
    enum { NAMES = (int)(sizeof names / sizeof names[0]) };
    begin_zoo();
    must(file_make_dir(inside("here")));
    program_must(arena, folder, "qat zoo.json --quiet --out qat --set qat.epochs=1");
    program_must(arena, folder, "export qat/last.safetensors -o here/good.safetensors");
    Graph *g;
    must(graph_read(arena, inside("here/good.safetensors"), &g));
    for (int i = 1; i < g->tensors; i++) {
        const char *name = i <= NAMES ? names[i - 1] : arena_printf(arena, "%s/evil/%d", folder, i);
        for (int k = 0; k < g->nodes; k++)
            if (g->node[k].output == i) g->node[k].name = name;
        g->tensor[i].name = name;
    }
    g->class_names[0] = evil_class;
    g->class_names[1] = g->class_names[2] = g->class_names[3] = evil_class;
    must(export_safetensors(arena, g, inside("here/evil.safetensors")));
    static uint8_t pixels[12 * 12];
    put_png(folder, "here/x.png", &(Picture){.w = 12, .h = 12, .bits = 8, .type = PNG_COLOR_TYPE_GRAY, .rows = pixels});
}

static int shell(const char *command) { return system(command); } /* NOLINT: commands of this file */

START_TEST(names_of_a_model_stay_in_its_dump)
{
    put_evil_model();
    const char *before = folder_listing(arena, folder, "here/dump");
    said_without_controls("predict evil.safetensors x.png --dump dump", 0);
    ck_assert_str_eq(folder_listing(arena, folder, "here/dump"), before);
    said_without_controls(
        "eval evil.safetensors --images 8 --dump dump --layers --set data.dataset=synthetic --set data.classes=4", 0);
    ck_assert_str_eq(folder_listing(arena, folder, "here/dump"), before);
    Graph *g;
    must(graph_read(arena, inside("here/evil.safetensors"), &g));
    ck_assert_int_eq(shell(arena_printf(arena, "test $(ls %s/*.i8 | wc -l) -eq %d -a $(ls %s/*.npy | wc -l) -eq %d",
                                        inside("here/dump"), g->tensors, inside("here/dump"), g->tensors)),
                     0);
    /* all arrays in one file are C, with no name twice and nothing else in it */
    ck_assert_int_eq(shell(arena_printf(
                         arena,
                         "cd %s && cat *.c >all.h && echo '#include \"all.h\"\nint evil;' >all.c && cc -std=c99 -Wall "
                         "-Wno-unused-variable -Wno-unused-const-variable -Werror -trigraphs -c all.c -o all.o",
                         inside("here/dump"))),
                     0);
    end();
}
END_TEST

START_TEST(names_of_a_model_are_shown_and_exported_escaped)
{
    put_evil_model();
    said_without_controls("inspect evil.safetensors", 0);
    said_without_controls("inspect evil.safetensors --target c", 0);
    said_without_controls("inspect evil.safetensors --json", 0);
    said_without_controls("eval evil.safetensors --set data.dataset=synthetic --set data.classes=4", 0);
    said_without_controls("predict evil.safetensors x.png --json", 0);
    said_without_controls("export evil.safetensors -o evil.tflite", 0);
    said_without_controls("export evil.safetensors -o \x1b[31m.txt", 2);
    said_without_controls("eval \x1b[31m.safetensors", 1);
    said_without_controls("train --ou\x1b=", 2);
    said_without_controls("tr\x1b[31m", 2);
    end();
}
END_TEST

START_TEST(classes_of_a_folder_are_shown_escaped)
{
    begin();
    must(file_make_dir(inside("here")));
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 6; i++) {
            uint8_t pixels[64];
            memset(pixels, 40 + 150 * k + i, sizeof pixels);
            const char *name =
                arena_printf(arena, "here/set/%s/%d\x1b[1m.png", k == 0 ? "\x1b[31mred\nline" : "b\xc2\x9b!", i);
            put_png(folder, name, &(Picture){.w = 8, .h = 8, .bits = 8, .type = PNG_COLOR_TYPE_GRAY, .rows = pixels});
        }
    put_text(folder, "here/c.json",
             "{\"data\": {\"dataset\": \"folder\", \"dir\": \"set\", \"normalize\": {\"mean\": 0.5, \"std\": 0.25}},\n"
             " \"model\": {\"input\": [8, 8, 1], \"layers\": [{\"type\": \"flatten\", \"name\": \"f\"},\n"
             "  {\"type\": \"dense\", \"name\": \"logits\", \"units\": 2}]},\n"
             " \"train\": {\"epochs\": 1, \"batch\": 4}, \"ptq\": {\"images\": 4}}\n");
    said_without_controls("train c.json --out f", 0);
    said_without_controls("eval f/last.safetensors", 0);
    said_without_controls("eval f/last.safetensors --json", 0);
    said_without_controls("ptq f/last.safetensors --out p --set quant.dialect=tflite-single", 0);
    said_without_controls("predict p/model.safetensors set/b\xc2\x9b!/1\x1b[1m.png", 0);
    said_without_controls("inspect p/model.safetensors", 0);
    said_without_controls("export p/model.safetensors -o m.c", 0);
    ck_assert_int_eq(shell(arena_printf(arena, "cd %s && cc -std=c99 -Wall -Werror -pedantic -trigraphs -c m.c -o m.o",
                                        inside("here"))),
                     0);
    must(file_make_dir(inside("here/set/empty\x1b[5m")));
    said_without_controls("eval f/last.safetensors", 1);
    said_without_controls("train c.json --out g", 1);
    end();
}
END_TEST

TEST_MAIN("names", every_name_is_a_file_name_and_an_identifier, names_stay_different, text_is_shown_without_controls,
          formats_are_those_of_c, messages_are_shown, names_of_a_model_stay_in_its_dump,
          names_of_a_model_are_shown_and_exported_escaped, classes_of_a_folder_are_shown_escaped)
