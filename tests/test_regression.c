/* A regression through the program: trained, quantized, evaluated, verified, exported, compared. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "include/bitfold.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static const char bars[] =
    "{\"task\":{\"type\":\"regression\",\"loss\":\"huber\"},"
    "\"data\":{\"dataset\":\"bars\",\"synthetic_train\":800,\"synthetic_test\":200,\"synthetic_noise\":0.1,"
    "\"validation\":0.1,\"normalize\":{\"mean\":0.5019607843137255,\"std\":0.25}},"
    "\"model\":{\"input\":[16,16,1],\"layers\":["
    "{\"type\":\"conv2d\",\"filters\":8,\"kernel\":3,\"stride\":2,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"conv2d\",\"filters\":16,\"kernel\":3,\"stride\":2,\"batch_norm\":true,\"activation\":\"relu\"},"
    "{\"type\":\"flatten\"},{\"type\":\"dense\",\"name\":\"angle\",\"units\":2}]},"
    "\"train\":{\"epochs\":6,\"batch\":32,\"optimizer\":{\"type\":\"adamw\",\"lr\":0.005}},\"qat\":{\"epochs\":1},"
    "\"compare\":{\"calibrators\":[\"minmax\"],\"granularities\":[\"per_channel\"],\"qat_bits\":[4]}}";

static double r2_of(const char *command)
{
    cJSON *json = program_json(arena, folder, command);
    const double r2 = number(json, "r2");
    ck_assert(number(json, "rmse") >= number(json, "mae") && json_get(json, "accuracy") == NULL);
    const cJSON *outputs = json_get(json, "outputs");
    ck_assert_int_eq(cJSON_GetArraySize(outputs), 2);
    ck_assert_str_eq(json_get(cJSON_GetArrayItem(outputs, 1), "name")->valuestring, "sin2a");
    const double mean =
        (number(cJSON_GetArrayItem(outputs, 0), "r2") + number(cJSON_GetArrayItem(outputs, 1), "r2")) / 2;
    ck_assert_double_eq_tol(r2, mean, 1e-12);
    cJSON_Delete(json);
    return r2;
}

START_TEST(from_pictures_to_exports)
{
    begin_zoo();
    put_text(folder, "bars.json", bars);
    has(program_must(arena, folder, "train bars.json --out f --quiet"), "test R2 0.");
    program_must(arena, folder, "ptq f/last.safetensors --out p --quiet");
    program_must(arena, folder, "qat f/last.safetensors --out q --quiet");
    const double f = r2_of("eval f/last.safetensors --quiet"), p = r2_of("eval p --quiet");
    ck_assert_double_gt(f, 0.85);
    ck_assert_double_eq_tol(p, f, 0.01);
    ck_assert_double_eq(r2_of("eval p --quiet --engine sim"), p);
    has(program_must(arena, folder, "verify p"), " 0 different");
    has(text_of("f/metrics.jsonl"), "\"mae\":");
    /* The integers alone have the scale of the targets, too. */
    program_must(arena, folder, "export p -o m.safetensors --quiet");
    put_text(folder, "config.json", text_of("p/config.json"));
    ck_assert_double_eq(r2_of("eval m.safetensors --quiet"), p);
    has(text_of("m.json"), "\"target_mean\"");
    has(program_must(arena, folder, "export p -o m.c --quiet"), "m.c: ");
    has(text_of("m.h"), "#define M_TARGET_STD {");
    has(text_of("m.c"), "const char *const m_output_names[2]");
    ck_assert_ptr_null(strstr(text_of("m.c"), "argmax"));
    program_must(arena, folder, "export p -o m.tflite --quiet");
    program_must(arena, folder, "export p -o m.onnx --quiet");
    has(program_must(arena, folder, "eval q --quiet"), "engine: R2 0.");
    end();
}
END_TEST

