/* Training that starts from another model, training that is given more epochs, and models on other data than theirs. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/support/data_sets.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"
#include "train/transfer.h"

static Outcome run(const char *command)
{
    const Where where = {.folder = folder};
    return program_run(arena, &where, command);
}

static void says(const char *command, int code, const char *words)
{
    const Outcome o = run(command);
    ck_assert_msg(o.code == code, "%s: exit %d: %s", command, o.code, o.err);
    if (strstr(o.err, words) == NULL) ck_abort_msg("%s: \"%s\" is not in: %s", command, words, o.err);
}

static bool same_file(const char *a, const char *b)
{
    unsigned char *x, *y;
    size_t n, m;
    must(file_read(arena, inside(a), 1 << 26, &x, &n));
    must(file_read(arena, inside(b), 1 << 26, &y, &m));
    return n == m && memcmp(x, y, n) == 0;
}

static Model *model_in(const char *run_folder)
{
    OpenModel open;
    must(model_open(arena, inside(run_folder), NULL, &open));
    return open.model;
}

/* Pictures of three classes, below folder/name: gray levels that differ. */
static void put_pictures(const char *name, int each)
{
    static const char *const classes[] = {"dark", "grey", "light"};
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < each; i++)
            put_gray(folder, arena_printf(arena, "%s/%s/%02d.png", name, classes[k], i), (uint8_t)(30 + 80 * k + i));
}

static const Layer *layer_of(const Model *m, const char *name)
{
    for (int i = 0; i < m->layers; i++)
        if (strcmp(m->layer[i].name, name) == 0) return &m->layer[i];
    ck_abort_msg("no layer %s", name);
}

static bool same_values(const Param *a, const Param *b)
{
    return a->count == b->count && memcmp(a->x, b->x, sizeof(float) * (size_t)a->count) == 0;
}

#define PICTURES " --set data.dataset=folder --set data.dir=pictures --set train.batch=8 --quiet"

/* Before its first step the new model is the old one, batch norm's statistics included. */
START_TEST(it_starts_from_the_models_parameters)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out a");
    says("train a --out b --set train.epochs=0", 0, "note: starts from a/best.safetensors: 15 parameters taken\n");
    const Model *a = model_in("a"), *b = model_in("b");
    for (int i = 0; i < a->params.n; i++) ck_assert(same_values(a->params.param[i], b->params.param[i]));
    const Layer *x = layer_of(a, "dw"), *y = layer_of(b, "dw");
    ck_assert_mem_eq(x->norm->mean, y->norm->mean, sizeof(float) * (size_t)x->gamma->count);
    ck_assert_mem_eq(x->norm->var, y->norm->var, sizeof(float) * (size_t)x->gamma->count);
    program_must(arena, folder, "ptq a --quiet --out q");
    says("train q --out c --set train.epochs=0", 0, "15 parameters taken\n"); /* of a quantized one its floats */
    program_must(arena, folder, "export q --quiet -o q8.safetensors");
    says("train q8.safetensors --out d", 1, "q8.safetensors: holds integers only");
    says("train zoo.json --out e --set train.freeze=stem --set train.epochs=0", 0, "keep their random first values");
    end();
}
END_TEST

START_TEST(another_head_for_other_data)
{
    begin_zoo();
    put_pictures("pictures", 10);
    program_must(arena, folder, "train zoo.json --quiet --out a");
    says("train a --out b" PICTURES, 1,
         "/pictures has 3 classes, \"dark\", \"grey\", \"light\"; must be as "
         "many: --set model.layers.logits.units=3 gives it a new last layer");
    ck_assert(!file_exists(inside("b")));
    says("train a --out b --set model.layers[-1].units=3 --set train.freeze=[\"stem\",\"dw\"] --set "
         "data.dataset=folder --set data.dir=pictures --set train.epochs=2",
         0, "13 parameters taken; new: logits.weight, logits.bias; unused: logits.weight, logits.bias\n");
    const Model *a = model_in("a"), *b = model_in("b");
    ck_assert_str_eq(b->class_names[2], "light");
    ck_assert(same_values(layer_of(a, "stem")->weight, layer_of(b, "stem")->weight));
    ck_assert(same_values(layer_of(a, "dw")->gamma, layer_of(b, "dw")->gamma));
    ck_assert(!same_values(layer_of(a, "fc")->weight, layer_of(b, "fc")->weight));
    /* As many classes that are others: the head's outputs meant something else, it is made anew. */
    put_pictures("others", 6);
    ck_assert_int_eq(rename(inside("others/light"), inside("others/white")), 0);
    says("train b --out c --set data.dir=others --set train.freeze=[] --set train.epochs=0", 0,
         "13 parameters taken; new: logits.weight, logits.bias; unused: logits.weight, logits.bias\n");
    says("train b --out d --set train.epochs=0", 0, "15 parameters taken\n");
    /* Nothing in common; and training in the loop takes all or nothing. */
    says("train b --out e --set model.layers=[{\"type\":\"flatten\"},{\"type\":\"dense\",\"units\":3}]"
         " --set train.freeze=[]",
         1, "b/best.safetensors: none of its parameters has the name and shape");
    says("qat b --out f --set model.layers.fc.units=5", 1, "must start from the same network");
    says("qat b --out g", 0, "note: train.freeze is of float training");
    end();
}
END_TEST

