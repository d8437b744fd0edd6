/* Every reader: tiny files of its format read back exactly. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "datasets/dataset.h"
#include "tests/support/data_sets.h"
#include "tests/support/suite.h"

static void check_small_set(Arena *a, const DataSplits *s)
{
    ck_assert_int_eq(s->train.n, 7);
    ck_assert_int_eq(s->test.n, 3);
    ck_assert_int_eq(s->validation.n, 0);
    ck_assert(s->train.h == 4 && s->train.w == 3 && s->train.c == 1);
    ck_assert_int_eq(memcmp(all_images(a, &s->train), data_pixels, 7 * 12), 0);
    ck_assert_int_eq(memcmp(all_images(a, &s->test), data_pixels, 3 * 12), 0);
    for (int i = 0; i < 7; i++) ck_assert_int_eq(s->train.targets.label[i], train_labels[i]);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(s->test.targets.label[i], test_labels[i]);
}

START_TEST(idx_reads_back)
{
    const char *const names[] = {"idx", "mnist", "fashion-mnist"};
    for (int i = 0; i < 6; i++) {
        Arena *a = arena_create();
        char *folder = folder_make(a);
        put_idx_set(folder, i % 2 == 1);
        DataSplits s;
        const Status status = load_small(names[i / 2], folder, a, &s);
        ck_assert_msg(status == STATUS_OK, "%s: %s", names[i / 2], status_message());
        check_small_set(a, &s);
        ck_assert_int_eq(s.train.classes, i < 2 ? 3 : 10);
        ck_assert_int_eq(s.test.classes, s.train.classes);
        ck_assert_str_eq(s.class_names[2], i < 4 ? "2" : "Pullover");
        folder_remove(folder);
        arena_destroy(a);
    }
}
END_TEST

START_TEST(npy_reads_back)
{
    const struct {
        int version;
        const char *type;
        int width;
        bool big_endian;
    } cases[] = {
        {1, "|u1", 1, false}, {2, "<i4", 4, false}, {3, ">i8", 8, true}, {1, "<u2", 2, false}, {1, "|i1", 1, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Arena *a = arena_create();
        char *folder = folder_make(a);
        put_npy_set(folder, cases[i].version, cases[i].type, cases[i].width, cases[i].big_endian);
        DataSplits s;
        const Status status = load_small("npy", folder, a, &s);
        ck_assert_msg(status == STATUS_OK, "case %zu: %s", i, status_message());
        check_small_set(a, &s);
        ck_assert_int_eq(s.train.classes, 3);
        folder_remove(folder);
        arena_destroy(a);
    }
}
END_TEST

START_TEST(cifar10_reads_back)
{
    for (int deep = 0; deep < 2; deep++) {
        Arena *a = arena_create();
        char *folder = folder_make(a);
        put_cifar_set(deep ? file_join(a, folder, "cifar-10-batches-bin") : folder);
        DataSplits s;
        ck_assert_msg(load_small("cifar10", folder, a, &s) == STATUS_OK, "%s", status_message());
        ck_assert_int_eq(s.train.n, 10);
        ck_assert_int_eq(s.test.n, 3);
        ck_assert_str_eq(s.class_names[9], "truck");
        const uint8_t *images = all_images(a, &s.train);
        for (int i = 0; i < 10; i++) {
            ck_assert_int_eq(s.train.targets.label[i], i);
            for (int p = 0; p < 1024; p++)
                for (int k = 0; k < 3; k++) ck_assert_int_eq(images[(i * 1024 + p) * 3 + k], cifar_byte(i, k, p));
        }
        folder_remove(folder);
        arena_destroy(a);
    }
}
END_TEST

START_TEST(folder_reads_train_and_test)
{
    Arena *a = arena_create();
    char *folder = folder_make(a);
    put_classes(folder, "train/", 3);
    put_classes(folder, "test/", 2);
    put_bytes(folder, "train/cat/notes.txt", "x", 1);
    put_bytes(folder, "train/.hidden/x", "x", 1);
    DataSplits s;
    ck_assert_msg(load_small("folder", folder, a, &s) == STATUS_OK, "%s", status_message());
    ck_assert_int_eq(s.train.n, 6);
    ck_assert_int_eq(s.test.n, 4);
    ck_assert_int_eq(s.train.classes, 2);
    ck_assert_str_eq(s.class_names[0], "cat");
    ck_assert_str_eq(s.class_names[1], "dog");
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(s.train.targets.label[i], i / 3);
        for (int k = 0; k < 12; k++) ck_assert_int_eq(all_images(a, &s.train)[12 * i + k], 100 * (i / 3) + i % 3);
    }
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

START_TEST(folder_splits_a_single_tree)
{
    const char *const prefixes[] = {"", "train/"};
    for (int p = 0; p < 2; p++) {
        Arena *a = arena_create();
        char *folder = folder_make(a);
        put_classes(folder, prefixes[p], 20);
        DataSplits s, again;
        ck_assert_msg(load_small("folder", folder, a, &s) == STATUS_OK, "%s", status_message());
        ck_assert_int_eq(load_small("folder", folder, a, &again), STATUS_OK);
        ck_assert_int_eq(s.train.n, 32);
        ck_assert_int_eq(s.test.n, 8);
        ck_assert_int_eq(memcmp(all_images(a, &s.test), all_images(a, &again.test), 8 * 12), 0);
        int seen[256] = {0};
        for (int i = 0; i < 32; i++) seen[all_images(a, &s.train)[12 * i]]++;
        for (int i = 0; i < 8; i++) {
            seen[all_images(a, &s.test)[12 * i]]++;
            ck_assert_int_eq(s.test.targets.label[i], i / 4);
        }
        for (int i = 0; i < 20; i++) ck_assert(seen[i] == 1 && seen[100 + i] == 1);
        const DataConfig cfg = {.dataset = "folder", .path = folder};
        ck_assert_int_eq(dataset_load(&cfg, (const int[3]){4, 3, 1}, 2, a, &again), STATUS_OK);
        ck_assert_int_ne(memcmp(all_images(a, &s.test), all_images(a, &again.test), 8 * 12), 0);
        folder_remove(folder);
        arena_destroy(a);
    }
}
END_TEST

/* Nearest class mean: better than chance by far, and not perfect. */
START_TEST(synthetic_is_learnable)
{
    enum { H = 12, W = 10, C = 2, IMAGE = H * W * C, K = 5 };
    Arena *a = arena_create();
    const DataConfig cfg = {
        .dataset = "synthetic", .classes = K, .synthetic_train = 500, .synthetic_test = 300, .synthetic_noise = 1.0};
    DataSplits s, again, other;
    ck_assert_int_eq(dataset_load(&cfg, (const int[3]){H, W, C}, 3, a, &s), STATUS_OK);
    ck_assert_int_eq(dataset_load(&cfg, (const int[3]){H, W, C}, 3, a, &again), STATUS_OK);
    ck_assert_int_eq(dataset_load(&cfg, (const int[3]){H, W, C}, 4, a, &other), STATUS_OK);
    ck_assert_int_eq(memcmp(all_images(a, &s.train), all_images(a, &again.train), 500 * IMAGE), 0);
    ck_assert_int_ne(memcmp(all_images(a, &s.train), all_images(a, &other.train), 500 * IMAGE), 0);
    ck_assert(s.train.n == 500 && s.test.n == 300 && s.train.classes == K);
    const uint8_t *train = all_images(a, &s.train), *test = all_images(a, &s.test);
    static double mean[K][IMAGE];
    for (int i = 0; i < 500; i++)
        for (int k = 0; k < IMAGE; k++) mean[s.train.targets.label[i]][k] += train[i * IMAGE + k] / 100.0;
    int right = 0;
    for (int i = 0; i < 300; i++) {
        int best = 0;
        double least = 1e300;
        for (int class = 0; class < K; class ++) {
            double distance = 0;
            for (int k = 0; k < IMAGE; k++) {
                const double d = test[i * IMAGE + k] - mean[class][k];
                distance += d * d;
            }
            if (distance < least) least = distance, best = class;
        }
        right += best == s.test.targets.label[i];
    }
    ck_assert_int_gt(right, 150); /* chance: 60 */
    ck_assert_int_lt(right, 300);
    arena_destroy(a);
}
END_TEST

