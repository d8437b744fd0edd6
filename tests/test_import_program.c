/* import with the real program: what comes out is a model for every other verb. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "tests/support/data_sets.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

/* The data of zoo.json, by assignment. */
#define ZOO_DATA                                                                                                       \
    " --set seed=3 --set data.synthetic_train=96 --set data.synthetic_test=40 --set data.synthetic_noise=0.5"

static void trained(void)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float --set train.epochs=8");
}

static double accuracy_of(const char *command)
{
    cJSON *json = program_json(arena, folder, command);
    const double accuracy = number(json, "accuracy");
    cJSON_Delete(json);
    return accuracy;
}

START_TEST(a_float_network_is_a_model)
{
    trained();
    program_must(arena, folder, "export float/last.safetensors --to onnx --float -o f.onnx");
    const char *said = program_must(arena, folder, "import f.onnx -o m --set train.epochs=2" ZOO_DATA);
    ck_assert_msg(strncmp(said, "m/last.safetensors: image 12 x 12 x 1, 4 classes, ", 50) == 0, "%s", said);
    const double accuracy = accuracy_of("eval float/last.safetensors");
    ck_assert_double_gt(accuracy, 0.5);
    ck_assert_double_eq(accuracy_of("eval m/last.safetensors"), accuracy);
    program_must(arena, folder, "ptq m/last.safetensors --out ptq");
    program_must(arena, folder, "verify ptq/model.safetensors");
    program_must(arena, folder, "qat m/last.safetensors --out qat --quiet --set qat.epochs=1");
    program_must(arena, folder, "verify qat/last.safetensors");
    program_must(arena, folder, "export qat/last.safetensors --to tflite -o q.tflite --set quant.dialect=xnnpack");
    program_must(arena, folder, "export qat/last.safetensors --to c -o q.c --set quant.dialect=tflite-single");
    program_must(arena, folder, "inspect m/config.json");
    end();
}
END_TEST

/* A network for three classes of pictures, whose file does not name them. */
START_TEST(outputs_are_named_after_the_data)
{
    trained();
    for (int i = 0; i < 24; i++) {
        put_gray(folder,
                 arena_printf(arena, "p/%s/%d.png",
                              i % 3 == 0   ? "low"
                              : i % 3 == 1 ? "mid"
                                           : "up",
                              i),
                 (uint8_t)(10 * i));
        put_gray(folder, arena_printf(arena, "four/%c/%d.png", "abcd"[i % 4], i), (uint8_t)(10 * i));
        put_gray(folder, arena_printf(arena, "years/%c/%d.png", "1234"[i % 4], i), (uint8_t)(10 * i));
    }
    static const char set[] = " --set data.dataset=folder --set data.dir=";
    program_must(arena, folder,
                 arena_printf(arena,
                              "train float --quiet --out three --set train.epochs=1 --set "
                              "model.layers[-1].units=3%sp",
                              set));
    program_must(arena, folder, "train zoo.json --quiet --out plain --set train.epochs=0");
    program_must(arena, folder, "export plain --quiet --float -o plain.onnx");
    const Where where = {.folder = folder};
    Outcome o = program_run(arena, &where, arena_printf(arena, "import plain.onnx -o m%sfour", set));
    ck_assert_msg(o.code == 0 && strstr(o.err, "in their order: \"a\", \"b\", \"c\", \"d\"\n") != NULL, "%s", o.err);
    cJSON *json = program_json(arena, folder, "eval m --quiet");
    ck_assert_str_eq(cJSON_GetArrayItem(json_get(json, "classes"), 2)->valuestring, "c");
    cJSON_Delete(json);
    o = program_run(arena, &where, arena_printf(arena, "import plain.onnx -o n%sp", set));
    ck_assert_msg(o.code == 0 && strstr(o.err, "4 outputs, the data 3 classes: the outputs stay without names") != NULL,
                  "%s", o.err);
    /* What the file says itself stays. */
    program_must(arena, folder, "export three --quiet --float -o three.onnx");
    program_must(arena, folder, arena_printf(arena, "import three.onnx -o own%sp", set));
    json = program_json(arena, folder, "eval own --quiet");
    ck_assert_str_eq(cJSON_GetArrayItem(json_get(json, "classes"), 2)->valuestring, "up");
    cJSON_Delete(json);
    /* Digits, too, unless each output has just its own number. */
    program_must(arena, folder,
                 arena_printf(arena, "train zoo.json --quiet --out years1 --set train.epochs=0%syears", set));
    program_must(arena, folder, "export years1 --quiet --float -o years1.onnx");
    o = program_run(arena, &where, arena_printf(arena, "import years1.onnx -o years2%sfour", set));
    ck_assert_msg(o.code == 0 && strstr(o.err, "named after") == NULL, "%s", o.err);
    end();
}
END_TEST

START_TEST(compare_starts_from_a_float_model)
{
    static const char rows[] = " --quiet --set compare.ptq_bits=8 --set compare.qat_bits=4 --set "
                               "compare.granularities=per_tensor --set compare.calibrators=minmax --set qat.epochs=1 "
                               "--set compare.seeds=[1,2]";
    trained();
    program_must(arena, folder, "export float/last.safetensors --to onnx --float -o f.onnx");
    program_must(arena, folder, "import f.onnx -o m" ZOO_DATA);
    const double accuracy = accuracy_of("eval m/last.safetensors");
    cJSON *json = program_json(arena, folder, arena_printf(arena, "compare m/last.safetensors --out table%s", rows));
    const cJSON *first = cJSON_GetArrayItem(json_get(json, "rows"), 0);
    ck_assert_int_eq(cJSON_GetArraySize(json_get(json, "rows")), 3);
    ck_assert_str_eq(text(first, "kind"), "float");
    ck_assert_double_eq(number(first, "accuracy"), accuracy);
    ck_assert_double_eq(number(first, "accuracy_std"), 0.0);
    cJSON_Delete(json);
    ck_assert(file_exists(inside("table/report.html")));
    ck_assert(!file_exists(inside("table/float-seed1/metrics.jsonl"))); /* it was not trained again */
    program_must(arena, folder, arena_printf(arena, "compare m/last.safetensors --out table --resume%s", rows));
    program_must(arena, folder, "ptq m/last.safetensors --out ptq");
    const Outcome o = program_run(arena, &(Where){.folder = folder}, "compare ptq/model.safetensors --out other");
    ck_assert_int_eq(o.code, 1);
    ck_assert_ptr_nonnull(strstr(o.err, "ptq/model.safetensors: a ptq model; the table starts from a float model"));
    end();
}
END_TEST

