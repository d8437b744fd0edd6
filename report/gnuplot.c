#include "report/gnuplot.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/utf8.h"

extern char **environ;

enum { COMPLAINT_BYTES = 4096, OUTPUT_BYTES = 1 << 29 };

static Status system_fail(const char *what, int error)
{
    return status_fail(STATUS_IO, "gnuplot: cannot %s: %s", what, strerror(error));
}

Status gnuplot_begin(Gnuplot *gnuplot)
{
    *gnuplot = (Gnuplot){0};
    return file_nameless(&gnuplot->script);
}

void gnuplot_end(Gnuplot *gnuplot)
{
    if (gnuplot->script != NULL) fclose(gnuplot->script);
    gnuplot->script = NULL;
}

int gnuplot_figure(Gnuplot *gnuplot, int width, int height)
{
    fprintf(gnuplot->script,
            "reset\nset encoding utf8\nset terminal svg size %d,%d fixed font 'sans-serif,%d' noenhanced\n", width,
            height, width < 500 ? 12 : 13);
    return gnuplot->figures++;
}

void gnuplot_text(FILE *script, const char *text)
{
    fputc('\'', script);
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
        n = utf8_bytes(text, left);
        if (n == 0) {
            fputs("\xef\xbf\xbd", script);
            n = 1;
        } else if (*text == '\'') {
            fputs("\xe2\x80\x99", script);
        } else if (n == 1 && ((unsigned char)*text < ' ' || *text == 0x7f)) {
            fputc(' ', script);
        } else {
            fwrite(text, 1, n, script);
        }
    }
    fputc('\'', script);
}

/* posix_spawn may report a program that is not there as an exit of the child, with this code. */
static bool exec_failed(int wait_status) { return WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 127; }

/* Runs gnuplot with the three files as its streams.  *missing: there is no such program. */
static Status run(FILE *in, FILE *out, FILE *err, int *wait_status, bool *missing)
{
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) return system_fail("start", error);
    FILE *const stream[] = {in, out, err};
    for (int i = 0; i < 3 && error == 0; i++) error = posix_spawn_file_actions_adddup2(&actions, fileno(stream[i]), i);
    /* -d: no start-up file of the user changes the page; -: the script comes from standard input. */
    char program[] = "gnuplot", defaults[] = "-d", from_stdin[] = "-";
    char *const argv[] = {program, defaults, from_stdin, NULL};
    pid_t pid = 0;
    if (error == 0) error = posix_spawnp(&pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    *missing = error == ENOENT || error == ENOTDIR || error == EACCES;
    if (*missing) return STATUS_OK;
    if (error != 0) return system_fail("start", error);
    while (waitpid(pid, wait_status, 0) < 0)
        if (errno != EINTR) return system_fail("wait for its end", errno);
    *missing = exec_failed(*wait_status);
    return STATUS_OK;
}

/* A stream's content, at most that many bytes of it, with a NUL after them; NULL when the system failed. */
static char *read_back(Arena *arena, FILE *f, size_t max_bytes)
{
    const long size = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    const size_t bytes = (size_t)size < max_bytes ? (size_t)size : max_bytes;
    char *text = size < 0 ? NULL : arena_try_alloc(arena, bytes + 1);
    if (text == NULL) return NULL;
    rewind(f);
    if (fread(text, 1, bytes, f) != bytes) return NULL;
    text[bytes] = '\0';
    return text;
}

static Status complain(Arena *arena, FILE *err, int wait_status)
{
    char *text = read_back(arena, err, COMPLAINT_BYTES);
    if (text == NULL) return system_fail("read its complaint", EIO);
    text += strspn(text, " \t\r\n");
    text[strcspn(text, "\r\n")] = '\0';
    const char *colon = *text == '\0' ? "" : ": ";
    if (WIFSIGNALED(wait_status))
        return status_fail(STATUS_IO, "gnuplot: ended by signal %d%s%s; the plots of the report need it",
                           WTERMSIG(wait_status), colon, text);
    return status_fail(STATUS_IO, "gnuplot: ended with status %d%s%s; the plots of the report need it",
                       WEXITSTATUS(wait_status), colon, text);
}

/* Cuts the output into its figures. */
static Status cut(Arena *arena, char *text, Gnuplot *gnuplot)
{
    gnuplot->svg = ARENA_ARRAY(arena, const char *, gnuplot->figures + 1);
    int found = 0;
    for (char *at = strstr(text, "<svg"); at != NULL; at = strstr(at, "<svg")) {
        char *end = strstr(at, "</svg>");
        if (end == NULL) break;
        if (found < gnuplot->figures) gnuplot->svg[found] = at;
        found++;
        *end = '\0';
        at = end + 1;
    }
    if (found == gnuplot->figures) return STATUS_OK;
    return status_fail(STATUS_IO, "gnuplot: drew %d figures; must be %d", found, gnuplot->figures);
}

Status gnuplot_run(Arena *arena, Gnuplot *gnuplot)
{
    gnuplot->svg = NULL;
    if (fflush(gnuplot->script) != 0 || ferror(gnuplot->script))
        return system_fail("write its script to a temporary file", errno);
    rewind(gnuplot->script);
    FILE *out = NULL, *err = NULL;
    int wait_status = 0;
    bool missing = false;
    Status status = file_nameless(&out);
    if (status == STATUS_OK) status = file_nameless(&err);
    if (status == STATUS_OK) status = run(gnuplot->script, out, err, &wait_status, &missing);
    if (status == STATUS_OK && !missing && wait_status != 0) status = complain(arena, err, wait_status);
    if (status == STATUS_OK && !missing) {
        char *text = read_back(arena, out, OUTPUT_BYTES);
        status = text == NULL ? system_fail("read its output", EIO) : cut(arena, text, gnuplot);
    }
    if (out != NULL) fclose(out);
    if (err != NULL) fclose(err);
    return status;
}
