/* The report: page, CSV, terminal table. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/html.h"
#include "tests/support/report_case.h"
#include "tests/support/suite.h"

static void check_page(Arena *a, const char *text)
{
    check_tags(text);
    check_ids(a, text);
    ck_assert_ptr_null(strstr(text, "://")); /* nothing from elsewhere */
    ck_assert_ptr_null(strstr(text, "@import"));
    ck_assert_ptr_null(strstr(text, "<script"));
    ck_assert_ptr_null(strstr(text, "nan"));
    ck_assert_ptr_null(strcasestr(text, "patchlevel"));
}

static int figures(const char *text) { return count(text, "\" role=\"img\""); }

START_TEST(page_has_every_section)
{
    Place p = place_make();
    const Report report = report_case(p.arena, false);
    ck_assert_msg(report_write(p.arena, &report, p.page) == STATUS_OK, "%s", status_message());
    const char *text = place_read(&p, p.page);
    check_page(p.arena, text);
    ck_assert_int_eq(figures(text), have_gnuplot() ? REPORT_FIGURES : 0);
    ck_assert_int_eq(count(text, "<h2>"), have_gnuplot() ? 9 : 8);
    ck_assert_int_eq(place_entries(&p), 1);
    place_drop(&p);
}
END_TEST

START_TEST(page_is_the_same_twice)
{
    Place p = place_make();
    const Report report = report_case(p.arena, true);
    ck_assert_int_eq(report_write(p.arena, &report, p.page), STATUS_OK);
    const char *first = place_read(&p, p.page);
    ck_assert_int_eq(report_write(p.arena, &report, p.page), STATUS_OK);
    ck_assert_str_eq(first, place_read(&p, p.page));
    place_drop(&p);
}
END_TEST

START_TEST(names_stay_text)
{
    Place p = place_make();
    char old[4096];
    ck_assert_ptr_nonnull(getcwd(old, sizeof old));
    ck_assert_int_eq(chdir(p.dir), 0);
    const Report report = report_case(p.arena, true);
    ck_assert_msg(report_write(p.arena, &report, p.page) == STATUS_OK, "%s", status_message());
    ck_assert_int_eq(chdir(old), 0);
    ck_assert_int_eq(place_entries(&p), 1); /* the page, and nothing that a name had created */
    const char *text = place_read(&p, p.page);
    check_page(p.arena, text);
    ck_assert_int_eq(figures(text), have_gnuplot() ? REPORT_FIGURES : 0);
    ck_assert_ptr_nonnull(strstr(text, "<h1>&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;</h1>"));
    ck_assert_ptr_nonnull(strstr(text, "<b>&#39;; system &quot;touch bitfold_was_here&quot;; &#39;</b>"));
    ck_assert_ptr_nonnull(strstr(text, "Größe 量子 %s %n %%"));
    ck_assert_ptr_nonnull(strstr(text, "a_b^{c} @macro \\n {/Bold x} &amp;amp;"));
    ck_assert_ptr_nonnull(strstr(text, "bad \xef\xbf\xbd\xef\xbf\xbd utf-8\xef\xbf\xbd\nEND"));
    if (have_gnuplot()) { /* in the figures, cut to the room there */
        ck_assert_ptr_nonnull(strstr(text, "<text>`touch bitfold_"));
        ck_assert_ptr_nonnull(strstr(text, "<text>’; system \"touc"));
        ck_assert_ptr_nonnull(strstr(text, "<text>Größe 量子 %s"));
        ck_assert_ptr_nonnull(strstr(text, "<text>a_b^{c} @macro"));
    }
    place_drop(&p);
}
END_TEST

START_TEST(without_gnuplot_tables)
{
    Place p = place_make();
    const Report report = report_case(p.arena, true);
    char *path = arena_strdup(p.arena, getenv("PATH"));
    setenv("PATH", p.dir, 1);
    const Status status = report_write(p.arena, &report, p.page);
    setenv("PATH", path, 1);
    ck_assert_msg(status == STATUS_OK, "%s", status_message());
    const char *text = place_read(&p, p.page);
    check_page(p.arena, text);
    ck_assert_int_eq(count(text, "gnuplot was not found"), 1);
    ck_assert_int_eq(figures(text), 0);
    /* rows, layers, confusion, noise, curves, weights, thresholds */
    ck_assert_int_eq(count(text, "<table"), 1 + 1 + 2 + 1 + CURVE_KINDS + REPORT_LAYERS + 1);
    ck_assert_ptr_nonnull(strstr(text, ">∞</td>"));
    ck_assert_int_eq(place_entries(&p), 1);
    place_drop(&p);
}
END_TEST

