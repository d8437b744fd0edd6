#include "tests/support/report_case.h"

#include <check.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static const char *const hostile_names[] = {
    "\"><script>alert(1)</script>", "'; system \"touch bitfold_was_here\"; '", "`touch bitfold_was_here`",
    "Größe 量子 %s %n %%",          "a_b^{c} @macro \\n {/Bold x} &amp;",      "bad \xff\xc0 utf-8\x01\nEND\nEOF",
    "$(touch bitfold_was_here)",
};
enum { POINTS = 700, LAYERS = REPORT_LAYERS, BINS = 40 };

const CompareRow report_rows[REPORT_ROWS] = {
    {.name = "float",
     .kind = "float",
     .weight_bits = 32,
     .act_bits = 32,
     .granularity = "",
     .observer = "",
     .accuracy = 0.99,
     .accuracy_std = 0.001,
     .accuracy_int8 = (double)NAN,
     .seeds = 2,
     .accuracy_range = {0.9846, 0.9935},
     .p = (double)NAN,
     .size_bytes = 40960,
     .macs = 1234567,
     .latency = {.least_us = 41.25, .median_us = 42.5, .repeats = 101}},
    {.name = "ptq W8A8 per_channel minmax",
     .kind = "ptq",
     .weight_bits = 8,
     .act_bits = 8,
     .first_last_bits = 8,
     .granularity = "per_channel",
     .observer = "minmax",
     .accuracy = 0.9875,
     .accuracy_std = 0.0005,
     .accuracy_int8 = 0.9875,
     .seeds = 2,
     .accuracy_range = {0.9817, 0.9915},
     .drop_range = {-0.001, 0.006},
     .p = 0.25,
     .size_bytes = 10752,
     .ram_bytes = 5888,
     .macs = 1234567,
     .latency = {.least_us = 20.5, .median_us = 21, .repeats = 101, .others = 0.5}},
    {.name = "qat W8A8",
     .kind = "qat",
     .weight_bits = 8,
     .act_bits = 8,
     .first_last_bits = 8,
     .granularity = "per_channel",
     .observer = "",
     .accuracy = 0.9914,
     .accuracy_int8 = 0.9914,
     .seeds = 1,
     .accuracy_range = {0.9863, 0.9946},
     .drop_range = {-0.003, -0.0001},
     .p = 0.04,
     .leads = true,
     .size_bytes = 10752,
     .ram_bytes = 5888,
     .macs = 1234567,
     .latency = {.least_us = 20, .median_us = 20, .repeats = 101}},
    {.name = "qat W2A2",
     .kind = "qat",
     .weight_bits = 2,
     .act_bits = 2,
     .granularity = "per_channel",
     .observer = "",
     .accuracy = 0.5,
     .accuracy_int8 = 0.5,
     .seeds = 1,
     .accuracy_range = {0.478, 0.522},
     .drop_range = {0.46, 0.51},
     .p = 1e-9,
     .size_bytes = 2600,
     .ram_bytes = 5888,
     .macs = 1234567},
};

static void add_curves(Arena *a, Report *report, const char *const *name)
{
    double *x = ARENA_ARRAY(a, double, POINTS), *loss = ARENA_ARRAY(a, double, POINTS),
           *accuracy = ARENA_ARRAY(a, double, POINTS);
    for (int i = 0; i < POINTS; i++) {
        x[i] = i + 1;
        loss[i] = i == 5 ? (double)NAN : 2.3 * exp(-i / 100.0) + 0.01;
        accuracy[i] = 1 - exp(-i / 90.0);
    }
    report->curves = 2;
    for (int k = 0; k < CURVE_KINDS; k++) {
        Curve *curve = ARENA_ARRAY(a, Curve, 2);
        const bool is_loss = k == CURVE_LOSS || k == CURVE_VALIDATION_LOSS;
        const int n = k == CURVE_LOSS || k == CURVE_ACCURACY ? POINTS : 9;
        for (int i = 0; i < 2; i++) curve[i] = (Curve){name[i], n, x, is_loss ? loss : accuracy, NULL};
        report->curve[k] = curve;
    }
}

