/* Settings that do nothing are refused or said: overrides that match no layer, keys of what is not chosen, what a table
 * replaces; and a row of a table is named after what its layers have. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static Outcome run(const char *command)
{
    const Where where = {.folder = folder};
    return program_run(arena, &where, command);
}

START_TEST(overrides_without_effect)
{
    begin_zoo();
    static const struct {
        const char *overrides, *words;
    } cases[] = {
        {"[{\"layers\":\"pv\",\"weight_bits\":4}]", "quant.overrides[0].layers: \"pv\" matches no layer, of: "},
        {"[{\"layers\":\"dw\",\"weight_bits\":4},{\"layers\":\"block*\",\"weight_bits\":4}]",
         "quant.overrides[1].layers: \"block*\" matches no layer, of: "},
        {"[{\"layers\":\"dw\",\"weight_bits\":4},{\"layers\":\"*\",\"activation_bits\":8}]",
         "quant.overrides[0].layers: \"dw\", of which a later override matches every layer"},
        {"[{\"layers\":\"pool*\",\"weight_bits\":4}]",
         "quant.overrides[0].layers: \"pool*\" with weight_bits, but without weights"},
        {"[{\"layers\":\"cat\",\"granularity\":\"per_tensor\"}]", "\"cat\" with granularity, but without weights"},
        {"[{\"layers\":\"pool*\",\"format\":\"float32\"}]",
         "quant.overrides[0].layers: \"pool*\" with format, but it has that of its input; a layer that computes"},
        {"[{\"layers\":\"pool*\",\"activation_bits\":4}]",
         "\"pool*\" with activation_bits, but it stays on the grid of its input; a layer with a grid of its own"},
        {"[{\"layers\":\"pool*\",\"quantizer\":\"lsq\"}]", "\"pool*\" with quantizer, but it stays on the grid"},
        {"[{\"layers\":\"dw\",\"quantizer\":\"lsq\",\"pact\":{\"alpha\":4}}]",
         "quant.overrides[0].pact: {\"alpha\":4}; these layers have another quantizer: \"quantizer\": \"pact\", or "},
        {"[{\"layers\":\"dw\",\"lsq\":{\"alpha\":4}}]", "unknown key \"lsq\""},
    };
    static const char *const verbs[] = {"train zoo.json --out r", "qat zoo.json --out r", "compare zoo.json --out r",
                                        "inspect zoo.json"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Outcome o = run(arena_printf(arena, "%s --set quant.overrides=%s", verbs[i % 4], cases[i].overrides));
        ck_assert_msg(o.code == 1 && strstr(o.err, cases[i].words) != NULL, "exit %d: %s", o.code, o.err);
        ck_assert(!file_exists(inside("r")));
    }
    program_must(arena, folder,
                 "inspect zoo.json --set quant.overrides=[{\"layers\":\"*\",\"activation_bits\":8},{\"layers\":\"dw\","
                 "\"weight_bits\":4}]");
    program_must(arena, folder, /* some of these layers have a format of their own */
                 "inspect zoo.json --set quant.overrides=[{\"layers\":\"*\",\"format\":\"int8\"}]");
    end();
}
END_TEST

