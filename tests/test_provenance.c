/* What a resumed run goes on with is what it began with, or it is told: config, data, arithmetic of the kernels. */
#include <png.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "tests/support/data_files.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

typedef struct {
    unsigned char *data;
    size_t bytes;
} Content;

static Content content_of(const char *path)
{
    Content c;
    ck_assert_msg(file_read(arena, inside(path), 1 << 24, &c.data, &c.bytes) == STATUS_OK, "%s", status_message());
    return c;
}

static void same_file(const char *a, const char *b)
{
    const Content x = content_of(a), y = content_of(b);
    ck_assert_msg(x.bytes == y.bytes && memcmp(x.data, y.data, x.bytes) == 0, "%s and %s differ", a, b);
}

/* The file as it is now, under another name. */
static const char *keep(const char *path)
{
    const Content x = content_of(path);
    put_bytes(folder, "kept", x.data, x.bytes);
    return "kept";
}

/* Must be refused in one line that has all the words, with nothing changed. */
static void refused_run(const char *command, const char *environment, const char *const words[4])
{
    const char *before = folder_listing(arena, folder, NULL);
    const Outcome o = program_run(arena, &(Where){.folder = folder, .environment = environment}, command);
    ck_assert_msg(o.code == 1 && line_count(o.err) == 1, "%s: exit %d: %s", command, o.code, o.err);
    for (int i = 0; i < 4 && words[i] != NULL; i++)
        ck_assert_msg(strstr(o.err, words[i]) != NULL, "%s: \"%s\" lacks \"%s\"", command, o.err, words[i]);
    ck_assert_str_eq(before, folder_listing(arena, folder, NULL));
}
#define REFUSED(command, ...) refused_run(command, NULL, (const char *const[4]){__VA_ARGS__})

/* Stops a long training after its first steps. */
static void stop_early(const char *command, const char *out)
{
    const Running running = program_start(arena, &(Where){.folder = folder}, command);
    const char *path = file_join(arena, inside(out), "last.safetensors");
    for (int i = 0; i < 20000 && !file_exists(path); i++) usleep(1000);
    usleep(20000);
    kill(running.id, SIGINT);
    const Outcome o = program_wait(arena, running);
    ck_assert_msg(o.code == 130, "%s: exit %d: %s", command, o.code, o.err);
}

START_TEST(another_config_is_named_by_its_keys)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f");
    program_must(arena, folder, "qat f/last.safetensors --quiet --out q");
    REFUSED("train zoo.json --quiet --resume --out f --set train.optimizer.lr=0.025",
            "f/last.safetensors: other config", "train.optimizer.lr is 0.025, was ", "--allow-changed");
    REFUSED("train zoo.json --quiet --resume --out f --seed 9", "seed is 9, was 3");
    REFUSED("train zoo.json --quiet --resume --out f --set data.augment.shift=1", "data.augment.shift is 1, was 0");
    REFUSED("train zoo.json --quiet --resume --out f --set train.epochs=4 --set train.batch=8 --set seed=1 --set "
            "data.synthetic_noise=0.25",
            "and 1 more");
    REFUSED("qat f/last.safetensors --quiet --resume --out q --set quant.weights.bits=4", "q/last.safetensors",
            "quant.weights.bits is 4, was 8");
    REFUSED("qat zoo.json --quiet --resume --out q --set qat.epochs=2", "start is \"config\", was \"model\"");
    /* By hand. */
    const char *text = text_of("f/config.json");
    const char *at = strstr(text, "\"momentum\": 0.9");
    ck_assert_ptr_nonnull(at);
    put_text(inside("f"), "config.json",
             arena_printf(arena, "%.*s\"momentum\": 0.8%s", (int)(at - text), text, at + 15));
    REFUSED("train f --quiet --resume", "train.optimizer.momentum is 0.8, was 0.9");
    end();
}
END_TEST

