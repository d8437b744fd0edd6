#include "tests/support/program.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

const char zoo_config[] =
    "{\"seed\": 3,\n"
    " \"data\": {\"dataset\": \"synthetic\", \"classes\": 4, \"synthetic_train\": 96, \"synthetic_test\": 40,\n"
    "          \"synthetic_noise\": 0.5, \"normalize\": {\"mean\": 0.5019607843137255, \"std\": 0.25}},\n"
    " \"model\": {\"input\": [12, 12, 1], \"layers\": [\n"
    "  {\"type\": \"conv2d\", \"name\": \"stem\", \"filters\": 6, \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu\"},\n"
    "  {\"type\": \"maxpool\", \"name\": \"pool1\", \"kernel\": 2},\n"
    "  {\"type\": \"depthwise_conv2d\", \"name\": \"dw\", \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu6\"},\n"
    "  {\"type\": \"conv2d\", \"name\": \"pw\", \"filters\": 6, \"kernel\": 1, \"batch_norm\": true},\n"
    "  {\"type\": \"add\", \"name\": \"sum\", \"inputs\": [\"pw\", \"pool1\"], \"activation\": \"relu\"},\n"
    "  {\"type\": \"conv2d\", \"name\": \"side\", \"inputs\": \"pool1\", \"filters\": 4, \"kernel\": 3, "
    "\"activation\": \"relu\"},\n"
    "  {\"type\": \"concat\", \"name\": \"cat\", \"inputs\": [\"sum\", \"side\"]},\n"
    "  {\"type\": \"avgpool\", \"name\": \"pool2\", \"kernel\": 2},\n"
    "  {\"type\": \"flatten\", \"name\": \"flat\"},\n"
    "  {\"type\": \"dense\", \"name\": \"fc\", \"units\": 16, \"activation\": \"relu\"},\n"
    "  {\"type\": \"dense\", \"name\": \"logits\", \"units\": 4}]},\n"
    " \"train\": {\"epochs\": 3, \"batch\": 16, \"checkpoint_every\": 4},\n"
    " \"ptq\": {\"images\": 48}, \"qat\": {\"epochs\": 2, \"lr\": 0.01},\n"
    " \"compare\": {\"ptq_bits\": 8, \"qat_bits\": [4], \"observers\": \"minmax\"}}\n";

void put_text(const char *folder, const char *name, const char *text) { put_bytes(folder, name, text, strlen(text)); }

static const char *program_path(void)
{
    static char path[4096];
    const char *given = getenv("BITFOLD");
    ck_assert_msg(realpath(given == NULL ? "build/release/bitfold" : given, path) != NULL, "%s: not built",
                  given == NULL ? "build/release/bitfold" : given);
    return path;
}

