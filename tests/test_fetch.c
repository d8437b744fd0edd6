/* Fetching, with mirrors that are folders of this machine: the sources are part of the program, not of the library, and
 * their tables are private, so the files are included. */
#include "cli/fetch.c"
#include "cli/fetch_cifar10.c"
#include "cli/fetch_tools.c"
#include "cli/print.c"

#include <png.h>
#include <sys/stat.h>

#include "tests/support/data_files.h"
#include "tests/support/suite.h"

static const RemoteFile files[] = {{"a.bin", "5d41402abc4b2a76b9719d911017c592", 5}, /* "hello" */
                                   {"b.bin", "7d793037a0760186574b0282f2f435e7", 5}, /* "world" */
                                   {NULL, NULL, 0}};

typedef struct {
    Arena *arena;
    char *folder, *mirror, *to;
    RemoteSource sources[3];
    RemoteSet set;
} Bench;

static Bench begin(void)
{
    Bench b = {.arena = arena_create()};
    b.folder = folder_make(b.arena);
    b.mirror = arena_printf(b.arena, "file://%s/mirror/", b.folder);
    b.to = file_join(b.arena, b.folder, "out/deep: er"); /* names that a shell or tar would trip over */
    put_gzip(b.folder, "mirror/a.bin.gz", "hello", 5);
    put_gzip(b.folder, "mirror/b.bin.gz", "world", 5);
    return b;
}

static Status run(Bench *b)
{
    b->set = (RemoteSet){"toy", files, b->sources};
    return fetch_set(b->arena, &b->set, b->to, true);
}

static void end(Bench *b)
{
    folder_remove(b->folder);
    arena_destroy(b->arena);
}

static int entries(const Bench *b)
{
    FolderNames names;
    ck_assert_int_eq(folder_names(b->arena, b->to, &names), STATUS_OK);
    return names.n;
}

static void check_complete(const Bench *b)
{
    unsigned char *data;
    size_t n;
    ck_assert_int_eq(file_read(b->arena, file_join(b->arena, b->to, "a.bin"), 100, &data, &n), STATUS_OK);
    ck_assert_str_eq((char *)data, "hello");
    ck_assert_int_eq(file_read(b->arena, file_join(b->arena, b->to, "b.bin"), 100, &data, &n), STATUS_OK);
    ck_assert_str_eq((char *)data, "world");
    ck_assert_int_eq(entries(b), 2); /* and no temporary folder */
}

START_TEST(mirror_then_nothing_to_do)
{
    Bench b = begin();
    b.sources[0] = (RemoteSource){"mirror", from_mirror, b.mirror, "", NULL};
    const Status status = run(&b);
    ck_assert_msg(status == STATUS_OK, "%s (curl is needed)", status_message());
    check_complete(&b);
    char path[512];
    snprintf(path, sizeof path, "%s/mirror", b.folder);
    folder_remove(path); /* the second time nothing is asked for */
    ck_assert_int_eq(run(&b), STATUS_OK);
    check_complete(&b);
    end(&b);
}
END_TEST

