/* Sample sources: images are the same whether they are kept in memory or read anew, by any number of threads. */
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "datasets/batch_reader.h"
#include "datasets/loader.h"
#include "tests/support/data_sets.h"
#include "tests/support/jpeg_files.h"
#include "tests/support/suite.h"

/* Whether reading a split gives `want`, whole, in pieces and picked backwards. */
static void reads_as(Arena *a, const Dataset *set, const uint8_t *want)
{
    const size_t image = dataset_image_bytes(set);
    uint8_t *buffer = arena_alloc(a, (size_t)set->n * image);
    const uint8_t *pixels;
    for (int pass = 0; pass < 2; pass++) { /* what is kept is there the second time */
        ck_assert_msg(dataset_read(set, 0, set->n, buffer, &pixels) == STATUS_OK, "%s", status_message());
        ck_assert_mem_eq(pixels, want, (size_t)set->n * image);
    }
    for (int i = 0; i < set->n; i++) {
        const uint32_t which[2] = {(uint32_t)(set->n - 1 - i), (uint32_t)i};
        ck_assert_int_eq(dataset_pick(set, which, 2, buffer), STATUS_OK);
        ck_assert_mem_eq(buffer, want + which[0] * image, image);
        ck_assert_mem_eq(buffer + image, want + which[1] * image, image);
        ck_assert_int_eq(dataset_read(set, i, 1, buffer, &pixels), STATUS_OK);
        ck_assert_mem_eq(pixels, want + (size_t)i * image, image);
    }
}

/* Pictures, and the table that gives each of them a number. */
static void put_table_set(const char *folder)
{
    enum { PICTURES = 10 };
    char text[16 + 16 * PICTURES] = "file,angle\n", name[16];
    for (int i = 0; i < PICTURES; i++) {
        snprintf(name, sizeof name, "p%d.png", i);
        put_gray(folder, name, (uint8_t)(20 * i));
        snprintf(text + strlen(text), sizeof text - strlen(text), "p%d.png,%d.5\n", i, i);
    }
    put_bytes(folder, "targets.csv", text, strlen(text));
}

static void put_set_of(const char *dataset, const char *folder)
{
    if (strcmp(dataset, "cifar10") == 0)
        put_cifar_set(folder);
    else if (strcmp(dataset, "npy") == 0)
        put_npy_set(folder, 1, "|u1", 1, false);
    else if (strcmp(dataset, "folder") == 0)
        put_classes(folder, "", 9);
    else if (strcmp(dataset, "table") == 0)
        put_table_set(folder);
    else if (!dataset_type(dataset)->made)
        put_idx_set(folder, false);
}

static void load(const DatasetType *type, const char *folder, uint64_t memory, Arena *a, DataSplits *s)
{
    const char *dataset = type->name, *angle[] = {"angle", NULL};
    const unsigned gives = type->gives == 0 ? GIVES_CLASSES : type->gives;
    const bool values = (gives & GIVES_CLASSES) == 0, table = strcmp(dataset, "table") == 0;
    const DataConfig cfg = {.dataset = dataset,
                            .path = folder,
                            .memory = memory,
                            .target = (TargetKind)__builtin_ctz(gives), /* the first that it gives */
                            .targets = {table ? 1 : 0, angle},
                            .table = "targets.csv",
                            .validation = 0.3,
                            .train_limit = 4,
                            .synthetic_train = 9,
                            .synthetic_test = 5,
                            .synthetic_noise = 1};
    const bool cifar = strcmp(dataset, "cifar10") == 0;
    const Status status = dataset_load(&cfg, cifar ? (int[3]){32, 32, 3} : (int[3]){4, 3, 1}, values ? 0 : 3, a, s);
    ck_assert_msg(status == STATUS_OK, "%s: %s", dataset, status_message());
}

static void same_targets(const Dataset *a, const Dataset *b)
{
    ck_assert_int_eq(a->targets.width, b->targets.width);
    ck_assert((a->targets.label == NULL) == (b->targets.label == NULL));
    if (b->targets.label != NULL)
        ck_assert_mem_eq(a->targets.label, b->targets.label, (size_t)b->n * sizeof(int32_t));
    else
        ck_assert_mem_eq(a->targets.value, b->targets.value, (size_t)b->n * (size_t)b->targets.width * sizeof(float));
}

/* Every kind of data, with the validation split and limits, without a limit of memory, with room for the training set
 * alone, and with none. */
