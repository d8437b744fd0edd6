#include "train/run_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folder.h"
#include "train/run_files.h"

/* ---- the marker and its lock ------------------------------------------------------------------------------------- */

static const char *marker_path(Arena *arena, const char *folder) { return file_join(arena, folder, RUN_MARKER); }

/* What the marker says for ever: its first line. */
static const char *marker_line(const RunFolder *f, bool from_model)
{
    return f->row ? RUN_MARKER_ROW : from_model ? RUN_MARKER_FROM : RUN_MARKER_RUN;
}

/* What it says besides while the run lasts. */
static const char *holder(Arena *arena, const RunTerms *terms)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    char *text = arena_printf(arena, "process %ld on %s", (long)getpid(), host);
    for (int i = 0; i < terms->argc; i++)
        text = arena_printf(arena, "%s%s%s", text, i == 0 ? ": " : " ", terms->argv[i]);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = '?';
    return arena_printf(arena, "%s\n", text);
}

static Status marker_fail(const char *path, const char *what)
{
    return status_fail(STATUS_IO, "%s: cannot %s: %s", path, what, strerror(errno));
}

/* Never empty in between: the old text is shortened after the new one has been written over it. */
static Status marker_write(int fd, const char *path, const char *text)
{
    const size_t bytes = strlen(text);
    for (size_t at = 0; at < bytes;) {
        const ssize_t n = pwrite(fd, text + at, bytes - at, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return marker_fail(path, "write");
        at += (size_t)n;
    }
    while (ftruncate(fd, (off_t)bytes) != 0)
        if (errno != EINTR) return marker_fail(path, "write");
    return STATUS_OK;
}

/* Who holds the lock, as far as the marker says. */
static Status in_use(const char *folder, int fd)
{
    char text[1024];
    const ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    char *line = strchr(text, '\n');
    line = line == NULL ? text + strlen(text) : line + 1;
    line[strcspn(line, "\n")] = '\0';
    return status_fail(STATUS_STATE,
                       "%s: in use by %s; must be free: wait until that run has ended, or choose another folder",
                       folder, line[0] == '\0' ? "another run" : line);
}

typedef enum { LOCK_TAKEN, LOCK_HELD, LOCK_NONE } Lock; /* LOCK_NONE: this file system has no locks */

static Status marker_lock(int fd, const char *path, Lock *lock)
{
    *lock = LOCK_TAKEN;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        *lock = errno == EWOULDBLOCK ? LOCK_HELD : LOCK_NONE;
        const bool unknown = errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL;
        return *lock == LOCK_HELD || unknown ? STATUS_OK : marker_fail(path, "lock");
    }
    return STATUS_OK;
}

/* The file that is open is the one that has the name: another run may have removed its folder meanwhile. */
static bool is_current(int fd, const char *path)
{
    struct stat open_file, named;
    return fstat(fd, &open_file) == 0 && lstat(path, &named) == 0 && open_file.st_dev == named.st_dev &&
           open_file.st_ino == named.st_ino;
}

static int open_again(const char *path, int flags)
{
    int fd;
    do fd = file_descriptor(open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666));
    while (fd < 0 && errno == EINTR);
    return fd;
}

static Status take_once(RunFolder *f, const char *path)
{
    f->fd = open_again(path, O_CREAT | O_EXCL);
    f->made_marker = f->fd >= 0;
    if (f->fd < 0 && errno == EEXIST) f->fd = open_again(path, 0);
    if (f->fd < 0 && errno == ENOENT) return STATUS_OK; /* removed meanwhile */
    if (f->fd < 0) return marker_fail(path, "open for writing");
    struct stat st;
    if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return status_fail(STATUS_IO, "%s: is not a regular file; a file is required", path);
    Lock lock;
    TRY(marker_lock(f->fd, path, &lock));
    if (lock == LOCK_HELD) return in_use(f->path, f->fd);
    if (lock == LOCK_NONE)
        f->note = arena_printf(
            f->arena, "note: %s: this file system has no locks, so nothing keeps another run out of the folder",
            f->path);
    return STATUS_OK;
}

static bool says_from_model(int fd)
{
    char line[sizeof RUN_MARKER_FROM - 1];
    return pread(fd, line, sizeof line, 0) == (ssize_t)sizeof line && memcmp(line, RUN_MARKER_FROM, sizeof line) == 0;
}

