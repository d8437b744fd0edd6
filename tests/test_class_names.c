/* Class names are part of a model: data meets it by name, and what does not fit, or is likely a mistake, is said. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "datasets/classes.h"
#include "tests/support/data_sets.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

enum { EACH = 10 };

static const char config[] =
    "{\"data\": {\"dataset\": \"folder\", \"dir\": \"shapes\", \"normalize\": {\"mean\": 0.5019607843137255, \"std\": "
    "0.25}},\n"
    " \"model\": {\"input\": [4, 3, 1], \"layers\": [\n"
    "  {\"type\": \"flatten\", \"name\": \"flat\"}, {\"type\": \"dense\", \"name\": \"logits\", \"units\": 3}]},\n"
    " \"train\": {\"epochs\": 40, \"batch\": 8, \"optimizer\": {\"lr\": 0.1}}, \"qat\": {\"epochs\": 1}}\n";

/* Pictures of one class, all nearly of one gray level. */
static void put_class(const char *where, int level, int n)
{
    for (int i = 0; i < n; i++)
        put_gray(folder, arena_printf(arena, "%s/%02d.png", where, i), (uint8_t)(level + i % 4));
}

/* A model that tells circle, square and triangle apart. */
static void begin_shapes(void)
{
    begin();
    put_text(folder, "shapes.json", config);
    put_class("shapes/circle", 20, EACH);
    put_class("shapes/square", 120, EACH);
    put_class("shapes/triangle", 220, EACH);
    program_must(arena, folder, "train shapes.json --quiet --out m");
}

static Outcome run(const char *command)
{
    const Where where = {.folder = folder};
    return program_run(arena, &where, command);
}

static void says(const Outcome *o, int code, const char *words)
{
    ck_assert_msg(o->code == code, "exit %d, not %d: %s", o->code, code, o->err);
    if (strstr(o->err, words) == NULL) ck_abort_msg("\"%s\" is not in: %s", words, o->err);
}

static double cell(const cJSON *json, int label, int answer)
{
    return cJSON_GetArrayItem(cJSON_GetArrayItem(json_get(json, "confusion"), label), answer)->valuedouble;
}

START_TEST(a_subset_is_scored_by_name)
{
    begin_shapes();
    put_class("some/triangle", 220, EACH);
    put_class("two/triangle", 220, EACH); /* in another order than by number */
    put_class("two/circle", 20, EACH);
    program_must(arena, folder, "ptq m/last.safetensors --quiet --out q");
    static const char *const models[] = {"m/last.safetensors", "q/model.safetensors"};
    for (int i = 0; i < 2; i++) {
        cJSON *one =
            program_json(arena, folder, arena_printf(arena, "eval %s --set data.dir=%s", models[i], inside("some")));
        ck_assert_double_eq(number(one, "accuracy"), 1.0);
        ck_assert_double_eq(cell(one, 2, 2), 2.0); /* a fifth of ten, of the third class */
        ck_assert_double_eq(cell(one, 0, 0), 0.0);
        cJSON_Delete(one);
        cJSON *two =
            program_json(arena, folder, arena_printf(arena, "eval %s --set data.dir=%s", models[i], inside("two")));
        ck_assert_double_eq(number(two, "accuracy"), 1.0);
        ck_assert_double_eq(cell(two, 0, 0), 2.0);
        ck_assert_double_eq(cell(two, 2, 2), 2.0);
        cJSON_Delete(two);
    }
    const Outcome o = run(arena_printf(arena, "eval m/last.safetensors --set data.dir=%s", inside("some")));
    says(&o, 0,
         "warning: m/last.safetensors: the data has no class \"circle\", \"square\"; the model has \"circle\", "
         "\"square\", \"triangle\", the data \"triangle\"\n");
    end();
}
END_TEST

