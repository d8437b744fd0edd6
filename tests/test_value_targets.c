/* Data sets whose targets are real numbers: read back, split, and refused in one line each. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "datasets/dataset.h"
#include "datasets/loader.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

enum { SIDE = 4, IMAGES = 5 };

static Status load(const char *dataset, const char *folder, StringList names, Arena *a, DataSplits *out)
{
    const DataConfig cfg = {.dataset = dataset,
                            .dir = folder,
                            .path = folder,
                            .target = TARGET_VALUES,
                            .targets = names,
                            .table = "targets.csv",
                            .synthetic_train = 20,
                            .synthetic_test = 8,
                            .synthetic_noise = 0.1};
    return dataset_load(&cfg, (const int[3]){SIDE, SIDE, 1}, 3, a, out);
}

static void refused(const char *dataset, const char *folder, StringList names, const char *sentence)
{
    Arena *a = arena_create();
    DataSplits s;
    ck_assert(load(dataset, folder, names, a, &s) != STATUS_OK);
    ck_assert_msg(strstr(status_message(), sentence) != NULL, "%s\nlacks\n%s", status_message(), sentence);
    ck_assert_ptr_null(strchr(status_message(), '\n'));
    arena_destroy(a);
}

static const StringList none;

/* ---- .npy -------------------------------------------------------------------------------------------------------- */

static void put_images(const char *folder, const char *name)
{
    static const uint8_t pixels[IMAGES * SIDE * SIDE];
    put_npy(folder, name, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 4, 4), }", pixels, sizeof pixels);
}

static char *npy_folder(Arena *a)
{
    static const float train[IMAGES * 2] = {1, -2, 3.5f, 4, 5, 6, 7, 8, 9, -1e30f};
    static const double test[IMAGES * 2] = {0.5, 1, 1, 1, 1, 1, 1, 1, 1, 0.1};
    char *folder = folder_make(a);
    put_images(folder, "train_images.npy");
    put_images(folder, "test_images.npy");
    put_npy(folder, "train_targets.npy", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 2), }", train,
            sizeof train);
    put_npy(folder, "test_targets.npy", 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (5, 2), }", test,
            sizeof test);
    return folder;
}