START_TEST(without_data_no_section)
{
    Place p = place_make();
    const Report report = {.title = "empty", .rows = 1, .row = report_rows};
    ck_assert_msg(report_write(p.arena, &report, p.page) == STATUS_OK, "%s", status_message());
    const char *text = place_read(&p, p.page);
    check_page(p.arena, text);
    ck_assert_int_eq(count(text, "<h2>"), 1);
    ck_assert_ptr_null(strstr(text, "gnuplot"));
    place_drop(&p);
}
END_TEST

/* One point, one bin, one layer, everything right, all sizes and values alike, thresholds that are no numbers. */
START_TEST(extremes_are_drawn)
{
    Place p = place_make();
    CompareRow row[60];
    for (int i = 0; i < 60; i++) {
        row[i] = report_rows[i % 2];
        row[i].accuracy = row[i].accuracy_int8 = i == 59 ? (double)NAN : 1;
    }
    static const double zero = 0, one = 1, dB = -3;
    static const double threshold[] = {(double)NAN, (double)INFINITY, -1, 1e9};
    const char *name[] = {"a", "b", "c", "d"};
    const Curve curve[] = {{"point", 1, &one, &zero, NULL}, {"none", 0, NULL, NULL, NULL}};
    const WeightHistogram w[] = {{"one", 8, 1, -1, 1, &one, &zero}, {"none", 8, 1, 0, 0, &one, &one}};
    const ActivationHistogram h[] = {{"one", 8, 1, 1e-6, &one, 4, name, threshold, {{1, &one, &zero}, {0, NULL, NULL}}},
                                     {"none", 8, 1, 1, &zero, 4, name, threshold, {{0, NULL, NULL}, {1, &one, &one}}}};
    const LayerSqnr s[] = {{"one", 1, name, &dB}, {"none", 0, NULL, NULL}};
    const Report report = {.title = "extremes",
                           .rows = 60,
                           .row = row,
                           .curves = 2,
                           .curve = {curve, curve, curve, curve},
                           .weight_histograms = 2,
                           .weights = w,
                           .activation_histograms = 2,
                           .activations = h,
                           .sqnrs = 2,
                           .sqnr = s};
    ck_assert_msg(report_write(p.arena, &report, p.page) == STATUS_OK, "%s", status_message());
    const char *text = place_read(&p, p.page);
    check_page(p.arena, text);
    ck_assert_int_eq(figures(text), have_gnuplot() ? 8 : 0);
    place_drop(&p);
}
END_TEST

START_TEST(gnuplot_that_fails_is_named)
{
    Place p = place_make();
    const Report report = report_case(p.arena, false);
    static const char script[] = "#!/bin/sh\necho >&2\necho '  no svg terminal' >&2\necho more >&2\nexit 3\n";
    const char *program = file_join(p.arena, p.dir, "gnuplot");
    ck_assert_int_eq(file_write(p.arena, program, script, sizeof script - 1), STATUS_OK);
    ck_assert_int_eq(chmod(program, 0755), 0);
    char *path = arena_strdup(p.arena, getenv("PATH"));
    setenv("PATH", p.dir, 1);
    const Status failed = report_write(p.arena, &report, p.page);
    const char *failure = arena_strdup(p.arena, status_message());
    ck_assert_int_eq(file_write(p.arena, program, "#!/bin/sh\nexit 0\n", 17), STATUS_OK);
    ck_assert_int_eq(chmod(program, 0755), 0);
    const Status silent = report_write(p.arena, &report, p.page);
    setenv("PATH", path, 1);
    ck_assert_int_eq(failed, STATUS_IO);
    ck_assert_str_eq(failure, "gnuplot: ended with status 3: no svg terminal; the plots of the report need it");
    ck_assert_int_eq(silent, STATUS_IO);
    ck_assert_str_eq(status_message(), arena_printf(p.arena, "gnuplot: drew 0 figures; must be %d", REPORT_FIGURES));
    ck_assert(!file_exists(p.page));
    unlink(program);
    place_drop(&p);
}
END_TEST

START_TEST(full_disk_leaves_nothing)
{
    Place p = place_make();
    char *config = ARENA_ARRAY(p.arena, char, 100001);
    memset(config, 'x', 100000);
    const Report report = {.title = "big", .config_text = config};
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){.rlim_cur = 16384, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    const Status status = report_write(p.arena, &report, p.page);
    const char *sentence = arena_strdup(p.arena, status_message());
    const Report drawn = report_case(p.arena, false);
    const Status in_script = report_write(p.arena, &drawn, p.page);
    setrlimit(RLIMIT_FSIZE, &old);
    ck_assert_int_eq(status, STATUS_IO);
    ck_assert_ptr_nonnull(strstr(sentence, "report.html: cannot write: File too large"));
    ck_assert_int_eq(in_script, STATUS_IO);
    ck_assert_ptr_nonnull(strstr(status_message(), "gnuplot: "));
    ck_assert_int_eq(place_entries(&p), 0);
    place_drop(&p);
}
END_TEST

