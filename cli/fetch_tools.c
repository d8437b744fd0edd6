#include "cli/fetch_tools.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/folder.h"

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

/* The child, from here on, until it is the program: 0 to 2 and the limits are set, then what failed is told by
 * errno. */
static void become(const char *const argv[], const ToolPlace *place, int output, pid_t parent)
{
    sigset_t none;
    const char *input = place->input == NULL ? "/dev/null" : place->input;
    const struct rlimit limit = {place->file_most_bytes, place->file_most_bytes};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) return; /* the parent may be gone already */
    const int in = open(input, O_RDONLY);
    if (in < 0 || dup2(in, STDIN_FILENO) < 0) return;
    if (in != STDIN_FILENO) close(in);
    if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0) return;
    if (place->cwd != NULL && chdir(place->cwd) != 0) return;
    if (place->file_most_bytes > 0 && setrlimit(RLIMIT_FSIZE, &limit) != 0) return;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGXFSZ, SIG_IGN);             /* too long a file is an error of write(), which the program can name */
    execvp(argv[0], (char *const *)argv); /* which takes char *const[] for history's sake and changes nothing */
}

/* Starts the program, and waits until it runs or has failed to: a pipe that exec closes tells. */
static pid_t spawn(const char *const argv[], const ToolPlace *place, int output)
{
    int told[2], failure = 0;
    if (pipe2(told, O_CLOEXEC) != 0) return -1;
    const pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        become(argv, place, output, parent);
        failure = errno;
        _exit(write(told[1], &failure, sizeof failure) == sizeof failure ? 127 : 126);
    }
    if (pid < 0) failure = errno;
    close(told[1]);
    ssize_t n = 0;
    do n = pid < 0 ? 0 : read(told[0], &failure, sizeof failure);
    while (n < 0 && errno == EINTR);
    close(told[0]);
    if (n == sizeof failure) waitpid(pid, NULL, 0);
    errno = failure;
    return n == sizeof failure ? -1 : pid;
}

Status tool_run(Arena *arena, const char *const argv[], const ToolPlace *place, char **output)
{
    static const ToolPlace here = {0};
    if (place == NULL) place = &here;
    const int log = memfd_create("output", MFD_CLOEXEC);
    if (log < 0) return status_fail(STATUS_IO, "%s: cannot start: %s", argv[0], strerror(errno));
    ToolSignals signals;
    tool_signals_hold(&signals);
    const pid_t pid = spawn(argv, place, log);
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
    TRY(tool_run(arena, (const char *const[]){"md5sum", NULL}, &(const ToolPlace){.input = path}, &text));
    if (strspn(text, "0123456789abcdef") != 32) return status_fail(STATUS_IO, "md5sum: answered \"%.40s\"", text);
    text[32] = '\0';
    *digest = text;
    return STATUS_OK;
}

static Status gunzip_into(gzFile in, const char *from, FileWriter *out, unsigned char *piece, size_t piece_bytes,
                          size_t most_bytes)
{
    size_t done = 0;
    int n, code = Z_OK;
    while ((n = gzread(in, piece, (unsigned)piece_bytes)) > 0) {
        done += (size_t)n;
        if (done > most_bytes)
            return status_fail(STATUS_FORMAT, "%s: unpacks to more than %zu bytes; that is all there may be", from,
                               most_bytes);
        if (fwrite(piece, 1, (size_t)n, out->stream) != (size_t)n) return STATUS_OK; /* file_commit says why */
    }
    (void)gzerror(in, &code);
    return n < 0 || code != Z_OK ? status_fail(STATUS_FORMAT, "%s: damaged gzip file", from) : STATUS_OK;
}

Status tool_gunzip(Arena *arena, const char *from, const char *to, size_t most_bytes)
{
    enum { PIECE = 1 << 16 };
    int fd;
    size_t bytes;
    TRY(file_open_fd(from, &fd, &bytes));
    gzFile in = gzdopen(fd, "rb");
    if (in == NULL) {
        close(fd);
        return status_fail(STATUS_NOMEM, "%s: cannot open: no memory", from);
    }
    FileWriter out;
    Status status = file_begin(arena, to, &out);
    if (status == STATUS_OK) status = gunzip_into(in, from, &out, arena_alloc(arena, PIECE), PIECE, most_bytes);
    gzclose_r(in);
    if (status == STATUS_OK) return file_commit(&out);
    file_abort(&out);
    return status;
}

Status tool_find(Arena *arena, const char *folder, const char *suffix, char **path)
{
    *path = NULL;
    FolderNames all;
    TRY(folder_names(arena, folder, &all));
    for (int i = 0; i < all.n; i++)
        if (file_ends(all.at[i], suffix)) *path = file_join(arena, folder, all.at[i]);
    return *path != NULL ? STATUS_OK : status_fail(STATUS_IO, "no file *%s came", suffix);
}