START_TEST(keys_of_what_is_not_chosen)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float");
    static const struct {
        const char *command, *note; /* NULL: none */
    } cases[] = {
        {"train zoo.json --set train.optimizer.beta1=0.8",
         "note: train.optimizer.beta1 has no effect: train.optimizer.type is sgd, not adamw\n"},
        {"train zoo.json --set train.optimizer.type=adamw --set train.optimizer.nesterov=false",
         "note: train.optimizer.nesterov has no effect: train.optimizer.type is adamw, not sgd\n"},
        {"train zoo.json --set train.schedule.milestones=[0.3]",
         "note: train.schedule.milestones has no effect: train.schedule.type is cosine, not step\n"},
        {"qat float/last.safetensors --set qat.schedule.gamma=0.3",
         "note: qat.schedule.gamma has no effect: qat.schedule.type is cosine, not step\n"},
        {"qat float/last.safetensors --set quant.activations.percentile=99",
         "note: quant.activations.percentile has no effect: quant.activations.observer is auto, not percentile\n"},
        {"ptq float/last.safetensors --set quant.activations.momentum=0.1",
         "note: quant.activations.momentum has no effect: quant.activations.observer is minmax, not ema_minmax\n"},
        {"ptq float/last.safetensors --set quant.weights.quantizer=lsq",
         "note: quant.weights.quantizer, \"lsq\", is replaced by observed in post-training quantization"},
        {"qat float/last.safetensors --set quant.activations.pact.alpha=4",
         "note: quant.activations.pact.alpha has no effect: no layer has the quantizer pact\n"},
        {"ptq float/last.safetensors --set quant.activations.pact.decay=0.1",
         "note: quant.activations.pact.decay has no effect: no layer has the quantizer pact\n"},
        {"compare zoo.json --set quant.activations.pact.alpha=4",
         "note: quant.activations.pact.alpha has no effect: no layer has the quantizer pact\n"},
        {"compare zoo.json --set quant.activations.bits=8",
         "note: quant.activations.bits, 8, is replaced by the widths of the rows, compare.ptq_bits and "
         "compare.qat_bits\n"},
        {"compare float/last.safetensors --set quant.first_last_bits=4",
         "note: quant.first_last_bits, 4, is replaced by compare.first_last_bits\n"},
        {"compare float/last.safetensors --set compare.ends=8",
         "note: compare.ends is the old name of compare.first_last_bits\n"},
        {"qat float/last.safetensors --set train.epochs=7",
         "note: train.epochs has no effect: qat of a model takes qat.epochs\n"},
        {"qat zoo.json --set train.epochs=1 --set qat.epochs=9",
         "note: qat.epochs has no effect: qat from scratch takes train.epochs\n"},
        {"qat float/last.safetensors --set train.schedule.warmup=0.2",
         "note: train.schedule has no effect: quantization-aware training takes qat.schedule\n"},
        {"qat float/last.safetensors --set data.normalize.std=0.7",
         "note: data.normalize: the model was trained with another normalisation"},
        {"ptq float/last.safetensors --set data.normalize.std=0.7",
         "note: data.normalize: the model was trained with another normalisation"},
        {"train zoo.json", NULL},
        {"qat float/last.safetensors --set quant.activations.pact.alpha=4 --set "
         "quant.overrides=[{\"layers\":\"dw\",\"activation_quantizer\":\"pact\"}]",
         NULL},
        {"qat float/last.safetensors --set quant.activations.pact.alpha=0", NULL}, /* what it is anyway */
        {"qat float/last.safetensors", NULL},
        {"ptq float/last.safetensors", NULL},
        {"compare float/last.safetensors", NULL},
        {"train zoo.json --set train.optimizer.beta1=0.9", NULL}, /* what it is anyway */
        {"train zoo.json --set train.optimizer.type=adamw --set train.optimizer.beta1=0.8", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *epochs = strncmp(cases[i].command, "qat zoo", 7) == 0 ? ""
                             : strncmp(cases[i].command, "qat", 3) == 0   ? " --set qat.epochs=1"
                                                                          : " --set train.epochs=1 --set qat.epochs=1";
        const Outcome o = run(arena_printf(arena, "%s --out r --overwrite%s", cases[i].command, epochs));
        ck_assert_msg(o.code == 0, "%s: %s", cases[i].command, o.err);
        if (cases[i].note == NULL)
            ck_assert_msg(strstr(o.err, "note: ") == NULL, "%s: %s", cases[i].command, o.err);
        else
            ck_assert_msg(strstr(o.err, cases[i].note) != NULL, "%s: %s", cases[i].command, o.err);
    }
    end();
}
END_TEST

static const char *row_name(const cJSON *json, int i)
{
    return text(cJSON_GetArrayItem(json_get(json, "rows"), i), "name");
}