/* A config or model that is given with --resume is looked at: what it says must be what the run is. */
START_TEST(what_is_given_is_not_ignored)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f");
    program_must(arena, folder, "qat f --quiet --out q");
    program_must(arena, folder, "qat zoo.json --quiet --out s");
    const char *at = strstr(zoo_config, "\"train\": {");
    ck_assert_ptr_nonnull(at);
    put_text(folder, "other.json",
             arena_printf(arena, "%.*s\"train\": {\"label_smoothing\": 0.125, %s", (int)(at - zoo_config), zoo_config,
                          at + 10));
    REFUSED("train other.json --quiet --resume --out f", "train.label_smoothing is 0.125, was 0");
    REFUSED("qat other.json --quiet --resume --out s", "train.label_smoothing is 0.125, was 0");
    REFUSED("train nowhere.json --quiet --resume --out f", "nowhere.json");
    REFUSED("qat nowhere.json --quiet --resume --out s", "nowhere.json");
    REFUSED("qat nowhere.safetensors --quiet --resume --out q", "nowhere.safetensors: does not exist");
    const Outcome o = program_run(arena, &(Where){.folder = folder}, "qat f --resume --out q");
    ck_assert_msg(o.code == 0 && strstr(o.err, "note: q goes on from its own checkpoint; f is not read") != NULL,
                  "exit %d: %s", o.code, o.err);
    program_must(arena, folder, "train other.json --quiet --resume --allow-changed --out f --set train.epochs=4");
    ck_assert_ptr_nonnull(strstr(text_of("f/config.json"), "\"label_smoothing\": 0.125"));
    end();
}
END_TEST

/* Quantized runs go on by their folder alone, however they began; a run's beginning is its own. */
START_TEST(how_a_run_began_is_in_its_checkpoint)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f");
    program_must(arena, folder, "train f --quiet --out tuned");
    program_must(arena, folder, "qat f --quiet --out q");
    program_must(arena, folder, "qat zoo.json --quiet --out s");
    static const char *const runs[] = {"q", "s"};
    for (int i = 0; i < 2; i++) {
        const char *last = file_join(arena, runs[i], "last.safetensors"), *kept = keep(last);
        program_must(arena, folder, arena_printf(arena, "qat %s --quiet --resume", runs[i]));
        program_must(arena, folder, arena_printf(arena, "qat %s --quiet --out %s --resume", runs[i], runs[i]));
        program_must(arena, folder, arena_printf(arena, "qat %s --quiet --out ./%s/ --resume", last, runs[i]));
        same_file(kept, last);
    }
    program_must(arena, folder, "qat s --quiet --resume --set train.epochs=4");
    program_must(arena, folder, "train tuned --quiet --resume --set train.epochs=4");
    REFUSED("train zoo.json --quiet --resume --out tuned --set train.epochs=4",
            "start is \"config\", was \"weights with");
    REFUSED("qat f --quiet --resume", "f/last.safetensors: a float model");
    end();
}
END_TEST

/* What no result depends on may change: other sections, how often a checkpoint is written. */
START_TEST(what_does_not_matter_may_change)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f");
    const char *before = keep("f/last.safetensors");
    program_must(arena, folder,
                 "train zoo.json --quiet --resume --out f --set quant.weights.bits=4 --set train.checkpoint_every=9");
    same_file(before, "f/last.safetensors");
    ck_assert_ptr_nonnull(strstr(text_of("f/config.json"), "\"checkpoint_every\": 9"));
    program_must(arena, folder, "compare zoo.json --quiet --out t --set compare.qat_bits=[]");
    const char *row = text_of("t/float-seed3/metrics.jsonl");
    program_must(arena, folder, "compare zoo.json --quiet --resume --out t --set compare.qat_bits=[8]");
    ck_assert(file_exists(inside("t/qat-W8A8-seed3/last.safetensors")));
    ck_assert_ptr_nonnull(strstr(text_of("t/compare.csv"), "qat W8A8"));
    ck_assert_str_eq(row, text_of("t/float-seed3/metrics.jsonl"));
    end();
}
END_TEST

