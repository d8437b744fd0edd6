#include "datasets/reader.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* A deflate stream grows by at most this when it is unpacked (258 bytes from 2 bits). */
enum { DEFLATE_RATIO = 1032 };

Status source_open(Arena *arena, const char *folder, const char *name, const char *hint, Source *source)
{
    const char *path = file_join(arena, folder, name);
    const char *zipped = arena_printf(arena, "%s.gz", path);
    struct stat st;
    *source = (Source){.path = path};
    if (stat(path, &st) != 0) {
        if (errno == ENOENT && stat(zipped, &st) == 0)
            source->path = zipped;
        else if (errno == ENOENT || errno == ENOTDIR)
            return status_fail(STATUS_IO, "%s: not found; %s", path, hint);
    }
    int fd;
    size_t bytes;
    TRY(file_open_fd(source->path, &fd, &bytes));
    source->stream = gzdopen(fd, "rb");
    if (source->stream == NULL) {
        close(fd);
        return status_fail(STATUS_NOMEM, "%s: cannot open: no memory", source->path);
    }
    (void)gzbuffer(source->stream, 256 * 1024);
    source->file_bytes = bytes;
    source->most_bytes = source->file_bytes;
    if (!gzdirect(source->stream)) source->most_bytes *= DEFLATE_RATIO;
    return STATUS_OK;
}

void source_close(Source *source)
{
    if (source->stream != NULL) gzclose_r(source->stream);
    source->stream = NULL;
}

static Status ends_early(const Source *source, uint64_t end)
{
    return status_fail(STATUS_FORMAT, "%s: ends after %llu bytes; %llu are required (is it truncated?)", source->path,
                       (unsigned long long)source->at, (unsigned long long)end);
}

static Status read_some(Source *source, void *to, size_t bytes, size_t *got)
{
    *got = 0;
    while (*got < bytes) {
        const size_t left = bytes - *got;
        const int n = gzread(source->stream, (char *)to + *got, left < INT_MAX ? (unsigned)left : INT_MAX);
        if (n < 0) {
            int code;
            const char *reason = gzerror(source->stream, &code);
            const Status kind = code == Z_ERRNO ? STATUS_IO : code == Z_MEM_ERROR ? STATUS_NOMEM : STATUS_FORMAT;
            return status_fail(kind, "%s: cannot read: %s", source->path, code == Z_ERRNO ? strerror(errno) : reason);
        }
        if (n == 0) break;
        *got += (size_t)n;
        source->at += (uint64_t)n;
    }
    return STATUS_OK;
}

Status source_read(Source *source, void *to, size_t bytes)
{
    const uint64_t end = source->at + bytes;
    size_t got;
    TRY(read_some(source, to, bytes, &got));
    return got == bytes ? STATUS_OK : ends_early(source, end);
}

Status source_may_hold(const Source *source, uint64_t bytes)
{
    const uint64_t room = source->most_bytes > source->at ? source->most_bytes - source->at : 0;
    if (bytes > room || bytes > SIZE_MAX / 4)
        return status_fail(STATUS_FORMAT, "%s: %llu bytes; its header promises %llu more (is it truncated?)",
                           source->path, (unsigned long long)source->file_bytes, (unsigned long long)bytes);
    return STATUS_OK;
}

Status source_rest(Arena *arena, Source *source, uint64_t bytes, uint8_t **data)
{
    TRY(source_may_hold(source, bytes));
    *data = arena_try_alloc(arena, (size_t)bytes);
    if (*data == NULL) return status_prefix(STATUS_NOMEM, "%s", source->path);
    TRY(source_read(source, *data, (size_t)bytes));
    size_t more = 0;
    TRY(read_some(source, &(uint8_t){0}, 1, &more)); /* also makes zlib compare its checksum */
    if (more != 0)
        return status_fail(STATUS_FORMAT, "%s: goes on after byte %llu; its header says it ends there", source->path,
                           (unsigned long long)(source->at - 1));
    int code;
    (void)gzerror(source->stream, &code);
    if (code != Z_OK && code != Z_STREAM_END)
        return status_fail(STATUS_FORMAT, "%s: its last bytes are missing (is it truncated?)", source->path);
    return STATUS_OK;
}

Status label_check(const char *path, int64_t label, int64_t index, int classes)
{
    if (label >= 0 && label < classes) return STATUS_OK;
    return status_fail(STATUS_FORMAT, "%s: label %lld of image %lld; must be 0 to %d", path, (long long)label,
                       (long long)index, classes - 1);
}

int label_limit(const DataConfig *cfg, int of_format)
{
    return cfg->classes > 0 ? cfg->classes : of_format > 0 ? of_format : MAX_CLASSES;
}

int label_classes(const DataConfig *cfg, int of_format, const int32_t *labels, int n)
{
    if (cfg->classes > 0 || of_format > 0) return label_limit(cfg, of_format);
    int32_t largest = 0;
    for (int i = 0; i < n; i++) largest = labels[i] > largest ? labels[i] : largest;
    return largest + 1;
}

Status images_check(const char *path, uint64_t n, const uint64_t hwc[3], const int want_hwc[3])
{
    if (n < 1 || n > INT32_MAX)
        return status_fail(STATUS_FORMAT, "%s: %llu images; must be 1 to %d", path, (unsigned long long)n, INT32_MAX);
    for (int i = 0; i < 3; i++)
        if (hwc[i] != (uint64_t)want_hwc[i])
            return status_fail(STATUS_SHAPE, "%s: images of %llux%llux%llu; must be %dx%dx%d, the model's input", path,
                               (unsigned long long)hwc[0], (unsigned long long)hwc[1], (unsigned long long)hwc[2],
                               want_hwc[0], want_hwc[1], want_hwc[2]);
    return STATUS_OK;
}

const char *fetch_hint(Arena *arena, const char *dataset, const char *dir)
{
    return arena_printf(arena, "get it with: bitfold fetch %s --dir %s", dataset, dir);
}
