/* The program's manners: help, version, one JSON object, quiet, and what goes to which stream. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "include/bitfold.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static const char *const verb_names[] = {
#define VERB(name) #name,
#include "cli/verbs.def"
#undef VERB
    NULL};

static Outcome run(const char *command)
{
    const Where where = {.folder = folder};
    return program_run(arena, &where, command);
}

START_TEST(every_verb_helps)
{
    begin_zoo();
    static const char *const common[] = {"--threads N", "--json", "--quiet", NULL};
    const Outcome all = run("--help"), none = run("");
    ck_assert_int_eq(all.code, 0);
    ck_assert_str_eq(all.err, "");
    ck_assert_int_eq(none.code, 2);
    ck_assert_str_eq(none.out, "");
    ck_assert_str_eq(none.err, all.out);
    for (int i = 0; verb_names[i] != NULL; i++) {
        has(all.out, arena_printf(arena, "\n  %s ", verb_names[i]));
        const Outcome one = run(arena_printf(arena, "%s --help", verb_names[i]));
        ck_assert_int_eq(one.code, 0);
        ck_assert_str_eq(one.err, "");
        has(one.out, arena_printf(arena, "usage: bitfold %s", verb_names[i]));
        for (int k = 0; common[k] != NULL; k++) has(one.out, common[k]);
        ck_assert_str_eq(run(arena_printf(arena, "%s -h", verb_names[i])).out, one.out);
    }
    static const char *const trains[] = {"--set a.b.c=VALUE", "--out DIR", "--overwrite", "--resume", "--seed N", NULL};
    for (int k = 0; trains[k] != NULL; k++) has(run("train --help").out, trains[k]);
    ck_assert_str_eq(folder_listing(arena, folder, "zoo.json"), "");
    end();
}
END_TEST

START_TEST(version_is_the_headers)
{
    begin_zoo();
    const Outcome o = run("--version");
    ck_assert_int_eq(o.code, 0);
    ck_assert_str_eq(o.out, "bitfold " BITFOLD_VERSION "\n");
    end();
}
END_TEST

START_TEST(json_is_one_object)
{
    begin_zoo();
    static const char *const commands[] = {"train zoo.json --out float",
                                           "ptq float/last.safetensors --out ptq",
                                           "qat float/last.safetensors",
                                           "eval ptq/model.safetensors",
                                           "verify ptq/model.safetensors",
                                           "export ptq/model.safetensors -o m.safetensors",
                                           "inspect zoo.json",
                                           "bench zoo.json --steps 1 --batch 2",
                                           "describe --schema",
                                           NULL};
    for (int i = 0; commands[i] != NULL; i++) cJSON_Delete(program_json(arena, folder, commands[i]));
    cJSON *json = program_json(arena, folder, "train zoo.json --out float --overwrite");
    ck_assert_str_eq(json_get(json, "folder")->valuestring, "float");
    ck_assert_str_eq(json_get(json, "model")->valuestring, "float/last.safetensors");
    ck_assert_double_eq(json_get(json, "n")->valuedouble, 40.0);
    cJSON_Delete(json);
    ck_assert(file_exists(file_join(arena, folder, "runs/zoo-qat/best.safetensors"))); /* the default folder */
    end();
}
END_TEST

START_TEST(progress_goes_to_stderr_one_line_an_epoch)
{
    begin_zoo();
    const Outcome loud = run("train zoo.json --out a"), quiet = run("train zoo.json --out b --quiet");
    ck_assert_int_eq(loud.code, 0);
    ck_assert_int_eq(line_count(loud.err), 1 + 3);
    has(loud.err, "data: 4 classes; 96 training, 0 validation and 40 test images of 12 x 12 x 1\n");
    ck_assert_ptr_null(strchr(loud.err, '\r')); /* no live line in a pipe */
    has(loud.err, "epoch 3/3  step 18/18  loss ");
    has(loud.out, "a/last.safetensors\n");
    ck_assert_int_eq(quiet.code, 0);
    ck_assert_str_eq(quiet.err, "");
    has(quiet.out, "test accuracy "); /* quiet hides progress, not results */
    end();
}
END_TEST