static void put_pictures(const char *class, uint8_t level)
{
    uint8_t pixels[144];
    for (int i = 0; i < 12; i++) {
        for (int k = 0; k < 144; k++) pixels[k] = (uint8_t)(level + 7 * ((i * k) % 9));
        put_png(folder, arena_printf(arena, "pictures/%s/%02d.png", class, i),
                &(Picture){.w = 12, .h = 12, .bits = 8, .type = PNG_COLOR_TYPE_GRAY, .rows = pixels});
    }
}

START_TEST(other_data_are_noticed)
{
    begin_zoo();
    put_pictures("a", 10);
    put_pictures("b", 90);
    const char *command = "train zoo.json --quiet --out f --set data.dataset=folder --set data.dir=pictures --set "
                          "data.classes=0 --set train.batch=4";
    program_must(arena, folder, command);
    const char *again = "train f --quiet --resume", *before = keep("f/last.safetensors");
    program_must(arena, folder, again);
    put_pictures("b", 91); /* as many, of the same size */
    REFUSED(again, "f/last.safetensors: other data", "training images with CRC-32", "test images with CRC-32");
    put_pictures("b", 90);
    ck_assert_int_eq(rename(inside("pictures/b"), inside("pictures/c")), 0);
    REFUSED(again, "f/last.safetensors");
    ck_assert_int_eq(rename(inside("pictures/c"), inside("pictures/b")), 0);
    ck_assert_int_eq(unlink(inside("pictures/a/03.png")), 0);
    REFUSED(again, "other data");
    put_pictures("a", 10);
    program_must(arena, folder, again);
    same_file(before, "f/last.safetensors");
    end();
}
END_TEST

START_TEST(other_kernels_are_noticed)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f");
    const bool portable = strstr(text_of("f/run.json"), "\"isa\": \"ref\"") != NULL;
    const char *again = "train zoo.json --quiet --resume --out f";
    if (!portable)
        refused_run(again, "BITFOLD_ISA=ref",
                    (const char *const[4]){"other kernels: the arithmetic is ref", "was fma"});
    /* Those that give equal bytes are the same. */
    if (!portable) {
        const Outcome o = program_run(arena, &(Where){.folder = folder, .environment = "BITFOLD_ISA=avx2"}, again);
        ck_assert_msg(o.code == 0, "exit %d: %s", o.code, o.err);
    }
    end();
}
END_TEST

START_TEST(what_is_allowed_is_noted)
{
    begin_zoo();
    stop_early("train zoo.json --quiet --out f --set train.epochs=3000", "f");
    Outcome o = program_run(arena, &(Where){.folder = folder}, "train zoo.json --out g --allow-changed");
    ck_assert_msg(o.code == 2 && strstr(o.err, "--resume") != NULL, "exit %d: %s", o.code, o.err);
    o = program_run(arena, &(Where){.folder = folder},
                    "train zoo.json --quiet --resume --out f --allow-changed --set "
                    "train.optimizer.lr=0.001 --set train.epochs=200");
    ck_assert_msg(o.code == 0, "exit %d: %s", o.code, o.err);
    const char *note = text_of("f/run.json");
    ck_assert_msg(strstr(note, "\"changed\"") != NULL && strstr(note, "train.optimizer.lr is 0.001, was ") != NULL &&
                      strstr(note, "train.epochs is 200, was 3000") != NULL,
                  "%s", note);
    ck_assert_ptr_nonnull(strstr(text_of("f/config.json"), "\"lr\": 0.001"));
    program_must(arena, folder, "train f --quiet --resume"); /* the new ones are its own now */
    ck_assert_ptr_nonnull(strstr(text_of("f/run.json"), "train.optimizer.lr is 0.001, was "));
    program_must(arena, folder, "train zoo.json --quiet --out g");
    ck_assert_ptr_null(strstr(text_of("g/run.json"), "changed"));
    end();
}
END_TEST