START_TEST(an_unknown_class_is_refused)
{
    begin_shapes();
    program_must(arena, folder, "ptq m/last.safetensors --quiet --out q");
    program_must(arena, folder, "export q/model.safetensors --quiet -o int8.safetensors");
    ck_assert_int_eq(rename(inside("shapes/circle"), inside("shapes/zebra")), 0);
    const char *before = folder_listing(arena, folder, NULL);
    static const char *const commands[] = {"eval m/last.safetensors",
                                           "eval q/model.safetensors",
                                           "eval int8.safetensors --set data.dataset=folder",
                                           "ptq m/last.safetensors --out r",
                                           "qat m/last.safetensors --out r",
                                           "compare m/last.safetensors --out r",
                                           "train shapes.json --out m --resume",
                                           NULL};
    for (int i = 0; commands[i] != NULL; i++) {
        const Outcome o = run(arena_printf(arena, "%s --set data.dir=%s", commands[i], inside("shapes")));
        says(&o, 1,
             "safetensors: the data's class \"zebra\" is none of the model's; the model has \"circle\", \"square\", "
             "\"triangle\", the data \"square\", \"triangle\", \"zebra\"\n");
        ck_assert_int_eq(line_count(o.err), 1);
    }
    ck_assert_str_eq(folder_listing(arena, folder, NULL), before);
    end();
}
END_TEST

/* Names outlive the folder in the model's file, whatever UTF-8 they are; what is none is refused by every verb. */
START_TEST(names_survive_the_file)
{
    begin_shapes();
    static const char *const strange = "shapes/\"a\\b\" \xc3\xa9\n\xf0\x9f\x98\x80";
    ck_assert_int_eq(rename(inside("shapes/circle"), inside(strange)), 0);
    program_must(arena, folder, "train shapes.json --quiet --out n");
    cJSON *json = program_json(arena, folder, "eval n");
    ck_assert_str_eq(cJSON_GetArrayItem(json_get(json, "classes"), 0)->valuestring, strchr(strange, '/') + 1);
    cJSON_Delete(json);
    ck_assert_int_eq(rename(inside("shapes/square"), inside("shapes/caf\xe9")), 0);
    const char *before = folder_listing(arena, folder, NULL);
    static const char *const commands[] = {"train shapes.json --out r", "train m --out r", "qat shapes.json --out r",
                                           "eval m", "eval m --data shapes"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const Outcome o = run(commands[i]);
        says(&o, 1, "shapes: class folder \"caf\\xe9\": byte 0xe9 is not UTF-8; ");
    }
    ck_assert_str_eq(folder_listing(arena, folder, NULL), before);
    end();
}
END_TEST

/* Training without a class unlearns it; ranges may be calibrated without. */
START_TEST(training_needs_every_class)
{
    begin_shapes();
    folder_remove(inside("shapes/square"));
    static const char *const refused_verbs[] = {"qat m/last.safetensors --out r", "compare m/last.safetensors --out r",
                                                NULL};
    for (int i = 0; refused_verbs[i] != NULL; i++) {
        const Outcome o = run(refused_verbs[i]);
        says(&o, 1,
             "the data has no class \"square\"; the model has \"circle\", \"square\", \"triangle\", the data "
             "\"circle\", \"triangle\"; training needs them all\n");
    }
    ck_assert(!file_exists(inside("r")));
    const Outcome o = run("ptq m/last.safetensors --out r");
    says(&o, 0, "warning: m/last.safetensors: the data has no class \"square\"");
    end();
}
END_TEST

START_TEST(outputs_without_a_class_may_stay)
{
    begin_shapes();
    program_must(arena, folder, "train shapes.json --quiet --out ten --set model.layers.logits.units=10");
    program_must(arena, folder, "qat ten/last.safetensors --quiet --out q"); /* 3 to 9 stand for nothing */
    cJSON *json = program_json(arena, folder, "eval q/last.safetensors");
    ck_assert_double_eq(number(json, "accuracy"), 1.0);
    cJSON_Delete(json);
    end();
}
END_TEST

/* The classes of a folder lie one after the other; a limit takes of each. */
START_TEST(a_limit_takes_of_every_class)
{
    begin_shapes();
    program_must(arena, folder, "ptq m/last.safetensors --quiet --out q");
    static const char *const commands[] = {"eval q/model.safetensors --set data.test_limit=3",
                                           "eval q/model.safetensors --images 3", NULL};
    for (int i = 0; commands[i] != NULL; i++) {
        cJSON *json = program_json(arena, folder, commands[i]);
        for (int k = 0; k < 3; k++) ck_assert_double_eq(cell(json, k, k), 1.0);
        cJSON_Delete(json);
    }
    cJSON *all = program_json(arena, folder,
                              arena_printf(arena, "eval q/model.safetensors --data %s --images 9", inside("shapes")));
    for (int k = 0; k < 3; k++) ck_assert_double_eq(cell(all, k, k), 3.0);
    cJSON_Delete(all);
    Outcome o = run("eval q/model.safetensors --images 2");
    says(&o, 0, "warning: --images 2: no image of class \"triangle\"\n");
    static const char *const verbs[] = {"eval q/model.safetensors",
                                        "verify q/model.safetensors",
                                        "ptq m/last.safetensors --out r --overwrite",
                                        "qat m/last.safetensors --out r --overwrite",
                                        "train m/last.safetensors --out r --overwrite --set train.epochs=1",
                                        NULL};
    for (int i = 0; verbs[i] != NULL; i++) {
        o = run(arena_printf(arena, "%s --quiet --set data.test_limit=2", verbs[i]));
        says(&o, 0, "warning: no test image of class \"triangle\"\n");
    }
    o = run("train shapes.json --out t --set train.epochs=1 --set data.train_limit=9");
    says(&o, 0, "3 classes; 9 training");
    ck_assert_msg(strstr(o.err, "no training image") == NULL, "%s", o.err);
    end();
}
END_TEST

