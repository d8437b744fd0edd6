/* Points go where their pictures go: random changes, resizing, tables, the loader, drawn faces. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "datasets/batch_reader.h"
#include "datasets/loader.h"
#include "datasets/points.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"

enum { H = 37, W = 46, DOTS = 3 };

/* Dots of different brightness, soft at their edges, so that a dot's centre of mass is where it was drawn. */
static void draw_dots(const float *points, uint8_t *picture)
{
    memset(picture, 0, (size_t)H * W * DOTS);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int p = 0; p < DOTS; p++) { /* a channel each */
                const double dx = x - (double)points[3 * p], dy = y - (double)points[3 * p + 1];
                picture[(y * W + x) * DOTS + p] = (uint8_t)(220 * exp(-(dx * dx + dy * dy) / 4.5) + 0.5);
            }
}

static void centre_of(const uint8_t *picture, int channel, double centre[2])
{
    double sum = 0, x_sum = 0, y_sum = 0;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            const double v = picture[(y * W + x) * DOTS + channel];
            sum += v, x_sum += v * x, y_sum += v * y;
        }
    centre[0] = x_sum / sum, centre[1] = y_sum / sum;
}

START_TEST(points_follow_what_is_drawn)
{
    static const AugmentConfig all[] = {{.shift = 4},
                                        {.flip = true},
                                        {.crop_padding = 3, .flip = true},
                                        {.rotate = 30},
                                        {.crop_padding = 1, .shift = 2, .flip = true, .rotate = 25}};
    static const float points[DOTS * POINT_FLOATS] = {15, 18, 1, 27.25f, 14.5f, 1, 24, 23, 1};
    const int hwc[3] = {H, W, DOTS};
    uint8_t in[H * W * DOTS], out[H * W * DOTS];
    draw_dots(points, in);
    for (size_t c = 0; c < sizeof all / sizeof *all; c++)
        for (uint64_t draw = 0; draw < 60; draw++) {
            Rng rng = rng_make(3, RNG_AUGMENT, draw);
            AugmentMove move;
            float moved[DOTS * POINT_FLOATS];
            memcpy(moved, points, sizeof moved);
            ck_assert_int_eq(augment_image(&all[c], hwc, &rng, in, out, &move), STATUS_OK);
            points_move(&move, hwc, NULL, DOTS, moved);
            for (int p = 0; p < DOTS; p++) {
                double centre[2];
                centre_of(out, p, centre);
                /* a turn rounds each pixel anew; without one they are copied */
                for (int i = 0; i < 2; i++) ck_assert_double_eq_tol((double)moved[3 * p + i], centre[i], 0.06);
                ck_assert(moved[3 * p + POINT_VISIBLE] > 0);
            }
        }
}
END_TEST

START_TEST(pairs_change_places_in_a_mirror)
{
    Arena *a = arena_create();
    const int hwc[3] = {10, 20, 1};
    const char *point[] = {"left", "nose", "right"}, *pair[] = {"right", "left"}, *odd[] = {"left"},
               *unknown[] = {"left", "ear"}, *twice[] = {"left", "nose", "left", "right"}, *same[] = {"nose", "nose"};
    const int *mirror;
    ck_assert_int_eq(points_mirror(a, &(StringList){0, NULL}, point, 3, &mirror), STATUS_OK);
    ck_assert_ptr_null(mirror);
    ck_assert_int_eq(points_mirror(a, &(StringList){2, pair}, point, 3, &mirror), STATUS_OK);
    ck_assert(mirror[0] == 2 && mirror[1] == 1 && mirror[2] == 0);
    float at[9] = {3, 2, 1, 9, 4, 1, NAN, NAN, 0};
    points_move(&(AugmentMove){.mirror = true}, hwc, mirror, 3, at);
    ck_assert(isnan(at[0]) && at[2] == 0);
    ck_assert(at[3] == 10 && at[4] == 4 && at[5] == 1);
    ck_assert(at[6] == 16 && at[7] == 2 && at[8] == 1);
    points_move(&(AugmentMove){.mirror = false}, hwc, mirror, 3, at); /* nothing changes */
    ck_assert(at[3] == 10 && at[6] == 16);
    points_move(&(AugmentMove){.dx = -12}, hwc, mirror, 3, at); /* one has left the picture */
    ck_assert(at[3] == -2 && at[5] == 0 && at[6] == 4 && at[8] == 1);
    const struct {
        StringList pairs;
        const char *sentence;
    } bad[] = {{{1, odd}, "data.augment.flip_pairs: 1 names; must be an even number"},
               {{2, unknown}, "data.augment.flip_pairs: \"ear\" is no point of the data"},
               {{4, twice}, "data.augment.flip_pairs: \"left\" twice"},
               {{2, same}, "data.augment.flip_pairs: \"nose\" twice"}};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(points_mirror(a, &bad[i].pairs, point, 3, &mirror), STATUS_CONFIG);
        ck_assert_msg(strstr(status_message(), bad[i].sentence) != NULL, "%s", status_message());
    }
    arena_destroy(a);
}
END_TEST