/* Of a finished run nothing can be changed any more: what is allowed to be other is said to have no effect, and a config
 * that the model was not trained with does not come to stand beside it. */
START_TEST(what_is_allowed_too_late_has_no_effect)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f");
    const char *before = keep("f/last.safetensors");
    REFUSED("train f --quiet --resume --allow-changed --set train.optimizer.lr=0.001",
            "f: is finished, no step is left", "train.optimizer.lr is 0.001, was ", "would have no effect");
    program_must(arena, folder, "train f --quiet --resume --allow-changed");
    if (strstr(text_of("f/run.json"), "\"isa\": \"ref\"") == NULL) {
        const Outcome o = program_run(arena, &(Where){.folder = folder, .environment = "BITFOLD_ISA=ref"},
                                      "train f --resume --allow-changed");
        ck_assert_msg(o.code == 0 && strstr(o.err, "other kernels: the arithmetic is ref") != NULL &&
                          strstr(o.err, ": without effect, no step is left to train\n") != NULL,
                      "exit %d: %s", o.code, o.err);
        ck_assert_ptr_null(strstr(text_of("f/run.json"), "\"changed\""));
    }
    same_file(before, "f/last.safetensors");
    program_must(arena, folder, "train f --quiet --resume");
    program_must(arena, folder,
                 "train f --quiet --resume --allow-changed --set train.optimizer.lr=0.001 --set train.epochs=4");
    ck_assert_ptr_nonnull(strstr(text_of("f/run.json"), "train.optimizer.lr is 0.001, was "));
    end();
}
END_TEST

/* What the checkpoint does not fit is refused before config.json has it, and the run stays what it was. */
START_TEST(a_refused_change_leaves_the_run_usable)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f");
    program_must(arena, folder, "qat f/last.safetensors --quiet --out q");
    program_must(arena, folder, "compare zoo.json --quiet --out t --set compare.ptq_bits=[]");
    REFUSED("train f --quiet --resume --allow-changed --set model.layers.fc.units=5", "f/last.safetensors",
            "fc.weight");
    REFUSED("train f --quiet --resume --allow-changed --set train.optimizer.type=adamw", "f/last.safetensors",
            "optimizer.");
    REFUSED("train f --quiet --resume --allow-changed --set train.epochs=1", "f/last.safetensors", "step ");
    REFUSED("qat f --quiet --resume --allow-changed --out q --set quant.weights.granularity=per_tensor",
            "q/last.safetensors", "scale");
    REFUSED("compare zoo.json --quiet --resume --allow-changed --out t --set compare.ptq_bits=[] --set "
            "train.optimizer.type=adamw",
            "t/float-seed3/last.safetensors", "optimizer.");
    program_must(arena, folder, "train f --quiet --resume");
    program_must(arena, folder, "qat f --quiet --resume --out q");
    end();
}
END_TEST

/* Quantization-aware training from a model has its own epochs and schedule, and freezes no layer. */
START_TEST(what_quantized_training_does_not_read_may_change)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f");
    program_must(arena, folder, "qat f/last.safetensors --quiet --out q");
    const char *before = keep("q/last.safetensors");
    program_must(arena, folder,
                 "qat f/last.safetensors --quiet --resume --out q --set train.epochs=9 --set "
                 "train.schedule.type=constant --set train.freeze=stem");
    same_file(before, "q/last.safetensors");
    program_must(arena, folder, "qat zoo.json --quiet --out s");
    program_must(arena, folder, "qat zoo.json --quiet --resume --out s --set train.schedule.type=constant");
    REFUSED("qat zoo.json --quiet --resume --out s --set train.epochs=9 --set train.batch=8", "train.epochs is 9");
    end();
}
END_TEST

