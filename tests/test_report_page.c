/* What the page of a comparison says, section by section. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/html.h"
#include "tests/support/report_case.h"
#include "tests/support/suite.h"
#include "report/report_parts.h"

static bool has(const char *text, const char *word) { return strstr(text, word) != NULL; }

/* The page from that heading on. */
static const char *section(const char *page, const char *heading)
{
    const char *at = strstr(page, heading);
    ck_assert_msg(at != NULL, "no %s", heading);
    return at;
}

/* Of the report as it is, with no name that means harm. */
static const char *plain_page(const Place *p)
{
    const Report report = report_case(p->arena, false);
    return place_page(p, &report);
}

START_TEST(rows_are_marked_where_a_test_stands)
{
    Place p = place_make();
    Report report = report_case(p.arena, false);
    const char *text = place_page(&p, &report);
    ck_assert_int_eq(count(text, "<tr class=\"best\">"), 1);
    ck_assert(has(section(text, "<tr class=\"best\">"), "qat W8A8"));
    /* accuracy and its interval, drop and its, p, bits, size, RAM, MACs, time */
    ck_assert(has(text, "<td>98.75 <span>± 0.05</span><small>98.17 to 99.15</small></td><td>0.25<small>−0.10 to "
                        "0.60</small></td><td>0.25</td><td>8 / 8</td><td>10.5<small>0.26×</small></td><td>5.8</td>"
                        "<td>1\u2009234\u2009567</td><td>20.5<sup>*</sup><small>21.0</small></td></tr>"));
    ck_assert(has(text, "<td class=\"better\"><b role=\"img\" aria-label=\"better than float\">▲</b> "
                        "−0.14<small>−0.30 to −0.01</small></td><td>0.040</td>"));
    ck_assert(has(text, "aria-label=\"worse than float\">▼</b> 49.00<small>46.00 to 51.00</small></td>"
                        "<td>&lt; 0.001</td>"));
    ck_assert(has(text, "Wilson") && has(text, "Holm") && has(text, "Student’s t"));
    ck_assert(has(text, "<sup>*</sup>: the machine was busy"));
    place_drop(&p);
}
END_TEST

START_TEST(chance_has_no_mark)
{
    Place p = place_make();
    Report report = report_case(p.arena, false);
    CompareRow calm[2] = {report_rows[0], report_rows[1]};
    for (int i = 0; i < 2; i++) calm[i].seeds = 1, calm[i].latency.others = 0;
    report.row = calm, report.rows = 2;
    const char *text = place_page(&p, &report);
    ck_assert(!has(text, "▼") && !has(text, "▲") && !has(text, "class=\"best\"") && !has(text, "busy"));
    ck_assert(has(text, "McNemar’s exact test") && has(text, "No row differs from float beyond chance"));
    /* All of them measured while the machine was busy: one sentence, no stars. */
    for (int i = 0; i < 2; i++) calm[i].latency.waited = 0.3;
    text = place_page(&p, &report);
    ck_assert(has(text, "Times: the machine was busy") && !has(text, "<sup>*</sup>"));
    place_drop(&p);
}
END_TEST

