/* Data sets of two files, images and labels or values, IDX or .npy, plain or gzip: [kind] [bytes of images, 2] [images] [labels].
 * The same files are what is trained on and what is tested on. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "datasets/batch_reader.h"
#include "tests/fuzz/fuzz.h"

enum { HEAD = 3, DEFLATE_RATIO = 1032 };

static const struct {
    const char *dataset, *images, *labels, *more_images, *more_labels;
    TargetKind target;
} kinds[] = {{"idx", "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
              "t10k-labels-idx1-ubyte", TARGET_CLASS},
             {"npy", "train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy", TARGET_CLASS},
             {"npy", "train_images.npy", "train_targets.npy", "test_images.npy", "test_targets.npy", TARGET_VALUES}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void put(Arena *arena, const char *folder, const char *name, const char *link, const uint8_t *data, size_t bytes)
{
    FILE *f = fopen(file_join(arena, folder, name), "wb");
    ASSERT(f != NULL && fwrite(data, 1, bytes, f) == bytes && fclose(f) == 0);
    if (!file_exists(file_join(arena, folder, link))) ASSERT(symlink(name, file_join(arena, folder, link)) == 0);
}

/* Every byte is read, so that a sanitizer sees those that are not there. */
static void read_all(const Dataset *d, const int hwc[3])
{
    ASSERT(d->n == 0 || (d->h == hwc[0] && d->w == hwc[1] && d->c == hwc[2]));
    Arena *own = arena_create();
    uint8_t *image = arena_alloc(own, dataset_image_bytes(d));
    const uint8_t *pixels;
    for (int i = 0; i < d->n; i++)
        if (dataset_read(d, i, 1, image, &pixels) == STATUS_OK) (void)crc32_z(0, pixels, dataset_image_bytes(d));
    arena_destroy(own);
    for (int i = 0; i < d->n && d->targets.width == 0; i++)
        ASSERT(d->targets.label[i] >= 0 && d->targets.label[i] < d->classes);
    for (long i = 0; i < (long)d->n * d->targets.width; i++) ASSERT(isfinite(d->targets.value[i]));
}

static void run(const uint8_t *data, size_t bytes)
{
    static const int hwc[3] = {4, 3, 1};
    if (bytes < HEAD) return;
    Arena *arena = arena_create();
    const size_t rest = bytes - HEAD, claimed = (size_t)data[1] << 8 | data[2];
    const size_t images = claimed < rest ? claimed : rest;
    const int kind = data[0] % KINDS;
    const char *folder = arena_printf(arena, "%s/data_%d", fuzz_folder(), (int)getpid());
    ASSERT(file_make_dir(folder) == STATUS_OK);
    put(arena, folder, kinds[kind].images, kinds[kind].more_images, data + HEAD, images);
    put(arena, folder, kinds[kind].labels, kinds[kind].more_labels, data + HEAD + images, rest - images);
    const DataConfig config = {.dataset = kinds[kind].dataset,
                               .dir = folder,
                               .path = folder,
                               .validation = 0.25,
                               .target = kinds[kind].target};
    DataSplits splits;
    if (dataset_load(&config, hwc, 1, arena, &splits) == STATUS_OK) {
        read_all(&splits.train, hwc);
        read_all(&splits.validation, hwc);
        read_all(&splits.test, hwc);
    } else {
        ASSERT(status_message()[0] != '\0');
    }
    arena_destroy(arena);
}

/* Out of a gzip file may come 1032 bytes for each of its own. */
const FuzzTarget fuzz_dataset = {.name = "dataset", .per_byte = 8 * DEFLATE_RATIO, .run = run};