/* Why a head is replaced, or must be: the classes of both sides, and whether they have any name in common. */
START_TEST(a_new_head_is_explained)
{
    begin_zoo();
    put_pictures("pictures", 10);
    program_must(arena, folder,
                 "train zoo.json --out a --set model.layers.logits.units=3 --set data.classes=0 --set "
                 "train.epochs=1" PICTURES);
    put_pictures("others", 6);
    ck_assert_int_eq(rename(inside("others/dark"), inside("others/cat")), 0);
    says("train a --out b --set data.dir=others --set train.epochs=0", 0,
         "warning: the data has classes \"cat\", \"grey\", \"light\" instead of \"dark\", \"grey\", \"light\": the "
         "last layer, \"logits\", is learned anew\n");
    ck_assert_int_eq(rename(inside("others/grey"), inside("others/dog")), 0);
    ck_assert_int_eq(rename(inside("others/light"), inside("others/emu")), 0);
    says("train a --out c --set data.dir=others --set train.epochs=0", 0,
         "warning: the data has classes \"cat\", \"dog\", \"emu\", none of them the model's, \"dark\", \"grey\", "
         "\"light\": the last layer, \"logits\", is learned anew\n");
    put_gray(folder, "others/fox/0.png", 90);
    put_gray(folder, "others/fox/1.png", 95);
    says("train a --out d --set data.dir=others --set train.epochs=0", 1,
         "/others has 4 classes, \"cat\", \"dog\", \"emu\", \"fox\", none of them the model's, \"dark\", \"grey\", "
         "\"light\"; must be as many: --set model.layers.logits.units=4 gives it a new last layer");
    says("train a --out d --set data.dir=others --set train.epochs=0 --set model.layers.logits.units=4", 0,
         "warning: the data has classes \"cat\", \"dog\", \"emu\", \"fox\", none of them the model's, \"dark\", "
         "\"grey\", \"light\": the last layer, \"logits\", is learned anew\n");
    end();
}
END_TEST

/* The source is needed for the start alone; threads and stops change no byte. */
START_TEST(a_tuned_run_goes_on_without_its_source)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out a");
    const char *command = "train a/last.safetensors --quiet --set train.freeze=stem --set train.epochs=40";
    program_must(arena, folder, arena_printf(arena, "%s --threads 1 --out whole", command));
    const Where where = {.folder = folder};
    const Running running = program_start(arena, &where, arena_printf(arena, "%s --threads 2 --out cut", command));
    while (!file_exists(inside("cut/last.safetensors"))) usleep(1000);
    kill(running.id, SIGKILL);
    ck_assert_int_eq(program_wait(arena, running).code, 137);
    ck_assert_int_eq(rename(inside("a"), inside("elsewhere")), 0);
    program_must(arena, folder, "train cut --quiet --resume --threads 3");
    ck_assert(same_file("whole/last.safetensors", "cut/last.safetensors"));
    end();
}
END_TEST

START_TEST(a_finished_run_takes_more_epochs)
{
    begin_zoo();
    static const char *const begins[] = {"train zoo.json", "qat a/last.safetensors"};
    static const char *const keys[] = {"train.epochs", "qat.epochs"};
    program_must(arena, folder, "train zoo.json --quiet --out a");
    for (int i = 0; i < 2; i++) {
        const char *names[] = {arena_printf(arena, "x%d", i), arena_printf(arena, "y%d", i)};
        for (int k = 0; k < 2; k++) {
            const char *command = arena_printf(arena, "%s --out %s --threads %d", begins[i], names[k], 1 + k);
            program_must(arena, folder, arena_printf(arena, "%s --quiet --set %s=2", command, keys[i]));
            says(arena_printf(arena, "%s --resume --set %s=5", command, keys[i]), 0, "note: 5 epochs instead of 2; ");
            program_must(arena, folder, /* it is one of 5 now */
                         arena_printf(arena, "%s %s --quiet --resume", i == 0 ? "train" : "qat", names[k]));
            says(arena_printf(arena, "%s --quiet --resume --set %s=4", command, keys[i]), 1, "step 30 of 30");
            says(arena_printf(arena, "%s --quiet --resume --set %s=9 --set train.batch=8", command, keys[i]), 1,
                 "/last.safetensors");
        }
        ck_assert(
            same_file(file_join(arena, names[0], "last.safetensors"), file_join(arena, names[1], "last.safetensors")));
        cJSON *config;
        must(json_read(arena, file_join(arena, inside(names[0]), "config.json"), &config));
        ck_assert_double_eq(number(json_get(config, i == 0 ? "train" : "qat"), "epochs"), 5.0);
        cJSON_Delete(config);
    }
    end();
}
END_TEST

