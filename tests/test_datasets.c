/* Every reader: tiny files of its format read back exactly, and each way in which they can be wrong is refused. */
#include <png.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "datasets/dataset.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

enum { CIFAR_RECORD = 3073 };

static uint8_t pixels[7][4 * 3];
static const uint8_t train_labels[7] = {0, 1, 2, 2, 1, 0, 1}, test_labels[3] = {2, 0, 1};

static void fill_pixels(void)
{
    for (int i = 0; i < 7; i++)
        for (int k = 0; k < 12; k++) pixels[i][k] = (uint8_t)(20 * i + k);
}

static void put_idx_set(const char *folder, bool zipped)
{
    fill_pixels();
    const char *end = zipped ? ".gz" : "";
    const struct {
        const char *stem;
        int n;
        const uint8_t *labels;
    } halves[2] = {{"train", 7, train_labels}, {"t10k", 3, test_labels}};
    for (int i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s-images-idx3-ubyte%s", halves[i].stem, end);
        put_idx_images(folder, name, halves[i].n, 4, 3, pixels[0], zipped);
        snprintf(name, sizeof name, "%s-labels-idx1-ubyte%s", halves[i].stem, end);
        put_idx_labels(folder, name, halves[i].n, halves[i].labels, zipped);
    }
}

static void put_npy_set(const char *folder, int version, const char *label_type, int width, bool big_endian)
{
    fill_pixels();
    char header[200];
    uint8_t labels[7 * 8] = {0};
    for (int half = 0; half < 2; half++) {
        const int n = half == 0 ? 7 : 3;
        const uint8_t *from = half == 0 ? train_labels : test_labels;
        snprintf(header, sizeof header, "{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 4, 3), }", n);
        put_npy(folder, half == 0 ? "train_images.npy" : "test_images.npy", version, header, pixels, (size_t)n * 12);
        memset(labels, 0, sizeof labels);
        for (int i = 0; i < n; i++) labels[i * width + (big_endian ? width - 1 : 0)] = from[i];
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%d,), }", label_type, n);
        put_npy(folder, half == 0 ? "train_labels.npy" : "test_labels.npy", version, header, labels,
                (size_t)(n * width));
    }
}

static uint8_t cifar_byte(int image, int channel, int pixel) { return (uint8_t)(7 * image + 50 * channel + pixel); }

/* 2 images in each training batch, 3 in the test batch; labels 0, 1, 2, ... in order, modulo 10. */
static void put_cifar_set(const char *folder)
{
    static uint8_t records[3 * CIFAR_RECORD];
    for (int f = 0; f < 6; f++) {
        const int n = f == 5 ? 3 : 2;
        for (int i = 0; i < n; i++) {
            uint8_t *r = records + i * CIFAR_RECORD;
            const int image = f == 5 ? i : 2 * f + i;
            *r++ = (uint8_t)(image % 10);
            for (int k = 0; k < 3; k++)
                for (int p = 0; p < 1024; p++) *r++ = cifar_byte(image, k, p);
        }
        char name[32] = "test_batch.bin";
        if (f < 5) snprintf(name, sizeof name, "data_batch_%d.bin", f + 1);
        put_bytes(folder, name, records, (size_t)n * CIFAR_RECORD);
    }
}

static void put_gray(const char *folder, const char *name, uint8_t level)
{
    uint8_t rows[12];
    memset(rows, level, sizeof rows);
    put_png(folder, name, &(Picture){3, 4, 8, PNG_COLOR_TYPE_GRAY, .rows = rows});
}

/* Classes "cat" and "dog" with `n` pictures each, at levels 0.. and 100.. */
static void put_classes(const char *folder, const char *prefix, int n)
{
    for (int i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "%sdog/p%02d.png", prefix, i);
        put_gray(folder, name, (uint8_t)(100 + i));
        snprintf(name, sizeof name, "%scat/p%02d.PNG", prefix, i);
        put_gray(folder, name, (uint8_t)i);
    }
}

static Status load(const char *dataset, const char *folder, Arena *a, DataSplits *splits)
{
    const DataConfig cfg = {.dataset = dataset, .path = folder};
    const bool cifar = strcmp(dataset, "cifar10") == 0;
    return dataset_load(&cfg, cifar ? (const int[3]){32, 32, 3} : (const int[3]){4, 3, 1}, 1, a, splits);
}