static void add_layers(Arena *a, Report *report, const char **name)
{
    static const double place[] = {0.5, 1, 2}, costs[] = {HUGE_VAL, 0.25, 0.5};
    WeightHistogram *w = ARENA_ARRAY(a, WeightHistogram, LAYERS);
    ActivationHistogram *h = ARENA_ARRAY(a, ActivationHistogram, LAYERS);
    LayerCost *cost = ARENA_ARRAY(a, LayerCost, LAYERS);
    double *before = ARENA_ARRAY(a, double, BINS), *after = ARENA_ARRAY(a, double, BINS);
    for (int j = 0; j < BINS; j++) before[j] = floor(1000 * exp(-(j - 20) * (j - 20) / 60.0));
    after[10] = after[30] = 100, after[20] = 800;
    double *threshold = ARENA_ARRAY(a, double, LAYERS);
    for (int i = 0; i < LAYERS; i++) threshold[i] = 0.1 * (i * i % 5) + 1;
    for (int i = 0; i < LAYERS; i++) {
        w[i] = (WeightHistogram){name[i], 2 + i, BINS, -0.5, 0.5, before, after};
        h[i] = (ActivationHistogram){
            name[i], 2 + i, BINS, 0.05, before, LAYERS, name, threshold, {{3, place, costs}, {3, place, costs}}};
        long *flash = ARENA_ARRAY(a, long, 2);
        flash[0] = 1000 * (i + 1), flash[1] = 500 * (i + 1);
        cost[i] = (LayerCost){name[i], "conv2d", 8, 9, 10 + i, 900L * (i + 1), 1000000L * i, 2000 - i, flash};
    }
    report->weight_histograms = report->activation_histograms = report->layers = LAYERS;
    report->weights = w, report->activations = h, report->layer = cost;
    report->flash_columns = 2, report->flash_column = name;
}

Report report_case(Arena *a, bool hostile)
{
    const char **name = ARENA_ARRAY(a, const char *, LAYERS);
    for (int i = 0; i < LAYERS; i++) name[i] = hostile ? hostile_names[i] : arena_printf(a, "conv%d", i);
    const char *word = hostile ? name[0] : "demo";
    CompareRow *row = ARENA_ARRAY(a, CompareRow, REPORT_ROWS);
    memcpy(row, report_rows, sizeof report_rows);
    for (int i = 0; i < REPORT_ROWS && hostile; i++) row[i].name = name[i];
    LayerSqnr *sqnr = ARENA_ARRAY(a, LayerSqnr, 2);
    double *db = ARENA_ARRAY(a, double, LAYERS);
    for (int j = 0; j < LAYERS; j++) db[j] = j == 3 ? (double)INFINITY : 40 - 3 * j;
    for (int i = 0; i < 2; i++) sqnr[i] = (LayerSqnr){name[i], LAYERS - i, name, db};
    static const long count[] = {90, 7, 3, 1234, 5, 0, 0, 0, 61};
    Confusion *confusion = ARENA_ARRAY(a, Confusion, 2);
    for (int i = 0; i < 2; i++) confusion[i] = (Confusion){name[i], count};
    Report report = {.title = word,
                     .config_text = word,
                     .command = word,
                     .facts = {.dataset = word,
                               .train = 10000,
                               .validation = 500,
                               .test = 2000,
                               .classes = REPORT_CLASSES,
                               .h = 28,
                               .w = 29,
                               .c = 1,
                               .parameters = 61706,
                               .seeds = "1, 2",
                               .date = "2026-02-03 04:05 UTC",
                               .cpu = hostile ? name[0] : "A CPU",
                               .kernels = "avx2",
                               .version = "9.8.7",
                               .threads = 3},
                     .rows = REPORT_ROWS,
                     .row = row,
                     .confusions = 2,
                     .classes = REPORT_CLASSES,
                     .confusion = confusion,
                     .class_name = name,
                     .weights_row = word,
                     .sqnrs = 2,
                     .sqnr = sqnr};
    add_curves(a, &report, name);
    add_layers(a, &report, name);
    return report;
}

/* ---- a folder of its own ---- */

Place place_make(void)
{
    Place p = {.arena = arena_create(), .dir = "/tmp/bitfold_report_XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(p.dir));
    p.page = file_join(p.arena, p.dir, "report.html");
    return p;
}

int place_entries(const Place *p)
{
    int n = -2; /* . and .. */
    DIR *d = opendir(p->dir);
    ck_assert_ptr_nonnull(d);
    while (readdir(d) != NULL) n++;
    closedir(d);
    return n;
}

char *place_read(const Place *p, const char *path)
{
    unsigned char *data;
    size_t bytes;
    ck_assert_msg(file_read(p->arena, path, 1 << 24, &data, &bytes) == STATUS_OK, "%s", status_message());
    return arena_strdup(p->arena, (const char *)data);
}

char *place_page(const Place *p, const Report *report)
{
    ck_assert_msg(report_write(p->arena, report, p->page) == STATUS_OK, "%s", status_message());
    return place_read(p, p->page);
}

void place_drop(Place *p)
{
    unlink(p->page);
    ck_assert_msg(rmdir(p->dir) == 0, "something was left in %s", p->dir);
    arena_destroy(p->arena);
}

bool have_gnuplot(void)
{
    const char *path = getenv("PATH");
    for (; path != NULL && *path != '\0'; path += strcspn(path, ":"), path += *path == ':') {
        char file[4096];
        snprintf(file, sizeof file, "%.*s/gnuplot", (int)strcspn(path, ":"), path);
        if (access(file, X_OK) == 0) return true;
    }
    return false;
}
