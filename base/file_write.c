/* Writes that appear under their final name complete or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/temporary.h"

Status file_begin(Arena *arena, const char *path, FileWriter *writer)
{
    int fd;
    char *temporary;
    *writer = (FileWriter){.path = arena_strdup(arena, path)};
    TRY(temporary_file(arena, path, &fd, &temporary));
    writer->temporary = temporary;
    writer->stream = fdopen(fd, "w+b");
    if (writer->stream != NULL) return STATUS_OK;
    const Status status = file_fail(path, "create");
    file_abort(writer);
    close(fd);
    return status;
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
    const int fd = file_descriptor(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

Status file_finish(FileWriter *writer)
{
    FILE *f = writer->stream;
    if (f == NULL) return status_fail(STATUS_STATE, "%s: was never opened for writing", writer->path);
    if (writer->finished) return STATUS_OK;
    if (ferror(f) && errno == 0) errno = EIO; /* an earlier write failed and its reason was not kept */
    if (ferror(f) || fflush(f) != 0 || fsync(fileno(f)) != 0) {
        const Status status = file_fail(writer->path, "write");
        file_abort(writer);
        return status;
    }
    writer->finished = true;
    return STATUS_OK;
}

/* The lock ends here, and the bytes are on the disk: what closing says is no news. */
static void end(FileWriter *writer)
{
    if (writer->stream != NULL) fclose(writer->stream);
    writer->stream = NULL;
    writer->temporary = NULL;
}

Status file_commit(FileWriter *writer)
{
    TRY(file_finish(writer));
    if (rename(writer->temporary, writer->path) != 0) {
        const Status status = file_fail(writer->path, "rename to");
        file_abort(writer);
        return status;
    }
    sync_folder_of(writer->path);
    end(writer);
    return STATUS_OK;
}

void file_abort(FileWriter *writer)
{
    if (writer->temporary != NULL) unlink(writer->temporary);
    end(writer);
}

Status file_write(Arena *arena, const char *path, const void *data, size_t bytes)
{
    FileWriter writer;
    TRY(file_begin(arena, path, &writer));
    if (bytes != 0 && fwrite(data, 1, bytes, writer.stream) != bytes) {
        const Status status = file_fail(path, "write");
        file_abort(&writer);
        return status;
    }
    return file_commit(&writer);
}