START_TEST(kept_and_read_anew_are_the_same)
{
    const int threads = parallel_threads();
    for (int d = 0; dataset_types[d] != NULL; d++) {
        const DatasetType *dataset = dataset_types[d];
        if (dataset->gives == GIVES_TOKENS) continue; /* a text is in memory whatever it takes: tests/test_tokens.c */
        Arena *a = arena_create();
        char *folder = folder_make(a);
        put_set_of(dataset->name, folder);
        DataSplits all, some;
        load(dataset, folder, 0, a, &all);
        const Dataset *const sets[] = {&all.train, &all.validation, &all.test};
        const uint8_t *want[3];
        for (int i = 0; i < 3; i++) want[i] = all_images(a, sets[i]);
        const uint64_t training = (uint64_t)all.train.source->count * dataset_image_bytes(&all.train);
        for (int n = 1; n <= 4; n *= 2) {
            parallel_set_threads(n);
            for (int room = 0; room < 2; room++) {
                load(dataset, folder, room == 1 ? training : 1, a, &some);
                ck_assert_int_eq(some.train.source->bytes == NULL && some.train.source->cache == NULL, room == 0);
                ck_assert(some.test.source->bytes == NULL && some.test.source->cache == NULL);
                const Dataset *const others[] = {&some.train, &some.validation, &some.test};
                for (int i = 0; i < 3; i++) {
                    ck_assert_int_eq(others[i]->n, sets[i]->n);
                    same_targets(others[i], sets[i]);
                    reads_as(a, others[i], want[i]);
                }
            }
        }
        folder_remove(folder);
        arena_destroy(a);
    }
    parallel_set_threads(threads);
}
END_TEST

