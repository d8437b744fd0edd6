#include "datasets/reader.h"

#include <errno.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"

/* A deflate stream grows by at most this when it is unpacked (258 bytes from 2 bits). */
enum { DEFLATE_RATIO = 1032 };

Status data_file_open(Arena *arena, const char *folder, const char *name, const char *hint, DataFile *file)
{
    const char *path = file_join(arena, folder, name);
    const char *zipped = arena_printf(arena, "%s.gz", path);
    struct stat st;
    *file = (DataFile){.path = path};
    if (stat(path, &st) != 0) {
        if (errno == ENOENT && stat(zipped, &st) == 0)
            file->path = zipped;
        else if (errno == ENOENT || errno == ENOTDIR)
            return status_fail(STATUS_IO, "%s: not found; %s", path, hint);
    }
    int fd;
    size_t bytes;
    TRY(file_open_fd(file->path, &fd, &bytes));
    file->stream = gzdopen(fd, "rb");
    if (file->stream == NULL) {
        close(fd);
        return status_fail(STATUS_NOMEM, "%s: cannot open: no memory", file->path);
    }
    (void)gzbuffer(file->stream, 256 * 1024);
    file->file_bytes = bytes;
    file->most_bytes = file->file_bytes;
    if (!gzdirect(file->stream)) file->most_bytes *= DEFLATE_RATIO;
    return STATUS_OK;
}

void data_file_close(DataFile *file)
{
    if (file->stream != NULL) gzclose_r(file->stream);
    file->stream = NULL;
}

static Status ends_early(const DataFile *file, uint64_t end)
{
    return status_fail(STATUS_FORMAT, "%s: ends after %llu bytes; %llu are required (is it truncated?)", file->path,
                       (unsigned long long)file->at, (unsigned long long)end);
}

static Status read_some(DataFile *file, void *to, size_t bytes, size_t *got)
{
    *got = 0;
    while (*got < bytes) {
        const size_t left = bytes - *got;
        const int n = gzread(file->stream, (char *)to + *got, left < INT_MAX ? (unsigned)left : INT_MAX);
        if (n < 0) {
            int code;
            const char *reason = gzerror(file->stream, &code);
            const Status kind = code == Z_ERRNO ? STATUS_IO : code == Z_MEM_ERROR ? STATUS_NOMEM : STATUS_FORMAT;
            return status_fail(kind, "%s: cannot read: %s", file->path, code == Z_ERRNO ? strerror(errno) : reason);
        }
        if (n == 0) break;
        *got += (size_t)n;
        file->at += (uint64_t)n;
    }
    return STATUS_OK;
}

Status data_file_read(DataFile *file, void *to, size_t bytes)
{
    const uint64_t end = file->at + bytes;
    size_t got;
    TRY(read_some(file, to, bytes, &got));
    return got == bytes ? STATUS_OK : ends_early(file, end);
}

Status data_file_may_hold(const DataFile *file, uint64_t bytes)
{
    const uint64_t room = file->most_bytes > file->at ? file->most_bytes - file->at : 0;
    if (bytes > room || bytes > SIZE_MAX / 4)
        return status_fail(STATUS_FORMAT, "%s: %llu bytes; its header promises %llu more (is it truncated?)",
                           file->path, (unsigned long long)file->file_bytes, (unsigned long long)bytes);
    return STATUS_OK;
}

Status data_file_end(DataFile *file)
{
    size_t more = 0;
    TRY(read_some(file, &(uint8_t){0}, 1, &more));
    if (more != 0)
        return status_fail(STATUS_FORMAT, "%s: goes on after byte %llu; its header says it ends there", file->path,
                           (unsigned long long)(file->at - 1));
    int code;
    (void)gzerror(file->stream, &code);
    if (code != Z_OK && code != Z_STREAM_END)
        return status_fail(STATUS_FORMAT, "%s: its last bytes are missing (is it truncated?)", file->path);
    return STATUS_OK;
}

Status data_file_rest(Arena *arena, DataFile *file, uint64_t bytes, uint8_t **data)
{
    TRY(data_file_may_hold(file, bytes));
    *data = arena_try_alloc(arena, (size_t)bytes);
    if (*data == NULL) return status_prefix(STATUS_NOMEM, "%s", file->path);
    TRY(data_file_read(file, *data, (size_t)bytes));
    return data_file_end(file);
}

Status data_file_all(Arena *arena, DataFile *file, uint8_t **data, size_t *bytes)
{
    const size_t most = (size_t)256 << 20;
    size_t room = file->file_bytes < most ? (size_t)file->file_bytes + 1 : most;
    *bytes = 0;
    *data = arena_try_alloc(arena, room);
    while (*data != NULL) {
        size_t got;
        TRY(read_some(file, *data + *bytes, room - *bytes, &got));
        *bytes += got;
        if (*bytes < room) return data_file_end(file);
        if (room == most)
            return status_fail(STATUS_FORMAT, "%s: more than %zu bytes; at most so many can be read", file->path,
                               most - 1);
        const uint8_t *before = *data;
        room = room < most / 4 ? 4 * room : most;
        *data = arena_try_alloc(arena, room);
        if (*data != NULL) memcpy(*data, before, *bytes);
    }
    return status_prefix(STATUS_NOMEM, "%s", file->path);
}