static void check_small_set(const DataSplits *s)
{
    ck_assert_int_eq(s->train.n, 7);
    ck_assert_int_eq(s->test.n, 3);
    ck_assert_int_eq(s->validation.n, 0);
    ck_assert(s->train.h == 4 && s->train.w == 3 && s->train.c == 1);
    ck_assert_int_eq(memcmp(s->train.images, pixels, 7 * 12), 0);
    ck_assert_int_eq(memcmp(s->test.images, pixels, 3 * 12), 0);
    for (int i = 0; i < 7; i++) ck_assert_int_eq(s->train.labels[i], train_labels[i]);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(s->test.labels[i], test_labels[i]);
}

START_TEST(idx_reads_back)
{
    const char *const names[] = {"idx", "mnist", "fashion-mnist"};
    for (int i = 0; i < 6; i++) {
        Arena *a = arena_create();
        char *folder = folder_make(a);
        put_idx_set(folder, i % 2 == 1);
        DataSplits s;
        const Status status = load(names[i / 2], folder, a, &s);
        ck_assert_msg(status == STATUS_OK, "%s: %s", names[i / 2], status_message());
        check_small_set(&s);
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
        const Status status = load("npy", folder, a, &s);
        ck_assert_msg(status == STATUS_OK, "case %zu: %s", i, status_message());
        check_small_set(&s);
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
        ck_assert_msg(load("cifar10", folder, a, &s) == STATUS_OK, "%s", status_message());
        ck_assert_int_eq(s.train.n, 10);
        ck_assert_int_eq(s.test.n, 3);
        ck_assert_str_eq(s.class_names[9], "truck");
        for (int i = 0; i < 10; i++) {
            ck_assert_int_eq(s.train.labels[i], i);
            for (int p = 0; p < 1024; p++)
                for (int k = 0; k < 3; k++)
                    ck_assert_int_eq(s.train.images[(i * 1024 + p) * 3 + k], cifar_byte(i, k, p));
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
    ck_assert_msg(load("folder", folder, a, &s) == STATUS_OK, "%s", status_message());
    ck_assert_int_eq(s.train.n, 6);
    ck_assert_int_eq(s.test.n, 4);
    ck_assert_int_eq(s.train.classes, 2);
    ck_assert_str_eq(s.class_names[0], "cat");
    ck_assert_str_eq(s.class_names[1], "dog");
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(s.train.labels[i], i / 3);
        for (int k = 0; k < 12; k++) ck_assert_int_eq(s.train.images[12 * i + k], 100 * (i / 3) + i % 3);
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
        ck_assert_msg(load("folder", folder, a, &s) == STATUS_OK, "%s", status_message());
        ck_assert_int_eq(load("folder", folder, a, &again), STATUS_OK);
        ck_assert_int_eq(s.train.n, 32);
        ck_assert_int_eq(s.test.n, 8);
        ck_assert_int_eq(memcmp(s.test.images, again.test.images, 8 * 12), 0);
        int seen[256] = {0};
        for (int i = 0; i < 32; i++) seen[s.train.images[12 * i]]++;
        for (int i = 0; i < 8; i++) {
            seen[s.test.images[12 * i]]++;
            ck_assert_int_eq(s.test.labels[i], i / 4);
        }
        for (int i = 0; i < 20; i++) ck_assert(seen[i] == 1 && seen[100 + i] == 1);
        const DataConfig cfg = {.dataset = "folder", .path = folder};
        ck_assert_int_eq(dataset_load(&cfg, (const int[3]){4, 3, 1}, 2, a, &again), STATUS_OK);
        ck_assert_int_ne(memcmp(s.test.images, again.test.images, 8 * 12), 0);
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
    ck_assert_int_eq(memcmp(s.train.images, again.train.images, 500 * IMAGE), 0);
    ck_assert_int_ne(memcmp(s.train.images, other.train.images, 500 * IMAGE), 0);
    ck_assert(s.train.n == 500 && s.test.n == 300 && s.train.classes == K);
    static double mean[K][IMAGE];
    for (int i = 0; i < 500; i++)
        for (int k = 0; k < IMAGE; k++) mean[s.train.labels[i]][k] += s.train.images[i * IMAGE + k] / 100.0;
    int right = 0;
    for (int i = 0; i < 300; i++) {
        int best = 0;
        double least = 1e300;
        for (int class = 0; class < K; class ++) {
            double distance = 0;
            for (int k = 0; k < IMAGE; k++) {
                const double d = s.test.images[i * IMAGE + k] - mean[class][k];
                distance += d * d;
            }
            if (distance < least) least = distance, best = class;
        }
        right += best == s.test.labels[i];
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
        if (t < 81 && memcmp(all.train.images + 25 * i, split.train.images + 25 * t, 25) == 0) {
            ck_assert_int_eq(all.train.labels[i], split.train.labels[t++]);
        } else {
            ck_assert(v < 20 && memcmp(all.train.images + 25 * i, split.validation.images + 25 * v, 25) == 0);
            ck_assert_int_eq(all.train.labels[i], split.validation.labels[v++]);
        }
    }
    cfg.train_limit = 30, cfg.test_limit = 7;
    DataSplits few;
    ck_assert_int_eq(dataset_load(&cfg, hwc, 3, a, &few), STATUS_OK);
    ck_assert(few.train.n == 30 && few.validation.n == 20 && few.test.n == 7);
    ck_assert_int_eq(memcmp(few.train.images, split.train.images, 30 * 25), 0);
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
    ck_assert(s.test.labels[0] == 7 && s.test.labels[1] == 1 && s.test.labels[2] == 0);
    arena_destroy(a);
}
END_TEST

/* One way of spoiling a good set, and the words the refusal must hold. */
typedef struct {
    const char *dataset;
    void (*spoil)(const char *folder);
    Status status;
    const char *words[4];
} Refusal;

#define TRAIN_IMAGES "train-images-idx3-ubyte"
#define TRAIN_LABELS "train-labels-idx1-ubyte"
static void remove_it(const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_int_eq(remove(path), 0);
}
static void idx_missing(const char *f) { remove_it(f, "t10k-labels-idx1-ubyte"); }
static void idx_short(const char *f) { cut_file(f, TRAIN_IMAGES, 50); }
static void idx_stump(const char *f) { cut_file(f, TRAIN_IMAGES, 9); }
static void idx_empty(const char *f) { cut_file(f, TRAIN_LABELS, 0); }
static void idx_magic(const char *f) { poke_file(f, TRAIN_IMAGES, 2, 0x0d); }
static void idx_trailing(const char *f) { cut_file(f, TRAIN_LABELS, 8 + 7 + 1); }
static void idx_label(const char *f) { poke_file(f, TRAIN_LABELS, 8 + 4, 77); }
static void idx_count(const char *f) { put_idx_labels(f, TRAIN_LABELS, 6, train_labels, false); }
static void idx_size(const char *f) { put_idx_images(f, TRAIN_IMAGES, 7, 3, 4, pixels[0], false); }
static void idx_none(const char *f) { put_idx_images(f, TRAIN_IMAGES, 0, 4, 3, pixels[0], false); }
static void idx_huge(const char *f) { poke_file(f, TRAIN_IMAGES, 4, 0x7f); }
static void idx_zip(const char *f)
{
    remove_it(f, TRAIN_IMAGES);
    put_idx_images(f, TRAIN_IMAGES ".gz", 7, 4, 3, pixels[0], true);
}
static void idx_zip_short(const char *f) { idx_zip(f), cut_file(f, TRAIN_IMAGES ".gz", 60); }
static void idx_zip_crc(const char *f) { idx_zip(f), poke_file(f, TRAIN_IMAGES ".gz", -8, 0x00); }
static void idx_zip_tail(const char *f)
{
    idx_zip(f);
    char path[512];
    snprintf(path, sizeof path, "%s/%s", f, TRAIN_IMAGES ".gz");
    FILE *file = fopen(path, "rb");
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    const long n = ftell(file);
    fclose(file);
    cut_file(f, TRAIN_IMAGES ".gz", (size_t)n - 3);
}
static void idx_zip_huge(const char *f)
{
    const uint8_t header[16] = {0, 0, 8, 3, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 4, 0, 0, 0, 3};
    remove_it(f, TRAIN_IMAGES);
    put_gzip(f, TRAIN_IMAGES ".gz", header, sizeof header);
}
static void idx_folder(const char *f)
{
    remove_it(f, TRAIN_IMAGES);
    put_bytes(f, TRAIN_IMAGES "/x", "", 0);
}

static void cifar_missing(const char *f) { remove_it(f, "data_batch_3.bin"); }
static void cifar_short(const char *f) { cut_file(f, "data_batch_5.bin", 2 * CIFAR_RECORD - 1); }
static void cifar_empty(const char *f) { cut_file(f, "test_batch.bin", 0); }
static void cifar_label(const char *f) { poke_file(f, "data_batch_2.bin", CIFAR_RECORD, 10); }

#define IMAGES(text) put_npy(f, "train_images.npy", 1, text, pixels, sizeof pixels)
#define LABELS(text) put_npy(f, "train_labels.npy", 1, text, train_labels, 7)
static void npy_missing(const char *f) { remove_it(f, "test_images.npy"); }
static void npy_magic(const char *f) { poke_file(f, "train_images.npy", 0, 'x'); }
static void npy_version(const char *f) { poke_file(f, "train_images.npy", 6, 4); }
static void npy_header_short(const char *f) { cut_file(f, "train_images.npy", 40); }
static void npy_short(const char *f) { cut_file(f, "train_images.npy", 150); }
static void npy_fortran(const char *f) { IMAGES("{'descr': '|u1', 'fortran_order': True, 'shape': (7, 4, 3), }"); }
static void npy_float(const char *f) { IMAGES("{'descr': '<f4', 'fortran_order': False, 'shape': (7, 4, 3), }"); }
static void npy_rank(const char *f) { IMAGES("{'descr': '|u1', 'fortran_order': False, 'shape': (7, 12), }"); }
static void npy_deep(const char *f) { IMAGES("{'descr': '|u1', 'fortran_order': False, 'shape': (7,4,3,1,1), }"); }
static void npy_huge(const char *f)
{
    IMAGES("{'descr': '|u1', 'fortran_order': False, 'shape': (2000000000, 4, 3), }");
}
static void npy_overflow(const char *f)
{
    IMAGES("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999, 4, 3), }");
}
static void npy_no_shape(const char *f) { IMAGES("{'descr': '|u1', 'fortran_order': False, }"); }
static void npy_tail(const char *f) { IMAGES("{'descr': '|u1', 'fortran_order': False, 'shape': (7, 4, 3), } + 1"); }
static void npy_unclosed(const char *f) { IMAGES("{'descr': '|u1"); }
static void npy_label_count(const char *f) { LABELS("{'descr': '|u1', 'fortran_order': False, 'shape': (6,), }"); }
static void npy_label_type(const char *f) { LABELS("{'descr': '<f8', 'fortran_order': False, 'shape': (7,), }"); }
static void npy_label(const char *f)
{
    const int8_t bad[7] = {0, 1, 2, -1};
    put_npy(f, "train_labels.npy", 1, "{'descr': '|i1', 'fortran_order': False, 'shape': (7,), }", bad, 7);
}
static void npy_test_label(const char *f) { poke_file(f, "test_labels.npy", -2, 3); }

static void folder_empty_class(const char *f) { put_bytes(f, "train/bird/readme.txt", "none", 4); }
static void folder_other_class(const char *f) { put_gray(f, "test/bird/x.png", 1); }
static void folder_damaged(const char *f) { poke_file(f, "train/dog/p01.png", 45, 0x77); }
static void folder_absent(const char *f)
{
    char path[512];
    snprintf(path, sizeof path, "%s/train", f);
    folder_remove(path);
    snprintf(path, sizeof path, "%s/test", f);
    folder_remove(path);
}

static const Refusal refusals[] = {
    {"idx", idx_missing, STATUS_IO, {"/t10k-labels-idx1-ubyte: not found", "data.dir must hold"}},
    {"mnist", idx_missing, STATUS_IO, {"/t10k-labels-idx1-ubyte: not found", "bitfold fetch mnist --dir /tmp"}},
    {"fashion-mnist", idx_missing, STATUS_IO, {"bitfold fetch fashion-mnist --dir /tmp"}},
    {"idx", idx_short, STATUS_FORMAT, {TRAIN_IMAGES ": 50 bytes", "promises 84 more", "truncated"}},
    {"idx", idx_stump, STATUS_FORMAT, {TRAIN_IMAGES ": ends after 9 bytes; 12 are required"}},
    {"idx", idx_empty, STATUS_FORMAT, {TRAIN_LABELS ": ends after 0 bytes; 4 are required"}},
    {"idx", idx_magic, STATUS_FORMAT, {TRAIN_IMAGES ": starts with 00 00 0d 03", "images starts with 00 00 08 03"}},
    {"idx", idx_trailing, STATUS_FORMAT, {TRAIN_LABELS ": goes on after byte 15"}},
    {"mnist", idx_label, STATUS_FORMAT, {TRAIN_LABELS ": label 77 of image 4; must be 0 to 9"}},
    {"idx", idx_count, STATUS_FORMAT, {TRAIN_LABELS ": 6 labels; must be 7", TRAIN_IMAGES}},
    {"idx", idx_size, STATUS_SHAPE, {TRAIN_IMAGES ": images of 3x4x1; must be 4x3x1"}},
    {"idx", idx_none, STATUS_FORMAT, {TRAIN_IMAGES ": 0 images; must be 1 to"}},
    {"idx", idx_huge, STATUS_FORMAT, {TRAIN_IMAGES ": 100 bytes", "promises 25568477268 more"}},
    {"idx", idx_zip_short, STATUS_FORMAT, {TRAIN_IMAGES ".gz: ends after", "truncated"}},
    {"idx", idx_zip_tail, STATUS_FORMAT, {TRAIN_IMAGES ".gz: its last bytes are missing"}},
    {"idx", idx_zip_crc, STATUS_FORMAT, {TRAIN_IMAGES ".gz: cannot read", "data check"}},
    {"idx", idx_zip_huge, STATUS_FORMAT, {TRAIN_IMAGES ".gz: ", "promises 25769803764 more"}},
    {"idx", idx_folder, STATUS_IO, {TRAIN_IMAGES ": is not a file"}},
    {"cifar10", cifar_missing, STATUS_IO, {"/data_batch_3.bin: not found", "bitfold fetch cifar10 --dir /tmp"}},
    {"cifar10", cifar_short, STATUS_FORMAT, {"/data_batch_5.bin: 6145 bytes; must be a multiple of 3073"}},
    {"cifar10", cifar_empty, STATUS_FORMAT, {"/test_batch.bin: 0 bytes"}},
    {"cifar10", cifar_label, STATUS_FORMAT, {"/data_batch_2.bin: label 10 of image 1; must be 0 to 9"}},
    {"npy", npy_missing, STATUS_IO, {"/test_images.npy: not found", "data.dir must hold"}},
    {"npy", npy_magic, STATUS_FORMAT, {"/train_images.npy: does not start as a .npy file"}},
    {"npy", npy_version, STATUS_FORMAT, {"/train_images.npy: does not start as a .npy file of version 1 to 3"}},
    {"npy", npy_header_short, STATUS_FORMAT, {"/train_images.npy: ends after 40 bytes; 128 are required"}},
    {"npy", npy_short, STATUS_FORMAT, {"/train_images.npy: 150 bytes", "promises 84 more"}},
    {"npy", npy_fortran, STATUS_UNSUPPORTED, {"/train_images.npy: in Fortran order; must be in C order"}},
    {"npy", npy_float, STATUS_UNSUPPORTED, {"/train_images.npy: ", "must be uint8"}},
    {"npy", npy_rank, STATUS_SHAPE, {"/train_images.npy: 2 dimensions; must be [N,H,W]"}},
    {"npy", npy_deep, STATUS_FORMAT, {"/train_images.npy: header", "at most 4 dimensions"}},
    {"npy", npy_huge, STATUS_FORMAT, {"/train_images.npy: ", "promises 24000000000 more"}},
    {"npy", npy_overflow, STATUS_FORMAT, {"/train_images.npy: header"}},
    {"npy", npy_no_shape, STATUS_FORMAT, {"/train_images.npy: header"}},
    {"npy", npy_tail, STATUS_FORMAT, {"/train_images.npy: header"}},
    {"npy", npy_unclosed, STATUS_FORMAT, {"/train_images.npy: header"}},
    {"npy", npy_label_count, STATUS_SHAPE, {"/train_labels.npy: ", "must be [7]", "train_images.npy"}},
    {"npy", npy_label_type, STATUS_UNSUPPORTED, {"/train_labels.npy: ", "must be integers"}},
    {"npy", npy_label, STATUS_FORMAT, {"/train_labels.npy: label -1 of image 3; must be 0 to 4095"}},
    {"npy", npy_test_label, STATUS_FORMAT, {"/test_labels.npy: label 3 of image 1; must be 0 to 2"}},
    {"folder", folder_empty_class, STATUS_FORMAT, {"/train/bird: no PNG file in this class folder"}},
    {"folder", folder_other_class, STATUS_FORMAT, {"class folder \"bird\" is in test/ only"}},
    {"folder", folder_damaged, STATUS_FORMAT, {"/train/dog/p01.png: damaged PNG"}},
    {"folder", folder_absent, STATUS_FORMAT, {": 0 subfolders; must be 1 to"}},
};

static void check_words(const char *const words[4], size_t which)
{
    for (int w = 0; w < 4 && words[w] != NULL; w++)
        ck_assert_msg(strstr(status_message(), words[w]) != NULL, "case %zu: \"%s\" lacks \"%s\"", which,
                      status_message(), words[w]);
    ck_assert_ptr_null(strchr(status_message(), '\n'));
}

START_TEST(spoiled_files_are_refused)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const Refusal *r = &refusals[i];
        Arena *a = arena_create();
        char *folder = folder_make(a);
        if (strcmp(r->dataset, "cifar10") == 0)
            put_cifar_set(folder);
        else if (strcmp(r->dataset, "npy") == 0)
            put_npy_set(folder, 1, "|u1", 1, false);
        else if (strcmp(r->dataset, "folder") == 0)
            put_classes(folder, "train/", 3), put_classes(folder, "test/", 2);
        else
            put_idx_set(folder, false);
        DataSplits s;
        ck_assert_msg(load(r->dataset, folder, a, &s) == STATUS_OK, "case %zu, unspoiled: %s", i, status_message());
        r->spoil(folder);
        const Status status = load(r->dataset, folder, a, &s);
        ck_assert_msg(status == r->status, "case %zu: status %d: %s", i, status, status_message());
        check_words(r->words, i);
        ck_assert_uint_lt(arena_peak_bytes(a), 4 << 20); /* no header's word alone was believed */
        folder_remove(folder);
        arena_destroy(a);
    }
}
END_TEST

