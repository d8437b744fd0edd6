/* The library in a program whose locale writes 0.5 as 0,5: every file comes out as in any other. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "deploy/exporter.h"
#include "include/bitfold.h"
#include "tests/support/data_files.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static int shell(const char *command) { return system(command); } /* NOLINT: commands of this file */

/* A locale of this test's own: nobody has to have installed one. */
static bool set_comma_locale(void)
{
    put_text(folder, "source",
             "LC_NUMERIC\ndecimal_point \"<U002C>\"\nthousands_sep \"<U002E>\"\ngrouping 3;3\nEND LC_NUMERIC\n");
    /* It warns of the categories left out, also by its exit code. */
    (void)shell(arena_printf(arena, "cd %s && localedef --quiet -c -i source ./comma 2>/dev/null", folder));
    setenv("LOCPATH", folder, 1);
    return setlocale(LC_NUMERIC, "comma") != NULL && strcmp(localeconv()->decimal_point, ",") == 0;
}

static void ok(bitfold_status status) { ck_assert_msg(status == BITFOLD_OK, "%s", bitfold_message()); }

static const char *exported(const ExporterType *type) { return arena_printf(arena, "m%s", type->extension); }

/* A float model, both ways to integers, every export, and an answer. */
static void run_all(const char *below, double accuracy[3], float logits[4])
{
    const char *const settings[] = {"quant.dialect=tflite-single", "qat.lr=0.0125", NULL};
    const char *at = inside(below);
    must(file_make_dir(at));
    ok(bitfold_train(inside("zoo.json"), file_join(arena, at, "float"), &accuracy[0]));
    const char *model = file_join(arena, at, "float/last.safetensors");
    ok(bitfold_ptq(model, settings, file_join(arena, at, "ptq"), &accuracy[1]));
    ok(bitfold_qat(model, settings, file_join(arena, at, "qat"), &accuracy[2]));
    const char *qat = file_join(arena, at, "qat/last.safetensors");
    for (int i = 0; exporters[i] != NULL; i++)
        ok(bitfold_export(qat, exporters[i]->name, file_join(arena, at, exported(exporters[i]))));
    bitfold_model *m;
    ok(bitfold_open(file_join(arena, at, "m.safetensors"), &m));
    unsigned char pixels[12 * 12];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)(i * 7);
    bitfold_run(m, pixels, 1, logits);
    bitfold_close(m);
}

static void same(const char *name)
{
    unsigned char *data[2];
    size_t bytes[2];
    for (int i = 0; i < 2; i++)
        must(
            file_read(arena, file_join(arena, inside(i == 0 ? "plain" : "comma"), name), 1 << 24, &data[i], &bytes[i]));
    ck_assert_msg(bytes[0] == bytes[1] && memcmp(data[0], data[1], bytes[0]) == 0, "%s differs", name);
}

START_TEST(every_byte_is_the_same_with_decimal_commas)
{
    static const char *const files[] = {"float/config.json", "float/metrics.jsonl",   "float/last.safetensors",
                                        "ptq/config.json",   "ptq/model.safetensors", "qat/config.json",
                                        "qat/metrics.jsonl", "qat/last.safetensors"};
    begin_zoo();
    double accuracy[2][3];
    float logits[2][4];
    bitfold_set_threads(3);
    run_all("plain", accuracy[0], logits[0]);
    if (!set_comma_locale()) {
        fprintf(stderr, "test_locale: localedef makes no locale here (Debian: libc-bin, locales); skipped\n");
        end();
        exit(77);
    }
    run_all("comma", accuracy[1], logits[1]);
    ck_assert_mem_eq(accuracy[0], accuracy[1], sizeof accuracy[0]);
    ck_assert_mem_eq(logits[0], logits[1], sizeof logits[0]);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) same(files[i]);
    for (int i = 0; exporters[i] != NULL; i++) {
        const char *file = exported(exporters[i]), *second = exporter_companion(exporters[i], arena, file);
        same(file);
        if (second != NULL) same(second);
    }
    ck_assert_str_eq(localeconv()->decimal_point, ",");         /* the caller's is as it was */
    const char *const range[] = {"data.validation=0.75", NULL}; /* which the message names */
    ck_assert_int_eq(bitfold_evaluate(inside("comma/qat"), NULL, range, NULL), BITFOLD_CONFIG);
    ck_assert_msg(strstr(bitfold_message(), "0.5") != NULL, "%s", bitfold_message());
    ck_assert_str_eq(localeconv()->decimal_point, ",");
    ck_assert_int_eq(bitfold_train(inside("nothing.json"), inside("x"), NULL), BITFOLD_IO);
    ck_assert_str_eq(localeconv()->decimal_point, ",");
    const char *const half[] = {"train.lr=1e9999", NULL};
    ck_assert_int_ne(bitfold_train_with(inside("zoo.json"), half, inside("x"), NULL), BITFOLD_OK);
    ck_assert_str_eq(localeconv()->decimal_point, ",");
    setlocale(LC_NUMERIC, "C");
    end();
}
END_TEST

TEST_MAIN("locale", every_byte_is_the_same_with_decimal_commas)