START_TEST(overwrite_replaces_a_run_and_nothing_else)
{
    begin_zoo();
    program_must(arena, folder, "qat zoo.json --quiet --out r");
    put_text(folder, "r/notes.txt", "mine");
    program_must(arena, folder, "train zoo.json --quiet --out r --overwrite --seed 5 --set train.epochs=1");
    const char *listing = folder_listing(arena, folder, NULL);
    has(listing, "r/notes.txt 4 ");
    cJSON *json = program_json(arena, folder, "eval r/best.safetensors");
    ck_assert_str_eq(json_get(json, "engine")->valuestring, "float");
    cJSON_Delete(json);
    end();
}
END_TEST

/* A run directory stands for the model in it, the best one where there is one, and the program says which. */
START_TEST(a_run_directory_is_its_model)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float --set data.validation=0.25");
    program_must(arena, folder, "ptq float --quiet --out table/ptq");
    program_must(arena, folder, "qat float --quiet --out table/qat");
    static const struct {
        const char *folder, *file;
    } runs[] = {{"float", "float/best.safetensors"},
                {"table/ptq", "table/ptq/model.safetensors"},
                {"table/qat/", "table/qat/best.safetensors"}};
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        const Outcome o = run(arena_printf(arena, "eval %s", runs[i].folder));
        ck_assert_int_eq(o.code, 0);
        has(o.err, arena_printf(arena, "model: %s\ndata: ", runs[i].file));
        ck_assert_int_eq(line_count(o.err), 2);
        ck_assert_str_eq(run(arena_printf(arena, "eval %s --quiet", runs[i].folder)).err, "");
    }
    put_text(folder, "float/best.safetensors", "broken");
    ck_assert_int_eq(run("eval float").code, 1); /* it is the best one that was read ... */
    ck_assert_int_eq(unlink(inside("float/best.safetensors")), 0);
    has(run("inspect float").err, "model: float/last.safetensors\n"); /* ... and the last one where there is none */
    const Outcome table = run("verify table");
    ck_assert_int_eq(table.code, 1);
    has(table.err, "table: holds no model but 2 run directories; one of them is required, such as table/ptq");
    has(run("export . -o x.c").err, "1 run directory; one of them is required, such as ./float");
    put_text(folder, "empty/notes.txt", "none");
    has(run("predict empty x.png").err, "empty: a folder without best.safetensors");
    end();
}
END_TEST

/* Where a run goes without --out, as the manual page and --help have it. */
START_TEST(default_run_directories)
{
    begin_zoo();
    static const struct {
        const char *command, *name; /* what the run directory's name has behind the configuration's */
    } runs[] = {{"train zoo.json --set train.epochs=1", ""},
                {"train runs/zoo --set train.epochs=0", "-tuned"},
                {"ptq runs/zoo", "-ptq"},
                {"qat runs/zoo --set qat.epochs=1", "-qat"},
                {"qat zoo.json --set train.epochs=1 --overwrite", "-qat"},
                {"qat runs/zoo-qat --set qat.epochs=1 --set name=zoo2-qat", NULL}};
    unsigned char *manual;
    size_t bytes;
    ck_assert_int_eq(file_read(arena, "docs/bitfold.1", 1 << 20, &manual, &bytes), STATUS_OK);
    const char *out = strstr((char *)manual, "\n.BI \\-\\-out \" DIR\"\n");
    ck_assert_ptr_nonnull(out);
    const char *entry = arena_printf(arena, "%.*s", (int)(strstr(out + 1, "\n.TP\n") - out), out);
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        program_must(arena, folder, arena_printf(arena, "%s --quiet", runs[i].command));
        if (runs[i].name == NULL) continue;
        ck_assert(file_exists(inside(arena_printf(arena, "runs/zoo%s/config.json", runs[i].name))));
        has(run("train --help").out, arena_printf(arena, "runs/NAME%s", runs[i].name));
        has(entry, runs[i].name[0] == '\0' ? "runs/NAME " : arena_printf(arena, "runs/NAME\\%s", runs[i].name));
    }
    ck_assert(file_exists(inside("runs/zoo2-qat"))); /* one ending, not two */
    ck_assert(!file_exists(inside("runs/zoo2-qat-qat")));
    end();
}
END_TEST

