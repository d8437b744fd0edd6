/* Tests and intervals against published figures. */
#include <math.h>
#include <string.h>

#include "tests/support/suite.h"
#include "report/compare.h"

static void near(double got, double want, double tolerance)
{
    ck_assert_msg(fabs(got - want) <= tolerance, "%.9g, wanted %.9g", got, want);
}

static void near_range(Interval got, double low, double high, double tolerance)
{
    near(got.low, low, tolerance);
    near(got.high, high, tolerance);
}

/* Agresti, Categorical Data Analysis, table 10.1 (794, 150, 86, 570); Bentur 2009 in Fagerland, Lydersen & Laake,
 * Statistical Analysis of Contingency Tables, table 8.1 (1, 1, 7, 12): 18/256. */
START_TEST(mcnemar_is_the_textbooks)
{
    near(mcnemar_exact(150, 86), 3.715936e-5, 1e-10);
    near(mcnemar_exact(86, 150), mcnemar_exact(150, 86), 0);
    near(mcnemar_exact(1, 7), 18.0 / 256, 1e-12);
    near(mcnemar_exact(5, 0), 0.0625, 1e-12);
    near(mcnemar_exact(6, 2), 0.2890625, 1e-12);
    near(mcnemar_exact(121, 59), 4.434449e-6, 1e-11);
    near(mcnemar_exact(0, 0), 1, 0);
    near(mcnemar_exact(3, 3), 1, 0);
    ck_assert(mcnemar_exact(40000, 0) >= 0 && mcnemar_exact(40000, 0) < 1e-300);
}
END_TEST

/* Newcombe 1998, Statistics in Medicine 17, 857, table I, method 3. */
START_TEST(wilson_is_newcombes_table)
{
    near_range(wilson_interval(81, 263), 0.2553, 0.3662, 5e-5);
    near_range(wilson_interval(15, 148), 0.0624, 0.1605, 5e-5);
    near_range(wilson_interval(0, 20), 0, 0.1611, 5e-5);
    near_range(wilson_interval(1, 29), 0.0061, 0.1718, 5e-5);
    near_range(wilson_interval(29, 29), 1 - 0.1170, 1, 5e-5);
}
END_TEST

/* Altman et al., Statistics with Confidence, table 6.2 (14, 5, 0, 22); Bentur 2009 as above. */
START_TEST(paired_interval_is_newcombes)
{
    near_range(newcombe_interval(14, 5, 0, 22), 0.011, 0.226, 5e-4);
    near_range(newcombe_interval(1, 1, 7, 12), -0.507, -0.026, 5e-4);
    near_range(newcombe_interval(794, 150, 86, 570), 0.02123042, 0.05870387, 1e-8);
    near_range(newcombe_interval(570, 86, 150, 794), -0.05870387, -0.02123042, 1e-8); /* the other way round */
    const Interval all = newcombe_interval(20, 0, 0, 0);
    ck_assert(all.low < 0 && all.high > 0);
}
END_TEST

/* Any table of Student's t. */
START_TEST(students_t_is_the_tables)
{
    static const struct {
        int freedom;
        double t;
    } table[] = {{1, 12.70620}, {2, 4.30265},  {3, 3.18245},  {4, 2.77645}, {5, 2.57058},
                 {9, 2.26216},  {10, 2.22814}, {30, 2.04227}, {63, 1.99834}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        near(student_t95(table[i].freedom), table[i].t, 1e-5);
        near(student_p(-table[i].t, table[i].freedom), 0.05, 1e-6);
    }
    near(student_p(0, 7), 1, 1e-15);
    near(student_p(1, 1), 0.5, 1e-12);
    near(student_p((double)INFINITY, 2), 0, 0);
}
END_TEST

