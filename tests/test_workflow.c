/* The verb workflow: it stops at the first stage that suffices, goes on where one does not, ends with an export whose
 * codes are verified, and goes on where it was cut short. */
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
    "\"classes\": 4, \"validation\": 0.3},"
    "\"model\": {\"input\": [8, 8, 2], \"layers\": ["
    "{\"type\": \"conv2d\", \"name\": \"c1\", \"filters\": 8, \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu\"},"
    "{\"type\": \"conv2d\", \"name\": \"c2\", \"filters\": 8, \"kernel\": 3, \"activation\": \"relu\"},"
    "{\"type\": \"maxpool\", \"kernel\": 2}, {\"type\": \"flatten\"},"
    "{\"type\": \"dense\", \"name\": \"logits\", \"units\": 4}]},"
    "\"train\": {\"epochs\": 3, \"batch\": 20, \"optimizer\": {\"lr\": 0.05}}, \"qat\": {\"epochs\": 2}}";

static void begin_config(void)
{
    begin();
    put_text(folder, "net.json", net);
}

/* What is delivered is the network of the stage that is named: as good on the held-out images, which are all 120. */
static void is_delivered(const cJSON *json)
{
    const cJSON *stage, *named = NULL;
    cJSON_ArrayForEach(stage, json_get(json, "stages")) if (strcmp(text(stage, "stage"), text(json, "stage")) == 0)
        named = stage;
    ck_assert_ptr_nonnull(named);
    cJSON *held_out =
        program_json(arena, folder, arena_printf(arena, "eval %s --split validation --quiet", text(json, "model")));
    ck_assert_double_eq_tol(number(held_out, "accuracy"), number(named, "accuracy"), 1e-9);
    cJSON_Delete(held_out);
}

static void is_verified(const cJSON *json)
{
    is_delivered(json);
    ck_assert_double_gt(number(json_get(json, "verify"), "values"), 1000);
    ck_assert_double_eq(number(json_get(json, "verify"), "different"), 0);
    ck_assert(file_exists(inside(text(json, "export"))));
}

START_TEST(it_stops_where_it_suffices)
{
    begin_config();
    static const char *const target[] = {"c", "litert", "onnxruntime"};
    for (size_t i = 0; i < sizeof target / sizeof target[0]; i++) {
        cJSON *json = program_json(
            arena, folder,
            arena_printf(arena, "workflow net.json --tolerance 5 --out w%zu --quiet --target %s", i, target[i]));
        ck_assert_int_eq(cJSON_GetArraySize(json_get(json, "stages")), 1);
        ck_assert_str_eq(text(json, "stage"), "ptq");
        ck_assert_double_le(number(json, "drop"), 5);
        is_verified(json);
        cJSON *test = program_json(arena, folder, arena_printf(arena, "eval %s --quiet", text(json, "model")));
        ck_assert_double_eq(number(test, "accuracy"), number(json_get(json, "test"), "accuracy"));
        cJSON_Delete(test);
        cJSON_Delete(json);
    }
    end();
}
END_TEST

/* The budget of flash is that of fewer than 8 bits: formats by layer, and, where they lose too much, training. */
START_TEST(it_goes_on_where_it_does_not)
{
    begin_config();
    cJSON *json = program_json(arena, folder, "workflow net.json --tolerance 8 --flash 650 --out w --quiet");
    const cJSON *stages = json_get(json, "stages"), *stage;
    ck_assert_int_ge(cJSON_GetArraySize(stages), 2);
    ck_assert_str_eq(text(cJSON_GetArrayItem(stages, 0), "stage"), "ptq");
    ck_assert_str_eq(text(cJSON_GetArrayItem(stages, 1), "stage"), "mixed");
    ck_assert(cJSON_IsTrue(json_get(json, "suffices")));
    int n = 0;
    cJSON_ArrayForEach(stage, stages)
    {
        const bool last = ++n == cJSON_GetArraySize(stages);
        ck_assert_int_eq(cJSON_IsTrue(json_get(stage, "suffices")), last);
        if (last) ck_assert_double_le(number(stage, "flash_bytes"), 650);
    }
    is_verified(json);
    cJSON *c = program_json(arena, folder, arena_printf(arena, "inspect %s --target c --quiet", text(json, "model")));
    ck_assert_double_le(number(c, "flash_bytes"), 650);
    cJSON_Delete(c);
    cJSON_Delete(json);

    program_refuses(arena, folder, "workflow net.json --tolerance 0 --flash 500 --out t --quiet --set qat.epochs=1",
                    "no network is within 0 of float: the best is ");
    ck_assert(file_exists(inside("t/model.c"))); /* the best there was */
    cJSON *best;
    must(json_read(arena, inside("t/workflow.json"), &best));
    is_delivered(best);
    cJSON_Delete(best);
    end();
}
END_TEST