START_TEST(page_tells_what_when_and_where)
{
    Place p = place_make();
    const char *text = plain_page(&p);
    ck_assert(has(text, "<dd>demo: 10\u2009000 training, 500 validation, 2\u2009000 test images; 3 classes; "
                        "28 × 29 × 1</dd>"));
    ck_assert(has(text, "<dd>61\u2009706 parameters, 1\u2009234\u2009567 MACs an image</dd>"));
    ck_assert(has(text, "<dt>Seeds</dt><dd>1, 2</dd>"));
    ck_assert(has(text, "<dd>2026-02-03 04:05 UTC by bitfold 9.8.7</dd>"));
    ck_assert(has(text, "<dd>A CPU, 3 threads, kernels avx2</dd>"));
    ck_assert(has(text, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"));
    place_drop(&p);
}
END_TEST

START_TEST(layers_have_their_costs)
{
    Place p = place_make();
    const char *text = section(plain_page(&p), "<h2>Layers");
    ck_assert(has(text, "<th scope=\"row\">conv2</th><td>2\u2009000\u2009000</td><td>1\u2009998</td><td>3\u2009000</td>"
                        "<td>1\u2009500</td><td>2\u2009700</td><td>8 × 9 × 12</td><td class=\"text\">conv2d</td>"));
    /* Sums; of RAM the most. */
    ck_assert(has(text, "<th scope=\"row\">all</th><td>21\u2009000\u2009000</td><td>2\u2009000</td>"
                        "<td>28\u2009000</td><td>14\u2009000</td><td>25\u2009200</td>"));
    place_drop(&p);
}
END_TEST

START_TEST(confusion_is_counted)
{
    Place p = place_make();
    const char *text = section(plain_page(&p), "<h2>Confusion");
    ck_assert(has(text, "<b>conv0</b> 156 of 1400 right"));
    ck_assert(has(text, "<th scope=\"row\">conv0</th><td class=\"hit\">90</td><td style=\"--a:0.05\">7</td>"
                        "<td style=\"--a:0.03\">3</td><td>90.0</td>"));
    ck_assert(has(text, "<td style=\"--a:0.60\">1234</td><td class=\"hit\">5</td><td class=\"none\">·</td>"
                        "<td>0.4</td>"));
    place_drop(&p);
}
END_TEST

/* Of many classes the pairs that are confused most, of equals the first. */
START_TEST(many_classes_are_a_list)
{
    enum { MANY = 21 };
    Place p = place_make();
    Report report = report_case(p.arena, false);
    long *n = ARENA_ARRAY(p.arena, long, MANY *MANY);
    const char **name = ARENA_ARRAY(p.arena, const char *, MANY);
    for (int i = 0; i < MANY; i++) name[i] = arena_printf(p.arena, "c<%d>", i), n[i * MANY + i] = 10;
    n[3 * MANY + 20] = 4, n[7 * MANY + 1] = 6, n[5 * MANY + 6] = 4;
    const Confusion many = {"row", n};
    report.confusions = 1, report.confusion = &many, report.classes = MANY, report.class_name = name;
    ck_assert(has(section(place_page(&p, &report), "<h2>Confusion"),
                  "<tbody>\n"
                  "<tr><th scope=\"row\">c&lt;7&gt;</th><td class=\"text\">c&lt;1&gt;</td><td>6</td><td>16</td></tr>\n"
                  "<tr><th scope=\"row\">c&lt;3&gt;</th><td class=\"text\">c&lt;20&gt;</td><td>4</td><td>14</td></tr>\n"
                  "<tr><th scope=\"row\">c&lt;5&gt;</th><td class=\"text\">c&lt;6&gt;</td><td>4</td><td>14</td></tr>\n"
                  "</tbody>"));
    place_drop(&p);
}
END_TEST

START_TEST(noise_is_a_map)
{
    Place p = place_make();
    const char *text = section(plain_page(&p), "<h2>Noise");
    ck_assert(has(text, "<th scope=\"row\">conv0</th><td style=\"--a:0.03\">40</td><td style=\"--a:0.07\">37</td>"
                        "<td style=\"--a:0.11\">34</td><td style=\"--a:0.00\">∞</td><td style=\"--a:0.20\">28</td>"
                        "<td style=\"--a:0.24\">25</td><td style=\"--a:0.29\">22</td></tr>"));
    ck_assert(has(text, "<td style=\"--a:0.24\">25</td><td>–</td></tr>")); /* the second has no such layer */
    place_drop(&p);
}
END_TEST

/* Batches of 100 images, the last of an epoch with 1: its loss is one image's, and no point of its own. */
START_TEST(a_small_batch_is_no_point)
{
    enum { N = 20 };
    double x[N], y[N], images[N], px[N + 1], py[N + 1];
    for (int i = 0; i < N; i++) {
        x[i] = i + 1;
        images[i] = i % 5 == 4 ? 1 : 100;
        y[i] = i % 5 == 4 ? 11.1 : 1;
    }
    const Curve curve = {"c", N, x, y, images};
    const int n = curve_points(&curve, 300, px, py);
    ck_assert_int_eq(n, 16);
    for (int i = 0; i < n; i++) ck_assert_double_lt(py[i], 1.101); /* 10.1 more, of one image among at least 101 */
    ck_assert_double_eq_tol(py[0], 1, 1e-12);
    ck_assert_double_eq_tol(py[4], (11.1 + 100) / 101, 1e-12); /* with the batch after it */
    ck_assert_double_eq_tol(px[4], (5 + 100 * 6) / 101.0, 1e-12);
    ck_assert_double_eq_tol(py[n - 1], (11.1 + 100) / 101, 1e-12); /* the last with the one before */
    /* Of a long curve means that weigh images; what is not finite is left out. */
    y[3] = (double)NAN;
    ck_assert_int_eq(curve_points(&curve, 4, px, py), 3);
    ck_assert_double_eq_tol(py[0], (3 * 100 + 11.1 + 100) / 401, 1e-12);
    const Curve none = {"none", 0, NULL, NULL, NULL}, one = {"one", 1, x, y, NULL};
    ck_assert_int_eq(curve_points(&none, 300, px, py), 0);
    ck_assert_int_eq(curve_points(&one, 300, px, py), 1);
    ck_assert_double_eq(py[0], 1);
}
END_TEST

/* Numbers that find no room beside their points are counted below the figure. */
START_TEST(what_the_figure_leaves_out_is_told)
{
    if (!have_gnuplot()) return;
    enum { MANY = 400 };
    Place p = place_make();
    Report report = report_case(p.arena, false);
    ck_assert(!has(place_page(&p, &report), "are without their number"));
    CompareRow *rows = ARENA_ARRAY(p.arena, CompareRow, MANY);
    for (int i = 0; i < MANY; i++) {
        rows[i] = report_rows[i == 0 ? 0 : 1];
        rows[i].size_bytes += i % 7;
        rows[i].accuracy -= 1e-6 * i;
    }
    report.row = rows, report.rows = MANY;
    static const char *const figures[] = {"<figure class=\"broad\">", "<figure class=\"narrow\">"};
    const char *text = place_page(&p, &report);
    int told = 0;
    for (int k = 0; k < 2; k++) {
        const char *figure = section(text, figures[k]), *end = strstr(figure, "</figure>");
        int left = MANY;
        for (int i = 1; i <= MANY; i++) {
            const char *at = strstr(figure, arena_printf(p.arena, ">%d<", i));
            left -= at != NULL && at < end;
        }
        const char *words = arena_printf(p.arena, "<figcaption>%d of %d points are without their number", left, MANY);
        const char *caption = strstr(figure, left > 0 ? words : "<figcaption>");
        ck_assert_msg((caption != NULL && caption < end) == (left > 0), "figure %d lacks %d numbers", k, left);
        told += left > 0;
    }
    ck_assert_int_gt(told, 0);
    place_drop(&p);
}
END_TEST

/* Every colour of a figure is one that the style sheet sets, for light and for dark windows. */
START_TEST(figures_follow_the_window)
{
    if (!have_gnuplot()) return;
    Place p = place_make();
    const Report report = report_case(p.arena, false);
    const char *text = place_page(&p, &report), *body = section(text, "</style>");
    ck_assert_ptr_null(strstr(body, "rgb("));
    int colours = 0;
    for (const char *at = body; (at = strstr(at, "var(--c-")) != NULL; at += 8, colours++) {
        const char *set = arena_printf(p.arena, "--c-%.6s:#", at + 8);
        ck_assert_msg(count(text, set) == 2, "%s is set %d times", set, count(text, set));
    }
    ck_assert_int_gt(colours, 100);
    ck_assert_int_eq(count(body, "<figure class=\"broad\">"), 1);
    ck_assert_int_eq(count(body, "<figure class=\"narrow\">"), 1);
    place_drop(&p);
}
END_TEST

TEST_MAIN("report_page", rows_are_marked_where_a_test_stands, chance_has_no_mark, page_tells_what_when_and_where,
          layers_have_their_costs, confusion_is_counted, many_classes_are_a_list, noise_is_a_map,
          a_small_batch_is_no_point, what_the_figure_leaves_out_is_told, figures_follow_the_window)
