#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

Status file_fail(const char *path, const char *verb)
{
    const char *reason = strerror(errno);
    return status_fail(STATUS_IO, "%s: cannot %s: %s", path, verb, reason);
}

int file_descriptor(int fd)
{
    enum { FIRST = STDERR_FILENO + 1 };
    if (fd < 0 || fd >= FIRST) return fd;
    const int higher = fcntl(fd, F_DUPFD_CLOEXEC, FIRST), reason = errno;
    close(fd);
    errno = reason;
    return higher;
}

/* O_NONBLOCK: opening a FIFO would otherwise wait for its writer.  On a regular file it says nothing. */
enum { OPEN_TO_READ = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

/* What `opened`, a new descriptor or -1, is of. */
static Status opened_regular(const char *path, int opened, int *fd, size_t *bytes)
{
    struct stat st;
    *fd = file_descriptor(opened);
    if (*fd < 0) return file_fail(path, "open");
    Status status = STATUS_OK;
    if (fstat(*fd, &st) != 0)
        status = file_fail(path, "stat");
    else if (!S_ISREG(st.st_mode))
        status = status_fail(STATUS_IO, "%s: is not a regular file; a file is required", path);
    if (status == STATUS_OK)
        *bytes = (size_t)st.st_size;
    else
        close(*fd);
    return status;
}

Status file_open_fd(const char *path, int *fd, size_t *bytes)
{
    return opened_regular(path, open(path, OPEN_TO_READ), fd, bytes);
}

static bool stays_below(const char *name)
{
    if (name[0] == '\0' || name[0] == '/') return false;
    for (const char *part = name; part != NULL;) {
        const char *slash = strchr(part, '/');
        const size_t n = slash == NULL ? strlen(part) : (size_t)(slash - part);
        if (n == 2 && memcmp(part, "..", 2) == 0) return false;
        part = slash == NULL ? NULL : slash + 1;
    }
    return true;
}

static Status leads_out(const char *folder, const char *name)
{
    return status_fail(STATUS_FORMAT, "\"%.200s\"; must be a file below the folder %s", name, folder);
}

/* For systems without openat2: the path that opening went, from the kernel's own view of the descriptor.  The folder
 * itself counts as below, as there. */
static bool is_below(int folder_fd, int fd)
{
    char link[64], folder[4096], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder_fd);
    const ssize_t n = readlink(link, folder, sizeof folder);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t m = readlink(link, path, sizeof path);
    const ssize_t root = n == 1 ? 0 : n; /* "/" */
    return n > 0 && m >= n && m < (ssize_t)sizeof path && memcmp(path, folder, (size_t)root) == 0 &&
           (m == n || path[root] == '/');
}

Status file_open_below(const char *folder, const char *name, int *fd, size_t *bytes)
{
    char path[4096];
    if (!stays_below(name)) return leads_out(folder, name);
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return file_fail(folder, "open a file below it");
    }
    const int below = file_descriptor(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (below < 0) return file_fail(folder, "open");
    struct open_how how = {.flags = OPEN_TO_READ, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int opened = (int)syscall(SYS_openat2, below, name, &how, sizeof how);
    bool out = opened < 0 && errno == EXDEV;
    if (opened < 0 && (errno == ENOSYS || errno == EPERM)) {
        opened = openat(below, name, OPEN_TO_READ);
        out = opened >= 0 && !is_below(below, opened);
    }
    const int reason = errno;
    close(below);
    errno = reason;
    if (!out) return opened_regular(path, opened, fd, bytes);
    if (opened >= 0) close(opened);
    return leads_out(folder, name);
}

/* A stream on a descriptor, which it closes; what opening it said is in errno. */
static Status stream_on(const char *path, int fd, const char *mode, FILE **stream)
{
    *stream = fd < 0 ? NULL : fdopen(fd, mode);
    if (*stream != NULL) return STATUS_OK;
    const Status status = file_fail(path, "open");
    if (fd >= 0) close(fd);
    return status;
}

Status file_open(const char *path, size_t max_bytes, FILE **file, size_t *bytes)
{
    int fd;
    *file = NULL;
    TRY(file_open_fd(path, &fd, bytes));
    if (*bytes <= max_bytes) return stream_on(path, fd, "rb", file);
    close(fd);
    return status_fail(STATUS_FORMAT, "%s: %zu bytes; at most %zu are accepted", path, *bytes, max_bytes);
}

Status file_next(Arena *arena, FILE *file, const char *path, size_t bytes, unsigned char **data)
{
    *data = arena_try_alloc(arena, bytes + 1);
    if (*data == NULL) return status_prefix(STATUS_NOMEM, "%s", path);
    if (fread(*data, 1, bytes, file) != bytes)
        return ferror(file) ? file_fail(path, "read")
                            : status_fail(STATUS_IO, "%s: became shorter while it was read", path);
    (*data)[bytes] = 0;
    return STATUS_OK;
}

Status file_read(Arena *arena, const char *path, size_t max_bytes, unsigned char **data, size_t *bytes)
{
    FILE *f;
    TRY(file_open(path, max_bytes, &f, bytes));
    const Status status = file_next(arena, f, path, *bytes, data);
    fclose(f);
    return status;
}

Status file_read_at(const char *path, uint64_t offset, void *to, size_t bytes)
{
    int fd;
    size_t all, done = 0;
    TRY(file_open_fd(path, &fd, &all));
    Status status = STATUS_OK;
    while (done < bytes && status == STATUS_OK) {
        const ssize_t n = pread(fd, (char *)to + done, bytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) status = file_fail(path, "read");
        if (n == 0) status = status_fail(STATUS_IO, "%s: became shorter while it was read", path);
        if (n > 0) done += (size_t)n;
    }
    close(fd);
    return status;
}

Status file_append(const char *path, FILE **stream)
{
    return stream_on(path, file_descriptor(open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666)),
                     "ab", stream);
}

Status file_nameless(FILE **stream)
{
    return stream_on("a file in memory", file_descriptor(memfd_create("bitfold", MFD_CLOEXEC)), "w+b", stream);
}

bool file_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

Status file_make_dir(const char *path)
{
    char partial[4096];
    const size_t length = strlen(path);
    if (length == 0 || length >= sizeof partial)
        return status_fail(STATUS_IO, "%s: a folder name of %zu bytes; must be 1 to %zu", path, length,
                           sizeof partial - 1);
    for (size_t i = 1; i <= length; i++) {
        if (i < length && path[i] != '/') continue;
        memcpy(partial, path, i);
        partial[i] = '\0';
        if (mkdir(partial, 0777) != 0 && !(errno == EEXIST && file_is_dir(partial)))
            return file_fail(partial, "create folder");
    }
    return STATUS_OK;
}

bool file_ends(const char *path, const char *end)
{
    const size_t n = strlen(path), k = strlen(end);
    return n > k && strcmp(path + n - k, end) == 0;
}

char *file_join(Arena *arena, const char *folder, const char *name)
{
    if (name[0] == '/' || folder[0] == '\0') return arena_strdup(arena, name);
    const size_t n = strlen(folder);
    return arena_printf(arena, "%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name);
}

char *file_dirname(Arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return arena_strdup(arena, ".");
    return arena_printf(arena, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

char *file_stem(Arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const char *dot = strrchr(name, '.');
    return arena_printf(arena, "%.*s", dot == NULL || dot == name ? (int)strlen(name) : (int)(dot - name), name);
}
