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

static Status read_records(const DataConfig *cfg, Source *source, int n, Arena *scratch, uint8_t *images,
                           int32_t *labels)
{
    uint8_t *records;
    TRY(source_rest(scratch, source, (uint64_t)n * RECORD, &records));
    for (int i = 0; i < n; i++) {
        const uint8_t *record = records + (size_t)i * RECORD;
        TRY(label_check(source->path, record[0], i, label_limit(cfg, CLASSES)));
        labels[i] = record[0];
        for (int p = 0; p < PLANE; p++)
            for (int c = 0; c < 3; c++)
                images[((size_t)i * PLANE + (size_t)p) * 3 + (size_t)c] = record[1 + c * PLANE + p];
    }
    return STATUS_OK;
}

static Status read_batches(const DataConfig *cfg, Source *sources, int files, Arena *arena, Dataset *set)
{
    uint64_t total = 0;
    for (int f = 0; f < files; f++) {
        const uint64_t bytes = sources[f].file_bytes;
        if (bytes == 0 || bytes % RECORD != 0 || bytes / RECORD > INT_MAX / BATCHES)
            return status_fail(STATUS_FORMAT,
                               "%s: %llu bytes; must be a multiple of %d, a label and 32x32x3 pixels each",
                               sources[f].path, (unsigned long long)bytes, RECORD);
        total += bytes / RECORD;
    }
    uint8_t *images = arena_try_alloc(arena, (size_t)total * 3 * PLANE);
    int32_t *labels = arena_try_alloc(arena, (size_t)total * sizeof *labels);
    if (images == NULL || labels == NULL) return status_prefix(STATUS_NOMEM, "%s", sources[0].path);
    *set = (Dataset){.h = SIDE, .w = SIDE, .c = 3, .classes = label_limit(cfg, CLASSES)};
    Arena *scratch = arena_create();
    Status status = STATUS_OK;
    for (int f = 0; f < files && status == STATUS_OK; f++) {
        const int n = (int)(sources[f].file_bytes / RECORD);
        status = read_records(cfg, &sources[f], n, scratch, images + (size_t)set->n * 3 * PLANE, labels + set->n);
        set->n += n;
        arena_reset(scratch);
    }
    arena_destroy(scratch);
    set->images = images;
    set->labels = labels;
    return status;
}

static Status read_files(const DataConfig *cfg, const char *dir, const char *test_file, int files, Arena *arena,
                         Dataset *set)
{
    Source sources[BATCHES] = {{0}};
    const char *hint = fetch_hint(arena, "cifar10", cfg->path);
    Status status = STATUS_OK;
    for (int f = 0; f < files && status == STATUS_OK; f++)
        status =
            source_open(arena, dir, test_file != NULL ? test_file : arena_printf(arena, "data_batch_%d.bin", f + 1),
                        hint, &sources[f]);
    if (status == STATUS_OK) status = read_batches(cfg, sources, files, arena, set);
    for (int f = 0; f < files; f++) source_close(&sources[f]);
    return status;
}

static Status load(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out)
{
    (void)seed;
    TRY(images_check(cfg->path, 1, (const uint64_t[3]){SIDE, SIDE, 3}, want_hwc));
    /* The folder itself, or the one above it as the official archive unpacks. */
    const char *unpacked = file_join(arena, cfg->path, "cifar-10-batches-bin");
    const char *dir = file_is_dir(unpacked) ? unpacked : cfg->path;
    TRY(read_files(cfg, dir, NULL, BATCHES, arena, &out->train));
    TRY(read_files(cfg, dir, "test_batch.bin", 1, arena, &out->test));
    if (out->train.classes == CLASSES) {
        StringList list;
        class_names(cfg, arena, &list);
        out->class_names = list.at;
    }
    return STATUS_OK;
}

const DatasetType dataset_cifar10 = {"cifar10", "photographs, 32x32x3, 10 classes (the official binary files)", load,
                                     false, class_names};
