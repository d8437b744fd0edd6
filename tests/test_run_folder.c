/* Run directories: one run at a time, no folder that a killed run leaves is stuck, nothing of others is removed. */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/data_files.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static const char marker[] = "bitfold run directory\n",
                  marker_from_model[] = "bitfold run directory of a run from a model\n",
                  row_marker[] = "bitfold row of a table\n";

/* What the verbs start from: float/last.safetensors, f.onnx (float), q.onnx (int8). */
static void begin_models(void)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float");
    program_must(arena, folder, "ptq float/last.safetensors --quiet --out p --set quant.dialect=onnxruntime");
    program_must(arena, folder, "export float/last.safetensors --float -o f.onnx");
    program_must(arena, folder, "export p/model.safetensors -o q.onnx");
}

static const char *const writers[] = {"train zoo.json --quiet --out r",
                                      "qat float/last.safetensors --quiet --out r",
                                      "ptq float/last.safetensors --quiet --out r",
                                      "compare float/last.safetensors --quiet --out r",
                                      "import f.onnx -o r",
                                      "import q.onnx -o r"};
enum { WRITERS = (int)(sizeof writers / sizeof writers[0]), RESUMABLE = 2 };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}
static void remove_all(const char *name) { nftw(inside(name), remove_one, 16, FTW_DEPTH | FTW_PHYS); }

/* What a run that was killed early leaves, in the order in which it writes. */
static void nothing(void) { ck_assert_int_eq(file_make_dir(inside("r")), STATUS_OK); }
static void marker_unwritten(void) { put_text(inside("r"), ".bitfold", ""); }
static void marker_alone(void)
{
    put_text(inside("r"), ".bitfold", "bitfold run directory\nprocess 1 on h: bitfold x\n");
}
static void config_unfinished(void) { put_text(inside("r"), ".config.json.bitfold-tmp", "{"); }
static void config_alone(void)
{
    unlink(inside("r/.config.json.bitfold-tmp"));
    put_text(inside("r"), "config.json", text_of("float/config.json"));
}
static void model_unfinished(void)
{
    put_text(inside("r"), ".last.safetensors.bitfold-tmp", "half");
    put_text(inside("r"), ".model.safetensors.bitfold-tmp", "half");
    put_text(inside("r"), ".model.json.bitfold-tmp", "{");
}
static void (*const killed[])(void) = {nothing,           marker_unwritten, marker_alone,
                                       config_unfinished, config_alone,     model_unfinished};
enum { KILLED = (int)(sizeof killed / sizeof killed[0]) };

static void clean(int writer)
{
    ck_assert_msg(strstr(folder_listing(arena, folder, NULL), "bitfold-tmp") == NULL, "%s",
                  folder_listing(arena, folder, NULL));
    ck_assert_str_eq(text_of("r/.bitfold"), writer == 1 || writer == 2 ? marker_from_model : marker);
}

START_TEST(what_a_kill_leaves_is_replaced)
{
    begin_models();
    for (int w = 0; w < WRITERS; w++)
        for (int k = 0; k < KILLED; k++) {
            if (w != 5 && k != (2 * w + 2) % KILLED && k != (2 * w + 3) % KILLED) continue; /* it is the same code */
            remove_all("r");
            for (int i = 0; i <= k; i++) killed[i]();
            program_must(arena, folder, arena_printf(arena, "%s --overwrite", writers[w]));
            clean(w);
            if (w == 3) ck_assert(file_exists(inside("r/compare.csv")));
        }
    end();
}
END_TEST

START_TEST(what_a_kill_leaves_is_gone_on_with)
{
    begin_models();
    for (int w = 0; w < RESUMABLE; w++) {
        const char *undisturbed = arena_printf(arena, "%.*swhole%d", (int)strlen(writers[w]) - 1, writers[w], w);
        program_must(arena, folder, undisturbed);
        for (int k = 0; k < (w == 0 ? KILLED : 3); k++) {
            remove_all("r");
            for (int i = 0; i <= k; i++) killed[i]();
            program_must(arena, folder, arena_printf(arena, "%s --resume", writers[w]));
            clean(w);
            ck_assert_str_eq(folder_listing(arena, inside("r"), "run.json"),
                             folder_listing(arena, inside(arena_printf(arena, "whole%d", w)), "run.json"));
        }
    }
    end();
}
END_TEST