static int memory_file(const char *name)
{
    const int fd = memfd_create(name, MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

/* `text` cut at its spaces, behind argv[0]. */
static char **split(Arena *arena, const char *text)
{
    char *copy = arena_strdup(arena, text);
    char **argv = ARENA_ARRAY(arena, char *, strlen(text) + 3);
    int n = 0;
    argv[n++] = arena_strdup(arena, "bitfold");
    for (char *rest = NULL, *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        argv[n++] = word;
    argv[n] = NULL;
    return argv;
}

/* `more` first: the first of two entries counts. */
/* A shell that is started takes the last of two values of one name, other programs the first: there is only one. */
static char **environment_with(Arena *arena, const char *more)
{
    int n = 0, kept = 0;
    while (environ[n] != NULL) n++;
    char **all = ARENA_ARRAY(arena, char *, n + 2);
    const size_t name = more == NULL ? 0 : strcspn(more, "=") + 1;
    if (more != NULL) all[kept++] = arena_strdup(arena, more);
    for (int i = 0; i < n; i++)
        if (more == NULL || strncmp(environ[i], more, name) != 0) all[kept++] = environ[i];
    return all;
}

Running program_start(Arena *arena, const Where *where, const char *command)
{
    Running r = {.out = memory_file("out"), .err = memory_file("err")};
    posix_spawn_file_actions_t actions;
    ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
    if (where->folder != NULL) ck_assert_int_eq(posix_spawn_file_actions_addchdir_np(&actions, where->folder), 0);
    ck_assert_int_eq(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0), 0);
    ck_assert_int_eq(posix_spawn_file_actions_adddup2(&actions, r.out, 1), 0);
    ck_assert_int_eq(posix_spawn_file_actions_adddup2(&actions, r.err, 2), 0);
    struct rlimit usual, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &usual), 0);
    small = (struct rlimit){.rlim_cur = where->file_limit_bytes, .rlim_max = usual.rlim_max};
    const char *path = program_path();
    char **argv = split(arena, command), **environment = environment_with(arena, where->environment);
    if (where->file_limit_bytes > 0)
        setrlimit(RLIMIT_FSIZE, &small); /* no assertion until it is gone: Check writes files */
    const int error = posix_spawn(&r.id, path, &actions, NULL, argv, environment);
    setrlimit(RLIMIT_FSIZE, &usual);
    ck_assert_int_eq(error, 0);
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

static char *take_text(Arena *arena, int fd)
{
    const off_t bytes = lseek(fd, 0, SEEK_END);
    char *text = arena_alloc(arena, (size_t)bytes + 1);
    ck_assert_int_eq(pread(fd, text, (size_t)bytes, 0), bytes);
    text[bytes] = '\0';
    close(fd);
    return text;
}

Outcome program_wait(Arena *arena, Running r)
{
    int status;
    struct rusage usage;
    ck_assert_int_eq(wait4(r.id, &status, 0, &usage), r.id);
    return (Outcome){.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
                     .signalled = WIFSIGNALED(status),
                     .out = take_text(arena, r.out),
                     .err = take_text(arena, r.err),
                     .peak_kib = usage.ru_maxrss};
}

Outcome program_run(Arena *arena, const Where *where, const char *command)
{
    return program_wait(arena, program_start(arena, where, command));
}

char *program_must(Arena *arena, const char *folder, const char *command)
{
    const Outcome o = program_run(arena, &(Where){.folder = folder}, command);
    ck_assert_msg(o.code == 0, "bitfold %s: exit %d: %s", command, o.code, o.err);
    return o.out;
}

void program_refuses(Arena *arena, const char *folder, const char *command, const char *words)
{
    const Outcome o = program_run(arena, &(Where){.folder = folder}, command);
    ck_assert_msg(o.code == 1 && strstr(o.err, words) != NULL, "bitfold %s: exit %d: %s", command, o.code, o.err);
}

cJSON *program_json(Arena *arena, const char *folder, const char *command)
{
    const char *text = program_must(arena, folder, arena_printf(arena, "%s --json", command));
    cJSON *json = NULL;
    ck_assert_msg(json_parse(text, strlen(text), "stdout", &json) == STATUS_OK, "bitfold %s --json: %s", command,
                  status_message());
    ck_assert_msg(cJSON_IsObject(json), "bitfold %s --json: no object", command);
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
    return json;
}

static char *list_into(Arena *arena, char *text, const char *folder, const char *shown, const char *without)
{
    struct dirent **entry;
    const int n = scandir(folder, &entry, NULL, alphasort);
    ck_assert_int_ge(n, 0);
    for (int i = 0; i < n; i++) {
        const char *name = entry[i]->d_name, *path = file_join(arena, folder, name);
        const char *seen = shown[0] == '\0' ? arena_strdup(arena, name) : file_join(arena, shown, name);
        const bool skip =
            strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (without != NULL && strcmp(seen, without) == 0);
        free(entry[i]);
        if (skip) continue;
        if (file_is_dir(path)) {
            text = list_into(arena, arena_printf(arena, "%s%s/\n", text, seen), path, seen, without);
            continue;
        }
        unsigned char *data;
        size_t bytes;
        ck_assert_int_eq(file_read(arena, path, (size_t)1 << 30, &data, &bytes), STATUS_OK);
        text = arena_printf(arena, "%s%s %zu %08lx\n", text, seen, bytes, crc32_z(0, data, bytes));
    }
    free(entry);
    return text;
}

char *folder_listing(Arena *arena, const char *folder, const char *without)
{
    return list_into(arena, arena_strdup(arena, ""), folder, "", without);
}

char *text_with(Arena *arena, const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    ck_assert_msg(at != NULL, "nothing to replace: %s", from);
    return arena_printf(arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

int line_count(const char *text)
{
    int n = 0;
    const char *p = text;
    for (; *p != '\0'; p++) n += *p == '\n';
    return n + (p > text && p[-1] != '\n');
}
