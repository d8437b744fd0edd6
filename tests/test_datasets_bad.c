/* Every reader: each way in which its files or its config can be wrong is refused in one line that says what and
 * where. */
#include <stdio.h>
#include <string.h>

#include "datasets/batch_reader.h"
#include "tests/support/data_sets.h"
#include "tests/support/suite.h"

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
static void idx_size(const char *f) { put_idx_images(f, TRAIN_IMAGES, 7, 3, 4, data_pixels[0], false); }
static void idx_none(const char *f) { put_idx_images(f, TRAIN_IMAGES, 0, 4, 3, data_pixels[0], false); }
static void idx_huge(const char *f) { poke_file(f, TRAIN_IMAGES, 4, 0x7f); }
static void idx_zip(const char *f)
{
    remove_it(f, TRAIN_IMAGES);
    put_idx_images(f, TRAIN_IMAGES ".gz", 7, 4, 3, data_pixels[0], true);
}
static void idx_zip_short(const char *f) { idx_zip(f), cut_file(f, TRAIN_IMAGES ".gz", 60); }
static void idx_zip_crc(const char *f) { idx_zip(f), poke_file(f, TRAIN_IMAGES ".gz", -8, 0x00); }
static void idx_zip_short_count(const char *f) { idx_zip_short(f), idx_count(f); }
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

#define IMAGES(text) put_npy(f, "train_images.npy", 1, text, data_pixels, sizeof data_pixels)
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
static void folder_bad_name(const char *f) { put_gray(f, "train/caf\xe9/x.png", 1); }
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

static void folder_of_others(const char *f)
{
    put_bytes(f, "train/bird/b.WEBP", "none", 4);
    put_bytes(f, "train/bird/a.tiff", "none", 4);
    put_bytes(f, "train/cat/c.bmp", "none", 4);
}
static void folder_test_alone(const char *f)
{
    char path[512];
    snprintf(path, sizeof path, "%s/train", f);
    folder_remove(path);
}
static void folder_test_of_pictures(const char *f)
{
    folder_absent(f);
    put_gray(f, "test/a.png", 1);
    put_gray(f, "test/b.png", 1);
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
    {"idx", idx_zip_short_count, STATUS_FORMAT, {TRAIN_LABELS ": 6 labels; must be 7", TRAIN_IMAGES ".gz"}}, /* first */
    {"idx", idx_zip_tail, STATUS_FORMAT, {TRAIN_IMAGES ".gz: its last bytes are missing"}},
    {"idx", idx_zip_crc, STATUS_FORMAT, {TRAIN_IMAGES ".gz: cannot read", "data check"}},
    {"idx", idx_zip_huge, STATUS_FORMAT, {TRAIN_IMAGES ".gz: ", "promises 25769803764 more"}},
    {"idx", idx_folder, STATUS_IO, {TRAIN_IMAGES ": is not a regular file"}},
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
    {"npy", npy_deep, STATUS_SHAPE, {"/train_images.npy: 5 dimensions", "at most 4"}},
    {"npy", npy_huge, STATUS_FORMAT, {"/train_images.npy: ", "promises 24000000000 more"}},
    {"npy", npy_overflow, STATUS_FORMAT, {"/train_images.npy: header"}},
    {"npy", npy_no_shape, STATUS_FORMAT, {"/train_images.npy: header"}},
    {"npy", npy_tail, STATUS_FORMAT, {"/train_images.npy: header"}},
    {"npy", npy_unclosed, STATUS_FORMAT, {"/train_images.npy: header"}},
    {"npy", npy_label_count, STATUS_SHAPE, {"/train_labels.npy: ", "must be [7]", "train_images.npy"}},
    {"npy", npy_label_type, STATUS_UNSUPPORTED, {"/train_labels.npy: ", "must be integers"}},
    {"npy", npy_label, STATUS_FORMAT, {"/train_labels.npy: label -1 of image 3; must be 0 to 4095"}},
    {"npy", npy_test_label, STATUS_FORMAT, {"/test_labels.npy: label 3 of image 1; must be 0 to 2"}},
    {"folder", folder_empty_class, STATUS_FORMAT, {"/train/bird: no PNG or JPEG file in this class folder"}},
    {"folder",
     folder_bad_name,
     STATUS_FORMAT,
     {"/train: class folder \"caf\\xe9\": byte 0xe9 is not UTF-8; the name must be UTF-8"}},
    {"folder", folder_other_class, STATUS_FORMAT, {"class folder \"bird\" is in test/ only"}},
    {"folder", folder_damaged, STATUS_FORMAT, {"/train/dog/p01.png: damaged PNG"}},
    {"folder",
     folder_of_others,
     STATUS_FORMAT,
     {"/train/bird: no PNG or JPEG file in this class folder, but 2 pictures of other kinds; only PNG or JPEG files "
      "are read"}},
    {"folder", folder_test_alone, STATUS_FORMAT, {": holds test/, but no train/; both with a subfolder"}},
    {"folder", folder_test_of_pictures, STATUS_FORMAT, {": holds test/, but no train/"}},
    {"folder", folder_absent, STATUS_FORMAT, {": 0 subfolders; must be 1 to"}},
};

static void check_words(const char *const words[4], size_t which)
{
    for (int w = 0; w < 4 && words[w] != NULL; w++)
        ck_assert_msg(strstr(status_message(), words[w]) != NULL, "case %zu: \"%s\" lacks \"%s\"", which,
                      status_message(), words[w]);
    ck_assert_ptr_null(strchr(status_message(), '\n'));
}

static Status read_all(Arena *a, const Dataset *set)
{
    const uint8_t *pixels;
    return dataset_read(set, 0, set->n, arena_alloc(a, (size_t)set->n * dataset_image_bytes(set)), &pixels);
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
        ck_assert_msg(load_small(r->dataset, folder, a, &s) == STATUS_OK, "case %zu, unspoiled: %s", i,
                      status_message());
        r->spoil(folder);
        Status status = load_small(r->dataset, folder, a, &s);
        if (status == STATUS_OK) status = read_all(a, &s.train); /* pictures are decoded when they are needed */
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
        {{.dataset = "folder", .path = "/nonexistent"},
         {28, 28, 1},
         STATUS_IO,
         {"/nonexistent: cannot read the folder"}},
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

TEST_MAIN("datasets_bad", spoiled_files_are_refused, configs_are_refused)