static Status mark(const RunFolder *f, bool from_model)
{
    return marker_write(f->fd, marker_path(f->arena, f->path),
                        arena_printf(f->arena, "%s%s", marker_line(f, from_model), f->who));
}

/* Whose folder it is now, and still what the run in it was. */
static Status sign(RunFolder *f, const RunTerms *terms)
{
    f->was_from_model = says_from_model(f->fd);
    f->from_model = f->goes_on && f->was_from_model;
    f->who = holder(f->arena, terms);
    return mark(f, f->was_from_model);
}

static Status take(RunFolder *f, const RunTerms *terms)
{
    const char *path = marker_path(f->arena, f->path);
    for (int tries = 0; tries < 10; tries++) {
        TRY(take_once(f, path));
        if (f->fd >= 0 && is_current(f->fd, path)) return sign(f, terms);
        if (f->fd >= 0) close(f->fd);
        f->fd = -1;
        TRY(file_make_dir(f->path));
    }
    return status_fail(STATUS_STATE, "%s: another run makes and removes this folder; choose another", f->path);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static Status refuse_existing(const RunFolder *f, const RunTerms *terms)
{
    return status_fail(STATUS_STATE, "%s: exists; must be a new folder, unless %s", f->path,
                       terms->resumable ? "the run is to go on (--resume) or to be replaced (--overwrite)"
                                        : "it is to be replaced (--overwrite)");
}

bool run_folder_holds(const char *folder, const char *path)
{
    char outer[PATH_MAX], inner[PATH_MAX];
    if (realpath(folder, outer) == NULL || realpath(path, inner) == NULL) return false;
    const size_t n = strlen(outer);
    return strncmp(outer, inner, n) == 0 && (inner[n] == '\0' || inner[n] == '/' || outer[n - 1] == '/');
}

static Status may_open(RunFolder *f, const RunTerms *terms)
{
    const bool there = file_exists(f->path), goes_on = file_exists(file_join(f->arena, f->path, "config.json"));
    if (there && f->mode == RUN_NEW) return refuse_existing(f, terms);
    if (there && !file_is_dir(f->path))
        return status_fail(STATUS_IO, "%s: is not a folder; a folder is required", f->path);
    if (f->mode == RUN_REPLACE && terms->source != NULL && run_folder_holds(f->path, terms->source))
        return status_fail(STATUS_STATE,
                           "%s: holds %s, which the run starts from; --overwrite must be of another folder (--out)",
                           f->path, terms->source);
    const bool known = there && (run_files_known(f->arena, f->path) || (f->row && goes_on));
    if (f->mode == RUN_RESUME) {
        f->goes_on = goes_on;
        if (goes_on || known) return STATUS_OK;
        return status_fail(STATUS_STATE, "%s: %s; --resume needs the folder of an earlier run", f->path,
                           there ? "has no config.json" : "does not exist");
    }
    if (!there || known) return STATUS_OK;
    return status_fail(STATUS_STATE, "%s: exists and holds no run; --overwrite replaces earlier runs only", f->path);
}

/* How many folders at the end of the path are not there yet. */
static int missing_folders(Arena *arena, const char *path)
{
    int n = 0;
    for (char *p = arena_strdup(arena, path); !file_exists(p); n++) {
        for (size_t k = strlen(p); k > 1 && p[k - 1] == '/'; k--) p[k - 1] = '\0';
        char *parent = file_dirname(arena, p);
        if (strcmp(parent, p) == 0) break;
        p = parent;
    }
    return n;
}

static void remove_made(const RunFolder *f)
{
    char *p = arena_strdup(f->arena, f->path);
    for (int i = 0; i < f->made_folders; i++) {
        if (rmdir(p) != 0 && errno != ENOENT) return;
        for (size_t k = strlen(p); k > 1 && p[k - 1] == '/'; k--) p[k - 1] = '\0';
        p = file_dirname(f->arena, p);
    }
}

Status run_folder_open(Arena *arena, const char *path, const RunTerms *terms, RunFolder *f)
{
    *f = (RunFolder){.arena = arena, .path = path, .mode = terms->mode, .row = terms->row, .fd = -1};
    TRY(may_open(f, terms));
    f->made_folders = missing_folders(arena, path);
    Status status = file_make_dir(path);
    if (status == STATUS_OK) status = take(f, terms);
    /* Another run may have come and gone between the first look and the lock. */
    if (status == STATUS_OK && f->mode == RUN_NEW && !f->made_marker) status = refuse_existing(f, terms);
    f->open = status == STATUS_OK;
    if (status == STATUS_OK) return STATUS_OK;
    if (f->fd >= 0 && f->made_marker) unlink(marker_path(arena, path));
    if (f->fd >= 0) close(f->fd);
    remove_made(f);
    return status;
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

/* Whether another run writes into the row just now. */
static Status row_free(Arena *arena, const char *row)
{
    const char *path = marker_path(arena, row);
    const int fd = open_again(path, 0);
    if (fd < 0) return STATUS_OK;
    Lock lock;
    Status status = marker_lock(fd, path, &lock);
    if (status == STATUS_OK && lock == LOCK_HELD) status = in_use(row, fd);
    close(fd);
    return status;
}

static Status row_remove(Arena *arena, const char *row)
{
    TRY(run_files_clear(arena, row, false));
    bool only;
    TRY(run_files_only(arena, row, &only));
    if (!only) return STATUS_OK; /* what is left is not ours */
    TRY(run_files_unmark(arena, row));
    return rmdir(row) == 0 || errno == ENOENT || errno == ENOTEMPTY ? STATUS_OK : marker_fail(row, "remove");
}

/* Does `what` for each row of a table in the folder. */
static Status for_rows(Arena *arena, const char *folder, Status (*what)(Arena *arena, const char *row))
{
    FolderNames all;
    TRY(folder_names(arena, folder, &all));
    for (int i = 0; i < all.n; i++) {
        const char *path = file_join(arena, folder, all.at[i]);
        bool row = false;
        if (all.at[i][0] != '.') TRY(run_files_row(arena, path, &row));
        if (row) TRY(what(arena, path));
    }
    return STATUS_OK;
}

/* Nothing to do where the folder has it already, as when a run goes on. */
static Status write_config(const RunFolder *f, const Config *config)
{
    const char *path = file_join(f->arena, f->path, "config.json");
    char *text;
    TRY(config_text(f->arena, config, f->path, &text));
    unsigned char *old;
    size_t bytes;
    if (f->goes_on && file_read(f->arena, path, 1 << 26, &old, &bytes) == STATUS_OK && bytes == strlen(text) &&
        memcmp(old, text, bytes) == 0)
        return STATUS_OK;
    return file_write(f->arena, path, text, strlen(text));
}

Status run_folder_begin(RunFolder *f, const Config *config)
{
    const bool rows = !f->goes_on && !f->row;
    if (rows) TRY(for_rows(f->arena, f->path, row_free));
    f->begun = true;
    TRY(run_files_clear(f->arena, f->path, f->goes_on));
    if (rows)
        TRY(for_rows(f->arena, f->path, row_remove)); /* after config.json: rows of an old table are not resumed */
    if (f->from_model != f->was_from_model) TRY(mark(f, f->from_model));
    return write_config(f, config);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* The files first, the marker last: whatever a kill leaves is known as a run's. */
static void abandon(const RunFolder *f)
{
    bool only = f->made_marker;
    if (f->begun && run_files_kept(f->arena, f->path)) return;
    if (f->begun && run_files_only(f->arena, f->path, &only) != STATUS_OK) return;
    if (!only || (f->begun && run_files_clear(f->arena, f->path, false) != STATUS_OK)) return;
    unlink(marker_path(f->arena, f->path));
    if (f->begun) rmdir(f->path);
    remove_made(f);
}

Status run_folder_end(RunFolder *f, Status status)
{
    if (!f->open) return status;
    char reason[1024];
    snprintf(reason, sizeof reason, "%s", status_message());
    const char *marker = marker_path(f->arena, f->path);
    const bool stopped = status == STATUS_INTERRUPTED && f->begun; /* it goes on with --resume */
    if (status != STATUS_OK && !stopped) abandon(f);
    /* Whoever reads the marker reads it only while it is locked: one that could not be shortened does no harm. */
    if (is_current(f->fd, marker))
        (void)marker_write(f->fd, marker, marker_line(f, f->begun ? f->from_model : f->was_from_model));
    close(f->fd);
    f->open = false;
    return status == STATUS_OK ? STATUS_OK : status_fail(status, "%s", reason);
}