START_TEST(holm_steps_down)
{
    double p[] = {0.01, 0.04, (double)NAN, 0.03, 0.005};
    holm_adjust(p, 5);
    near(p[4], 0.02, 1e-15);
    near(p[0], 0.03, 1e-15);
    near(p[3], 0.06, 1e-15);
    near(p[1], 0.06, 1e-15); /* not below a smaller one */
    ck_assert(isnan(p[2]));
    double ones[] = {1, 0.9, 0};
    holm_adjust(ones, 3);
    near(ones[0], 1, 0), near(ones[1], 1, 0), near(ones[2], 0, 0);
}
END_TEST

/* Answers of one seed: the first `both` right in both rows, then `first` in a alone, then `second` in b alone. */
enum { IMAGES = 1600 };
typedef struct {
    uint8_t right[IMAGES];
    double accuracy[3];
} Row;

static Answers answers(const Row *r, int seeds)
{
    return (Answers){.images = IMAGES, .seeds = seeds, .right = r->right, .accuracy = r->accuracy};
}

START_TEST(one_seed_is_mcnemars)
{
    Row a = {{0}, {0}}, b = {{0}, {0}};
    for (int i = 0; i < 794; i++) a.right[i] = b.right[i] = 1;
    for (int i = 794; i < 944; i++) a.right[i] = 1;
    for (int i = 944; i < 1030; i++) b.right[i] = 1;
    const Answers x = answers(&a, 1), y = answers(&b, 1);
    const Paired d = paired_difference(&x, &y);
    near(d.difference, 64.0 / 1600, 1e-15);
    near(d.p, 3.715936e-5, 1e-10);
    near_range(d.range, 0.02123042, 0.05870387, 1e-8);
}
END_TEST

/* Differences of 3, 4 and 5 points: t = 0.04 / (0.01 / sqrt 3), p = 0.02021 with two degrees of freedom; the images agree
 * with it by far. */
START_TEST(seeds_are_paired)
{
    Row a = {{0}, {0.94, 0.95, 0.96}}, b = {{0}, {0.91, 0.91, 0.91}};
    for (int i = 0; i < IMAGES; i++) a.right[i] = 3, b.right[i] = 3;
    for (int i = 0; i < 192; i++) b.right[i] = 2; /* 192 / 3 / 1600 = 0.04 */
    const Answers x = answers(&a, 3), y = answers(&b, 3);
    const Paired d = paired_difference(&x, &y);
    near(d.difference, 0.04, 1e-12);
    near(d.p, 0.0202041, 1e-6);
    near(d.range.low, 0.04 - 4.30265 * 0.01 / sqrt(3), 1e-6);
}
END_TEST

/* Of five images' parts: differences of 1, 2, 3, 4 and 5, t = 3 / (1.5811 / sqrt 5) = 4.2426, p = 0.01324 with four
 * degrees of freedom; the normal interval is 3 +- 1.96 * 0.70711. */
START_TEST(parts_are_paired)
{
    const double x[] = {2, 4, 6, 8, 10}, y[] = {1, 2, 3, 4, 5}, mean[] = {6}, other[] = {3};
    const Answers a = {.images = 5, .seeds = 1, .accuracy = mean, .part = x};
    const Answers b = {.images = 5, .seeds = 1, .accuracy = other, .part = y};
    const Paired d = paired_difference(&a, &b), none = paired_difference(&a, &a);
    near(d.difference, 3, 1e-12);
    near(d.p, 0.0132356, 1e-6);
    near_range(d.range, 3 - 1.959964 * 0.7071068, 3 + 1.959964 * 0.7071068, 1e-6);
    near(none.p, 1, 0);
    near_range(mean_interval(y, 5), 3 - 1.959964 * 0.7071068, 3 + 1.959964 * 0.7071068, 1e-6);
}
END_TEST