START_TEST(npy_values_read_back)
{
    Arena *a = arena_create();
    char *folder = npy_folder(a);
    DataSplits s;
    const char *names[] = {"left", "right"};
    ck_assert_msg(load("npy", folder, (StringList){2, names}, a, &s) == STATUS_OK, "%s", status_message());
    ck_assert_int_eq(s.train.targets.width, 2);
    ck_assert_int_eq(s.train.classes, 2);
    ck_assert_str_eq(s.class_names[1], "right");
    ck_assert_double_eq((double)s.train.targets.value[1], -2);
    ck_assert_double_eq((double)s.train.targets.value[9], (double)-1e30f);
    ck_assert_double_eq((double)s.test.targets.value[9], (double)0.1f);
    ck_assert_msg(load("npy", folder, none, a, &s) == STATUS_OK, "%s", status_message());
    ck_assert_str_eq(s.class_names[1], "1");
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

START_TEST(npy_values_that_are_refused)
{
    Arena *a = arena_create();
    char *folder = npy_folder(a);
    const double bad[IMAGES] = {1, 2, (double)NAN, 4, 5}, large[IMAGES] = {1, 2, 3, 4, 1e300};
    const char *names[] = {"a", "b", "c"};
#define TARGETS(text, data) put_npy(folder, "train_targets.npy", 1, text, data, sizeof data)
    refused("npy", folder, (StringList){3, names}, "data.targets: 3 names; must be 2, the values of each image in ");
    TARGETS("{'descr': '<f8', 'fortran_order': False, 'shape': (5,), }", bad);
    refused("npy", folder, none, "train_targets.npy: value nan, target 0 of image 2; must be finite, as float32");
    TARGETS("{'descr': '<f8', 'fortran_order': False, 'shape': (5,), }", large);
    refused("npy", folder, none, "value 1e+300, target 0 of image 4; must be finite, as float32");
    TARGETS("{'descr': '<i8', 'fortran_order': False, 'shape': (5,), }", bad);
    refused("npy", folder, none, "elements of another type; targets must be float32 or float64");
    TARGETS("{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }", bad);
    refused("npy", folder, none, "shape [4,1,1,1]; must be [5] or [5,K], 1 to 1024 values for each image of ");
    remove(file_join(a, folder, "train_targets.npy"));
    refused("npy", folder, none,
            "train_targets.npy: not found; data.dir must hold train_images.npy, train_targets.npy, test_images.npy");
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static void put_picture(const char *folder, const char *name)
{
    static const uint8_t rows[SIDE * SIDE] = {9};
    put_png(folder, name, &(Picture){.w = SIDE, .h = SIDE, .bits = 8, .rows = rows});
}

static void put_table(const char *folder, const char *text) { put_bytes(folder, "targets.csv", text, strlen(text)); }

static char *table_folder(Arena *a)
{
    char *folder = folder_make(a);
    put_picture(folder, "a.png");
    put_picture(folder, "more/b, \"b\".png");
    put_picture(folder, "c.png");
    put_table(folder, "\xef\xbb\xbf"
                      "file,mm,angle\r\n\r\na.png,1.5,-3e2\r\n\"more/b, \"\"b\"\".png\",2 ,0\n./c.png,3,0.25\n");
    return folder;
}

static const char *columns[] = {"angle", "mm"};
static const StringList both = {2, columns}, angle = {1, columns};

START_TEST(a_table_is_read_and_split)
{
    Arena *a = arena_create();
    char *folder = table_folder(a);
    DataSplits s;
    ck_assert_msg(load("table", folder, both, a, &s) == STATUS_OK, "%s", status_message());
    ck_assert(s.train.n == 2 && s.test.n == 1 && s.train.targets.width == 2);
    ck_assert_str_eq(s.class_names[0], "angle");
    double sum = 0;
    for (int i = 0; i < 2; i++) sum += (double)s.train.targets.value[2 * i];
    ck_assert_double_eq(sum + (double)s.test.targets.value[0], -300 + 0.25);
    char *text = arena_strdup(a, "file,mm,angle\nd.png,1,2\n");
    put_picture(folder, "test/d.png");
    put_bytes(folder, "test/targets.csv", text, strlen(text));
    ck_assert_int_eq(rename(file_join(a, folder, "more"), file_join(a, folder, "kept")), 0);
    put_picture(folder, "train/e.png");
    put_bytes(folder, "train/targets.csv", "file,angle,mm\ne.png,7,8\n", 24);
    remove(file_join(a, folder, "targets.csv"));
    ck_assert_msg(load("table", folder, both, a, &s) == STATUS_OK, "%s", status_message());
    ck_assert(s.train.n == 1 && s.test.n == 1);
    ck_assert(s.train.targets.value[0] == 7 && s.train.targets.value[1] == 8 && s.test.targets.value[0] == 2);
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

START_TEST(tables_that_are_refused)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"", "targets.csv: is empty; the first line must name its columns"},
        {"file,angle\n", "targets.csv: no row; one for each picture is required"},
        {"file,mm\na.png,1\n", "data.targets: \"angle\" is no column of "},
        {"file,mm\na.png,1\n", "must be one of: \"mm\""},
        {"file,angle,angle\n", "two columns \"angle\"; each must have a name of its own"},
        {"file,angle\na.png,1,2\n", "targets.csv:2: has more than 2 cells; must be 2, as the first line has"},
        {"file,angle\na.png\n", "targets.csv:2: has 1 cells; must be 2, as the first line has"},
        {"file,angle\n\na.png,x\n", "targets.csv:3: angle: \"x\"; must be a finite number"},
        {"file,angle\na.png,\n", "targets.csv:2: angle: \"\"; must be a finite number"},
        {"file,angle\na.png,nan\n", "targets.csv:2: angle: \"nan\"; must be a finite number"},
        {"file,angle\na.png,1e99\n", "must be finite, as float32"},
        {"file,angle\nz.png,1\n", "targets.csv:2: there is no picture \"z.png\""},
        {"file,angle\na.png,1\na.png,2\n", "two rows of "},
        {"file,angle\na.png,1\n", "c.png: a picture without a row in "},
        {"file,angle\n\"a.png,1\n", "targets.csv:2: a quote that is not closed"},
        {"file,angle\n\"a\"x,1\n", "targets.csv:2: text after a cell in quotes"},
    };
    Arena *a = arena_create();
    char *folder = table_folder(a);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_table(folder, cases[i].text);
        refused("table", folder, angle, cases[i].sentence);
    }
    put_bytes(folder, "targets.csv", "file\0,x\n", 8);
    refused("table", folder, angle, "a NUL at byte 4; is no text");
    refused("table", folder, none, "");
    remove(file_join(a, folder, "targets.csv"));
    refused("table", folder, angle, "targets.csv: not found; data.dir must hold it");
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

/* ---- bars, and what all have in common --------------------------------------------------------------------------- */