START_TEST(rows_are_named_after_their_layers)
{
    begin_zoo();
    static const char rows[] = "compare zoo.json --quiet --overwrite --out t --set train.epochs=1 --set qat.epochs=1 "
                               "--set compare.granularities=per_channel --set compare.ptq_bits=8 --set "
                               "compare.qat_bits=[8,4] --set quant.overrides=";
    cJSON *json = program_json(arena, folder, arena_printf(arena, "%s[{\"layers\":\"*\",\"weight_bits\":4}]", rows));
    ck_assert_str_eq(row_name(json, 1), "ptq W4A8 per_channel minmax");
    ck_assert_str_eq(row_name(json, 2), "qat W4A8");
    ck_assert_str_eq(row_name(json, 3), "qat W4A4 ends 8");
    ck_assert_double_eq(number(cJSON_GetArrayItem(json_get(json, "rows"), 2), "weight_bits"), 4.0);
    ck_assert(file_exists(inside("t/qat-W4A8-seed3/last.safetensors")));
    cJSON_Delete(json);
    json =
        program_json(arena, folder,
                     arena_printf(arena,
                                  "%s[{\"layers\":\"pw\",\"weight_bits\":4,\"activation_bits\":5},{\"layers\":\"dw\","
                                  "\"weight_bits\":8}]",
                                  rows));
    ck_assert_str_eq(row_name(json, 2), "qat W4-8A5-8");
    ck_assert_str_eq(row_name(json, 3), "qat W4-8A4-5 ends 8");
    cJSON_Delete(json);
    json = program_json(
        arena, folder,
        arena_printf(arena,
                     "%s[{\"layers\":\"*\",\"weight_bits\":4,\"activation_bits\":6}] --set compare.first_last_bits=0",
                     rows));
    ck_assert_str_eq(row_name(json, 2), "qat W4A6");
    ck_assert_str_eq(row_name(json, 3), "qat W4A6 of 4");
    cJSON_Delete(json);
    json = program_json(arena, folder, arena_printf(arena, "%s[{\"layers\":\"pw\",\"format\":\"float32\"}]", rows));
    ck_assert_str_eq(row_name(json, 2), "qat W8A8 pw float32");
    ck_assert_str_eq(row_name(json, 3), "qat W4A4 ends 8 pw float32");
    const cJSON *row = cJSON_GetArrayItem(json_get(json, "rows"), 2);
    ck_assert_double_eq(number(row, "weight_bits"), 8.0);
    ck_assert_str_eq(text(row, "floats"), "pw float32");
    ck_assert(json_get(cJSON_GetArrayItem(json_get(json, "rows"), 0), "floats") == NULL);
    ck_assert(file_exists(inside("t/qat-W8A8-pw-float32-seed3/last.safetensors")));
    ck_assert(strstr(text_of("t/compare.csv"), "p_value,floats\r\nfloat,") != NULL);
    ck_assert(strstr(text_of("t/compare.csv"), ",pw float32\r\n") != NULL);
    ck_assert(strstr(text_of("t/report.html"), "8 / 8<small>pw float32</small>") != NULL);
    cJSON_Delete(json);
    json = program_json(arena, folder,
                        arena_printf(arena,
                                     "%s[{\"layers\":\"pw\",\"weight_format\":\"int6\"},{\"layers\":\"dw\","
                                     "\"activation_format\":\"bfloat16\"},{\"layers\":\"cat\",\"format\":"
                                     "\"float32\"}]",
                                     rows));
    ck_assert_str_eq(row_name(json, 2), "qat W6-8A8 2 layers floats");
    cJSON_Delete(json);
    json =
        program_json(arena, folder,
                     arena_printf(arena, "%s[] --set quant.activations.format=float32 --set compare.qat_bits=8", rows));
    ck_assert_str_eq(row_name(json, 2), "qat W8Afloat32");
    ck_assert_double_eq(number(cJSON_GetArrayItem(json_get(json, "rows"), 2), "act_bits"), 32.0);
    cJSON_Delete(json);
    json =
        program_json(arena, folder,
                     arena_printf(arena, "%s[] --set quant.activations.scheme=dynamic --set compare.qat_bits=8", rows));
    ck_assert_str_eq(row_name(json, 2), "qat W8A8 dynamic");
    ck_assert_double_eq(number(cJSON_GetArrayItem(json_get(json, "rows"), 2), "act_bits"), 8.0);
    cJSON_Delete(json);
    json = program_json(
        arena, folder,
        arena_printf(arena, "%s[{\"layers\":\"pw\",\"activation_scheme\":\"dynamic\"}] --set compare.qat_bits=8",
                     rows));
    ck_assert_str_eq(row_name(json, 2), "qat W8A8 pw dynamic");
    cJSON_Delete(json);
    end();
}
END_TEST

TEST_MAIN("settings", overrides_without_effect, keys_of_what_is_not_chosen, rows_are_named_after_their_layers)
