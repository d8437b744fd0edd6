/* The same bytes every time: whatever the number of threads, the folder, and the moments at which training was stopped
 * and gone on with. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/data_files.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static bool same_file(const char *a, const char *b)
{
    unsigned char *x, *y;
    size_t n, m;
    ck_assert_msg(file_read(arena, inside(a), 1 << 26, &x, &n) == STATUS_OK, "%s", status_message());
    ck_assert_msg(file_read(arena, inside(b), 1 << 26, &y, &m) == STATUS_OK, "%s", status_message());
    return n == m && memcmp(x, y, n) == 0;
}

/* Two run directories hold the same training. */
static void same_run(const char *a, const char *b)
{
    static const char *const files[] = {"last.safetensors", "best.safetensors", "metrics.jsonl"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        ck_assert_msg(same_file(file_join(arena, a, files[i]), file_join(arena, b, files[i])), "%s of %s and %s differ",
                      files[i], a, b);
}

#define LIST(...)                                                                                                      \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }

/* Float and QAT across the freeze points (0.4 and 0.5 of the steps), with learned scales at 2 bits, too. */
START_TEST(threads_do_not_change_a_byte)
{
    begin_zoo();
    static const char *const qat[] = LIST("qat_8 --set quant.dialect=tflite-single",
                                          "qat_4 --set quant.weights.bits=4 --set "
                                          "quant.activations.bits=4 --set quant.weights.granularity=per_tensor",
                                          "qat_2 --set quant.weights.bits=2 --set quant.activations.bits=2");
    for (int threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
        program_must(arena, folder,
                     arena_printf(arena,
                                  "train zoo.json --quiet --out float%d --threads %d --set "
                                  "data.validation=0.2 --set data.augment.shift=1",
                                  threads, threads));
        if (threads > 1) same_run("float1", arena_printf(arena, "float%d", threads));
        for (int i = 0; qat[i] != NULL; i++) {
            const char *out = arena_printf(arena, "%d%.5s", threads, qat[i]);
            program_must(arena, folder,
                         arena_printf(arena, "qat float1/last.safetensors --quiet --threads %d --out %d%s", threads,
                                      threads, qat[i]));
            if (threads > 1) same_run(arena_printf(arena, "1%.5s", qat[i]), out);
        }
    }
    end();
}
END_TEST

START_TEST(the_place_is_not_in_the_file)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out here");
    ck_assert_int_eq(file_make_dir(inside("another/folder")), STATUS_OK);
    put_text(folder, "another/zoo.json", zoo_config);
    program_must(arena, inside("another"), "train zoo.json --quiet --out folder/there");
    same_run("here", "another/folder/there");
    unsigned char *text;
    size_t bytes;
    ck_assert_int_eq(file_read(arena, inside("here/last.safetensors"), 1 << 24, &text, &bytes), STATUS_OK);
    const char *words[] = {folder, "zoo.json", "here", "isa", "threads", "host", "202"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        ck_assert_msg(memmem(text, bytes, words[i], strlen(words[i])) == NULL, "the checkpoint holds \"%s\"", words[i]);
    end();
}
END_TEST

static void wait_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* A number for the checkpoint that is there, each of which is a file of its own; 0: there is none. */
static uint64_t checkpoint_of(const char *out)
{
    struct stat is;
    if (stat(file_join(arena, inside(out), "last.safetensors"), &is) != 0) return 0;
    return (uint64_t)is.st_mtim.tv_sec * 1000000000 + (uint64_t)is.st_mtim.tv_nsec + is.st_ino;
}

/* Waits until a running program has written `count` checkpoints more, or has ended. */
static void wait_for_checkpoints(const Running *running, const char *out, uint64_t last, int count)
{
    siginfo_t ended = {.si_pid = 0};
    while (count > 0 && ended.si_pid == 0) {
        const uint64_t now = checkpoint_of(out);
        count -= now != last;
        last = now;
        wait_ms(1);
        ck_assert_int_eq(waitid(P_PID, (id_t)running->id, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
    }
}

/* Runs `command`, which trains into `out`, again and again with --resume until it ends by itself.  Each time it is
 * stopped by `signal_number` (0: another one each time) some checkpoints and a moment later, so that every run gets on,
 * however busy the machine is.  Returns how often it was stopped. */
static int stop_and_go(const char *command, const char *out, int signal_number)
{
    static const int numbers[] = {SIGKILL, SIGINT, SIGTERM};
    int stops = 0;
    for (int round = 0;; round++) {
        const Where where = {.folder = folder};
        const uint64_t last = checkpoint_of(out);
        const Running running =
            program_start(arena, &where, round == 0 ? command : arena_printf(arena, "%s --resume", command));
        wait_for_checkpoints(&running, out, last, 1 + round % 3);
        wait_ms(3 * (round % 5));
        const int number = signal_number != 0 ? signal_number : numbers[round % 3];
        kill(running.id, number);
        const Outcome o = program_wait(arena, running);
        if (o.code == 0) return stops;
        ck_assert_msg(o.code == 128 + number, "exit %d after signal %d: %s", o.code, number, o.err);
        stops++;
        if (o.signalled) continue; /* SIGKILL, or before the program had begun to listen */
        ck_assert_msg(line_count(o.err) == 1 && strstr(o.err, "stopped after step") != NULL &&
                          strstr(o.err, arena_printf(arena, "--resume --out %s", out)) != NULL,
                      "says: %s", o.err);
    }
}

/* What `command` makes when it is stopped, twice at least, is what it made in `whole` without.  A run that got to its
 * end while nobody looked is made again. */
static void same_when_stopped(const char *command, const char *whole, int signal_number)
{
    for (int try = 0, stops = 0; stops < 2; try++) {
        ck_assert_int_lt(try, 10);
        const char *out = arena_printf(arena, "%s-stopped%d", whole, try);
        stops = stop_and_go(arena_printf(arena, "%s --out %s", command, out), out, signal_number);
        same_run(whole, out);
    }
}

static const char settings[] =
    "--set data.validation=0.25 --set train.checkpoint_every=3 --set train.epochs=30 --set qat.epochs=24";

START_TEST(a_float_run_goes_on_where_it_was)
{
    begin_zoo();
    program_must(arena, folder, arena_printf(arena, "train zoo.json --quiet --out whole %s", settings));
    same_when_stopped(arena_printf(arena, "train zoo.json --quiet %s", settings), "whole", 0);
    end();
}
END_TEST

START_TEST(a_quantized_run_goes_on_where_it_was)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float");
    static const int numbers[] = {SIGKILL, SIGINT, SIGTERM};
    static const char *const bits[] = {"", "--set quant.weights.bits=2 --set quant.activations.bits=3",
                                       "--set train.optimizer.type=adamw --set train.optimizer.lr=0.001"};
    for (int i = 0; i < 3; i++) {
        const char *command = arena_printf(arena, "qat float/last.safetensors --quiet %s %s", settings, bits[i]);
        const char *whole = arena_printf(arena, "whole%d", i);
        program_must(arena, folder, arena_printf(arena, "%s --out %s", command, whole));
        same_when_stopped(command, whole, numbers[i]);
    }
    end();
}
END_TEST

/* Killed between config.json and the first checkpoint; and with a checkpoint half written beside the last. */
START_TEST(a_run_killed_at_its_beginning_starts_again)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out whole");
    program_must(arena, folder, "qat whole/last.safetensors --quiet --out qat");
    program_must(arena, folder, "train zoo.json --quiet --out cut --set train.epochs=0");
    program_must(arena, folder, "qat zoo.json --quiet --out scratch");
    static const char *const runs[] = {"whole", "qat", "scratch"};
    static const char *const commands[] = {"train zoo.json", "qat whole/last.safetensors", "qat zoo.json"};
    for (int i = 0; i < 3; i++) {
        const char *again = arena_printf(arena, "again%d", i);
        unsigned char *config;
        size_t bytes;
        ck_assert_int_eq(file_read(arena, inside(file_join(arena, runs[i], "config.json")), 1 << 20, &config, &bytes),
                         STATUS_OK);
        put_bytes(inside(again), "config.json", config, bytes);
        put_text(inside(again), ".last.safetensors.bitfold-tmp", "half");
        program_must(arena, folder, arena_printf(arena, "%s --quiet --resume --out %s", commands[i], again));
        same_run(runs[i], again);
        ck_assert(!file_exists(file_join(arena, inside(again), ".last.safetensors.bitfold-tmp")));
    }
    end();
}
END_TEST

/* The folder alone is enough for a run from a config; one from a model must be given the model.  Its marker tells which
 * it was, whatever names they have. */
START_TEST(a_folder_without_a_checkpoint_starts_again)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out whole");
    program_must(arena, folder, "train whole --quiet --out tuned --set name=other");
    program_must(arena, folder, "train zoo.json --quiet --out named --set name=zoo-tuned");
    program_must(arena, folder, "qat whole --quiet --out qat");
    static const char *const runs[] = {"whole", "named", "tuned", "tuned", "qat", "qat"};
    static const char *const commands[] = {"train again0", "train again1",
                                           "train again2", "train zoo.json --out again3 --set name=other",
                                           "qat again4",   "qat zoo.json --out again5"};
    static const char *const given[] = {"train zoo.json",
                                        "train zoo.json --set name=zoo-tuned",
                                        "train whole --set name=other",
                                        "train whole --set name=other",
                                        "qat whole",
                                        "qat whole"};
    for (int i = 0; i < 6; i++) {
        const char *again = arena_printf(arena, "again%d", i);
        unsigned char *config;
        size_t bytes;
        static const char *const files[] = {".bitfold", "config.json"};
        for (int k = 0; k < 2; k++) {
            must(file_read(arena, inside(file_join(arena, runs[i], files[k])), 1 << 20, &config, &bytes));
            put_bytes(inside(again), files[k], config, bytes);
        }
        const Outcome o =
            program_run(arena, &(Where){.folder = folder}, arena_printf(arena, "%s --quiet --resume", commands[i]));
        ck_assert_msg(o.code == (i < 2 ? 0 : 1), "%s: exit %d: %s", commands[i], o.code, o.err);
        if (i >= 2)
            ck_assert_msg(strstr(o.err, "has no checkpoint yet; the model") != NULL && line_count(o.err) == 1, "%s",
                          o.err);
        program_must(arena, folder, arena_printf(arena, "%s --quiet --resume --out %s", given[i], again));
        same_run(runs[i], again);
    }
    put_text(inside("early"), ".bitfold", "");
    const Outcome o = program_run(arena, &(Where){.folder = folder}, "train early --resume");
    ck_assert_msg(o.code == 1 && strstr(o.err, "early: has no config.json yet") != NULL, "exit %d: %s", o.code, o.err);
    end();
}
END_TEST