/* What a picture is said to show is in the targets' own units. */
START_TEST(values_are_in_the_targets_units)
{
    begin_zoo();
    char text[sizeof bars];
    memcpy(text, bars, sizeof bars);
    put_text(folder, "bars.json", text);
    program_must(arena, folder, "train bars.json --out f --quiet --set train.epochs=1");
    program_must(arena, folder, "ptq f/last.safetensors --out p --quiet");
    program_must(arena, folder, "eval p --quiet --dump d --images 3");
    float targets[6], values[6];
    unsigned char *pixels, *file;
    size_t n;
    ck_assert_int_eq(file_read(arena, file_join(arena, folder, "d/pixels.u8"), 1 << 20, &pixels, &n), STATUS_OK);
    ck_assert_int_eq(file_read(arena, file_join(arena, folder, "d/targets.f32"), 100, &file, &n), STATUS_OK);
    ck_assert_int_eq(n, sizeof targets);
    memcpy(targets, file, n);
    bitfold_model *m;
    ck_assert_msg(bitfold_open(file_join(arena, folder, "p"), &m) == BITFOLD_OK, "%s", bitfold_message());
    bitfold_run(m, pixels, 3, values);
    double error = 0;
    for (int i = 0; i < 6; i++) error += fabs((double)values[i] - (double)targets[i]) / 6;
    cJSON *json = program_json(arena, folder, "eval p --quiet --images 3");
    ck_assert_double_eq_tol(error, number(json, "mae"), 1e-5);
    cJSON_Delete(json);
    ck_assert_str_eq(bitfold_class_name(m, 0), "cos2a");
    bitfold_close(m);
    end();
}
END_TEST

/* inspect says how wide the last layer's output is. */
static void ends_in(const char *run, const char *bits)
{
    const char *line = strstr(program_must(arena, folder, arena_printf(arena, "inspect %s", run)), "\nangle ");
    ck_assert_ptr_nonnull(line);
    has(arena_printf(arena, "%.*s", (int)strcspn(line + 1, "\n") + 1, line), bits);
}

/* 16 bits where the config does not say; a run that an earlier version wrote down keeps its 8. */
START_TEST(the_output_has_16_bits)
{
    begin_zoo();
    put_text(folder, "bars.json", bars);
    program_must(arena, folder, "train bars.json --out f --quiet --set train.epochs=1");
    program_must(arena, folder, "ptq f/last.safetensors --out p --quiet");
    ends_in("p", "8/16 ");
    program_must(arena, folder, "ptq f/last.safetensors --out eight --quiet --set quant.output_bits=8");
    ends_in("eight", "8/8 ");
    program_refuses(arena, folder, "eval p --set quant.output_bits=8",
                    "quant.output_bits: 8 bits; the model was quantized with an output of 16");
    const char *config = text_of("f/config.json");
    put_text(folder, "f/config.json", text_with(arena, config, "\"output_bits\": 16", "\"output_bits\": 0"));
    program_must(arena, folder, "ptq f/last.safetensors --out zero --quiet");
    ends_in("zero", "8/8 ");
    put_text(folder, "f/config.json", text_with(arena, config, "\"output_bits\": 16,", ""));
    program_must(arena, folder, "ptq f/last.safetensors --out none --quiet");
    ends_in("none", "8/8 ");
    has(text_of("none/config.json"), "\"output_bits\": 0");
    end();
}
END_TEST

/* By PTQ and QAT: the engine's sums are those of the layers; what holds none of them says so. */
START_TEST(an_output_of_32_bits)
{
    begin_zoo();
    put_text(folder, "bars.json", bars);
    program_must(arena, folder, "train bars.json --out f --quiet");
    program_must(arena, folder, "ptq f/last.safetensors --out p --quiet --set quant.output_bits=32");
    program_must(arena, folder, "qat f/last.safetensors --out q --quiet --set quant.output_bits=32");
    ends_in("p", "8/32 ");
    const double f = r2_of("eval f/last.safetensors --quiet"), p = r2_of("eval p --quiet"), q = r2_of("eval q --quiet");
    ck_assert_double_eq_tol(p, f, 0.01);
    ck_assert_double_gt(q, f - 0.01);
    ck_assert_double_eq(r2_of("eval p --quiet --engine sim"), p);
    ck_assert_double_eq(r2_of("eval q --quiet --engine sim"), q);
    has(program_must(arena, folder, "verify p"), " 0 different");
    has(program_must(arena, folder, "verify q"), " 0 different");
    program_must(arena, folder, "eval p --quiet --dump d --images 3");
    ck_assert(file_exists(file_join(arena, folder, "d/angle.i32")));
    program_must(arena, folder, "export q -o m.c --quiet");
    has(text_of("m.h"), "void m_dequantize(const int32_t *out, float *values);");
    program_refuses(arena, folder, "export p -o m.tflite", "layer \"angle\": an output of 32 bits; --to tflite writes");
    program_refuses(arena, folder, "export p -o m.onnx", "layer \"angle\": an output of 32 bits; --to onnx writes");
    end();
}
END_TEST

