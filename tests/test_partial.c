/* Partial quantization: which layers are kept, that the tolerance is kept or the command fails, what it leaves. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static const char net[] =
    "{\"seed\": 3, \"data\": {\"dataset\": \"synthetic\", \"synthetic_train\": 400, \"synthetic_test\": 60, "
    "\"classes\": 4,"
    " \"validation\": 0.3},"
    "\"model\": {\"input\": [8, 8, 2], \"layers\": ["
    "{\"type\": \"conv2d\", \"name\": \"c1\", \"filters\": 8, \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu\"},"
    "{\"type\": \"conv2d\", \"name\": \"c2\", \"filters\": 8, \"kernel\": 3, \"activation\": \"relu\"},"
    "{\"type\": \"maxpool\", \"kernel\": 2}, {\"type\": \"flatten\"},"
    "{\"type\": \"dense\", \"name\": \"logits\", \"units\": 4}]},"
    "\"train\": {\"epochs\": 3, \"batch\": 20, \"optimizer\": {\"lr\": 0.05}}}";

static void begin_trained(void)
{
    begin();
    put_text(folder, "net.json", net);
    program_must(arena, folder, "train net.json --out f --quiet");
}

START_TEST(layers_are_kept_until_the_tolerance_is)
{
    begin_trained();
    cJSON *json = program_json(arena, folder, "partial f --out p --format int2 --tolerance 1 --images 120 --quiet");
    ck_assert(cJSON_IsTrue(json_get(json, "within")));
    ck_assert_double_le(number(json, "drop"), 1.0);
    const cJSON *kept = json_get(json, "kept");
    const int n = cJSON_GetArraySize(kept);
    ck_assert(strstr(text_of("p/report.html"), "<title>net: partial quantization</title>") != NULL);
    ck_assert(strstr(text_of("p/report.html"), arena_printf(arena, "Every layer in int2 but %d group", n)) != NULL);
    ck_assert_int_ge(n, 1); /* two bits everywhere are too few */
    ck_assert_double_eq(number(json, "evaluations"), n + 1);

    /* config.json says so layer by layer, and the model beside it is of that config */
    cJSON *config;
    must(json_read(arena, inside("p/config.json"), &config));
    const cJSON *override;
    int floats = 0;
    cJSON_ArrayForEach(override, json_get(json_get(config, "quant"), "overrides"))
    {
        const bool is_float = strcmp(json_get(override, "weight_format")->valuestring, "float32") == 0;
        bool named = false;
        const cJSON *name;
        cJSON_ArrayForEach(name, kept) named |=
            strcmp(name->valuestring, json_get(override, "layers")->valuestring) == 0;
        ck_assert_int_eq(is_float, named);
        floats += is_float;
    }
    ck_assert_int_eq(floats, n);
    cJSON_Delete(config);
    cJSON *held_out = program_json(arena, folder, "eval p --split validation --quiet");
    ck_assert_double_eq_tol(number(held_out, "accuracy"), number(json, "accuracy"), 1e-9); /* all 120 of them */
    cJSON_Delete(held_out);
    cJSON_Delete(json);
    program_must(arena, folder, "verify p --quiet");
    end();
}
END_TEST

/* A network with a curve, none of it kept: what config.json says is what the model has, its quantizers included. */
START_TEST(curves_in_floats_are_the_measure)
{
    begin();
    put_text(folder, "net.json", net);
    program_must(arena, folder, "train net.json --out f --quiet --set model.layers.c2.activation=hard_swish");
    cJSON *json = program_json(arena, folder, "partial f --out p --format int4 --tolerance 90 --images 60 --quiet");
    ck_assert_int_eq(cJSON_GetArraySize(json_get(json, "kept")), 0);
    cJSON_Delete(json);
    program_must(arena, folder, "verify p --quiet");
    end();
}
END_TEST

/* The rows that order the layers, and the result, are those of an undisturbed run. */
START_TEST(it_goes_on_where_it_was_cut_short)
{
    begin_trained();
    program_must(arena, folder, "partial f --out a --format 2 --tolerance 1 --images 60 --order fisher --quiet");
    program_must(arena, folder, "partial f --out b --format 2 --tolerance 1 --images 60 --order fisher --quiet");
    ck_assert_int_eq(remove(inside("b/partial.csv")), 0);
    ck_assert_int_eq(remove(inside("b/model.safetensors")), 0);
    program_must(arena, folder,
                 "partial f --out b --format 2 --tolerance 1 --images 60 --order fisher --quiet --resume");
    const char *const files[] = {"config.json", "model.safetensors", "partial.csv", "sensitivity.json"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        unsigned char *a, *b;
        size_t n, m;
        must(file_read(arena, inside(arena_printf(arena, "a/%s", files[i])), 1 << 24, &a, &n));
        must(file_read(arena, inside(arena_printf(arena, "b/%s", files[i])), 1 << 24, &b, &m));
        ck_assert_msg(n == m && memcmp(a, b, n) == 0, "%s", files[i]);
    }
    end();
}
END_TEST

START_TEST(a_tolerance_that_nothing_meets_fails)
{
    begin_trained();
    program_refuses(arena, folder, "partial f --out p --format int2 --keep int3 --tolerance 0 --images 120 --quiet",
                    "no network is within 0 of float");
    ck_assert(file_exists(inside("p/model.safetensors"))); /* the best there was, */
    program_must(arena, folder, "verify p --quiet");       /* with few bits */

    program_refuses(arena, folder, "partial f", "--tolerance: is required");
    program_refuses(arena, folder, "partial f --tolerance -1", "--tolerance: \"-1\"; must be a number, 0 or more");
    program_refuses(arena, folder, "partial f --tolerance 1 --format int4 --keep 4",
                    "must be another format than --format");
    program_refuses(arena, folder, "partial f --tolerance 1 --order best",
                    "--order: \"best\"; must be one of loss, local_sqnr");
    program_refuses(arena, folder, "partial f --tolerance 1 --format q4", "--format: \"q4\"; must be a format");
    end();
}
END_TEST

TEST_MAIN("partial", layers_are_kept_until_the_tolerance_is, curves_in_floats_are_the_measure,
          it_goes_on_where_it_was_cut_short, a_tolerance_that_nothing_meets_fails)