START_TEST(only_files_of_runs_are_removed)
{
    begin_models();
    put_text(inside("own"), "config.json", "{}");
    put_text(inside("own"), "model.json", "{\"mine\": 1}");
    const Where where = {.folder = folder};
    for (int w = 0; w < WRITERS; w++) {
        const char *command = arena_printf(arena, "%.*sown --overwrite", (int)strlen(writers[w]) - 1, writers[w]);
        const char *before = folder_listing(arena, folder, NULL);
        const Outcome o = program_run(arena, &where, command);
        ck_assert_msg(o.code == 1 && strstr(o.err, "own: exists and holds no run") != NULL, "%s: exit %d: %s", command,
                      o.code, o.err);
        ck_assert_str_eq(before, folder_listing(arena, folder, NULL));
    }
    program_must(arena, folder, "import q.onnx -o r");
    ck_assert(file_exists(inside("r/model.json")));
    put_text(inside("r"), "notes.txt", "mine");
    put_text(inside("r"), "table.csv.tmp.a1B2c3", "mine");
    program_must(arena, folder, "train zoo.json --quiet --out r --overwrite");
    ck_assert(!file_exists(inside("r/model.json")) && !file_exists(inside("r/model.safetensors")));
    ck_assert(file_exists(inside("r/notes.txt")) && file_exists(inside("r/table.csv.tmp.a1B2c3")));
    put_text(inside("r"), "model.json", "{\"mine\": 1}");
    program_must(arena, folder, "ptq float/last.safetensors --quiet --out r --overwrite");
    ck_assert_str_eq(text_of("r/model.json"), "{\"mine\": 1}");
    ck_assert(!file_exists(inside("r/last.safetensors")));
    end();
}
END_TEST

START_TEST(rows_go_with_their_table)
{
    begin_models();
    program_must(arena, folder, "compare float/last.safetensors --quiet --out r --set compare.qat_bits=[]");
    const char *row = "r/ptq-W8A8-per_tensor-minmax-seed3";
    ck_assert_str_eq(text_of(file_join(arena, row, ".bitfold")), row_marker);
    put_text(inside("r/float-seed3"), "notes.txt", "mine");
    program_must(arena, folder, "train zoo.json --quiet --out r/mine");
    program_must(arena, folder, "train zoo.json --quiet --out r --overwrite");
    ck_assert(!file_exists(inside(row)) && !file_exists(inside("r/compare.csv")));
    ck_assert(file_exists(inside("r/float-seed3/notes.txt")) && !file_exists(inside("r/float-seed3/config.json")));
    ck_assert(file_exists(inside("r/mine/last.safetensors")));
    end();
}
END_TEST

START_TEST(a_second_run_is_told_who_holds_the_folder)
{
    begin_models();
    const Where where = {.folder = folder};
    for (int w = 0; w < WRITERS; w++) {
        program_must(arena, folder, arena_printf(arena, "%s%s", writers[w], w == 0 ? "" : " --overwrite"));
        put_text(inside("r"), ".bitfold", "bitfold run directory\nprocess 4711 on thathost: bitfold train x.json\n");
        const int fd = open(inside("r/.bitfold"), O_RDWR);
        ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
        const char *before = folder_listing(arena, folder, NULL);
        static const char *const how[] = {"--overwrite", "--resume"};
        for (int h = 0; h < (w <= 1 || w == 3 ? 2 : 1); h++) {
            const char *command = arena_printf(arena, "%s %s", writers[w], how[h]);
            const Outcome o = program_run(arena, &where, command);
            ck_assert_msg(o.code == 1 && line_count(o.err) == 1 &&
                              strstr(o.err, "r: in use by process 4711 on thathost: bitfold train x.json") != NULL,
                          "%s: exit %d: %s", command, o.code, o.err);
            ck_assert_str_eq(before, folder_listing(arena, folder, NULL));
        }
        close(fd);
    }
    /* A row of a table is a run directory as well. */
    program_must(arena, folder, "compare float/last.safetensors --quiet --out t");
    const int fd = open(inside("t/float-seed3/.bitfold"), O_RDWR);
    ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    const char *before = folder_listing(arena, inside("t"), NULL);
    const Outcome o = program_run(arena, &where, "compare float/last.safetensors --out t --overwrite");
    ck_assert_msg(o.code == 1 && strstr(o.err, "t/float-seed3: in use by another run") != NULL, "exit %d: %s", o.code,
                  o.err);
    ck_assert_str_eq(before, folder_listing(arena, inside("t"), NULL));
    close(fd);
    end();
}
END_TEST

