/* CIFAR-10 in its binary layout: records of one label byte and 32x32 pixels as three planes, red first.
 *
 * Source: Krizhevsky, "Learning multiple layers of features from tiny images" (2009). */
#include <limits.h>

#include "base/file.h"
#include "datasets/reader.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, RECORD = 1 + 3 * PLANE, BATCHES = 5, CLASSES = 10 };

static const char *const names[CLASSES] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                           "dog",      "frog",       "horse", "ship", "truck"};

static Status class_names(const DataConfig *cfg, Arena *arena, StringList *list)
{
    (void)cfg;
    *list = (StringList){CLASSES, ARENA_ARRAY(arena, const char *, CLASSES)};
    for (int i = 0; i < CLASSES; i++) list->at[i] = names[i];
    return STATUS_OK;
}

/* Planes to pixels. */
static void interleave(const uint8_t *record, uint8_t *image)
{
    for (int p = 0; p < PLANE; p++)
        for (int c = 0; c < 3; c++) image[3 * p + c] = record[1 + c * PLANE + p];
}

/* Where the records of a split are. */
typedef struct {
    int files;
    struct {
        const char *path;
        int n;
    } file[BATCHES];
} Records;

static Status read_record(const SampleSource *source, int index, Arena *scratch, uint8_t *input)
{
    const Records *r = source->context;
    int f = 0;
    for (; index >= r->file[f].n; f++) index -= r->file[f].n;
    uint8_t *record = arena_alloc(scratch, RECORD);
    TRY(file_read_at(r->file[f].path, (uint64_t)index * RECORD, record, RECORD));
    interleave(record, input);
    return STATUS_OK;
}

/* The labels of a file, and its images unless `images` is NULL. */
static Status read_records(const DataConfig *cfg, DataFile *file, int n, int32_t *labels, uint8_t *images)
{
    uint8_t record[RECORD];
    for (int i = 0; i < n; i++) {
        TRY(data_file_read(file, record, RECORD));
        TRY(label_check(file->path, record[0], i, label_limit(cfg, CLASSES)));
        labels[i] = record[0];
        if (images != NULL) interleave(record, images + (size_t)i * 3 * PLANE);
    }
    return data_file_end(file);
}

static Status count_records(const DataFile *files, int n, Records *records, uint64_t *total)
{
    *total = 0;
    *records = (Records){.files = n};
    for (int f = 0; f < n; f++) {
        const uint64_t bytes = files[f].file_bytes;
        if (bytes == 0 || bytes % RECORD != 0 || bytes / RECORD > INT_MAX / BATCHES)
            return status_fail(STATUS_FORMAT,
                               "%s: %llu bytes; must be a multiple of %d, a label and 32x32x3 pixels each",
                               files[f].path, (unsigned long long)bytes, RECORD);
        records->file[f].path = files[f].path;
        records->file[f].n = (int)(bytes / RECORD);
        *total += bytes / RECORD;
    }
    return STATUS_OK;
}

static Status read_batches(const DataConfig *cfg, DataFile *files, int n, Arena *arena, DataSplits *out,
                           SampleSource **source)
{
    static const int hwc[3] = {SIDE, SIDE, 3};
    Records *records = ARENA_ARRAY(arena, Records, 1);
    uint64_t total;
    TRY(count_records(files, n, records, &total));
    uint8_t *images = NULL;
    const bool keep = reader_keeps(out, total, hwc);
    if (keep) images = arena_try_alloc(arena, (size_t)total * 3 * PLANE);
    int32_t *labels = arena_try_alloc(arena, (size_t)total * sizeof *labels);
    if ((keep && images == NULL) || labels == NULL) return status_prefix(STATUS_NOMEM, "%s", files[0].path);
    for (int f = 0, first = 0; f < n; first += records->file[f++].n)
        TRY(read_records(cfg, &files[f], records->file[f].n, labels + first,
                         keep ? images + (size_t)first * 3 * PLANE : NULL));
    if (!keep)
        return source_of_files(arena, (int)total, hwc, targets_classes(labels), read_record, records, false, source);
    *source = source_of_bytes(arena, (int)total, hwc, images, targets_classes(labels));
    return STATUS_OK;
}

static Status read_files(const DataConfig *cfg, const char *dir, const char *test_file, Arena *arena, DataSplits *out,
                         Dataset *set)
{
    DataFile files[BATCHES] = {{0}};
    const char *hint = fetch_hint(arena, "cifar10", cfg->path);
    const int n = test_file != NULL ? 1 : BATCHES;
    Status status = STATUS_OK;
    for (int f = 0; f < n && status == STATUS_OK; f++)
        status =
            data_file_open(arena, dir, test_file != NULL ? test_file : arena_printf(arena, "data_batch_%d.bin", f + 1),
                           hint, &files[f]);
    SampleSource *source = NULL;
    if (status == STATUS_OK) status = read_batches(cfg, files, n, arena, out, &source);
    for (int f = 0; f < n; f++) data_file_close(&files[f]);
    if (status == STATUS_OK) *set = dataset_of(source, label_limit(cfg, CLASSES));
    return status;
}

static Status load(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out)
{
    (void)seed;
    TRY(images_check(cfg->path, 1, (const uint64_t[3]){SIDE, SIDE, 3}, want_hwc));
    /* The folder itself, or the one above it as the official archive unpacks. */
    const char *unpacked = file_join(arena, cfg->path, "cifar-10-batches-bin");
    const char *dir = file_is_dir(unpacked) ? unpacked : cfg->path;
    TRY(read_files(cfg, dir, NULL, arena, out, &out->train));
    TRY(read_files(cfg, dir, "test_batch.bin", arena, out, &out->test));
    if (out->train.classes == CLASSES) {
        StringList list;
        class_names(cfg, arena, &list);
        out->class_names = list.at;
    }
    return STATUS_OK;
}

const DatasetType dataset_cifar10 = {.name = "cifar10",
                                     .doc = "photographs, 32x32x3, 10 classes (the official binary files)",
                                     .load = load,
                                     .class_names = class_names};