/* A table's models that are only calibrated are made again; those that are trained stay. */
START_TEST(a_table_goes_on_with_other_calibration)
{
    begin_zoo();
    program_must(arena, folder, "compare zoo.json --quiet --out t --set compare.qat_bits=[]");
    const char *model = "t/ptq-W8A8-per_tensor-minmax-seed3/model.safetensors";
    const char *before = folder_listing(arena, inside("t/ptq-W8A8-per_tensor-minmax-seed3"), NULL);
    const char *trained = keep("t/float-seed3/last.safetensors");
    program_must(
        arena, folder,
        "compare zoo.json --quiet --resume --allow-changed --out t --set compare.qat_bits=[] --set ptq.images=16");
    const Outcome o = program_run(arena, &(Where){.folder = folder},
                                  "compare zoo.json --resume --allow-changed --out t --set compare.qat_bits=[] --set "
                                  "ptq.images=16 --set train.optimizer.lr=0.001");
    ck_assert_msg(o.code == 0 && strstr(o.err, "t/float-seed3/last.safetensors: goes on with other config") != NULL &&
                      strstr(o.err, ": without effect, no step is left to train\n") != NULL,
                  "exit %d: %s", o.code, o.err);
    ck_assert(file_exists(inside(model)));
    ck_assert_str_ne(before, folder_listing(arena, inside("t/ptq-W8A8-per_tensor-minmax-seed3"), NULL));
    same_file(trained, "t/float-seed3/last.safetensors");
    ck_assert_ptr_nonnull(strstr(text_of("t/config.json"), "\"images\": 16"));
    end();
}
END_TEST

/* As versions before this record wrote them. */
static void forget_provenance(const char *path)
{
    SafeFile file;
    must(safe_read(arena, inside(path), true, &file));
    SafeWriter *w = safe_writer(arena);
    for (int i = 0; i < file.n_metadata; i++)
        if (strcmp(file.key[i], "crc32") != 0 && strncmp(file.key[i], "provenance.", 11) != 0)
            safe_add_metadata(w, file.key[i], file.value[i]);
    for (int i = 0; i < file.n; i++) {
        const SafeTensor *t = &file.tensor[i];
        safe_add(w, t->name, t->type, t->rank, t->dim, t->data);
    }
    must(safe_write(w, inside(path)));
}

START_TEST(a_checkpoint_without_a_record_goes_on_with_a_note)
{
    begin_zoo();
    const char *settings = "--set train.epochs=150 --set train.checkpoint_every=1";
    program_must(arena, folder, arena_printf(arena, "train zoo.json --quiet --out whole %s", settings));
    stop_early(arena_printf(arena, "train zoo.json --quiet --out f %s", settings), "f");
    forget_provenance("f/last.safetensors");
    const Outcome o = program_run(arena, &(Where){.folder = folder},
                                  arena_printf(arena, "train zoo.json --resume --out f %s", settings));
    ck_assert_msg(o.code == 0 && strstr(o.err, "note: f/last.safetensors: of an earlier version") != NULL,
                  "exit %d: %s", o.code, o.err);
    same_file("f/last.safetensors", "whole/last.safetensors");
    same_file("f/best.safetensors", "whole/best.safetensors");
    same_file("f/metrics.jsonl", "whole/metrics.jsonl");
    end();
}
END_TEST

TEST_MAIN("provenance", another_config_is_named_by_its_keys, what_is_given_is_not_ignored,
          how_a_run_began_is_in_its_checkpoint, what_does_not_matter_may_change, other_data_are_noticed,
          other_kernels_are_noticed, what_is_allowed_is_noted, what_is_allowed_too_late_has_no_effect,
          a_refused_change_leaves_the_run_usable, what_quantized_training_does_not_read_may_change,
          a_table_goes_on_with_other_calibration, a_checkpoint_without_a_record_goes_on_with_a_note)