START_TEST(eval_names_the_classes)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float --set train.epochs=1");
    cJSON *json = program_json(arena, folder, "eval float/last.safetensors");
    const cJSON *classes = json_get(json, "classes"), *confusion = json_get(json, "confusion");
    ck_assert_int_eq(cJSON_GetArraySize(classes), 4);
    ck_assert_int_eq(cJSON_GetArraySize(confusion), 4);
    for (int i = 0; i < 4; i++)
        ck_assert_str_eq(cJSON_GetArrayItem(classes, i)->valuestring, arena_printf(arena, "%d", i));
    cJSON_Delete(json);
    end();
}
END_TEST

/* A config of the per-channel kind costs exact pixels, and the program says so. */
START_TEST(inexact_pixels_are_noted)
{
    begin_zoo();
    const Outcome o = run("qat zoo.json --out r --set data.normalize.mean=0.3 --set train.epochs=1");
    ck_assert_int_eq(o.code, 0);
    has(o.err, "note: ");
    has(o.err, "255 * mean an integer");
    end();
}
END_TEST

START_TEST(a_full_standard_output_is_an_error)
{
    begin_zoo();
    put_text(folder, "full.sh", "exec \"$1\" describe >/dev/full");
    const char *program = getenv("BITFOLD") != NULL ? getenv("BITFOLD") : "build/release/bitfold";
    const int status = system(arena_printf(arena, "sh %s/full.sh %s 2>%s/said", folder, program, folder));
    ck_assert_int_ne(status, 0);
    unsigned char *said;
    size_t bytes;
    ck_assert_int_eq(file_read(arena, file_join(arena, folder, "said"), 1 << 16, &said, &bytes), STATUS_OK);
    has((char *)said, "standard output: cannot write");
    ck_assert_int_eq(line_count((char *)said), 1);
    end();
}
END_TEST

START_TEST(describe_finds_every_thing)
{
    begin_zoo();
    has(run("describe quant.weights.bits").out, "quant.weights.bits");
    has(run("describe conv2d").out, "filters");
    has(run("describe datasets").out, "synthetic");
    const char *page = program_must(arena, folder, "describe --markdown");
    has(page, "| `train.optimizer.lr` |");
    end();
}
END_TEST

/* Sizes are worked out, no image of them is run: of one like this the activations take 270 MB. */
START_TEST(inspect_takes_no_memory_for_activations)
{
    begin_zoo();
    put_text(folder, "large.json",
             "{\"data\": {\"dataset\": \"synthetic\", \"classes\": 2},\n"
             " \"model\": {\"input\": [1024, 1024, 3], \"layers\": [\n"
             "  {\"type\": \"conv2d\", \"name\": \"conv\", \"filters\": 16, \"kernel\": 3, \"activation\": \"relu\"},\n"
             "  {\"type\": \"global_avgpool\", \"name\": \"pool\"},\n"
             "  {\"type\": \"dense\", \"name\": \"logits\", \"units\": 2}]}}\n");
    const Outcome o = program_run(arena, &(Where){.folder = folder}, "inspect large.json");
    ck_assert_msg(o.code == 0, "%s", o.err);
    ck_assert_ptr_nonnull(strstr(o.out, "1024x1024x16"));
    ck_assert_int_lt(o.peak_kib - run("inspect zoo.json").peak_kib, 100 << 10);
    end();
}
END_TEST

TEST_MAIN("cli", every_verb_helps, version_is_the_headers, json_is_one_object,
          progress_goes_to_stderr_one_line_an_epoch, overwrite_replaces_a_run_and_nothing_else,
          a_run_directory_is_its_model, default_run_directories, eval_names_the_classes, inexact_pixels_are_noted,
          a_full_standard_output_is_an_error, describe_finds_every_thing, inspect_takes_no_memory_for_activations)
