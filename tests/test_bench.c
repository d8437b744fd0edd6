/* What the verb bench says, and which kernel each layer runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "kernels/kernels.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static bool starts(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }

START_TEST(training_steps)
{
    begin_zoo();
    static const struct {
        const char *options, *mode;
        bool codes;
    } cases[] = {{"", "float", false}, {" --mode qat", "qat", true}, {" --mode qat --frozen", "qat", true}};
    for (int i = 0; i < 3; i++) {
        cJSON *b = program_json(
            arena, folder, arena_printf(arena, "bench zoo.json --batch 8 --steps 3 --threads 1%s", cases[i].options));
        ck_assert_str_eq(text(b, "mode"), cases[i].mode);
        ck_assert_int_eq(cJSON_IsTrue(json_get(b, "frozen")), i == 2);
        ck_assert_double_eq_tol(number(b, "images_per_s") * number(b, "ms_per_step"), 8000.0, 1.0);
        ck_assert_double_le(number(b, "ms_min"), number(b, "ms_per_step"));
        ck_assert_double_le(number(b, "ms_per_step"), number(b, "ms_max"));
        ck_assert_double_gt(number(b, "ms_forward"), 0.0);
        ck_assert_double_gt(number(b, "ms_backward"), 0.0);
        ck_assert_double_gt(number(b, "step_bytes"), 8 * 144);
        ck_assert_double_gt(number(b, "peak_rss_bytes"), 1e6);
        ck_assert_str_ne(text(b, "isa"), "");
        const cJSON *kernel = json_get(b, "kernels");
        ck_assert(starts(text(kernel, "stem"), cases[i].codes ? "gemm_s" : "gemm_f32__"));
        ck_assert(starts(text(kernel, "dw"), cases[i].codes ? "dwconv_s8__" : "dwconv_f32__"));
        ck_assert_ptr_null(json_get(kernel, "cat"));
        if (cases[i].codes) ck_assert(starts(text(json_get(b, "kernels_backward"), "dw"), "dwconv_f32__"));
        cJSON_Delete(b);
    }
    end();
}
END_TEST

START_TEST(engine_runs)
{
    begin_zoo();
    cJSON *b = program_json(arena, folder, "bench zoo.json --mode int8 --batch 4 --steps 9 --threads 1");
    ck_assert_str_eq(text(b, "mode"), "int8");
    ck_assert_double_eq(number(b, "steps"), 9);
    ck_assert_double_eq_tol(number(b, "images_per_s") * number(b, "us_per_run"), 4e6, 1e3);
    ck_assert_double_le(number(b, "us_min"), number(b, "us_max"));
    ck_assert_double_gt(number(b, "engine_bytes"), 1000);
    ck_assert(starts(text(json_get(b, "kernels"), "fc"), "gemm_s"));
    ck_assert_ptr_null(json_get(b, "kernels_backward"));
    cJSON_Delete(b);
    static const char *const refused[][2] = {
        {"bench zoo.json --mode half", "--mode: \"half\"; must be float, qat or int8"},
        {"bench zoo.json --mode int8 --frozen", "--frozen: with --mode int8; only qat has that phase"}};
    for (int i = 0; i < 2; i++) {
        const Outcome o = program_run(arena, &(Where){.folder = folder}, refused[i][0]);
        ck_assert_int_ne(o.code, 0);
        ck_assert_msg(strstr(o.err, refused[i][1]) != NULL, "says: %s", o.err);
    }
    end();
}
END_TEST

/* A JSON line for every line read. */
START_TEST(takes_turns)
{
    begin_zoo();
    const char *given = getenv("BITFOLD");
    char path[4096], line[8192];
    ck_assert_ptr_nonnull(realpath(given == NULL ? "build/release/bitfold" : given, path));
    FILE *out =
        popen(arena_printf(arena, "printf '\\n5\\n' | %s bench %s --mode int8 --steps 7 --threads 1 --interleave", path,
                           file_join(arena, folder, "zoo.json")),
              "r");
    ck_assert_ptr_nonnull(out);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, out));
    ck_assert_str_eq(line, "ready 7\n");
    for (int steps = 7; steps >= 5; steps -= 2) {
        ck_assert_ptr_nonnull(fgets(line, sizeof line, out));
        cJSON *json;
        ck_assert_int_eq(json_parse(line, strlen(line), "bench", &json), STATUS_OK);
        ck_assert_double_eq(number(json, "steps"), steps);
        cJSON_Delete(json);
    }
    ck_assert_ptr_null(fgets(line, sizeof line, out));
    ck_assert_int_eq(pclose(out), 0);
    end();
}
END_TEST

START_TEST(kernels_are_named)
{
    begin_zoo();
    ck_assert_ptr_null(kernels_variant("no_such_entry"));
    ck_assert_ptr_nonnull(kernels_variant("gemm_runs_f32"));
    const Where plain = {.folder = folder, .environment = "BITFOLD_ISA=ref"};
    const Outcome trained = program_run(arena, &plain, "qat zoo.json --quiet --out run --set train.epochs=1");
    ck_assert_msg(trained.code == 0, "%s", trained.err);
    cJSON *run;
    ck_assert_int_eq(json_read(arena, file_join(arena, folder, "run/run.json"), &run), STATUS_OK);
    ck_assert_str_eq(text(json_get(run, "kernels"), "stem"), "gemm_s16__ref");
    ck_assert_str_eq(text(json_get(run, "kernels"), "dw"), "dwconv_s8__ref");
    ck_assert_str_eq(text(json_get(run, "kernels_backward"), "fc"), "gemm_f32__ref");
    cJSON_Delete(run);
    const Outcome of_config = program_run(arena, &plain, "inspect zoo.json");
    const Outcome of_model = program_run(arena, &plain, "inspect run/last.safetensors");
    ck_assert_ptr_nonnull(strstr(of_config.out, "dwconv_f32__ref"));
    ck_assert_ptr_nonnull(strstr(of_model.out, "dwconv_s8__ref"));
    cJSON *json = program_json(arena, folder, "inspect zoo.json");
    const cJSON *stem = cJSON_GetArrayItem(json_get(json, "layers"), 0);
    ck_assert(starts(text(stem, "kernel_float"), "gemm_f32__"));
    ck_assert(starts(text(stem, "kernel_int8"), "gemm_s"));
    cJSON_Delete(json);
    end();
}
END_TEST

TEST_MAIN("bench", training_steps, engine_runs, takes_turns, kernels_are_named)