START_TEST(the_lock_ends_with_its_process)
{
    begin_zoo();
    const Where where = {.folder = folder};
    const Running running = program_start(arena, &where, "train zoo.json --quiet --out r --set train.epochs=100000");
    for (int i = 0; i < 20000 && !file_exists(inside("r/last.safetensors")); i++) usleep(1000);
    const char *command = "train zoo.json --quiet --out r --overwrite";
    const Outcome refused_run = program_run(arena, &where, command);
    kill(running.id, SIGKILL);
    program_wait(arena, running);
    ck_assert_int_eq(refused_run.code, 1);
    ck_assert_ptr_nonnull(strstr(refused_run.err, arena_printf(arena, "in use by process %ld on ", (long)running.id)));
    ck_assert_ptr_nonnull(strstr(refused_run.err, "train zoo.json --quiet --out r --set train.epochs=100000"));
    program_must(arena, folder, command);
    ck_assert_str_eq(text_of("r/.bitfold"), marker);
    end();
}
END_TEST

/* No run replaces the model that it starts from. */
START_TEST(the_source_is_not_replaced)
{
    begin_models();
    program_must(arena, folder, "compare zoo.json --quiet --out t --set compare.ptq_bits=[] --set compare.qat_bits=[]");
    ck_assert_int_eq(symlink("float", inside("link")), 0);
    static const char *const commands[] = {"train float --out float",   "train float/best.safetensors --out ./float/",
                                           "ptq float --out link",      "qat link/last.safetensors --out float",
                                           "compare float --out float", "compare t/float-seed3 --out t",
                                           "qat t/float-seed3 --out t"};
    const char *before = folder_listing(arena, folder, NULL);
    const Where where = {.folder = folder};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const Outcome o = program_run(arena, &where, arena_printf(arena, "%s --quiet --overwrite", commands[i]));
        ck_assert_msg(o.code == 1 && line_count(o.err) == 1 && strstr(o.err, "which the run starts from") != NULL,
                      "%s: exit %d: %s", commands[i], o.code, o.err);
        ck_assert_str_eq(before, folder_listing(arena, folder, NULL));
    }
    end();
}
END_TEST

/* What was made on the way to a refusal is taken back. */
START_TEST(a_refused_run_leaves_nothing)
{
    begin_zoo();
    const Where where = {.folder = folder};
    const char *before = folder_listing(arena, folder, NULL);
    static const char *const commands[] = {
        "train zoo.json --out a/b/c --set data.dataset=mnist", "qat zoo.json --out a/b/c --set data.dataset=mnist",
        "compare zoo.json --out a/b/c/ --set data.dataset=mnist", "train zoo.json --out a/b/c --set data.classes=9"};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(program_run(arena, &where, commands[i]).code, 1);
        ck_assert_str_eq(before, folder_listing(arena, folder, NULL));
    }
    put_text(inside("r"), ".bitfold", "somebody else's\n");
    ck_assert_int_eq(program_run(arena, &where, "train zoo.json --out r --overwrite").code, 1);
    ck_assert_str_eq(text_of("r/.bitfold"), "somebody else's\n");
    end();
}
END_TEST

TEST_MAIN("run_folder", what_a_kill_leaves_is_replaced, what_a_kill_leaves_is_gone_on_with,
          only_files_of_runs_are_removed, rows_go_with_their_table, a_second_run_is_told_who_holds_the_folder,
          the_lock_ends_with_its_process, the_source_is_not_replaced, a_refused_run_leaves_nothing)