START_TEST(integers_are_a_model_for_what_runs_them)
{
    trained();
    program_must(arena, folder, "ptq float/last.safetensors --out ptq");
    program_must(arena, folder, "export ptq/model.safetensors --to onnx -o q.onnx --set quant.dialect=onnxruntime");
    program_must(arena, folder, "import q.onnx -o m" ZOO_DATA);
    ck_assert(file_exists(inside("m/model.json")));
    ck_assert_double_eq(accuracy_of("eval m/model.safetensors"),
                        accuracy_of("eval ptq/model.safetensors --set quant.dialect=onnxruntime"));
    cJSON *json = program_json(arena, folder, "inspect m/model.safetensors");
    ck_assert_str_eq(text(json, "rounding"), "onnxruntime");
    cJSON_Delete(json);
    program_must(arena, folder, "inspect m/model.safetensors --target c");
    program_must(arena, folder, "export m/model.safetensors --to tflite -o m.tflite --set quant.dialect=xnnpack");
    program_must(arena, folder, "export m/model.safetensors --to onnx -o again.onnx");
    program_must(arena, folder, "import again.onnx -o m2 --set quant.dialect=tflite-double" ZOO_DATA);
    const Where where = {.folder = folder};
    static const char *const refused[][2] = {
        {"eval m/model.safetensors --engine float",
         "--engine float: m/model.safetensors holds integers only; must be int8"},
        {"eval m/model.safetensors --set data.normalize.mean=0.5",
         "holds integers only; quant.target, seed and data.*"},
        {"import q.onnx -o m", "m: exists; must be a new folder"},
        {"import q.onnx", "import: no -o FOLDER; it is required"},
        {"import zoo.json -o n", "zoo.json: its bytes are no ONNX model; must be one"},
        {"import q.onnx -o n --set quant.dialect=fast", "quant.dialect: \"fast\"; must be one of"},
        {"import q.onnx -o n --set quant.weights.bits=4",
         "--set quant.weights.bits=4: q.onnx holds integers only; quant.target, seed, name and data.*"},
        {"import q.onnx -o n --set data.dataset=foldr", "(did you mean \"folder\"?)"},
        {"import q.onnx -o n --set data.dataset=folder --set data.dir=none", "none\"; must be a folder that exists"},
        {"verify m/model.safetensors", "m/model.safetensors: holds integers only; a model with its trained floats"},
        {"ptq m/model.safetensors --out n", "m/model.safetensors: holds integers only"},
        {"eval alone/q.safetensors", "alone/q.safetensors: there is no config.json beside it, which names its data; "
                                     "that, --data DIR, or --set data.dataset"}};
    ck_assert_int_eq(file_make_dir(inside("alone")), STATUS_OK);
    program_must(arena, folder, "export m/model.safetensors -o alone/q.safetensors");
    program_must(arena, folder, "inspect alone/q.safetensors");
    program_must(arena, folder, "eval alone/q.safetensors --set data.dataset=synthetic --set data.classes=4");
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const Outcome o = program_run(arena, &where, refused[i][0]);
        ck_assert_msg(o.code != 0 && strstr(o.err, refused[i][1]) != NULL, "%s: %s", refused[i][0], o.err);
        ck_assert_msg(strncmp(refused[i][0], "import", 6) != 0 || strstr(o.err, "--resume") == NULL, "%s", o.err);
    }
    ck_assert(!file_exists(inside("n")));
    end();
}
END_TEST

static int notes_of(const char *command, const char *words)
{
    cJSON *json = program_json(arena, folder, command);
    int n = 0;
    const cJSON *note;
    cJSON_ArrayForEach(note, json_get(json, "notes")) n += strstr(note->valuestring, words) != NULL;
    cJSON_Delete(json);
    return n;
}

START_TEST(what_is_assumed_is_said)
{
    static const char none[] = "no data.dataset was given", pixels[] = "no data.normalize was given";
    trained();
    program_must(arena, folder, "export float/last.safetensors --to onnx --float -o f.onnx");
    ck_assert_int_eq(notes_of("import f.onnx -o a", none), 1);
    ck_assert_int_eq(notes_of("import f.onnx -o b", pixels), 0); /* our own file says it */
    ck_assert_int_eq(notes_of("import f.onnx -o c --set data.dataset=synthetic", none), 0);
    ck_assert_int_eq(notes_of("import f.onnx -o d --set data={\"dataset\":\"synthetic\"}", pixels), 1);
    ck_assert_int_eq(notes_of("import f.onnx -o e --set data.dataset=folder --set data.dir=d", none), 0);
    ck_assert_int_eq(notes_of("import f.onnx -o g/h --set data.dataset=folder --set data.dir=./d", none), 0);
    end();
}
END_TEST

TEST_MAIN("import_program", a_float_network_is_a_model, outputs_are_named_after_the_data,
          compare_starts_from_a_float_model, integers_are_a_model_for_what_runs_them, what_is_assumed_is_said)