START_TEST(one_epoch_is_singular)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out a --set train.epochs=0");
    says("train zoo.json --out a --resume --set train.epochs=1", 0, "note: 1 epoch instead of 0; ");
    program_must(arena, folder, "train zoo.json --quiet --out b --set train.epochs=2");
    says("train zoo.json --out b --resume --set train.epochs=1", 1, "; 1 epoch is fewer steps");
    end();
}
END_TEST

START_TEST(fewer_bits_from_a_quantized_model)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out a");
    program_must(arena, folder, "ptq a --quiet --out ptq8");
    program_must(arena, folder, "qat a --quiet --out qat8");
    static const char *const from[] = {"ptq8", "qat8"};
    for (int i = 0; i < 2; i++) {
        const char *out = arena_printf(arena, "w4-%s", from[i]);
        says(arena_printf(arena, "qat %s --out %s --set quant.weights.bits=4 --set quant.activations.bits=4", from[i],
                          out),
             0, i == 0 ? "a ptq model; its weights and batch norm are taken" : "a qat model; its weights");
        cJSON *json = program_json(arena, folder, arena_printf(arena, "verify %s", out));
        ck_assert_double_eq(number(json, "different"), 0.0);
        cJSON_Delete(json);
        ck_assert_int_eq(layer_of(model_in(out), "fc")->weight_q->qp.bits, 4);
    }
    /* A ptq model's floats are the float model's: the same training to the byte. */
    program_must(arena, folder,
                 "qat ptq8 --quiet --out again --set quant.weights.quantizer=auto --set "
                 "quant.activations.quantizer=auto --set quant.activations.observer=auto");
    ck_assert(same_file("again/last.safetensors", "qat8/last.safetensors"));
    program_must(arena, folder, "export qat8 --quiet -o q8.safetensors");
    says("qat q8.safetensors --out r", 1, "q8.safetensors: holds integers only");
    end();
}
END_TEST

START_TEST(eval_on_any_folder)
{
    begin_zoo();
    put_pictures("pictures", 10);
    put_pictures("field", 4);
    put_pictures("split/test", 2);
    program_must(arena, folder,
                 "train zoo.json --out a --set model.layers.logits.units=3 --set data.classes=0" PICTURES);
    program_must(arena, folder, "qat a --quiet --out q");
    static const char *const engines[] = {"float", "sim", "int8"};
    for (int e = 0; e < 3; e++) {
        cJSON *json = program_json(arena, folder, arena_printf(arena, "eval q --data field --engine %s", engines[e]));
        ck_assert_double_eq(number(json, "n"), 12.0); /* whole: no fifth of it is held back */
        ck_assert_str_eq(text(json, "split"), "all");
        ck_assert_str_eq(text(json, "data"), "field");
        cJSON_Delete(json);
    }
    program_must(arena, folder, "eval q --quiet --data field --dump d");
    ck_assert(file_exists(inside("d/labels.i32")));
    /* Classes by name: those of one folder alone are still the second. */
    put_gray(folder, "one/grey/0.png", 110);
    cJSON *json = program_json(arena, folder, "eval a --data one");
    ck_assert_double_eq(number(json, "n"), 1.0);
    for (int i = 0; i < 3; i++)
        if (i != 1)
            for (int k = 0; k < 3; k++)
                ck_assert_int_eq(cJSON_GetArrayItem(cJSON_GetArrayItem(json_get(json, "confusion"), i), k)->valueint,
                                 0);
    cJSON_Delete(json);
    says("eval a --data split", 1,
         "split: is split, it holds test/ with subfolders; a folder whose subfolders are classes");
    says("eval a --data field --split test", 2,
         "--split test: field is a folder of pictures, which --data takes whole");
    says("eval a --data nowhere", 1, "nowhere: is not a folder");
    put_gray(folder, "strange/purple/0.png", 110);
    says("eval a --data strange", 1, "purple");
    json = program_json(arena, folder, "eval a --split train");
    ck_assert_double_eq(number(json, "n"), 24.0);
    cJSON_Delete(json);
    end();
}
END_TEST

TEST_MAIN("transfer", it_starts_from_the_models_parameters, another_head_for_other_data, a_new_head_is_explained,
          a_tuned_run_goes_on_without_its_source, a_finished_run_takes_more_epochs, one_epoch_is_singular,
          fewer_bits_from_a_quantized_model, eval_on_any_folder)