START_TEST(packed_files_must_fit)
{
    Arena *a = arena_create();
    char *folder = folder_make(a);
    put_idx_set(folder, true);
    DataSplits s;
    ck_assert_int_eq(load_small_in("idx", folder, 7 * 12 + 3 * 12, a, &s), STATUS_OK);
    ck_assert_int_eq(load_small_in("idx", folder, 7 * 12 + 3 * 12 - 1, a, &s), STATUS_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(status_message(), "t10k-images-idx3-ubyte.gz: 36 bytes of images when unpacked"));
    ck_assert_ptr_nonnull(strstr(status_message(), "data.memory"));
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

/* A file that is not what it was when it was opened is an error, and one with more than it promises. */
START_TEST(files_that_change_are_refused)
{
    Arena *a = arena_create();
    char *folder = folder_make(a);
    put_idx_set(folder, false);
    DataSplits s;
    uint8_t buffer[7 * 12];
    const uint8_t *pixels;
    ck_assert_int_eq(load_small_in("idx", folder, 1, a, &s), STATUS_OK);
    cut_file(folder, "train-images-idx3-ubyte", 16 + 3 * 12 + 5);
    ck_assert_int_eq(dataset_read(&s.train, 0, 3, buffer, &pixels), STATUS_OK);
    ck_assert_int_eq(dataset_read(&s.train, 0, 7, buffer, &pixels), STATUS_IO);
    ck_assert_ptr_nonnull(strstr(status_message(), "train-images-idx3-ubyte: became shorter"));
    cut_file(folder, "train-images-idx3-ubyte", 16 + 7 * 12 + 1);
    ck_assert_int_eq(load_small_in("idx", folder, 1, a, &s), STATUS_FORMAT);
    ck_assert_ptr_nonnull(strstr(status_message(), "train-images-idx3-ubyte: goes on after byte 100"));
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

enum { PICTURES = 30, SIDE = 24 };

/* PICTURES pictures for training of either kind and of noise, two to test on. */
static void put_pictures(const char *folder)
{
    static uint8_t rows[SIDE * SIDE * 3];
    for (int i = 0; i < PICTURES + 4; i++) {
        Rng rng = rng_make(7, RNG_TEST, (uint64_t)i);
        for (size_t k = 0; k < sizeof rows; k++) rows[k] = (uint8_t)rng_u32(&rng);
        const bool is_test = i >= PICTURES;
        char name[64];
        snprintf(name, sizeof name, "%s/%c/%02d.%s", is_test ? "test" : "train", 'a' + i % 2, i,
                 i % 3 == 0 ? "jpg" : "png");
        if (i % 3 == 0)
            put_jpeg(folder, name,
                     &(JpegPicture){SIDE, SIDE, 3, .rows = rows, .quality = 90, .orientation = 1 + i % 8});
        else
            put_png(folder, name, &(Picture){SIDE, SIDE, 8, PNG_COLOR_TYPE_RGB, .rows = rows});
    }
}

static const int small[3] = {10, 12, 3};

static Dataset pictures(const char *folder, uint64_t memory, Arena *a)
{
    const DataConfig cfg = {.dataset = "folder", .path = folder, .memory = memory};
    DataSplits s;
    ck_assert_msg(dataset_load(&cfg, small, 1, a, &s) == STATUS_OK, "%s", status_message());
    return s.train;
}

/* Batches of two epochs, shuffled, plain and augmented: equal for any number of threads and any memory, in order and not,
 * with and without threads of the loader's own. */
START_TEST(the_loader_gives_equal_batches)
{
    enum { BATCH = 8, IMAGE = 10 * 12 * 3, BATCHES = 4 };
    static const AugmentConfig augment = {.flip = true, .shift = 2};
    static uint8_t want[2][2][BATCHES][BATCH * IMAGE];
    const int threads = parallel_threads();
    Arena *a = arena_create();
    char *folder = folder_make(a);
    put_pictures(folder);
    for (int run = 0; run < 2 * 2 * 4; run++) {
        const int kind = run & 1, memory = run >> 1 & 1, n = (int[]){1, 2, 4, 0}[run >> 2];
        parallel_set_threads(n == 0 ? 3 : n);
        const Dataset data = pictures(folder, memory == 0 ? 0 : 1, a);
        const LoaderConfig cfg = {.data = &data,
                                  .batch = BATCH,
                                  .seed = 5,
                                  .shuffle = true,
                                  .augment = kind == 0 ? NULL : &augment,
                                  .prefetch = n != 0};
        Loader *loader;
        ck_assert_int_eq(loader_create(a, &cfg, &loader), STATUS_OK);
        ck_assert_int_eq(loader_batches(loader), BATCHES);
        for (int k = 0; k < 2 * BATCHES + 2; k++) {
            const int epoch = k / BATCHES % 2, index = k % BATCHES; /* the first two once more, at the end */
            const Batch *b;
            ck_assert_msg(loader_get(loader, epoch, index, &b) == STATUS_OK, "%s", status_message());
            ck_assert_int_eq(b->n, index == BATCHES - 1 ? PICTURES - 3 * BATCH : BATCH);
            uint8_t *first = want[kind][epoch][index];
            if (run < 2 && k < 2 * BATCHES) memcpy(first, b->pixels, (size_t)b->n * IMAGE);
            ck_assert_mem_eq(b->pixels, first, (size_t)b->n * IMAGE);
        }
        loader_destroy(loader);
    }
    parallel_set_threads(threads);
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

/* Of several damaged pictures it is always the first of the batch that is named, and the next call works again. */
START_TEST(damaged_pictures_are_named)
{
    const int threads = parallel_threads();
    Arena *a = arena_create();
    char *folder = folder_make(a);
    put_pictures(folder);
    cut_file(folder, "train/a/20.png", 300);
    cut_file(folder, "train/a/06.jpg", 500);
    cut_file(folder, "train/b/03.jpg", 500);
    for (int n = 1; n <= 4; n *= 2)
        for (int memory = 0; memory < 2; memory++) {
            parallel_set_threads(n);
            const Dataset data = pictures(folder, (uint64_t)memory, a);
            uint8_t *buffer = arena_alloc(a, (size_t)data.n * dataset_image_bytes(&data));
            const uint8_t *pixels;
            ck_assert_int_eq(dataset_read(&data, 0, data.n, buffer, &pixels), STATUS_FORMAT);
            ck_assert_msg(strstr(status_message(), "train/a/06.jpg: damaged JPEG") != NULL, "%s", status_message());
            ck_assert_int_eq(dataset_read(&data, 0, 3, buffer, &pixels), STATUS_OK);
            const LoaderConfig cfg = {.data = &data, .batch = PICTURES, .prefetch = true};
            Loader *loader;
            const Batch *b;
            ck_assert_int_eq(loader_create(a, &cfg, &loader), STATUS_OK);
            ck_assert_int_eq(loader_get(loader, 0, 0, &b), STATUS_FORMAT);
            ck_assert_msg(strstr(status_message(), "train/a/06.jpg: damaged JPEG") != NULL, "%s", status_message());
            loader_destroy(loader);
        }
    parallel_set_threads(threads);
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

/* A picture that is kept is decoded once: its file may then go. */
START_TEST(kept_pictures_are_decoded_once)
{
    Arena *a = arena_create();
    char *folder = folder_make(a);
    put_pictures(folder);
    const Dataset kept = pictures(folder, 0, a), anew = pictures(folder, 1, a);
    const uint8_t *want = all_images(a, &kept), *pixels;
    ck_assert_int_eq(unlink(file_join(a, folder, "train/a/00.jpg")), 0);
    reads_as(a, &kept, want);
    uint8_t buffer[10 * 12 * 3];
    ck_assert_int_eq(dataset_read(&anew, 0, 1, buffer, &pixels), STATUS_IO);
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

TEST_MAIN("sources", kept_and_read_anew_are_the_same, packed_files_must_fit, files_that_change_are_refused,
          the_loader_gives_equal_batches, damaged_pictures_are_named, kept_pictures_are_decoded_once)