bool data_file_is_plain(const DataFile *file) { return gzdirect(file->stream) != 0; }

/* Where the images lie in a plain file. */
typedef struct {
    const char *path;
    uint64_t start;
} FileImages;

static Status read_image(const SampleSource *source, int index, Arena *scratch, uint8_t *input)
{
    (void)scratch;
    const FileImages *f = source->context;
    const size_t image = sample_bytes(&source->input);
    return file_read_at(f->path, f->start + (uint64_t)index * image, input, image);
}

Status data_file_images(Arena *arena, DataFile *file, int n, const int hwc[3], Targets targets, bool keep,
                        SampleSource **source)
{
    const uint64_t bytes = (uint64_t)n * (uint64_t)hwc[0] * (uint64_t)hwc[1] * (uint64_t)hwc[2];
    if (keep) {
        uint8_t *images;
        TRY(data_file_rest(arena, file, bytes, &images));
        *source = source_of_bytes(arena, n, hwc, images, targets);
        return STATUS_OK;
    }
    TRY(data_file_may_hold(file, bytes));
    if (!data_file_is_plain(file))
        return status_fail(STATUS_UNSUPPORTED,
                           "%s: %llu bytes of images when unpacked, more than data.memory has left; must be unpacked "
                           "(gunzip), or data.memory be larger",
                           file->path, (unsigned long long)bytes);
    if (file->file_bytes > file->at + bytes)
        return status_fail(STATUS_FORMAT, "%s: goes on after byte %llu; its header says it ends there", file->path,
                           (unsigned long long)file->at + bytes);
    FileImages *images = ARENA_ARRAY(arena, FileImages, 1);
    *images = (FileImages){file->path, file->at};
    return source_of_files(arena, n, hwc, targets, read_image, images, false, source);
}

Status label_check(const char *path, int64_t label, int64_t index, int classes)
{
    if (label >= 0 && label < classes) return STATUS_OK;
    return status_fail(STATUS_FORMAT, "%s: label %lld of image %lld; must be 0 to %d", path, (long long)label,
                       (long long)index, classes - 1);
}

Status value_check(const char *path, double value, int64_t image, int target)
{
    if (fabs(value) <= (double)FLT_MAX) return STATUS_OK;
    return status_fail(STATUS_FORMAT, "%s: value %g, target %d of image %lld; must be finite, as float32", path, value,
                       target, (long long)image);
}

Status made_counts(const DataConfig *cfg)
{
    if (cfg->synthetic_train >= 1 && cfg->synthetic_test >= 1) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "data.synthetic_%s: %d; must be 1 or more",
                       cfg->synthetic_train < 1 ? "train" : "test",
                       cfg->synthetic_train < 1 ? cfg->synthetic_train : cfg->synthetic_test);
}

Status value_names(const DataConfig *cfg, int values, DataSplits *out)
{
    if (cfg->targets.n == 0) return STATUS_OK;
    if (cfg->targets.n != values)
        return status_fail(STATUS_CONFIG, "data.targets: %d names; must be %d, the values of each image in %s",
                           cfg->targets.n, values, cfg->path);
    out->class_names = cfg->targets.at;
    return STATUS_OK;
}

typedef struct {
    bool crop;
    const char **path; /* [count] */
} Pictures;

static Status read_picture(const SampleSource *source, int index, Arena *scratch, uint8_t *input)
{
    const Pictures *p = source->context;
    return picture_read_into(scratch, p->path[index], source->input.dim, p->crop, input);
}

Status pictures_source(Arena *arena, const DataConfig *cfg, int n, const char **path, const int hwc[3], Targets targets,
                       DataSplits *out, SampleSource **source)
{
    Pictures *pictures = ARENA_ARRAY(arena, Pictures, 1);
    *pictures = (Pictures){cfg->resize != NULL && strcmp(cfg->resize, "crop") == 0, path};
    return source_of_files(arena, n, hwc, targets, read_picture, pictures, reader_keeps(out, (uint64_t)n, hwc), source);
}

bool *reader_hold(Arena *arena, uint64_t seed, int group, int n, int *held)
{
    uint32_t *order = ARENA_ARRAY(arena, uint32_t, n);
    bool *chosen = ARENA_ARRAY(arena, bool, n);
    Rng rng = rng_make(seed, RNG_SPLIT, 1 + (uint64_t)group); /* index 0 is the validation split */
    rng_permutation(&rng, (uint32_t)n, order);
    *held = n < 2 ? 0 : n < 5 ? 1 : (n + 2) / 5;
    for (int i = 0; i < *held; i++) chosen[order[i]] = true;
    return chosen;
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
