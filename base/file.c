#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static Status io_fail(const char *path, const char *verb)
{
    const char *reason = strerror(errno);
    return status_fail(STATUS_IO, "%s: cannot %s: %s", path, verb, reason);
}

Status file_open(const char *path, size_t max_bytes, FILE **file, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    *file = NULL;
    if (f == NULL) return io_fail(path, "open");
    struct stat st;
    Status status = STATUS_OK;
    if (fstat(fileno(f), &st) != 0)
        status = io_fail(path, "stat");
    else if (!S_ISREG(st.st_mode))
        status = status_fail(STATUS_IO, "%s: is not a regular file; a file is required", path);
    else if ((unsigned long long)st.st_size > max_bytes)
        status = status_fail(STATUS_FORMAT, "%s: %lld bytes; at most %zu are accepted", path, (long long)st.st_size,
                             max_bytes);
    if (status == STATUS_OK) {
        *file = f;
        *bytes = (size_t)st.st_size;
    } else {
        fclose(f);
    }
    return status;
}

Status file_next(Arena *arena, FILE *file, const char *path, size_t bytes, unsigned char **data)
{
    *data = arena_try_alloc(arena, bytes + 1);
    if (*data == NULL) return status_prefix(STATUS_NOMEM, "%s", path);
    if (fread(*data, 1, bytes, file) != bytes)
        return ferror(file) ? io_fail(path, "read")
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

Status file_begin(Arena *arena, const char *path, FileWriter *writer)
{
    *writer = (FileWriter){.path = arena_strdup(arena, path)};
    char *temporary = arena_printf(arena, "%s.tmp.XXXXXX", path);
    const int fd = mkstemp(temporary);
    if (fd < 0) return io_fail(path, "create");
    const mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, 0666 & ~mask) != 0 || (writer->stream = fdopen(fd, "wb")) == NULL) {
        const Status status = io_fail(path, "create");
        close(fd);
        unlink(temporary);
        return status;
    }
    writer->temporary = temporary;
    return STATUS_OK;
}

static void sync_folder_of(const char *path)
{
    /* Makes the rename itself durable; a file system that cannot do it has nothing better to offer. */
    const char *slash = strrchr(path, '/');
    char folder[4096] = ".";
    if (slash != NULL) {
        const size_t n = slash == path ? 1 : (size_t)(slash - path);
        if (n >= sizeof folder) return;
        memcpy(folder, path, n);
        folder[n] = '\0';
    }
    const int fd = open(folder, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

Status file_finish(FileWriter *writer)
{
    FILE *f = writer->stream;
    writer->stream = NULL;
    if (writer->temporary == NULL) return status_fail(STATUS_STATE, "%s: was never opened for writing", writer->path);
    if (f == NULL) return STATUS_OK;
    Status status = STATUS_OK;
    if (ferror(f) && errno == 0) errno = EIO; /* an earlier write failed and its reason was not kept */
    if (ferror(f) || fflush(f) != 0 || fsync(fileno(f)) != 0) status = io_fail(writer->path, "write");
    if (fclose(f) != 0 && status == STATUS_OK) status = io_fail(writer->path, "write");
    if (status != STATUS_OK) file_abort(writer);
    return status;
}

Status file_commit(FileWriter *writer)
{
    TRY(file_finish(writer));
    Status status = STATUS_OK;
    if (rename(writer->temporary, writer->path) != 0) {
        status = io_fail(writer->path, "rename to");
        unlink(writer->temporary);
    } else {
        sync_folder_of(writer->path);
    }
    writer->temporary = NULL;
    return status;
}

void file_abort(FileWriter *writer)
{
    if (writer->stream != NULL) fclose(writer->stream);
    if (writer->temporary != NULL) unlink(writer->temporary);
    writer->stream = NULL;
    writer->temporary = NULL;
}

Status file_write(Arena *arena, const char *path, const void *data, size_t bytes)
{
    FileWriter writer;
    TRY(file_begin(arena, path, &writer));
    if (bytes != 0 && fwrite(data, 1, bytes, writer.stream) != bytes) {
        const Status status = io_fail(path, "write");
        file_abort(&writer);
        return status;
    }
    return file_commit(&writer);
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
            return io_fail(partial, "create folder");
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
