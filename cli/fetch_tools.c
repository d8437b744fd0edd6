#include "cli/fetch_tools.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"

extern char **environ;

enum { OUTPUT_MOST_BYTES = 64 * 1024, REASON_MOST = 90 };
_Static_assert(sizeof(sigset_t) <= sizeof(ToolSignals), "a signal set fits");

static void stop_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

void tool_signals_hold(ToolSignals *signals)
{
    sigset_t set, before;
    stop_signals(&set);
    sigaddset(&set, SIGCHLD); /* for wait_for */
    sigprocmask(SIG_BLOCK, &set, &before);
    memcpy(signals->saved, &before, sizeof before);
}

void tool_signals_release(const ToolSignals *signals)
{
    sigset_t before;
    memcpy(&before, signals->saved, sizeof before);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

bool tool_signal_waits(void)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) || sigismember(&pending, SIGHUP);
}

/* The program's wait status; a signal for us ends the program first and stays pending. */
static int wait_for(pid_t pid)
{
    sigset_t set;
    stop_signals(&set);
    sigaddset(&set, SIGCHLD);
    for (;;) {
        int status = -1;
        if (waitpid(pid, &status, WNOHANG) != 0) return status;
        const int got = sigtimedwait(&set, NULL, &(struct timespec){.tv_sec = 1});
        if (got != SIGINT && got != SIGTERM && got != SIGHUP) continue;
        kill(pid, SIGTERM);
        waitpid(pid, &status, 0);
        raise(got);
        return status;
    }
}

static pid_t spawn(const char *const argv[], const char *cwd, const char *input, int output)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, 0, input == NULL ? "/dev/null" : input, O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_adddup2(&actions, output, 2);
    if (cwd != NULL) posix_spawn_file_actions_addchdir_np(&actions, cwd);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t pid = -1;
    /* execvp takes char *const[] for history's sake and changes nothing */
    const int failure = posix_spawnp(&pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    errno = failure;
    return failure == 0 ? pid : -1;
}

Status tool_run(Arena *arena, const char *const argv[], const char *cwd, const char *input, char **output)
{
    const int log = memfd_create("output", MFD_CLOEXEC);
    if (log < 0) return status_fail(STATUS_IO, "%s: cannot start: %s", argv[0], strerror(errno));
    ToolSignals signals;
    tool_signals_hold(&signals);
    const pid_t pid = spawn(argv, cwd, input, log);
    const int reason = errno, status = pid < 0 ? -1 : wait_for(pid);
    const bool interrupted = tool_signal_waits();
    char *text = arena_zalloc(arena, OUTPUT_MOST_BYTES + 1);
    const ssize_t got = pread(log, text, OUTPUT_MOST_BYTES, 0);
    close(log);
    tool_signals_release(&signals);
    text[got < 0 ? 0 : got] = '\0';
    if (output != NULL) *output = text;
    if (interrupted) return status_fail(STATUS_INTERRUPTED, "%s: interrupted", argv[0]);
    if (pid < 0)
        return status_fail(STATUS_IO, "%s: %s", argv[0], reason == ENOENT ? "not installed" : strerror(reason));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return STATUS_OK;
    const int line = (int)strcspn(text, "\n");
    if (line == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 127) /* posix_spawn may learn of it in the child */
        return status_fail(STATUS_IO, "%s: not installed", argv[0]);
    if (line > 0) return status_fail(STATUS_IO, "%.*s", line < REASON_MOST ? line : REASON_MOST, text);
    return status_fail(STATUS_IO, "%s ended with %s %d", argv[0], WIFSIGNALED(status) ? "signal" : "code",
                       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* coreutils' md5sum, which every Debian machine has (the package is essential): the publishers' sums are MD5, and for
 * six files neither a library to depend on nor an MD5 of our own would earn its place.  MD5 tells damage, not malice.
 */
Status tool_md5(Arena *arena, const char *path, const char **digest)
{
    char *text;
    TRY(tool_run(arena, (const char *const[]){"md5sum", NULL}, NULL, path, &text));
    if (strspn(text, "0123456789abcdef") != 32) return status_fail(STATUS_IO, "md5sum: answered \"%.40s\"", text);
    text[32] = '\0';
    *digest = text;
    return STATUS_OK;
}

Status tool_gunzip(Arena *arena, const char *from, const char *to)
{
    enum { PIECE = 1 << 16 };
    errno = 0;
    gzFile in = gzopen(from, "rb");
    if (in == NULL)
        return status_fail(STATUS_IO, "%s: cannot open: %s", from, errno != 0 ? strerror(errno) : "no memory");
    FileWriter out;
    Status status = file_begin(arena, to, &out);
    unsigned char *piece = arena_alloc(arena, PIECE);
    int n = 0;
    while (status == STATUS_OK && (n = gzread(in, piece, PIECE)) > 0)
        if (fwrite(piece, 1, (size_t)n, out.stream) != (size_t)n) break; /* file_commit says why */
    int code = Z_OK;
    (void)gzerror(in, &code);
    if (status == STATUS_OK && (n < 0 || code != Z_OK)) {
        file_abort(&out);
        status = status_fail(STATUS_FORMAT, "%s: damaged gzip file", from);
    }
    gzclose_r(in);
    return status == STATUS_OK ? file_commit(&out) : status;
}

Status tool_temporary(Arena *arena, const char *parent, char **folder)
{
    *folder = file_join(arena, parent, ".fetch.XXXXXX");
    if (mkdtemp(*folder) != NULL) return STATUS_OK;
    return status_fail(STATUS_IO, "%s: cannot write into this folder: %s", parent, strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    (void)remove(path);
    return 0;
}

void tool_remove(const char *folder) { nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

Status tool_find(Arena *arena, const char *folder, const char *suffix, char **path)
{
    *path = NULL;
    DIR *dir = opendir(folder);
    if (dir == NULL) return status_fail(STATUS_IO, "%s: cannot open: %s", folder, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        const size_t n = strlen(entry->d_name), tail = strlen(suffix);
        if (n > tail && strcmp(entry->d_name + n - tail, suffix) == 0) *path = file_join(arena, folder, entry->d_name);
    }
    closedir(dir);
    return *path != NULL ? STATUS_OK : status_fail(STATUS_IO, "no file *%s came", suffix);
}