START_TEST(messages_name_what_was_given)
{
    begin_shapes();
    put_class("one/circle", 20, 3);
    program_must(arena, folder, "ptq m/last.safetensors --quiet --out q");
    ck_assert_int_eq(mkdir(inside("empty"), 0777), 0);
    static const struct {
        const char *command;
        int code;
        const char *words;
    } cases[] = {
        {"eval m/last.safetensors --data one", 0, "data: 1 of 3 classes; 0 training"},
        {"eval m/last.safetensors --data empty --set data.dataset=folder", 1, "bitfold: --data: "},
        {"train m --out r --set data.dir=one", 1, "the data has no class \"square\", \"triangle\""},
        {"train m --out r --epochs 3", 2, "unknown option --epochs; see bitfold train --help\n"},
        {"predict q one/circle/00.png one/circle/01.png --dump d", 0,
         "warning: --dump: the codes of the first image only, one/circle/00.png\n"},
        {"export m/last.safetensors -o f.onnx", 1, "or --float writes the float network"},
        {"eval m --set data.normalize.std=0.5", 0, "warning: data.normalize: the model was trained with another"},
        {"verify q --set data.normalize.std=0.5", 0, "warning: data.normalize: the model was trained with another"},
        {"train shapes.json --out v --set data.validation=0.2", 0,
         "note: this accuracy is of v/last.safetensors; v as a MODEL stands for v/best.safetensors"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Outcome o = run(cases[i].command);
        says(&o, cases[i].code, cases[i].words);
    }
    end();
}
END_TEST

/* ---- the rule itself --------------------------------------------------------------------------------------------- */

static DataSplits data_of(int classes, const char *const *names, int32_t *labels, int n)
{
    const Dataset set = {.n = n, .classes = classes, .targets = {.label = labels}};
    DataSplits data = {.train = set, .test = set, .named = names != NULL};
    data.test.n = data.validation.n = 0;
    data.class_names = ARENA_ARRAY(arena, const char *, classes);
    for (int k = 0; k < classes; k++) data.class_names[k] = names != NULL ? names[k] : arena_printf(arena, "%d", k);
    return data;
}

START_TEST(names_and_numbers)
{
    begin();
    const char *const abc[] = {"a", "b", "c"}, *const ca[] = {"c", "a"}, *const digits[] = {"0", "1", "2"};
    const char *const two[] = {"2", "1"}, *const mixed[] = {"1", "x"}, *const other[] = {"x", "y"};
    const ModelClasses named = {"m", 3, abc}, numbered = {"m", 3, digits};
    int32_t labels[3];
    const char *note;
#define DATA(classes, names) data_of(classes, names, memcpy(labels, (int32_t[]){0, 1, 1}, sizeof labels), 3)
    DataSplits data = DATA(2, ca);
    must(classes_map(arena, &named, false, &data, &note));
    ck_assert(data.train.targets.label[0] == 2 && data.train.targets.label[1] == 0 && data.train.targets.label[2] == 0);
    ck_assert_int_eq(data.train.classes, 3);
    ck_assert_str_eq(data.class_names[1], "b");
    ck_assert_ptr_nonnull(strstr(note, "no class \"b\""));
    data = DATA(2, ca);
    refused(classes_map(arena, &named, true, &data, &note), "m: the data has no class \"b\"; the model has");
    data = DATA(2, two); /* folders of digits against a model of numbers */
    must(classes_map(arena, &numbered, true, &data, &note));
    ck_assert(data.train.targets.label[0] == 2 && data.train.targets.label[1] == 1);
    data = DATA(2, mixed);
    refused(classes_map(arena, &numbered, false, &data, &note), "class \"x\" is none of the model's");
    data = DATA(2, other);
    refused(classes_map(arena, &named, false, &data, &note), "class \"x\", \"y\" is none");
    data = DATA(2, other); /* a model without names takes those of the data */
    must(classes_map(arena, &numbered, true, &data, &note));
    ck_assert_str_eq(data.class_names[0], "x");
    ck_assert_int_eq(data.train.targets.label[0], 0);
    ck_assert_ptr_nonnull(strstr(note, "no class names: its outputs 0 to 1 are taken as \"x\", \"y\""));
    data = DATA(3, NULL);
    must(classes_map(arena, &named, true, &data, &note));
    ck_assert_ptr_null(note);
    ck_assert_str_eq(data.class_names[2], "c");
    data = DATA(2, NULL);
    must(classes_map(arena, &named, true, &data, &note));
    ck_assert_ptr_nonnull(strstr(note, "2 classes in the data, without names, 3 outputs"));
    data = DATA(4, NULL);
    refused(classes_map(arena, &named, false, &data, &note), "m: 3 outputs, the data has 4 classes; must be");
#undef DATA
    end();
}
END_TEST

START_TEST(long_lists_are_cut)
{
    begin();
    const char *names[11];
    for (int i = 0; i < 11; i++) names[i] = i == 0 ? "a\nb" : "n";
    const char *text = classes_text(arena, names, 11);
    ck_assert_msg(strstr(text, "\"a\\nb\", \"n\"") == text && strstr(text, "\"n\" and 3 more") != NULL, "%s", text);
    end();
}
END_TEST

/* ---- what is told ------------------------------------------------------------------------------------------------ */

START_TEST(the_data_is_described_once)
{
    begin_shapes();
    static const char line[] = "data: 3 classes; 24 training, 0 validation and 6 test images of 4 x 3 x 1\n";
    static const char *const commands[] = {"train shapes.json --out a",
                                           "ptq m/last.safetensors --out b",
                                           "qat m/last.safetensors --out c",
                                           "eval m/last.safetensors",
                                           "compare m/last.safetensors --out d --set compare.ptq_bits=[] --set "
                                           "compare.qat_bits=8",
                                           NULL};
    for (int i = 0; commands[i] != NULL; i++) {
        Outcome o = run(commands[i]);
        says(&o, 0, line);
        o = run(arena_printf(arena, "%s --json%s", commands[i], i == 3 ? "" : " --overwrite"));
        says(&o, 0, line);
        ck_assert_ptr_null(strstr(o.out, "data: "));
    }
    end();
}
END_TEST

START_TEST(suspicious_data_is_told)
{
    begin_shapes();
    put_class("one/circle", 20, EACH);
    put_class("bent/circle", 20, 50);
    put_class("bent/square", 120, 4);
    static const struct {
        const char *set, *words;
    } cases[] = {
        {"data.dir=one", "warning: one class only, \"circle\": there is nothing to tell apart\n"},
        {"data.dir=bent",
         "warning: the classes are out of balance: 40 training images of \"circle\", 3 of \"square\"\n"},
        {"model.layers.logits.units=5", "warning: 3 classes, but the network has 5 outputs: 2 of them are never right"},
        {"train.batch=25", "warning: 24 training images are fewer than train.batch, 25: each step sees all of them"},
        {"data.train_limit=2", "warning: no training image of class \"triangle\"\n"},
        {"data.test_limit=2", "warning: no test image of class \"triangle\"\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Outcome o = run(arena_printf(arena,
                                           "train shapes.json --quiet --overwrite --out r --set train.epochs=1 "
                                           "--set %s",
                                           cases[i].set));
        says(&o, 0, cases[i].words);
    }
    Outcome o = run("train shapes.json --quiet --out healthy");
    ck_assert_int_eq(o.code, 0);
    ck_assert_str_eq(o.err, "");
    o = run("train shapes.json --out few --set model.layers.logits.units=2");
    says(&o, 1, "gives 2 logits, the data has 3 classes; must be at least as many");
    end();
}
END_TEST

TEST_MAIN("class_names", a_subset_is_scored_by_name, an_unknown_class_is_refused, names_survive_the_file,
          training_needs_every_class, outputs_without_a_class_may_stay, a_limit_takes_of_every_class,
          messages_name_what_was_given, names_and_numbers, long_lists_are_cut, the_data_is_described_once,
          suspicious_data_is_told)