/* What cannot have 16 bits, or not for the time of one layer, has 8. */
START_TEST(outputs_that_keep_8_bits)
{
    static const char *const quants[] = {"\"quant\":{\"activations\":{\"quantizer\":\"lsq\"}},",
                                         "\"quant\":{\"overrides\":[{\"layers\":\"ang*\",\"quantizer\":\"lsq\"}]},",
                                         ""};
    static const char *const heads[] = {"\"units\":2}", "\"units\":2}", "\"units\":2,\"activation\":\"tanh\"}"};
    begin_zoo();
    for (int i = 0; i < 3; i++) {
        const char *text = text_with(arena, bars, "\"units\":2}", heads[i]);
        put_text(folder, "bars.json", arena_printf(arena, "{%s%s", quants[i], text + 1));
        program_must(arena, folder, arena_printf(arena, "train bars.json --out f%d --quiet --set train.epochs=1", i));
        has(text_of(arena_printf(arena, "f%d/config.json", i)), "\"output_bits\": 0");
    }
    put_text(folder, "bars.json",
             text_with(arena, bars, "{\"type\":\"flatten\"},{\"type\":\"dense\",\"name\":\"angle\",\"units\":2}",
                       "{\"type\":\"conv2d\",\"filters\":2,\"kernel\":1},{\"type\":\"global_avgpool\"}"));
    program_must(arena, folder, "train bars.json --out pool --quiet --set train.epochs=1");
    has(text_of("pool/config.json"), "\"output_bits\": 0");
    end();
}
END_TEST

START_TEST(a_table_of_another_metric)
{
    begin_zoo();
    put_text(folder, "bars.json", bars);
    cJSON *json = program_json(arena, folder,
                               "compare bars.json --out t --quiet --set task.metric=rmse "
                               "--set train.epochs=2");
    const cJSON *rows = json_get(json, "rows");
    ck_assert_int_eq(cJSON_GetArraySize(rows), 3);
    const cJSON *ptq = cJSON_GetArrayItem(rows, 1);
    ck_assert_double_gt(number(ptq, "rmse_int8"), 0);
    ck_assert(json_get(ptq, "accuracy") == NULL && cJSON_IsArray(json_get(ptq, "rmse_range")));
    /* Worse is more: the drop is this row's RMSE less float's. */
    const cJSON *drop = json_get(ptq, "drop_range");
    const double middle = (cJSON_GetArrayItem(drop, 0)->valuedouble + cJSON_GetArrayItem(drop, 1)->valuedouble) / 2;
    ck_assert_double_eq_tol(middle, number(ptq, "rmse_int8") - number(cJSON_GetArrayItem(rows, 0), "rmse"),
                            1e-9 +
                                1e-3 * fabs(middle)); /* the interval is one of squares, and its middle nearly this */
    cJSON_Delete(json);
    has(text_of("t/compare.csv"), ",rmse,rmse_std,seeds,rmse_int8,");
    has(text_of("t/report.html"), "RMSE against size");
    end();
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    static const struct {
        const char *arguments, *sentence;
    } cases[] = {
        {"--set task.loss=cross_entropy",
         "task.loss: \"cross_entropy\"; of a regression it must be one of: auto, mse, huber"},
        {"--set task.metric=accuracy",
         "task.metric: \"accuracy\"; of a regression it must be one of: auto, r2, rmse, mae"},
        {"--set task.type=classification --set task.loss=auto",
         "data.dataset: \"bars\" has real numbers as targets; task.type must be regression"},
        {"--set model.layers.angle.units=3", "gives 3 outputs, the data has 2 targets; must be as many"},
        {"--set data.targets=[\"a\"]", "data.targets: 1 names; must be 2, the values of each image"},
        {"--set task.delta=0", "task.delta: 0; must be"},
        {"--set data.augment.mixup=0.2",
         "data.augment.mixup: 0.2; of the task regression, which has no classes, it must be 0"},
        {"--set data.augment.cutmix=1", "data.augment.cutmix: 1; of the task regression"},
    };
    begin_zoo();
    put_text(folder, "bars.json", bars);
    const Where where = {.folder = folder};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Outcome o =
            program_run(arena, &where, arena_printf(arena, "train bars.json --out x --quiet %s", cases[i].arguments));
        ck_assert_int_ne(o.code, 0);
        has(o.err, cases[i].sentence);
        ck_assert_int_eq(line_count(o.err), 1);
        ck_assert(!file_exists(file_join(arena, folder, "x")));
    }
    end();
}
END_TEST

TEST_MAIN("regression", from_pictures_to_exports, values_are_in_the_targets_units, the_output_has_16_bits,
          an_output_of_32_bits, outputs_that_keep_8_bits, a_table_of_another_metric, what_does_not_fit_is_refused)