/* The same difference at every seed is no proof where it is one image: the test images are few, too. */
START_TEST(equal_seeds_alone_prove_nothing)
{
    Row a = {{0}, {0.5 + 1.0 / IMAGES, 0.5 + 1.0 / IMAGES, 0.5 + 1.0 / IMAGES}}, b = {{0}, {0.5, 0.5, 0.5}};
    for (int i = 0; i < 800; i++) a.right[i] = b.right[i] = 3;
    a.right[800] = 3;
    const Answers x = answers(&a, 3), y = answers(&b, 3);
    const Paired d = paired_difference(&x, &y);
    near(d.p, 1, 1e-12);
    ck_assert(d.range.low < 0 && d.range.high > 2.0 / IMAGES);
}
END_TEST

static CompareRow row_of(const char *name, const char *kind, int bits, const Row *r)
{
    int right = 0;
    for (int i = 0; i < IMAGES; i++) right += r->right[i];
    const double accuracy = (double)right / IMAGES;
    return (CompareRow){.name = name,
                        .kind = kind,
                        .weight_bits = bits,
                        .act_bits = bits,
                        .accuracy = accuracy,
                        .accuracy_int8 = strcmp(kind, "float") == 0 ? (double)NAN : accuracy,
                        .seeds = 1};
}

static void fill(Row *r, int right)
{
    for (int i = 0; i < IMAGES; i++) r->right[i] = i < right;
}

/* Marks stand where the test does: one image more is nothing, 8 of 8 are something (p = 1/128). */
START_TEST(marks_need_a_test)
{
    Arena *arena = arena_create();
    static Row r[5];
    fill(&r[0], 1500), fill(&r[1], 1501), fill(&r[2], 1508), fill(&r[3], 1400), fill(&r[4], 1000);
    CompareRow row[] = {row_of("float", "float", 32, &r[0]), row_of("a", "ptq", 8, &r[1]), row_of("b", "qat", 8, &r[2]),
                        row_of("c", "qat", 4, &r[3]), row_of("d", "ptq", 4, &r[4])};
    Answers a[5];
    for (int i = 0; i < 5; i++) a[i] = answers(&r[i], 1);
    compare_judge(arena, row, a, 5);
    static const int verdict[] = {0, 0, 1, -1, -1};
    static const bool leads[] = {false, false, true, true, false}; /* b: 7 images of 7, p = 1/64, its only rival */
    for (int i = 0; i < 5; i++) {
        ck_assert_msg(row_verdict(&row[i]) == verdict[i], "%s: p %g", row[i].name, row[i].p);
        ck_assert_msg(row[i].leads == leads[i], "%s", row[i].name);
    }
    ck_assert(isnan(row[0].p));
    near(row[2].p, 2.0 / 128, 1e-12); /* twice, as the third least of four */
    near(row[1].p, 1, 0);
    near_range(row[0].accuracy_range, wilson_interval(1500, IMAGES).low, wilson_interval(1500, IMAGES).high, 0);
    ck_assert(row[3].drop_range.low < 0.0625 && row[3].drop_range.high > 0.0625 && row[3].drop_range.low > 0);
    arena_destroy(arena);
}
END_TEST

/* With one image more to b than to a nobody leads, and of equals nobody. */
START_TEST(nobody_leads_by_chance)
{
    Arena *arena = arena_create();
    static Row r[3];
    fill(&r[0], 1500), fill(&r[1], 1499), fill(&r[2], 1500);
    CompareRow row[] = {row_of("float", "float", 32, &r[0]), row_of("a", "ptq", 8, &r[1]),
                        row_of("b", "ptq", 8, &r[2])};
    const Answers a[] = {answers(&r[0], 1), answers(&r[1], 1), answers(&r[2], 1)};
    compare_judge(arena, row, a, 3);
    for (int i = 0; i < 3; i++) ck_assert(!row[i].leads && row_verdict(&row[i]) == 0);
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("statistics", mcnemar_is_the_textbooks, wilson_is_newcombes_table, paired_interval_is_newcombes,
          students_t_is_the_tables, holm_steps_down, one_seed_is_mcnemars, seeds_are_paired, parts_are_paired,
          equal_seeds_alone_prove_nothing, marks_need_a_test, nobody_leads_by_chance)