/* The target is the angle of the picture: the axis of its second moments. */
START_TEST(bars_lie_as_their_targets_say)
{
    enum { BIG = 32, N = 40 };
    Arena *a = arena_create();
    const DataConfig cfg = {
        .dataset = "bars", .target = TARGET_VALUES, .synthetic_train = N, .synthetic_test = 1, .memory = 0};
    DataSplits s;
    ck_assert_int_eq(dataset_load(&cfg, (const int[3]){BIG, BIG, 1}, 7, a, &s), STATUS_OK);
    for (int i = 0; i < N; i++) {
        uint8_t pixels[BIG * BIG];
        ck_assert_int_eq(source_read(s.train.source, i, a, pixels), STATUS_OK);
        double m = 0, mx = 0, my = 0, xx = 0, yy = 0, xy = 0, low = 255;
        for (int k = 0; k < BIG * BIG; k++) low = fmin(low, pixels[k]);
        for (int k = 0; k < BIG * BIG; k++) {
            const double w = pixels[k] - low;
            m += w, mx += w * (k % BIG), my += w * (k / BIG);
        }
        for (int k = 0; k < BIG * BIG; k++) {
            const double w = pixels[k] - low, dx = k % BIG - mx / m, dy = k / BIG - my / m;
            xx += w * dx * dx, yy += w * dy * dy, xy += w * dx * dy;
        }
        const double twice = atan2(2 * xy, xx - yy);
        ck_assert_double_eq_tol((double)s.train.targets.value[2 * i], cos(twice), 0.05);
        ck_assert_double_eq_tol((double)s.train.targets.value[2 * i + 1], sin(twice), 0.05);
    }
    arena_destroy(a);
}
END_TEST

/* Values go with their images, through the split and the shuffled batches. */
START_TEST(values_go_with_their_images)
{
    Arena *a = arena_create();
    const DataConfig cfg = {.dataset = "bars",
                            .target = TARGET_VALUES,
                            .synthetic_train = 20,
                            .synthetic_test = 8,
                            .validation = 0.25,
                            .synthetic_noise = 0.1};
    DataSplits s;
    ck_assert_int_eq(dataset_load(&cfg, (const int[3]){SIDE, SIDE, 1}, 3, a, &s), STATUS_OK);
    ck_assert(s.train.n == 15 && s.validation.n == 5);
    const Targets all = s.train.source->targets;
    const Dataset *const sets[] = {&s.train, &s.validation};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < sets[k]->n; i++)
            ck_assert_mem_eq(targets_from(sets[k]->targets, i).value,
                             targets_from(all, dataset_index(sets[k], i)).value, 2 * sizeof(float));
    Loader *loader;
    const LoaderConfig lc = {.data = &s.train, .batch = 4, .seed = 5, .shuffle = true};
    ck_assert_int_eq(loader_create(a, &lc, &loader), STATUS_OK);
    int found = 0;
    for (int b = 0; b < loader_batches(loader); b++) {
        const Batch *batch;
        ck_assert_int_eq(loader_get(loader, 0, b, &batch), STATUS_OK);
        for (int i = 0; i < batch->n; i++)
            for (int k = 0; k < s.train.n; k++) {
                uint8_t pixels[SIDE * SIDE];
                ck_assert_int_eq(source_read(s.train.source, dataset_index(&s.train, k), a, pixels), STATUS_OK);
                const bool same = memcmp(pixels, batch->pixels + i * SIDE * SIDE, sizeof pixels) == 0;
                found += same && memcmp(targets_from(batch->targets, i).value, targets_from(s.train.targets, k).value,
                                        2 * sizeof(float)) == 0;
            }
    }
    ck_assert_int_eq(found, s.train.n);
    loader_destroy(loader);
    arena_destroy(a);
}
END_TEST

START_TEST(a_task_wants_its_kind_of_targets)
{
    Arena *a = arena_create();
    DataSplits s;
    refused("synthetic", "", none, "data.dataset: \"synthetic\" has classes; task.type must be classification");
    const DataConfig cfg = {.dataset = "bars", .synthetic_train = 4, .synthetic_test = 2};
    ck_assert_int_eq(dataset_load(&cfg, (const int[3]){SIDE, SIDE, 1}, 3, a, &s), STATUS_CONFIG);
    ck_assert_str_eq(status_message(),
                     "data.dataset: \"bars\" has real numbers as targets; task.type must be regression");
    arena_destroy(a);
}
END_TEST

TEST_MAIN("value_targets", npy_values_read_back, npy_values_that_are_refused, a_table_is_read_and_split,
          tables_that_are_refused, bars_lie_as_their_targets_say, values_go_with_their_images,
          a_task_wants_its_kind_of_targets)