START_TEST(configs_are_refused)
{
    double two[2] = {0.1, 0.2};
    const struct {
        DataConfig cfg;
        int hwc[3];
        Status status;
        const char *words[4];
    } cases[] = {
        {{.dataset = "mnits"},
         {28, 28, 1},
         STATUS_CONFIG,
         {"data.dataset: \"mnits\"", "mnist, fashion-mnist, cifar10"}},
        {{.dataset = NULL}, {28, 28, 1}, STATUS_CONFIG, {"data.dataset: \"\""}},
        {{.dataset = "mnist", .path = "/nonexistent"},
         {28, 28, 1},
         STATUS_IO,
         {"/nonexistent/" TRAIN_IMAGES ": not found", "bitfold fetch mnist --dir /nonexistent"}},
        {{.dataset = "cifar10", .path = "."}, {28, 28, 1}, STATUS_SHAPE, {"32x32x3", "28x28x1"}},
        {{.dataset = "folder", .path = "/nonexistent"}, {28, 28, 1}, STATUS_IO, {"/nonexistent: cannot open"}},
        {{.dataset = "folder", .path = ".", .resize = "stretch"},
         {28, 28, 1},
         STATUS_CONFIG,
         {"data.resize: \"stretch\""}},
        {{.dataset = "synthetic", .synthetic_train = 5}, {4, 4, 1}, STATUS_CONFIG, {"data.synthetic_test: 0"}},
        {{.dataset = "synthetic", .normalize = {.mean = {2, two}}},
         {4, 4, 3},
         STATUS_CONFIG,
         {"data.normalize.mean: 2"}},
        {{.dataset = "synthetic", .normalize = {.std = {2, two}}}, {4, 4, 1}, STATUS_CONFIG, {"data.normalize.std: 2"}},
        {{.dataset = "synthetic"}, {0, 4, 1}, STATUS_SHAPE, {"model.input: [0, 4, 1]"}},
        {{.dataset = "synthetic"}, {16384, 16384, 64}, STATUS_SHAPE, {"model.input: [16384, 16384, 64]"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Arena *a = arena_create();
        DataSplits s;
        const Status status = dataset_load(&cases[i].cfg, cases[i].hwc, 1, a, &s);
        ck_assert_msg(status == cases[i].status, "case %zu: status %d: %s", i, status, status_message());
        check_words(cases[i].words, i);
        arena_destroy(a);
    }
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

TEST_MAIN("datasets", idx_reads_back, npy_reads_back, cifar10_reads_back, folder_reads_train_and_test,
          folder_splits_a_single_tree, synthetic_is_learnable, validation_and_limits, the_sample_is_whole,
          spoiled_files_are_refused, configs_are_refused, registry_is_sound)