START_TEST(validation_and_limits)
{
    Arena *a = arena_create();
    DataConfig cfg = {.dataset = "synthetic", .synthetic_train = 101, .synthetic_test = 20, .synthetic_noise = 0.5};
    DataSplits all, split;
    const int hwc[3] = {5, 5, 1};
    ck_assert_int_eq(dataset_load(&cfg, hwc, 3, a, &all), STATUS_OK);
    cfg.validation = 0.2;
    ck_assert_int_eq(dataset_load(&cfg, hwc, 3, a, &split), STATUS_OK);
    ck_assert_int_eq(split.train.n, 81);
    ck_assert_int_eq(split.validation.n, 20);
    int t = 0, v = 0; /* each half in the file's order: a merge gives the whole back */
    for (int i = 0; i < 101; i++) {
        if (t < 81 && memcmp(all_images(a, &all.train) + 25 * i, all_images(a, &split.train) + 25 * t, 25) == 0) {
            ck_assert_int_eq(all.train.targets.label[i], split.train.targets.label[t++]);
        } else {
            ck_assert(v < 20 &&
                      memcmp(all_images(a, &all.train) + 25 * i, all_images(a, &split.validation) + 25 * v, 25) == 0);
            ck_assert_int_eq(all.train.targets.label[i], split.validation.targets.label[v++]);
        }
    }
    cfg.train_limit = 30, cfg.test_limit = 7;
    DataSplits few;
    ck_assert_int_eq(dataset_load(&cfg, hwc, 3, a, &few), STATUS_OK);
    ck_assert(few.train.n == 30 && few.validation.n == 20 && few.test.n == 7);
    ck_assert_int_eq(memcmp(all_images(a, &few.train), all_images(a, &split.train), 30 * 25), 0);
    arena_destroy(a);
}
END_TEST