/* ---- tables ------------------------------------------------------------------------------------------------------ */

enum { BIG_H = 60, BIG_W = 80 };

/* A picture with a bright square of 8 pixels about (x + 3.5, y + 3.5). */
static void put_square(const char *folder, const char *name, int x, int y)
{
    static uint8_t rows[BIG_H * BIG_W];
    memset(rows, 0, sizeof rows);
    for (int i = 0; i < 64; i++) rows[(y + i / 8) * BIG_W + x + i % 8] = 255;
    put_png(folder, name, &(Picture){.w = BIG_W, .h = BIG_H, .bits = 8, .rows = rows});
}

static Status load_table(Arena *a, const char *folder, const char *text, const char *resize, DataSplits *s)
{
    static const char *names[] = {"dot", "other"};
    const DataConfig cfg = {.dataset = "table",
                            .path = folder,
                            .target = TARGET_POINTS,
                            .targets = {2, names},
                            .table = "targets.csv",
                            .resize = resize};
    put_bytes(folder, "targets.csv", text, strlen(text));
    return dataset_load(&cfg, (const int[3]){20, 20, 1}, 3, a, s);
}

static void find_square(const Dataset *set, int i, double centre[2])
{
    uint8_t buffer[400];
    const uint8_t *pixels;
    ck_assert_int_eq(dataset_read(set, i, 1, buffer, &pixels), STATUS_OK);
    double sum = 0, x_sum = 0, y_sum = 0;
    for (int k = 0; k < 400; k++) sum += pixels[k], x_sum += pixels[k] * (k % 20), y_sum += pixels[k] * (k / 20.0);
    centre[0] = x_sum / sum;
    centre[1] = 0;
    for (int k = 0; k < 400; k++) centre[1] += pixels[k] * (double)(k / 20) / sum;
}

START_TEST(points_of_a_table_lie_in_the_resized_picture)
{
    static const char text[] = "file,dot_x,dot_y,other_x,other_y,other_v\n"
                               "a.png,35.5,23.5,79,0,2\n"
                               "b.png,27.5,31.5,,,0\n"
                               "c.png,43.5,19.5,1,1,0\n";
    Arena *a = arena_create();
    char *folder = folder_make(a);
    put_square(folder, "a.png", 32, 20);
    put_square(folder, "b.png", 24, 28);
    put_square(folder, "c.png", 40, 16);
    for (int crop = 0; crop < 2; crop++) {
        DataSplits s;
        ck_assert_msg(load_table(a, folder, text, crop ? "crop" : "resize", &s) == STATUS_OK, "%s", status_message());
        ck_assert(s.train.n + s.test.n == 3 && s.train.targets.points == 2 && s.train.classes == 4);
        ck_assert_str_eq(s.class_names[3], "other_y");
        int unknown = 0, hidden = 0, seen = 0;
        for (int i = 0; i < 3; i++) {
            const Dataset *set = i < s.train.n ? &s.train : &s.test;
            const float *at = targets_from(set->targets, i < s.train.n ? i : i - s.train.n).value;
            double centre[2];
            find_square(set, i < s.train.n ? i : i - s.train.n, centre);
            for (int k = 0; k < 2; k++) ck_assert_double_eq_tol((double)at[k], centre[k], 0.05);
            ck_assert(at[POINT_VISIBLE] == 1);
            at += POINT_FLOATS;
            unknown += isnan(at[0]) && isnan(at[1]) && at[2] == 0;
            hidden += !isnan(at[0]) && at[2] == 0; /* not visible, or cut off by the crop */
            seen += at[2] == 1;
        }
        ck_assert(unknown == 1 && hidden == 1 + crop && seen == 1 - crop);
    }
    static const struct {
        const char *text, *sentence;
    } bad[] = {
        {"file,dot_x,other_x,other_y\na.png,1,2,3\n", "data.targets: \"dot_y\" is no column of "},
        {"file,dot_x,dot_y,other_x,other_y\na.png,1,,2,2\n", "targets.csv:2: dot_y: \"\"; must be a finite number"},
        {"file,dot_x,dot_y,dot_v,other_x,other_y\na.png,,,1,2,2\n",
         "targets.csv:2: dot_x: empty, but the point is said to be visible"}};
    for (int i = 0; i < 3; i++) {
        DataSplits s;
        ck_assert(load_table(a, folder, bad[i].text, "resize", &s) != STATUS_OK);
        ck_assert_msg(strstr(status_message(), bad[i].sentence) != NULL, "%s", status_message());
    }
    folder_remove(folder);
    arena_destroy(a);
}
END_TEST

