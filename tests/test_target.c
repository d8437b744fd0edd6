/* quant.target: where a model will run, the rounding that follows, and the key of earlier versions. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "quant/target.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"
#include "train/config.h"

/* zoo.json with a section more, or in the place of what it has of it. */
static void put_section(const char *name, const char *object)
{
    cJSON *root = cJSON_Parse(zoo_config);
    ck_assert_ptr_nonnull(root);
    cJSON_DeleteItemFromObjectCaseSensitive(root, name);
    cJSON_AddItemToObject(root, name, cJSON_Parse(object));
    put_text(folder, "c.json", json_print(arena, root));
    cJSON_Delete(root);
}

static void put_quant(const char *members) { put_section("quant", arena_printf(arena, "{%s}", members)); }

static Status read(const char *a, const char *b, Config **c)
{
    const char *const sets[] = {a, b, NULL};
    return config_read(arena, inside("c.json"), sets, c);
}

static void has_target(const Config *c, const char *name, Rounding rounding)
{
    ck_assert_str_eq(target_names[c->quant.target], name);
    ck_assert_int_eq(c->quant.rounding, rounding);
}

START_TEST(each_target_has_its_rounding)
{
    begin_zoo();
    put_quant("");
    Config *c;
    must(read(NULL, NULL, &c));
    has_target(c, "litert", ROUNDING_XNNPACK);
    static const struct {
        const char *name;
        Rounding rounding;
    } want[] = {{"litert", ROUNDING_XNNPACK},
                {"tflite-micro", ROUNDING_TFLITE_DOUBLE},
                {"cmsis-nn", ROUNDING_TFLITE_DOUBLE},
                {"onnxruntime", ROUNDING_ONNXRUNTIME},
                {"c", ROUNDING_TFLITE_SINGLE}};
    int n = 0;
    for (; target_types[n] != NULL; n++) {
        ck_assert_str_eq(target_types[n]->name, want[n].name);
        must(read(arena_printf(arena, "quant.target=%s", want[n].name), NULL, &c));
        has_target(c, want[n].name, want[n].rounding);
    }
    ck_assert_int_eq(n, 5);
    for (int r = 0; r < ROUNDINGS; r++) ck_assert_int_eq(target_of((Rounding)r)->rounding, r);
    ck_assert_int_eq(read("quant.target=litret", NULL, &c), STATUS_CONFIG);
    ck_assert_msg(strstr(status_message(), "did you mean \"litert\"?") != NULL, "%s", status_message());
    end();
}
END_TEST

/* What is typed goes before what the file says; two in one place must agree. */
START_TEST(the_old_key_is_read)
{
    begin_zoo();
    Config *c;
    put_quant("\"dialect\": \"tflite-single\"");
    must(read(NULL, NULL, &c));
    has_target(c, "c", ROUNDING_TFLITE_SINGLE);
    must(read("quant.target=cmsis-nn", NULL, &c));
    has_target(c, "cmsis-nn", ROUNDING_TFLITE_DOUBLE);
    put_quant("\"target\": \"cmsis-nn\"");
    must(read("quant.dialect=onnxruntime", NULL, &c));
    has_target(c, "onnxruntime", ROUNDING_ONNXRUNTIME);
    must(read("quant.dialect=tflite-double", "quant.target=cmsis-nn", &c));
    has_target(c, "cmsis-nn", ROUNDING_TFLITE_DOUBLE);
    refused(read("quant.dialect=xnnpack", "quant.target=c", &c), "contradicts quant.target, \"c\"");
    put_quant("\"target\": \"cmsis-nn\", \"dialect\": \"tflite-double\"");
    must(read(NULL, NULL, &c));
    has_target(c, "cmsis-nn", ROUNDING_TFLITE_DOUBLE);
    put_quant("\"target\": \"litert\", \"dialect\": \"tflite-double\"");
    refused(read(NULL, NULL, &c), "quant.dialect: \"tflite-double\"; contradicts quant.target, \"litert\"");
    char *text;
    put_quant("\"dialect\": \"onnxruntime\"");
    must(read(NULL, NULL, &c));
    must(config_text(arena, c, folder, &text));
    ck_assert_ptr_nonnull(strstr(text, "\"target\": \"onnxruntime\""));
    ck_assert_ptr_null(strstr(text, "dialect"));
    end();
}
END_TEST

START_TEST(old_keys_of_tables_are_read)
{
    begin_zoo();
    Config *c;
    char *text;
    put_section("compare", "{\"ends\": [8, 4], \"calibrators\": \"mse\"}");
    must(read(NULL, NULL, &c));
    ck_assert(c->compare.first_last_bits.n == 2 && c->compare.first_last_bits.at[1] == 4);
    ck_assert_str_eq(observer_names[c->compare.observers.at[0]], "mse");
    must(config_text(arena, c, folder, &text));
    ck_assert(strstr(text, "ends") == NULL && strstr(text, "calibrators") == NULL);
    must(read("compare.ends=4", "compare.observers=max", &c));
    ck_assert(c->compare.first_last_bits.n == 1 && c->compare.first_last_bits.at[0] == 4);
    ck_assert_str_eq(observer_names[c->compare.observers.at[0]], "max");
    refused(read("compare.ends=4", "compare.first_last_bits=8", &c),
            "contradicts compare.first_last_bits, 8, of which");
    put_section("compare", "{\"calibrators\": [\"mse\"], \"observers\": [\"max\"]}");
    refused(read(NULL, NULL, &c), "compare.calibrators: [\"mse\"]; contradicts compare.observers, [\"max\"]");
    must(read("compare.observers=mse", NULL, &c));
    ck_assert_str_eq(observer_names[c->compare.observers.at[0]], "mse");
    end();
}
END_TEST

START_TEST(the_old_key_is_noted)
{
    begin_zoo();
    put_quant("\"dialect\": \"tflite-single\"");
    const Where where = {.folder = folder};
    Outcome o = program_run(arena, &where, "qat c.json --out q --set train.epochs=1");
    ck_assert_msg(o.code == 0 && strstr(o.err, "note: quant.dialect is the old name of quant.target: here quant.target "
                                               "is c\n") != NULL,
                  "exit %d: %s", o.code, o.err);
    o = program_run(arena, &where, "verify q --set quant.dialect=tflite-double");
    ck_assert_msg(o.code == 0 && strstr(o.err, "here quant.target=tflite-micro\n") != NULL, "exit %d: %s", o.code,
                  o.err);
    ck_assert_msg(strstr(o.out, "rounding tflite-double: ") != NULL, "%s", o.out);
    o = program_run(arena, &where, "verify q --set quant.target=cmsis-nn");
    ck_assert_msg(o.code == 0 && strstr(o.err, "old name") == NULL, "exit %d: %s", o.code, o.err);
    /* For a format whose runtimes round otherwise: lowered again, measured, and told. */
    o = program_run(arena, &where, "export q -o q.onnx");
    ck_assert_msg(o.code == 0 && strstr(o.out, "note: quantized with the rounding tflite-single, written with "
                                               "onnxruntime, as runtimes of .onnx files round") != NULL,
                  "exit %d: %s", o.code, o.out);
    ck_assert_ptr_nonnull(strstr(o.out, "on 40 test images"));
    o = program_run(arena, &where, "describe targets");
    ck_assert_msg(o.code == 0 && strstr(o.out, "cmsis-nn") != NULL, "%s", o.out);
    end();
}
END_TEST

TEST_MAIN("target", each_target_has_its_rounding, the_old_key_is_read, old_keys_of_tables_are_read,
          the_old_key_is_noted)
