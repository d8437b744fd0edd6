/* Files under bad conditions: closed standard streams, FIFOs, writers that died, writers that live. */
#include <fcntl.h>
#include <png.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/temporary.h"
#include "deploy/exporter.h"
#include "tests/support/c_graphs.h"
#include "tests/support/data_files.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

/* ---- standard streams that are closed ---------------------------------------------------------------------------- */

/* What a process with some of 0 to 2 closed may find behind those numbers: its own files, if they are not kept away. */
START_TEST(data_never_lies_on_a_standard_stream)
{
    begin();
    put_text(folder, "in", "text");
    int saved[3], fd[3];
    size_t bytes;
    for (int i = 0; i < 3; i++) saved[i] = dup(i);
    for (int i = 0; i < 3; i++) close(i);
    const Status opened = file_open_fd(inside("in"), &fd[0], &bytes);
    const Status below = file_open_below(folder, "in", &fd[1], &bytes);
    FileWriter writer;
    FILE *appended = NULL, *nameless = NULL;
    const Status begun = file_begin(arena, inside("out"), &writer);
    const Status appends = file_append(inside("log"), &appended), named = file_nameless(&nameless);
    TemporaryFolder temporary;
    const Status made = temporary_folder(arena, folder, "x", &temporary);
    bool closed = true;
    for (int i = 0; i < 3; i++) closed = closed && fcntl(i, F_GETFD) < 0;
    for (int i = 0; i < 3; i++) dup2(saved[i], i), close(saved[i]);
    must(opened), must(below), must(begun), must(appends), must(named), must(made);
    ck_assert(closed);
    close(fd[0]), close(fd[1]), fclose(appended), fclose(nameless);
    file_abort(&writer);
    temporary_folder_end(&temporary);
    end();
}
END_TEST