START_TEST(the_next_source_fills_the_gaps)
{
    Bench b = begin();
    put_bytes(b.folder, "pack/inside/a.bin", "hello", 5);
    put_bytes(b.folder, "pack/inside/b.bin", "world", 5);
    const char *pack = file_join(b.arena, b.folder, "pack.tgz");
    const char *const tar[] = {"tar", "-czf", pack, "-C", file_join(b.arena, b.folder, "pack"), "inside", NULL};
    ck_assert_int_eq(tool_run(b.arena, tar, NULL, NULL), STATUS_OK);
    put_gzip(b.folder, "mirror/b.bin.gz", "wrong", 5); /* the mirror's a is good, its b is not */
    b.sources[0] = (RemoteSource){"mirror", from_mirror, b.mirror, "", NULL};
    b.sources[1] = (RemoteSource){"archive", from_archive, arena_printf(b.arena, "file://%s", pack), "inside", NULL};
    ck_assert_msg(run(&b) == STATUS_OK, "%s", status_message());
    check_complete(&b);

    poke_file(b.to, "b.bin", 2, 'x'); /* damage is found and mended; what is good stays as it is */
    struct stat before, after;
    ck_assert_int_eq(stat(file_join(b.arena, b.to, "a.bin"), &before), 0);
    ck_assert_int_eq(run(&b), STATUS_OK);
    ck_assert_int_eq(stat(file_join(b.arena, b.to, "a.bin"), &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    check_complete(&b);
    end(&b);
}
END_TEST

START_TEST(failure_says_all_that_was_tried)
{
    Bench b = begin();
    put_gzip(b.folder, "mirror/a.bin.gz", "jello", 5);
    b.sources[0] = (RemoteSource){"the mirror", from_mirror, b.mirror, "", NULL};
    b.sources[1] = (RemoteSource){"the archive", from_archive, "file:///nonexistent/x.tgz", "", NULL};
    ck_assert_int_eq(run(&b), STATUS_IO);
    const char *const words[] = {"fetch toy: not to be had; tried the mirror (a.bin: MD5 ", "must be 5d41402a",
                                 "the archive (curl: (37)"};
    for (int i = 0; i < 3; i++)
        ck_assert_msg(strstr(status_message(), words[i]) != NULL, "\"%s\" lacks \"%s\"", status_message(), words[i]);
    ck_assert_ptr_null(strchr(status_message(), '\n'));
    ck_assert_int_eq(entries(&b), 0);

    poke_file(b.folder, "mirror/a.bin.gz", 12, 0xff);
    b.sources[1].label = NULL;
    ck_assert_int_eq(run(&b), STATUS_IO);
    ck_assert_ptr_nonnull(strstr(status_message(), "damaged gzip"));
    ck_assert_int_eq(entries(&b), 0);

    put_bytes(b.folder, "file", "x", 1);
    b.to = file_join(b.arena, b.folder, "file/x");
    ck_assert_int_eq(run(&b), STATUS_IO);
    ck_assert_ptr_nonnull(strstr(status_message(), "/file: cannot create folder"));
    ck_assert_int_eq(fetch_run(b.arena, "imagenet", b.folder, true), STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(status_message(), "\"imagenet\"; must be one of: mnist, fashion-mnist, cifar10"));
    end(&b);
}
END_TEST

START_TEST(programs_are_run_as_given)
{
    Arena *a = arena_create();
    char *out;
    const char *const echo[] = {"printf", "%s|", "a b", "$HOME", "'", NULL};
    ck_assert_int_eq(tool_run(a, echo, NULL, &out), STATUS_OK);
    ck_assert_str_eq(out, "a b|$HOME|'|");
    ck_assert_int_eq(tool_run(a, (const char *const[]){"pwd", NULL}, &(const ToolPlace){.cwd = "/usr"}, &out),
                     STATUS_OK);
    ck_assert_str_eq(out, "/usr\n");
    ck_assert_int_eq(tool_run(a, (const char *const[]){"bitfold-no-such-program", NULL}, NULL, NULL), STATUS_IO);
    ck_assert_str_eq(status_message(), "bitfold-no-such-program: not installed");
    ck_assert_int_eq(tool_run(a, (const char *const[]){"false", NULL}, NULL, NULL), STATUS_IO);
    ck_assert_str_eq(status_message(), "false ended with code 1");
    const char *digest;
    ck_assert_int_eq(tool_md5(a, "/dev/null", &digest), STATUS_OK);
    ck_assert_str_eq(digest, "d41d8cd98f00b204e9800998ecf8427e");
    arena_destroy(a);
}
END_TEST

static volatile sig_atomic_t signals_seen;
static void on_signal(int number) { signals_seen += number == SIGTERM; }

static Status from_one_who_stops_us(const Job *job, const RemoteSource *source)
{
    put_bytes(job->work, "half", "x", 1);
    return tool_run(job->arena, (const char *const[]){"sh", "-c", source->from, NULL}, NULL, NULL);
}

START_TEST(a_signal_ends_it_cleanly)
{
    struct sigaction act = {.sa_handler = on_signal}, before;
    sigaction(SIGTERM, &act, &before);
    Bench b = begin();
    b.sources[0] = (RemoteSource){"x", from_one_who_stops_us, "kill -TERM $PPID; exec sleep 600", "", NULL};
    b.sources[1] = (RemoteSource){"mirror", from_mirror, b.mirror, "", NULL};
    const time_t start = time(NULL);
    ck_assert_int_eq(run(&b), STATUS_INTERRUPTED);
    ck_assert_int_lt(time(NULL) - start, 60);
    ck_assert_int_eq(signals_seen, 1); /* delivered once, after the clean-up */
    ck_assert_int_eq(entries(&b), 0);
    b.sources[0].from = "exit 3";
    ck_assert_int_eq(run(&b), STATUS_OK);
    check_complete(&b);
    sigaction(SIGTERM, &before, NULL);
    end(&b);
}
END_TEST

/* Killed at once, there is no handler that could end curl. */
START_TEST(programs_end_with_us)
{
    Arena *a = arena_create();
    const char *folder = folder_make(a), *told = file_join(a, folder, "pid");
    const char *script = arena_printf(a, "echo $$ >%s.new && mv %s.new %s && exec sleep 600", told, told, told);
    const pid_t pid = fork();
    if (pid == 0) {
        (void)tool_run(a, (const char *const[]){"sh", "-c", script, NULL}, NULL, NULL);
        _exit(1);
    }
    while (!file_exists(told)) usleep(1000);
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    unsigned char *text;
    size_t bytes;
    ck_assert_int_eq(file_read(a, told, 100, &text, &bytes), STATUS_OK);
    const char *line = arena_printf(a, "/proc/%d/stat", atoi((char *)text));
    bool alive = true;
    for (int i = 0; alive && i < 20000; i++) { /* dead, or waiting to be buried by process 1 */
        FILE *f = fopen(line, "rb");
        char state = 'Z';
        if (f != NULL && fscanf(f, "%*d %*s %c", &state) != 1) state = 'Z';
        if (f != NULL) fclose(f);
        alive = state != 'Z' && state != 'X';
        usleep(1000);
    }
    ck_assert(!alive);
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

/* More bytes than a file of the set has are not written to the disk, whatever the mirror sends. */
START_TEST(what_is_too_large_is_not_fetched)
{
    enum { MANY = 4 << 20 };
    Bench b = begin();
    unsigned char *zeros = arena_zalloc(b.arena, MANY);
    put_gzip(b.folder, "mirror/a.bin.gz", zeros, MANY);
    b.sources[0] = (RemoteSource){"mirror", from_mirror, b.mirror, "", NULL};
    ck_assert_int_eq(run(&b), STATUS_IO);
    ck_assert_ptr_nonnull(strstr(status_message(), "unpacks to more than 5 bytes"));
    put_bytes(b.folder, "mirror/a.bin.gz", zeros, MANY);
    ck_assert_int_eq(run(&b), STATUS_IO);
    ck_assert_msg(strstr(status_message(), "curl: (63)") != NULL || strstr(status_message(), "curl: (23)") != NULL,
                  "%s", status_message());
    put_gzip(b.folder, "pack.tgz", zeros, MANY);
    b.sources[0] =
        (RemoteSource){"archive", from_archive, arena_printf(b.arena, "file://%s/pack.tgz", b.folder), "inside", NULL};
    ck_assert_int_eq(run(&b), STATUS_IO);
    ck_assert_ptr_nonnull(strstr(status_message(), "unpacks to more than"));
    ck_assert_int_eq(entries(&b), 0);
    const char *to = file_join(b.arena, b.folder, "big");
    const char *const yes[] = {"sh", "-c", "yes >\"$1\"", "sh", to, NULL};
    ck_assert_int_eq(tool_run(b.arena, yes, &(const ToolPlace){.file_most_bytes = 1000}, NULL), STATUS_IO);
    struct stat st;
    ck_assert_int_eq(stat(to, &st), 0);
    ck_assert_int_le(st.st_size, 1000);
    end(&b);
}
END_TEST

/* What a killed fetch left: the next one removes it, also where it has nothing to fetch into it. */
START_TEST(leftovers_are_removed)
{
    Bench b = begin();
    put_bytes(b.to, ".fetch.1.0.bitfold-tmp/deep/a.bin", "half", 4);
    b.sources[0] = (RemoteSource){"mirror", from_mirror, b.mirror, "", NULL};
    ck_assert_int_eq(run(&b), STATUS_OK);
    check_complete(&b);
    put_bytes(b.to, ".fetch.1.0.bitfold-tmp/deep/a.bin", "half", 4);
    ck_assert_int_eq(run(&b), STATUS_OK);
    check_complete(&b);
    end(&b);
}
END_TEST

START_TEST(cifar10_pictures_become_records)
{
    enum { EACH = 2 };
    static uint8_t rows[EACH * PLANE * 3];
    Arena *a = arena_create();
    char *folder = folder_make(a);
    for (int f = 0; f < 6; f++) {
        for (int i = 0; i < EACH * PLANE * 3; i++) rows[i] = (uint8_t)(i * 7 + i / 3072 + f);
        char name[32] = "test_batch.png";
        if (f < 5) snprintf(name, sizeof name, "data_batch_%d.png", f + 1);
        put_png(folder, name, &(Picture){PLANE, EACH, 8, PNG_COLOR_TYPE_RGB, .rows = rows});
    }
    put_bytes(folder, "train_lables.json", "[0,1,2,3,4,5,6,7,8,9]", 21);
    put_bytes(folder, "test_lables.json", "[9,3]", 5);
    ck_assert_msg(convert_all(a, folder, EACH) == STATUS_OK, "%s", status_message());
    for (int f = 0; f < 6; f++) {
        char name[32] = "test_batch.bin";
        if (f < 5) snprintf(name, sizeof name, "data_batch_%d.bin", f + 1);
        unsigned char *data;
        size_t n;
        ck_assert_int_eq(file_read(a, file_join(a, folder, name), 1 << 20, &data, &n), STATUS_OK);
        ck_assert_uint_eq(n, EACH * RECORD);
        for (int i = 0; i < EACH; i++) {
            ck_assert_int_eq(data[i * RECORD], f < 5 ? 2 * f + i : i == 0 ? 9 : 3);
            for (int c = 0; c < 3; c++)
                for (int p = 0; p < PLANE; p++) {
                    const int at = (i * PLANE + p) * 3 + c;
                    ck_assert_int_eq(data[i * RECORD + 1 + c * PLANE + p], (uint8_t)(at * 7 + at / 3072 + f));
                }
        }
    }
    const char *const bad[] = {"[9,10]", "[9]", "{\"a\":1,\"b\":2}", "[9,3", "[9,\"3\"]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put_bytes(folder, "test_lables.json", bad[i], strlen(bad[i]));
        ck_assert_int_eq(convert_all(a, folder, EACH), STATUS_FORMAT);
        ck_assert_ptr_nonnull(strstr(status_message(), "test_lables.json: must be a JSON array of 2 labels"));
    }
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

TEST_MAIN("fetch", mirror_then_nothing_to_do, the_next_source_fills_the_gaps, failure_says_all_that_was_tried,
          programs_are_run_as_given, programs_end_with_us, what_is_too_large_is_not_fetched, leftovers_are_removed,
          a_signal_ends_it_cleanly, cifar10_pictures_become_records)