static void files_are_equal(const char *name)
{
    unsigned char *a, *b;
    size_t n, m;
    must(file_read(arena, inside(arena_printf(arena, "a/%s", name)), 1 << 24, &a, &n));
    must(file_read(arena, inside(arena_printf(arena, "b/%s", name)), 1 << 24, &b, &m));
    ck_assert_msg(n == m && memcmp(a, b, n) == 0, "%s", name);
}

START_TEST(it_goes_on_where_it_was_cut_short)
{
    begin_config();
    const char *const run = "workflow net.json --tolerance 0 --flash 500 --quiet --set qat.epochs=1 --out";
    for (int i = 0; i < 2; i++)
        program_refuses(arena, folder, arena_printf(arena, "%s %s", run, i == 0 ? "a" : "b"), "no network is within 0");
    static const char *const late[] = {"b/qat/last.safetensors", "b/workflow.json", "b/model.c", "b/pareto.csv"};
    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++) ck_assert_int_eq(remove(inside(late[i])), 0);
    program_refuses(arena, folder, arena_printf(arena, "%s b --resume", run), "no network is within 0");
    static const char *const files[] = {
        "float/last.safetensors", "qat/last.safetensors", "model.safetensors", "model.c", "pareto.csv", "search.json"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) files_are_equal(files[i]);
    end();
}
END_TEST

/* Where no stage suffices, the network of the one that loses least is delivered, whichever came last: here that of 8
 * bits, as 16 are no better and training is far too fast. */
START_TEST(the_best_stage_is_delivered)
{
    begin_config();
    program_refuses(arena, folder,
                    "workflow net.json --tolerance 0 --quiet --out w --seed 6 --set train.epochs=2 --set "
                    "train.optimizer.lr=0.02 --set data.synthetic_train=1500 --set qat.lr=30",
                    "no network is within 0 of float: the best is ");
    cJSON *json;
    must(json_read(arena, inside("w/workflow.json"), &json));
    ck_assert_int_eq(cJSON_GetArraySize(json_get(json, "stages")), 3);
    ck_assert_str_eq(text(json, "stage"), "ptq");
    is_delivered(json);
    cJSON_Delete(json);
    must(json_read(arena, inside("w/config.json"), &json));
    const cJSON *override;
    cJSON_ArrayForEach(override, json_get(json_get(json, "quant"), "overrides"))
        ck_assert_str_ne(text(override, "activation_format"), "int16");
    cJSON_Delete(json);
    end();
}
END_TEST

/* What cures the float network is tried before other formats, on the same images, and is a stage where it helps. */
START_TEST(cures_come_before_other_formats)
{
    begin_config();
    const Outcome o = program_run(
        arena, &(Where){.folder = folder},
        "workflow net.json --tolerance 0 --quiet --out w --seed 14 --set train.epochs=2 --set qat.epochs=1 --set "
        "data.synthetic_train=1000 --set data.synthetic_noise=3.5 --set ptq.images=20 --set ptq.auto.bias=0");
    const char *cures = strstr(o.out, "\ncures  ");
    ck_assert_ptr_nonnull(cures);
    ck_assert(strstr(o.out, "\nptq    ") < cures && cures < strstr(o.out, "\nmixed  "));
    cJSON *json;
    must(json_read(arena, inside("w/workflow.json"), &json));
    const cJSON *ptq = cJSON_GetArrayItem(json_get(json, "stages"), 0), *next = ptq->next;
    if (strstr(cures, "none helps") == NULL) {
        ck_assert_str_eq(text(next, "stage"), "cures");
        ck_assert_double_le(number(next, "drop"), number(ptq, "drop"));
    } else
        ck_assert_str_eq(text(next, "stage"), "mixed");
    is_delivered(json);
    cJSON_Delete(json);
    end();
}
END_TEST

START_TEST(what_it_cannot_do_is_refused)
{
    begin_config();
    program_refuses(arena, folder, "workflow net.json --out w", "--tolerance: is required");
    program_refuses(arena, folder, "workflow net.json --tolerance 1 --target esp32 --out w",
                    "--target: \"esp32\"; must be one of c, litert, ");
    program_refuses(arena, folder, "workflow net.json --tolerance 1 --flash no --out w",
                    "--flash: \"no\"; must be a number");
    ck_assert(!file_exists(inside("w")));
    end();
}
END_TEST

TEST_MAIN("workflow", it_stops_where_it_suffices, it_goes_on_where_it_does_not, it_goes_on_where_it_was_cut_short,
          the_best_stage_is_delivered, cures_come_before_other_formats, what_it_cannot_do_is_refused)