/* Runs a command with the streams of `closed` (bits 0 to 2) closed. */
static int run_closed(int closed, const char *const argv[])
{
    posix_spawn_file_actions_t actions;
    ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
    ck_assert_int_eq(posix_spawn_file_actions_addchdir_np(&actions, folder), 0);
    for (int i = 0; i < 3; i++) {
        if (i > 0) posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_WRONLY, 0);
        if (closed >> i & 1) posix_spawn_file_actions_addclose(&actions, i);
    }
    pid_t pid;
    int status;
    const char *program = getenv("BITFOLD");
    char path[4096];
    ck_assert_ptr_nonnull(realpath(program == NULL ? "build/release/bitfold" : program, path));
    ck_assert_int_eq(posix_spawn(&pid, path, &actions, NULL, (char *const *)(uintptr_t)argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(what_is_printed_never_lands_in_a_file)
{
    begin_zoo();
    for (int closed = 1; closed < 8; closed++) {
        const char *const argv[] = {"bitfold", "train", "zoo.json", "--out", "r", "--overwrite", NULL};
        ck_assert_int_eq(run_closed(closed, argv), 0);
        unsigned char *text;
        size_t bytes;
        must(file_read(arena, inside("r/metrics.jsonl"), 1 << 20, &text, &bytes));
        int lines = 0;
        for (char *line = strtok((char *)text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
            cJSON *json;
            must(json_parse(line, strlen(line), "metrics.jsonl", &json));
            cJSON_Delete(json);
        }
        ck_assert_int_gt(lines, 0);
        cJSON *said = program_json(arena, folder, "eval r/last.safetensors");
        cJSON_Delete(said);
    }
    end();
}
END_TEST

/* ---- what is no regular file ------------------------------------------------------------------------------------- */

START_TEST(fifos_are_refused_without_waiting)
{
    static const struct {
        const char *fifo, *command, *says;
    } cases[] = {
        {"f.json", "train f.json --out r", "f.json: is not a regular file"},
        {"f.safetensors", "eval f.safetensors", "f.safetensors: is not a regular file"},
        {"f.onnx", "import f.onnx -o r", "f.onnx: is not a regular file"},
        {"f.png", "predict float/last.safetensors f.png", "f.png: is not a regular file"},
        {"f.tflite", "export qat/last.safetensors -o f.tflite", "f.tflite: exists and is no exported model"},
        {"set/a/1.png", "train zoo.json --out r --set data.dataset=folder --set data.dir=set --set data.classes=2",
         "1.png: is not a regular file"},
        {"idx/train-images-idx3-ubyte", "train zoo.json --out r --set data.dataset=idx --set data.dir=idx",
         "train-images-idx3-ubyte: is not a regular file"},
        {"npy/train_images.npy", "train zoo.json --out r --set data.dataset=npy --set data.dir=npy",
         "train_images.npy: is not a regular file"},
        {"cifar/data_batch_1.bin",
         "train zoo.json --out r --set data.dataset=cifar10 --set data.dir=cifar --set model.input=[32,32,3]",
         "data_batch_1.bin: is not a regular file"},
        {"qat/config.json", "inspect qat/last.safetensors", "config.json: is not a regular file"},
    };
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out float --set train.epochs=1");
    program_must(arena, folder, "qat zoo.json --quiet --out qat --set qat.epochs=1");
    static uint8_t pixels[144];
    for (int i = 0; i < 3; i++)
        put_png(folder, i == 0 ? "set/a/2.png" : arena_printf(arena, "set/b/%d.png", i),
                &(Picture){.w = 12, .h = 12, .bits = 8, .type = PNG_COLOR_TYPE_GRAY, .rows = pixels});
    alarm(300); /* whoever waits for a writer waits for ever */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        must(file_make_dir(file_dirname(arena, inside(cases[i].fifo))));
        unlink(inside(cases[i].fifo));
        ck_assert_int_eq(mkfifo(inside(cases[i].fifo), 0600), 0);
        const Outcome o = program_run(arena, &(Where){.folder = folder}, cases[i].command);
        ck_assert_msg(o.code != 0 && !o.signalled && strstr(o.err, cases[i].says) != NULL, "bitfold %s: exit %d: %s",
                      cases[i].command, o.code, o.err);
    }
    alarm(0);
    end();
}
END_TEST

/* Links may lead about in the folder, not out of it. */
START_TEST(files_below_a_folder_are_below_it)
{
    static const char *const links[][2] = {{"../secret", "up"},  {"..", "out"},
                                           {"/etc", "absolute"}, {"../../secret", "sub/far"},
                                           {"weights", "near"},  {"../weights", "sub/near"},
                                           {"loop", "loop"}};
    static const struct {
        const char *name, *says;
    } cases[] = {{"up", "must be a file below the folder"},
                 {"out/secret", "must be a file below the folder"},
                 {"absolute/passwd", "must be a file below the folder"},
                 {"sub/far", "must be a file below the folder"},
                 {"../secret", "must be a file below the folder"},
                 {"/etc/passwd", "must be a file below the folder"},
                 {"sub/../weights", "must be a file below the folder"},
                 {"", "must be a file below the folder"},
                 {"fifo", "is not a regular file"},
                 {"sub", "is not a regular file"},
                 {"loop", "cannot open"},
                 {"none", "cannot open"}};
    begin();
    const char *model = inside("model");
    put_text(folder, "secret", "abcd");
    put_text(folder, "model/weights", "efgh");
    put_text(folder, "model/sub/x", "");
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        ck_assert_int_eq(symlink(links[i][0], file_join(arena, model, links[i][1])), 0);
    ck_assert_int_eq(mkfifo(file_join(arena, model, "fifo"), 0600), 0);
    int fd;
    size_t bytes;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refused(file_open_below(model, cases[i].name, &fd, &bytes), cases[i].says);
    static const char *const inward[] = {"weights", "near", "sub/near", "./weights"};
    for (size_t i = 0; i < sizeof inward / sizeof inward[0]; i++) {
        must(file_open_below(model, inward[i], &fd, &bytes));
        ck_assert_uint_eq(bytes, 4);
        close(fd);
    }
    end();
}
END_TEST

/* ---- two files that belong together ------------------------------------------------------------------------------ */

static int shell(const char *command) { return system(command); } /* NOLINT: commands of this file */

/* What is left when one of the two files was replaced and the other was not. */
START_TEST(c_files_of_two_exports_do_not_compile)
{
    static const char *const names[] = {"m.c", "m.h"};
    unsigned char *text[2][2];
    size_t bytes[2][2];
    begin();
    Graph *g = c_graph(arena, 0);
    for (int k = 0; k < 2; k++, g->tensor[0].scale *= 1.5f) {
        must(exporter_write(exporter_find("c"), arena, g, inside("m.c"), NULL));
        for (int i = 0; i < 2; i++) must(file_read(arena, inside(names[i]), 1 << 24, &text[k][i], &bytes[k][i]));
    }
    const char *build = arena_printf(arena, "cd %s && cc -std=c99 -c m.c -o m.o 2>said", folder);
    const char *says = arena_printf(arena, "grep -q 'm.c and m.h come from different exports' %s", inside("said"));
    for (int source = 0; source < 2; source++)
        for (int header = 0; header < 2; header++) {
            put_bytes(folder, "m.c", text[source][0], bytes[source][0]);
            put_bytes(folder, "m.h", text[header][1], bytes[header][1]);
            ck_assert_msg((shell(build) == 0) == (source == header), "source %d, header %d", source, header);
            ck_assert_int_eq(shell(says) == 0, source != header);
        }
    put_text(folder, "m.h", "#include <stdint.h>\n"); /* a header that knows of no digest */
    ck_assert_int_ne(shell(build), 0);
    ck_assert_int_eq(shell(says), 0);
    end();
}
END_TEST

/* ---- temporaries ------------------------------------------------------------------------------------------------- */

/* A child that begins to write `name` and is killed in the middle. */
static void die_writing(const char *name)
{
    const pid_t pid = fork();
    if (pid == 0) {
        FileWriter w;
        if (file_begin(arena, inside(name), &w) != STATUS_OK || fputs("half", w.stream) < 0 || fflush(w.stream) != 0)
            _exit(1);
        raise(SIGKILL);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

START_TEST(leftovers_of_the_dead_are_removed_by_the_next)
{
    begin();
    must(file_write(arena, inside("a"), "whole", 5));
    die_writing("a");
    ck_assert(file_exists(inside(".a.bitfold-tmp")));
    die_writing("b"); /* removes that one */
    ck_assert(!file_exists(inside(".a.bitfold-tmp")) && file_exists(inside(".b.bitfold-tmp")));
    must(file_write(arena, inside("c"), "new", 3));
    ck_assert(!file_exists(inside(".a.bitfold-tmp")) && !file_exists(inside(".b.bitfold-tmp")));
    ck_assert(!file_exists(inside("b")));
    unsigned char *data;
    size_t bytes;
    must(file_read(arena, inside("a"), 100, &data, &bytes));
    ck_assert_str_eq((char *)data, "whole");
    /* what only looks like one, or is a link, is no way to anything else */
    put_text(folder, "mine.tmp", "x");
    put_text(folder, ".mine.tmp", "x");
    put_text(folder, "target", "precious");
    ck_assert_int_eq(symlink("target", inside(".d.bitfold-tmp")), 0);
    must(file_write(arena, inside("d"), "d", 1));
    ck_assert(file_exists(inside("mine.tmp")) && file_exists(inside(".mine.tmp")));
    must(file_read(arena, inside("target"), 100, &data, &bytes));
    ck_assert_str_eq((char *)data, "precious");
    ck_assert(!file_exists(inside(".d.bitfold-tmp")));
    end();
}
END_TEST

START_TEST(the_living_are_left_alone)
{
    begin();
    FileWriter first, second;
    must(file_begin(arena, inside("a"), &first));
    refused(file_begin(arena, inside("a"), &second), "a: another process is writing it");
    must(file_write(arena, inside("b"), "b", 1)); /* sweeps */
    fputs("first", first.stream);
    must(file_finish(&first));
    must(file_write(arena, inside("b"), "b", 1)); /* between the two halves of an end, too */
    refused(file_begin(arena, inside("a"), &second), "a: another process is writing it");
    must(file_commit(&first));
    must(file_begin(arena, inside("a"), &second));
    file_abort(&second);
    unsigned char *data;
    size_t bytes;
    must(file_read(arena, inside("a"), 100, &data, &bytes));
    ck_assert_str_eq((char *)data, "first");
    char *name = arena_zalloc(arena, 256);
    memset(name, 'n', 255); /* the longest a file system takes */
    must(file_write(arena, inside(name), "x", 1));
    TemporaryFolder folder_of_one, other;
    must(temporary_folder(arena, folder, "t", &folder_of_one));
    must(temporary_folder(arena, folder, "t", &other));
    ck_assert(file_is_dir(folder_of_one.path) && file_is_dir(other.path));
    temporary_folder_end(&folder_of_one);
    temporary_folder_end(&other);
    ck_assert_ptr_null(strstr(folder_listing(arena, folder, NULL), "bitfold-tmp"));
    end();
}
END_TEST

/* Many at once, some of them killed: the file is whole at every moment, and nothing is left. */
START_TEST(writers_do_not_meet)
{
    enum { WRITERS = 4, TIMES = 60, BYTES = 5000 };
    begin();
    char *text = arena_alloc(arena, BYTES);
    memset(text, 'a', BYTES);
    must(file_write(arena, inside("f"), text, BYTES));
    pid_t pid[WRITERS];
    for (int w = 0; w < WRITERS; w++) {
        pid[w] = fork();
        if (pid[w] != 0) continue;
        memset(text, 'b' + w, BYTES);
        for (int i = 0; i < TIMES; i++) {
            const Status status = file_write(arena, inside("f"), text, BYTES);
            if (status != STATUS_OK && status != STATUS_STATE) _exit(1);
        }
        _exit(0);
    }
    for (int i = 0; i < TIMES; i++) {
        unsigned char *data;
        size_t bytes;
        must(file_read(arena, inside("f"), BYTES, &data, &bytes));
        ck_assert_uint_eq(bytes, BYTES);
        for (int k = 1; k < BYTES; k++) ck_assert_int_eq(data[k], data[0]);
    }
    kill(pid[0], SIGKILL);
    for (int w = 0; w < WRITERS; w++) {
        int status;
        ck_assert_int_eq(waitpid(pid[w], &status, 0), pid[w]);
        ck_assert(w == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    }
    must(file_write(arena, inside("f"), text, BYTES));
    ck_assert_ptr_null(strstr(folder_listing(arena, folder, NULL), "bitfold-tmp"));
    end();
}
END_TEST

/* The folder of a verify that was killed. */
START_TEST(folders_of_the_dead_are_removed_by_the_next)
{
    begin_zoo();
    program_must(arena, folder, "qat zoo.json --quiet --out qat --set qat.epochs=1");
    put_text(folder, "tmp/.verify.1.0.bitfold-tmp/model.safetensors", "half");
    put_text(folder, "tmp/mine", "x");
    const Where where = {.folder = folder, .environment = arena_printf(arena, "TMPDIR=%s", inside("tmp"))};
    ck_assert_int_eq(program_run(arena, &where, "verify qat/last.safetensors").code, 0);
    ck_assert(!file_exists(inside("tmp/.verify.1.0.bitfold-tmp")));
    ck_assert(file_exists(inside("tmp/mine")));
    ck_assert_ptr_null(strstr(folder_listing(arena, folder, NULL), "bitfold-tmp"));
    end();
}
END_TEST

TEST_MAIN("files", data_never_lies_on_a_standard_stream, what_is_printed_never_lands_in_a_file,
          fifos_are_refused_without_waiting, files_below_a_folder_are_below_it, c_files_of_two_exports_do_not_compile,
          leftovers_of_the_dead_are_removed_by_the_next, the_living_are_left_alone, writers_do_not_meet,
          folders_of_the_dead_are_removed_by_the_next)
