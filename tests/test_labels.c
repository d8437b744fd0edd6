/* Labels of a plot: on nothing, near their points, their leaders apart. */
#include <math.h>

#include "base/rng.h"
#include "tests/support/suite.h"
#include "report/labels.h"

enum { MOST = 120 };
static const double WIDTH = 1000, HEIGHT = 400;

static bool overlap(const Box *a, const Box *b)
{
    return fabs(a->x - b->x) < a->half_width + b->half_width - 1e-9 &&
           fabs(a->y - b->y) < a->half_height + b->half_height - 1e-9;
}

/* No label on a point, on another label, or outside; each leader from its own point to its own label. */
static void check_places(int n, const Box *point, const Box *label, double width, double height)
{
    for (int i = 0; i < n; i++) {
        if (isnan(point[i].x) || isnan(label[i].x)) continue;
        ck_assert(label[i].x >= label[i].half_width && label[i].x <= width - label[i].half_width);
        ck_assert(label[i].y >= label[i].half_height && label[i].y <= height - label[i].half_height);
        for (int j = 0; j < n; j++) {
            if (!isnan(point[j].x)) ck_assert_msg(!overlap(&label[i], &point[j]), "label %d lies on point %d", i, j);
            if (j != i && !isnan(label[j].x)) ck_assert_msg(!overlap(&label[i], &label[j]), "labels %d, %d", i, j);
        }
        Leader l;
        if (!labels_leader(n, point, label, i, &l)) {
            /* Then it is the nearest label and touches its point, nearly. */
            ck_assert_double_lt(fabs(label[i].x - point[i].x), label[i].half_width + point[i].half_width + 5);
            ck_assert_double_lt(fabs(label[i].y - point[i].y), label[i].half_height + point[i].half_height + 5);
            continue;
        }
        ck_assert(l.x0 == point[i].x && l.y0 == point[i].y);
        const double x = fabs(l.x1 - label[i].x) - label[i].half_width,
                     y = fabs(l.y1 - label[i].y) - label[i].half_height;
        ck_assert_double_lt(fabs(fmax(x, y)), 1e-6); /* on the label's edge */
    }
}

static double turn(double ax, double ay, double bx, double by, double cx, double cy)
{
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
}

static int crossings(int n, const Box *point, const Box *label)
{
    int found = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) {
            Leader a, b;
            if (!labels_leader(n, point, label, i, &a) || !labels_leader(n, point, label, j, &b)) continue;
            found += turn(a.x0, a.y0, a.x1, a.y1, b.x0, b.y0) * turn(a.x0, a.y0, a.x1, a.y1, b.x1, b.y1) < 0 &&
                     turn(b.x0, b.y0, b.x1, b.y1, a.x0, a.y0) * turn(b.x0, b.y0, b.x1, b.y1, a.x1, a.y1) < 0;
        }
    return found;
}

/* The table of the demo, as its points lie in the wide figure: twenty in three heaps. */
START_TEST(the_demos_heaps_are_told_apart)
{
    static const double at[][2] = {{988, 389}, {510, 392}, {510, 391}, {510, 393}, {515, 391}, {515, 392},
                                   {515, 392}, {283, 365}, {283, 371}, {283, 375}, {290, 380}, {290, 385},
                                   {290, 388}, {61, 30},   {61, 28},   {61, 33},   {80, 76},   {80, 83},
                                   {80, 86},   {515, 391}, {290, 388}, {80, 356}};
    enum { N = sizeof at / sizeof at[0] };
    Box point[N], label[N];
    for (int i = 0; i < N; i++) {
        point[i] = (Box){at[i][0], at[i][1], 5, 5};
        label[i] = (Box){0, 0, i < 9 ? 5 : 9, 6.5};
    }
    ck_assert_int_eq(labels_place(N, point, label, 1022, 412), 0);
    check_places(N, point, label, 1022, 412);
    ck_assert_int_eq(crossings(N, point, label), 0);
}
END_TEST

START_TEST(random_plots_have_room)
{
    for (uint64_t seed = 1; seed <= 14; seed++) {
        Rng rng = rng_make(seed, RNG_TEST, 0);
        Box point[MOST], label[MOST];
        const int n = 2 + (int)(rng_u32(&rng) % 60);
        const double spread = seed % 2 == 0 ? 1 : 0.06; /* everywhere, or in a heap */
        for (int i = 0; i < n; i++) {
            point[i] = (Box){WIDTH * (0.5 + spread * ((double)(rng_u32(&rng) % 1000) / 1000 - 0.5)),
                             HEIGHT * (0.5 + spread * ((double)(rng_u32(&rng) % 1000) / 1000 - 0.5)), 5, 5};
            label[i] = (Box){0, 0, i < 9 ? 5 : 9, 6.5};
        }
        ck_assert_int_eq(labels_place(n, point, label, WIDTH, HEIGHT), 0);
        check_places(n, point, label, WIDTH, HEIGHT);
    }
}
END_TEST

START_TEST(all_in_one_place)
{
    Box point[MOST], label[MOST], again[MOST];
    for (int i = 0; i < MOST; i++) {
        point[i] = (Box){20, 380, 5, 5};
        label[i] = again[i] = (Box){0, 0, 9, 6.5};
    }
    point[7].y = (double)NAN;
    ck_assert_int_eq(labels_place(MOST, point, label, WIDTH, HEIGHT), 0);
    check_places(MOST, point, label, WIDTH, HEIGHT);
    ck_assert(isnan(label[7].x));
    labels_place(MOST, point, again, WIDTH, HEIGHT);
    for (int i = 0; i < MOST; i++) ck_assert(i == 7 || (label[i].x == again[i].x && label[i].y == again[i].y));
}
END_TEST

/* A plot that is too small: what has no room has no label, the rest is in order. */
START_TEST(a_full_plot_says_so)
{
    Box point[MOST], label[MOST];
    for (int i = 0; i < MOST; i++) {
        point[i] = (Box){30, 30, 5, 5};
        label[i] = (Box){0, 0, 9, 6.5};
    }
    const int without = labels_place(MOST, point, label, 100, 60);
    ck_assert_int_ge(without, MOST - 25);
    ck_assert_int_lt(without, MOST);
    check_places(MOST, point, label, 100, 60);
}
END_TEST

START_TEST(a_point_alone_needs_no_leader)
{
    const Box point = {100, 100, 5, 5};
    Box label = {0, 0, 5, 6.5};
    Leader l;
    ck_assert_int_eq(labels_place(1, &point, &label, WIDTH, HEIGHT), 0);
    ck_assert(!labels_leader(1, &point, &label, 0, &l));
    ck_assert_double_gt(label.x, 100);
}
END_TEST

TEST_MAIN("labels", the_demos_heaps_are_told_apart, random_plots_have_room, all_in_one_place, a_full_plot_says_so,
          a_point_alone_needs_no_leader)