START_TEST(the_sample_is_whole)
{
    Arena *a = arena_create();
    const DataConfig cfg = {.dataset = "mnist", .path = "datasets/sample/mnist", .validation = 0.1};
    DataSplits s;
    ck_assert_msg(dataset_load(&cfg, (const int[3]){28, 28, 1}, 1, a, &s) == STATUS_OK, "%s", status_message());
    ck_assert(s.train.n == 9000 && s.validation.n == 1000 && s.test.n == 2000 && s.train.classes == 10);
    /* MNIST's test labels start 7 2 1 0 4 1 4 9 5 9 0: numbers 0, 5 and 10 are 7, 1 and 0. */
    ck_assert(s.test.targets.label[0] == 7 && s.test.targets.label[1] == 1 && s.test.targets.label[2] == 0);
    arena_destroy(a);
}
END_TEST

/* The table, the registry and the struct agree: names are unique, and every name is found. */
START_TEST(registry_is_sound)
{
    for (int i = 0; dataset_types[i] != NULL; i++) {
        ck_assert_ptr_eq(dataset_type(dataset_types[i]->name), dataset_types[i]);
        ck_assert_ptr_nonnull(dataset_types[i]->doc);
        ck_assert_ptr_nonnull(strstr(data_fields[0].doc, dataset_types[i]->name)); /* the field's text names them all */
    }
    ck_assert_ptr_null(dataset_type("nope"));
    for (const Field *f = data_fields; f->name != NULL; f++) {
        ck_assert_ptr_nonnull(f->doc);
        ck_assert(f->required || f->def != NULL || f->type == FIELD_OBJECT);
        for (const Field *g = f + 1; g->name != NULL; g++) ck_assert_str_ne(f->name, g->name);
    }
}
END_TEST

static void put_nothing(const char *folder, const char *name) { put_bytes(folder, name, "none", 4); }

START_TEST(what_is_not_read_is_told)
{
    Arena *a = arena_create();
    char *folder = folder_make(a);
    put_classes(folder, "", 5);
    DataSplits s;
    ck_assert_int_eq(load_small("folder", folder, a, &s), STATUS_OK);
    ck_assert_int_eq(s.notes, 0);
    static const char *const others[] = {"dog/z.tif",    "cat/b.TIFF",    "dog/c.WebP",    "cat/d.bmp", "cat/e.gif",
                                         "dog/note.txt", "dog/Thumbs.db", "cat/sub/f.png", "g.png",     "h.jpg",
                                         "readme.md",    "dog/.DS_Store", ".hidden/i.png"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) put_nothing(folder, others[i]);
    ck_assert_int_eq(load_small("folder", folder, a, &s), STATUS_OK);
    ck_assert_int_eq(s.train.n + s.test.n, 10);
    ck_assert_int_eq(s.train.classes, 2);
    static const char in_no_class[] =
        "pictures and folders that are in no class folder and are not read: 2, the first is %s/g.png";
    const char *const want[] = {
        "pictures that are no PNG or JPEG files and are not read: 5, the first is %s/cat/b.TIFF", in_no_class,
        "other files and folders that are not read: 3, the first is %s/cat/sub"};
    ck_assert_int_eq(s.notes, 3);
    for (int i = 0; i < 3; i++) {
        char text[512];
        snprintf(text, sizeof text, want[i], folder);
        ck_assert_str_eq(s.note[i], text);
    }
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

/* Folders beside train/ and test/ are not read; "test" may be a class among others. */
START_TEST(train_and_test_are_splits_where_they_have_classes)
{
    Arena *a = arena_create();
    char *folder = folder_make(a);
    put_classes(folder, "train/", 4);
    put_classes(folder, "test/", 2);
    put_classes(folder, "validation/", 2);
    DataSplits s;
    ck_assert_int_eq(load_small("folder", folder, a, &s), STATUS_OK);
    ck_assert_int_eq(s.train.n, 8);
    ck_assert_int_eq(s.test.n, 4);
    ck_assert_int_eq(s.notes, 1);
    ck_assert_ptr_nonnull(strstr(s.note[0], "in no class folder and are not read: 1, the first is /"));
    ck_assert_ptr_nonnull(strstr(s.note[0], "/validation"));
    folder_remove(folder);
    folder = folder_make(a);
    put_classes(folder, "", 4);
    put_gray(folder, "test/a.png", 3);
    put_gray(folder, "test/b.png", 3);
    ck_assert_int_eq(load_small("folder", folder, a, &s), STATUS_OK);
    ck_assert_int_eq(s.train.classes, 3);
    ck_assert_str_eq(s.class_names[2], "test");
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

TEST_MAIN("datasets", what_is_not_read_is_told, train_and_test_are_splits_where_they_have_classes, idx_reads_back,
          npy_reads_back, cifar10_reads_back, folder_reads_train_and_test, folder_splits_a_single_tree,
          synthetic_is_learnable, validation_and_limits, the_sample_is_whole, registry_is_sound)