START_TEST(a_finished_run_resumed_stays)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out r");
    const char *before = folder_listing(arena, folder, "r/run.json");
    program_must(arena, folder, "train zoo.json --quiet --out r --resume");
    ck_assert_str_eq(before, folder_listing(arena, folder, "r/run.json"));
    const Outcome o = program_run(arena, &(Where){.folder = folder}, "train zoo.json --out r --resume");
    ck_assert_msg(o.code == 0 && strstr(o.err, "note: r: finished at epoch 3, nothing to do; --set train.epochs=N "),
                  "exit %d: %s", o.code, o.err);
    end();
}
END_TEST

/* Notes on the config come when training begins, be it the first time or again because no checkpoint was written. */
START_TEST(notes_come_when_training_begins)
{
    begin_zoo();
    const Where where = {.folder = folder};
    const char *command = "train zoo.json --out r --resume --set train.optimizer.beta1=0.5";
    put_text(inside("r"), ".bitfold", "");
    for (int i = 0; i < 2; i++) {
        const Outcome o = program_run(arena, &where, command);
        ck_assert_msg(o.code == 0 && (strstr(o.err, "train.optimizer.beta1 has no effect") != NULL) == (i == 0),
                      "exit %d: %s", o.code, o.err);
    }
    command = "compare zoo.json --out t --resume --set train.optimizer.beta1=0.5 --set compare.ptq_bits=[] --set "
              "compare.qat_bits=[]";
    put_text(inside("t"), ".bitfold", "");
    for (int i = 0; i < 2; i++) {
        const Outcome o = program_run(arena, &where, command);
        ck_assert_msg(o.code == 0 && (strstr(o.err, "train.optimizer.beta1 has no effect") != NULL) == (i == 0),
                      "exit %d: %s", o.code, o.err);
    }
    end();
}
END_TEST

