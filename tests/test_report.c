/* The report: page, CSV, terminal table. */
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/html.h"
#include "tests/support/suite.h"
#include "train/report.h"

/* Every name in the page runs through these: HTML, gnuplot's quoting, its macros and formats, the shell, UTF-8. */
static const char *const hostile[] = {
    "\"><script>alert(1)</script>", "'; system \"touch bitfold_was_here\"; '", "`touch bitfold_was_here`",
    "Größe 量子 %s %n %%",          "a_b^{c} @macro \\n {/Bold x} &amp;",      "bad \xff\xc0 utf-8\x01\nEND\nEOF",
    "$(touch bitfold_was_here)",
};
enum { HOSTILE = sizeof hostile / sizeof hostile[0], POINTS = 700, LAYERS = 7, BINS = 40 };

static const CompareRow rows[] = {
    {"float", "float", 32, 32, 0, "", "", 0.99, 0.001, (double)NAN, 2, 40960, 41.25},
    {"ptq W8A8 per_channel minmax", "ptq", 8, 8, 8, "per_channel", "minmax", 0.9875, 0.0005, 0.9875, 2, 10752, 20.5},
    {"qat W8A8", "qat", 8, 8, 8, "per_channel", "", 0.9914, 0, 0.9914, 1, 10752, 20},
    {"qat W2A2", "qat", 2, 2, 0, "per_channel", "", 0.5, 0, 0.5, 1, 2600, (double)NAN},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static Report make_report(Arena *a, bool with_hostile_names)
{
    const char **name = ARENA_ARRAY(a, const char *, LAYERS);
    for (int i = 0; i < LAYERS; i++) name[i] = with_hostile_names ? hostile[i] : arena_printf(a, "conv%d", i);
    CompareRow *row = ARENA_ARRAY(a, CompareRow, ROWS);
    memcpy(row, rows, sizeof rows);
    for (int i = 0; i < ROWS && with_hostile_names; i++) row[i].name = name[i];
    Curve *loss = ARENA_ARRAY(a, Curve, 2), *accuracy = ARENA_ARRAY(a, Curve, 2);
    double *x = ARENA_ARRAY(a, double, POINTS), *l = ARENA_ARRAY(a, double, POINTS),
           *c = ARENA_ARRAY(a, double, POINTS);
    for (int i = 0; i < POINTS; i++) x[i] = i + 1, l[i] = 2.3 * exp(-i / 100.0) + 0.01, c[i] = 1 - exp(-i / 90.0);
    l[5] = (double)NAN;
    for (int i = 0; i < 2; i++) loss[i] = (Curve){name[i], POINTS, x, l}, accuracy[i] = (Curve){name[i], POINTS, x, c};
    WeightHistogram *w = ARENA_ARRAY(a, WeightHistogram, LAYERS);
    ActivationHistogram *h = ARENA_ARRAY(a, ActivationHistogram, LAYERS);
    double *before = ARENA_ARRAY(a, double, BINS), *after = ARENA_ARRAY(a, double, BINS);
    for (int j = 0; j < BINS; j++) before[j] = floor(1000 * exp(-(j - 20) * (j - 20) / 60.0));
    after[10] = after[30] = 100, after[20] = 800;
    double *threshold = ARENA_ARRAY(a, double, LAYERS);
    for (int i = 0; i < LAYERS; i++) threshold[i] = 0.1 * (i * i % 5) + 1;
    for (int i = 0; i < LAYERS; i++) {
        w[i] = (WeightHistogram){name[i], 2 + i, BINS, -0.5, 0.5, before, after};
        h[i] = (ActivationHistogram){name[i], 2 + i, BINS, 0.05, before, LAYERS, name, threshold};
    }
    LayerSqnr *s = ARENA_ARRAY(a, LayerSqnr, 2);
    double *db = ARENA_ARRAY(a, double, LAYERS);
    for (int j = 0; j < LAYERS; j++) db[j] = 40 - 3 * j;
    db[3] = (double)INFINITY;
    for (int i = 0; i < 2; i++) s[i] = (LayerSqnr){name[i], LAYERS - i, name, db};
    const char *word = with_hostile_names ? hostile[0] : "demo";
    return (Report){word, word, word, word, ROWS, row, 2, loss, accuracy, word, LAYERS, w, LAYERS, h, 2, s};
}

/* ---- a folder of its own ---- */

typedef struct {
    Arena *arena;
    char dir[64];
    char *page;
} Place;

static Place place_make(void)
{
    Place p = {.arena = arena_create(), .dir = "/tmp/bitfold_report_XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(p.dir));
    p.page = file_join(p.arena, p.dir, "report.html");
    return p;
}

static int place_entries(const Place *p)
{
    int n = -2; /* . and .. */
    DIR *d = opendir(p->dir);
    ck_assert_ptr_nonnull(d);
    while (readdir(d) != NULL) n++;
    closedir(d);
    return n;
}

static char *place_read(const Place *p, const char *path)
{
    unsigned char *data;
    size_t bytes;
    ck_assert_msg(file_read(p->arena, path, 1 << 24, &data, &bytes) == STATUS_OK, "%s", status_message());
    return arena_strdup(p->arena, (const char *)data);
}

static void place_drop(Place *p)
{
    unlink(p->page);
    ck_assert_msg(rmdir(p->dir) == 0, "something was left in %s", p->dir);
    arena_destroy(p->arena);
}

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

static bool have_gnuplot(void)
{
    const char *path = getenv("PATH");
    for (; path != NULL && *path != '\0'; path += strcspn(path, ":"), path += *path == ':') {
        char file[4096];
        snprintf(file, sizeof file, "%.*s/gnuplot", (int)strcspn(path, ":"), path);
        if (access(file, X_OK) == 0) return true;
    }
    return false;
}

static int figures(const char *text) { return count(text, "role=\"img\""); }

START_TEST(page_has_every_section)
{
    Place p = place_make();
    const Report report = make_report(p.arena, false);
    ck_assert_msg(report_write(p.arena, &report, p.page) == STATUS_OK, "%s", status_message());
    const char *text = place_read(&p, p.page);
    check_page(p.arena, text);
    ck_assert_int_eq(figures(text), have_gnuplot() ? 4 + 2 * LAYERS : 0);
    ck_assert_int_eq(count(text, "<h2>"), have_gnuplot() ? 7 : 6);
    ck_assert_int_eq(count(text, "<tr class=\"best\">"), 1); /* qat W8A8: alone W2A2 has nobody to beat */
    ck_assert_ptr_nonnull(strstr(strstr(text, "<tr class=\"best\">"), "qat W8A8"));
    ck_assert_ptr_nonnull(strstr(text, "<td>98.75 <small>± 0.05</small></td><td>0.25</td><td>10.5</td><td>0.26×</td>"
                                       "<td>20.5</td></tr>"));
    ck_assert_ptr_nonnull(strstr(text, "<td>99.14</td><td>−0.14</td>"));
    ck_assert_int_eq(place_entries(&p), 1);
    place_drop(&p);
}
END_TEST

START_TEST(page_is_the_same_twice)
{
    Place p = place_make();
    const Report report = make_report(p.arena, true);
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
    const Report report = make_report(p.arena, true);
    ck_assert_msg(report_write(p.arena, &report, p.page) == STATUS_OK, "%s", status_message());
    ck_assert_int_eq(chdir(old), 0);
    ck_assert_int_eq(place_entries(&p), 1); /* the page, and nothing that a name had created */
    const char *text = place_read(&p, p.page);
    check_page(p.arena, text);
    ck_assert_int_eq(figures(text), have_gnuplot() ? 4 + 2 * LAYERS : 0);
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
    const Report report = make_report(p.arena, true);
    char *path = arena_strdup(p.arena, getenv("PATH"));
    setenv("PATH", p.dir, 1);
    const Status status = report_write(p.arena, &report, p.page);
    setenv("PATH", path, 1);
    ck_assert_msg(status == STATUS_OK, "%s", status_message());
    const char *text = place_read(&p, p.page);
    check_page(p.arena, text);
    ck_assert_int_eq(count(text, "gnuplot was not found"), 1);
    ck_assert_int_eq(figures(text), 0);
    ck_assert_int_eq(count(text, "<table"), 1 + 2 + LAYERS + 1 + 1); /* rows, curves, weights, thresholds, noise */
    ck_assert_ptr_nonnull(strstr(text, "<td>∞</td>"));
    ck_assert_int_eq(place_entries(&p), 1);
    place_drop(&p);
}
END_TEST

START_TEST(without_data_no_section)
{
    Place p = place_make();
    const Report report = {.title = "empty", .rows = 1, .row = rows};
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
        row[i] = rows[i % 2];
        row[i].accuracy = row[i].accuracy_int8 = i == 59 ? (double)NAN : 1;
    }
    static const double zero = 0, one = 1, dB = -3;
    static const double threshold[] = {(double)NAN, (double)INFINITY, -1, 1e9};
    const char *name[] = {"a", "b", "c", "d"};
    const Curve curve[] = {{"point", 1, &one, &zero}, {"none", 0, NULL, NULL}};
    const WeightHistogram w[] = {{"one", 8, 1, -1, 1, &one, &zero}, {"none", 8, 1, 0, 0, &one, &one}};
    const ActivationHistogram h[] = {{"one", 8, 1, 1e-6, &one, 4, name, threshold},
                                     {"none", 8, 1, 1, &zero, 4, name, threshold}};
    const LayerSqnr s[] = {{"one", 1, name, &dB}, {"none", 0, NULL, NULL}};
    const Report report = {"extremes", "", NULL, NULL, 60, row, 2, curve, curve, NULL, 2, w, 2, h, 2, s};
    ck_assert_msg(report_write(p.arena, &report, p.page) == STATUS_OK, "%s", status_message());
    const char *text = place_read(&p, p.page);
    check_page(p.arena, text);
    ck_assert_int_eq(figures(text), have_gnuplot() ? 6 : 0);
    place_drop(&p);
}
END_TEST

START_TEST(gnuplot_that_fails_is_named)
{
    Place p = place_make();
    const Report report = make_report(p.arena, false);
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
    ck_assert_str_eq(status_message(), "gnuplot: drew 0 figures; must be 18");
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
    const Report drawn = make_report(p.arena, false);
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
    CompareRow row[3] = {rows[0], rows[1], rows[3]};
    row[1].name = "a, \"b\"\nc";
    row[1].accuracy = 1.0 / 3;
    ck_assert_int_eq(report_write_csv(p.arena, row, 3, p.page), STATUS_OK);
    ck_assert_str_eq(
        place_read(&p, p.page),
        "name,kind,weight_bits,act_bits,granularity,calibrator,accuracy,accuracy_std,seeds,accuracy_int8,"
        "size_bytes,latency_us,first_last_bits\r\n"
        "float,float,32,32,,,0.99,0.001,2,,40960,41.25,0\r\n"
        "\"a, \"\"b\"\"\nc\",ptq,8,8,per_channel,minmax,0.3333333333333333,0.0005,2,0.9875,10752,20.5,8\r\n"
        "qat W2A2,qat,2,2,per_channel,,0.5,0,1,0.5,2600,,0\r\n");
    ck_assert_int_eq(place_entries(&p), 1);
    place_drop(&p);
}
END_TEST

START_TEST(terminal_table_is_aligned)
{
    Arena *a = arena_create();
    ck_assert_str_eq(
        report_text_head(a),
        "                                          W/A  accuracy %  ± spread  drop pts  size KiB  latency µs");
    ck_assert_str_eq(
        report_text_row(a, &rows[0], 0.99),
        "float                                   32/32       99.00     ±0.10         -      40.0        41.2");
    ck_assert_str_eq(
        report_text_row(a, &rows[1], 0.99),
        "ptq W8A8 per_channel minmax               8/8       98.75     ±0.05      0.25      10.5        20.5");
    ck_assert_str_eq(
        report_text_row(a, &rows[3], 0.99),
        "qat W2A2                                  2/2       50.00         -     49.00       2.5           -");
    CompareRow row = rows[2];
    row.name = "量子化 é\x1b[2J a name that is too long for its column";
    ck_assert_str_eq(report_text_row(a, &row, 0.99), "量子化 é\xef\xbf\xbd[2J a name that is too long …    8/8       "
                                                     "99.14         -     -0.14      10.5        20.0");
    arena_destroy(a);
}
END_TEST

TEST_MAIN("report", page_has_every_section, page_is_the_same_twice, names_stay_text, without_gnuplot_tables,
          without_data_no_section, extremes_are_drawn, gnuplot_that_fails_is_named, full_disk_leaves_nothing,
          csv_is_exact, terminal_table_is_aligned)