/* ---- faces ------------------------------------------------------------------------------------------------------- */

/* How much redder than the whole face the place between the lips is. */
static bool is_lip(const uint8_t *picture, int side, const float *target)
{
    enum { UPPER = 9, LOWER = 10 };
    const int x = (int)lrintf(0.5f * (target[3 * UPPER] + target[3 * LOWER])),
              y = (int)lrintf(0.5f * (target[3 * UPPER + 1] + target[3 * LOWER + 1]));
    if (x < 0 || y < 0 || x >= side || y >= side) return true;
    const uint8_t *p = picture + (y * side + x) * 3;
    return p[0] > 1.6 * p[1];
}

START_TEST(faces_have_their_points_where_they_are_drawn)
{
    enum { SIDE = 64, N = 150, LEFT = 7, RIGHT = 8, POINTS = 12 };
    const DataConfig cfg = {.dataset = "faces",
                            .path = "",
                            .target = TARGET_POINTS,
                            .synthetic_train = N,
                            .synthetic_test = 5,
                            .augment = {.flip = true, .shift = 2, .rotate = 10}};
    Arena *a = arena_create();
    DataSplits s;
    ck_assert_msg(dataset_load(&cfg, (const int[3]){SIDE, SIDE, 3}, 5, a, &s) == STATUS_OK, "%s", status_message());
    ck_assert(s.train.targets.points == POINTS && s.train.classes == 2 * POINTS && s.train.mirror[LEFT] == RIGHT);
    for (int augmented = 0; augmented < 2; augmented++) {
        const LoaderConfig lc = {
            .data = &s.train, .batch = N, .seed = 1, .shuffle = true, .augment = augmented ? &cfg.augment : NULL};
        Loader *loader;
        const Batch *batch;
        ck_assert_int_eq(loader_create(a, &lc, &loader), STATUS_OK);
        ck_assert_int_eq(loader_get(loader, 0, 0, &batch), STATUS_OK);
        int lips = 0, shown = 0, hidden = 0;
        for (int i = 0; i < N; i++) {
            const float *target = targets_from(batch->targets, i).value;
            const uint8_t *picture = batch->pixels + (size_t)i * SIDE * SIDE * 3;
            ck_assert(target[3 * LEFT] < target[3 * RIGHT]); /* the left corner is on the left, mirrored or not */
            for (int p = 0; p < POINTS; p++) hidden += target[3 * p + POINT_VISIBLE] == 0;
            if (target[3 * 9 + POINT_VISIBLE] == 0 || target[3 * 10 + POINT_VISIBLE] == 0) continue;
            shown++;
            lips += is_lip(picture, SIDE, target);
        }
        ck_assert(shown > N / 2 && lips > shown * 9 / 10);
        ck_assert(hidden > 0 && hidden < N * POINTS / 4);
        loader_destroy(loader);
    }
    arena_destroy(a);
}
END_TEST

/* The same seed gives the same faces, another one others; test images are no training images. */
START_TEST(faces_follow_from_the_seed)
{
    enum { SIDE = 16, N = 4 };
    const DataConfig cfg = {.dataset = "faces",
                            .path = "",
                            .target = TARGET_POINTS,
                            .synthetic_train = N,
                            .synthetic_test = N,
                            .synthetic_noise = 0.1};
    Arena *a = arena_create();
    DataSplits s[3];
    uint8_t pixels[6][N * SIDE * SIDE];
    for (int i = 0; i < 6; i++) {
        const uint8_t *from;
        if (i < 3)
            ck_assert_int_eq(dataset_load(&cfg, (const int[3]){SIDE, SIDE, 1}, i < 2 ? 9 : 10, a, &s[i]), STATUS_OK);
        ck_assert_int_eq(dataset_read(i < 3 ? &s[i].train : &s[i - 3].test, 0, N, pixels[i], &from), STATUS_OK);
        if (from != pixels[i]) memcpy(pixels[i], from, sizeof pixels[i]);
    }
    ck_assert_mem_eq(pixels[0], pixels[1], sizeof pixels[0]);
    ck_assert_mem_ne(pixels[0], pixels[2], sizeof pixels[0]);
    ck_assert_mem_ne(pixels[0], pixels[3], sizeof pixels[0]);
    ck_assert_mem_eq(s[0].train.targets.value, s[1].train.targets.value, N * target_bytes(s[0].train.targets));
    arena_destroy(a);
}
END_TEST

TEST_MAIN("points", points_follow_what_is_drawn, pairs_change_places_in_a_mirror,
          points_of_a_table_lie_in_the_resized_picture, faces_have_their_points_where_they_are_drawn,
          faces_follow_from_the_seed)
