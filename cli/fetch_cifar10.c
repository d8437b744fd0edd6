#include <cjson/cJSON.h>
#include <string.h>

#include "base/file.h"
#include "cli/fetch_tools.h"
#include "datasets/decoder.h"

enum { PLANE = 32 * 32, RECORD = 1 + 3 * PLANE, PER_FILE = 10000, JSON_MOST_BYTES = 1 << 20 };

static Status read_labels(Arena *arena, const char *path, int n, uint8_t *labels)
{
    unsigned char *text;
    size_t bytes;
    TRY(file_read(arena, path, JSON_MOST_BYTES, &text, &bytes));
    cJSON *list = cJSON_ParseWithLength((const char *)text, bytes);
    const cJSON *item = NULL;
    int found = 0;
    bool good = cJSON_IsArray(list);
    cJSON_ArrayForEach(item, list)
    {
        good = good && cJSON_IsNumber(item) && item->valueint >= 0 && item->valueint <= 9;
        if (good && found < n) labels[found] = (uint8_t)item->valueint;
        found++;
    }
    cJSON_Delete(list);
    if (good && found == n) return STATUS_OK;
    return status_fail(STATUS_FORMAT, "%s: must be a JSON array of %d labels from 0 to 9", path, n);
}

static Status convert(Arena *arena, const char *folder, const char *stem, int n, const uint8_t *labels)
{
    const char *png = arena_printf(arena, "%s/%s.png", folder, stem);
    uint8_t *pixels, *records = arena_alloc(arena, (size_t)n * RECORD);
    TRY(picture_read(arena, png, (const int[3]){n, PLANE, 3}, false, &pixels));
    for (int i = 0; i < n; i++) {
        uint8_t *record = records + (size_t)i * RECORD;
        record[0] = labels[i];
        for (int c = 0; c < 3; c++)
            for (int p = 0; p < PLANE; p++)
                record[1 + c * PLANE + p] = pixels[((size_t)i * PLANE + (size_t)p) * 3 + (size_t)c];
    }
    return file_write(arena, arena_printf(arena, "%s/%s.bin", folder, stem), records, (size_t)n * RECORD);
}

/* n images in each file. */
static Status convert_all(Arena *arena, const char *folder, int n)
{
    uint8_t *labels = arena_alloc(arena, 5 * (size_t)n);
    Arena *scratch = arena_create();
    /* the spelling is the package's */
    Status status = read_labels(scratch, file_join(arena, folder, "train_lables.json"), 5 * n, labels);
    for (int b = 0; b < 5 && status == STATUS_OK; b++) {
        arena_reset(scratch);
        status = convert(scratch, folder, arena_printf(arena, "data_batch_%d", b + 1), n, labels + b * n);
    }
    arena_reset(scratch);
    if (status == STATUS_OK) status = read_labels(scratch, file_join(arena, folder, "test_lables.json"), n, labels);
    if (status == STATUS_OK) status = convert(scratch, folder, "test_batch", n, labels);
    arena_destroy(scratch);
    return status;
}

Status cifar10_from_png(Arena *arena, const char *folder) { return convert_all(arena, folder, PER_FILE); }