START_TEST(csv_is_exact)
{
    Place p = place_make();
    CompareRow row[3] = {report_rows[0], report_rows[1], report_rows[3]};
    row[1].name = "a, \"b\"\nc";
    row[1].accuracy = 1.0 / 3;
    ck_assert_int_eq(report_write_csv(p.arena, row, 3, p.page), STATUS_OK);
    ck_assert_str_eq(
        place_read(&p, p.page),
        "name,kind,weight_bits,act_bits,granularity,observer,accuracy,accuracy_std,seeds,accuracy_int8,"
        "size_bytes,first_last_bits,ram_bytes,macs,accuracy_low,accuracy_high,drop_low,drop_high,p_value\r\n"
        "float,float,32,32,,,0.99,0.001,2,,40960,0,,1234567,0.9846,0.9935,,,\r\n"
        "\"a, \"\"b\"\"\nc\",ptq,8,8,per_channel,minmax,0.3333333333333333,0.0005,2,0.9875,10752,8,5888,1234567,0.9817,"
        "0.9915,-0.001,0.006,0.25\r\n"
        "qat W2A2,qat,2,2,per_channel,,0.5,0,1,0.5,2600,0,5888,1234567,0.478,0.522,0.46,0.51,1e-09\r\n");
    ck_assert_int_eq(place_entries(&p), 1);
    place_drop(&p);
}
END_TEST

START_TEST(terminal_table_is_aligned)
{
    Arena *a = arena_create();
    ck_assert_str_eq(
        report_text_head(a, &metric_accuracy),
        "                                        acc. %      ±  drop pts  size KiB  RAM KiB   MACs  time µs");
    ck_assert_str_eq(
        report_text_row(a, &report_rows[0], 0.99),
        "float                                    99.00   0.10         -      40.0        -  1.23M     41.2");
    ck_assert_str_eq(
        report_text_row(a, &report_rows[1], 0.99),
        "ptq W8A8 per_channel minmax              98.75   0.05      0.25      10.5      5.8  1.23M     20.5");
    ck_assert_str_eq(
        report_text_row(a, &report_rows[3], 0.99),
        "qat W2A2                                 50.00      -     49.00       2.5      5.8  1.23M        -");
    CompareRow row = report_rows[2];
    row.name = "量子化 é\x1b[2J a name that is too long for its column";
    ck_assert_str_eq(report_text_row(a, &row, 0.99),
                     "量子化 é\xef\xbf\xbd[2J a name that is too long …   99.14      -     "
                     "-0.14      10.5      5.8  1.23M     20.0");
    static const struct {
        long macs;
        const char *text;
    } counts[] = {{0, "      0"},     {999, "    999"},    {1000, "  1.00k"},   {9949, "  9.95k"},
                  {99499, "  99.5k"}, {999499, "   999k"}, {999500, "  1.00M"}, {12345678901, "  12.3G"}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        row.macs = counts[i].macs;
        ck_assert_ptr_nonnull(strstr(report_text_row(a, &row, 0.99), arena_printf(a, "5.8%s ", counts[i].text)));
    }
    arena_destroy(a);
}
END_TEST

START_TEST(terminal_says_what_differences_are_worth)
{
    Arena *a = arena_create();
    ck_assert_str_eq(report_text_foot(a, report_rows, REPORT_ROWS, 2000),
                     "2000 test images: float is 98.46 to 99.35 % (95 %, Wilson); of 3 rows 1 is worse and 1 better\n"
                     "than it beyond chance (5 %; paired over seeds and images, Holm);\n"
                     "the machine was busy while 1 of the times was taken: upper bounds");
    ck_assert_str_eq(report_text_foot(a, report_rows, 1, 2000), "");
    CompareRow few[REPORT_ROWS];
    memcpy(few, report_rows, sizeof few);
    for (int i = 0; i < REPORT_ROWS; i++) few[i].seeds = 2, few[i].p = few[i].kind == few[0].kind ? few[i].p : 0.4;
    ck_assert_ptr_nonnull(
        strstr(report_text_foot(a, few, REPORT_ROWS, 2000), "2 seeds are few: a large difference may be real"));
    arena_destroy(a);
}
END_TEST

TEST_MAIN("report", page_has_every_section, page_is_the_same_twice, names_stay_text, without_gnuplot_tables,
          without_data_no_section, extremes_are_drawn, gnuplot_that_fails_is_named, full_disk_leaves_nothing,
          csv_is_exact, terminal_table_is_aligned, terminal_says_what_differences_are_worth)