START_TEST(a_table_stops_and_goes_on)
{
    begin_zoo();
    const Where where = {.folder = folder};
    const char *command =
        "compare zoo.json --quiet --out table --set train.epochs=30 --set train.checkpoint_every=3 --set "
        "compare.seeds=3";
    const Running running = program_start(arena, &where, command);
    wait_for_checkpoints(&running, "table/float-seed3", 0, 1);
    kill(running.id, SIGINT);
    const Outcome o = program_wait(arena, running);
    ck_assert_msg(o.code == 130 && !o.signalled, "exit %d: %s", o.code, o.err);
    ck_assert_ptr_nonnull(strstr(o.err, "--resume"));
    ck_assert_int_eq(line_count(o.err), 1);
    ck_assert(!file_exists(inside("table/compare.csv")));
    program_must(arena, folder, arena_printf(arena, "%s --resume", command));
    ck_assert(file_exists(inside("table/compare.csv")) && file_exists(inside("table/report.html")));
    program_must(arena, folder, "train zoo.json --quiet --out alone --set train.epochs=30");
    ck_assert(same_file("table/float-seed3/last.safetensors", "alone/last.safetensors"));
    end();
}
END_TEST

TEST_MAIN("resume", threads_do_not_change_a_byte, the_place_is_not_in_the_file, a_float_run_goes_on_where_it_was,
          a_quantized_run_goes_on_where_it_was, a_run_killed_at_its_beginning_starts_again,
          a_folder_without_a_checkpoint_starts_again, a_finished_run_resumed_stays, notes_come_when_training_begins,
          a_table_stops_and_goes_on)
