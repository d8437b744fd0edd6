/* The page of a sensitivity run and of partial quantization. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/report_parts.h"
#include "tests/support/html.h"
#include "tests/support/report_case.h"
#include "tests/support/suite.h"

enum { LAYERS = 3, ASKED = 2, STEPS = 3 };
static const char *const plain[LAYERS] = {"stem", "block+sum", "logits"};
static const char *const hostile[LAYERS] = {"\"><script>alert(1)</script>", "'; system \"touch bitfold_was_here\"; '",
                                            "bad \xff\xc0 utf-8 %s\nEND"};

static int format_named(const char *name)
{
    int i = 0;
    while (strcmp(format_choices[i], name) != 0) i++;
    return i;
}

typedef struct {
    FormatLayer layer[LAYERS];
    FormatGroup group[LAYERS];
    SensitivityRow row[3 * ASKED * LAYERS];
    UniformRow uniform[3 * ASKED];
    PartialStep step[STEPS];
    Sensitivity s;
    Partial partial;
    PartialOptions options;
    SearchReport search;
    Report report;
} Case;

/* Every layer adds as much to the loss as it stands deep, and the logits have no outputs in int2. */
static void add_rows(Case *c, const char *const *name)
{
    Sensitivity *s = &c->s;
    const int format[ASKED] = {format_named("int8"), format_named("int2")};
    for (FormatPart part = PART_WEIGHTS; part <= PART_BOTH; part++)
        for (int f = 0; f < ASKED; f++) c->uniform[s->uniforms++] = (UniformRow){part, format[f], {0.5, 2.0, 1.5}};
    for (FormatPart part = PART_WEIGHTS; part <= PART_BOTH; part++)
        for (int unit = 0; unit < LAYERS; unit++)
            for (int f = 0; f < ASKED; f++) {
                if (part == PART_ACTIVATIONS && unit == LAYERS - 1 && f == 1) continue;
                const double cost = (f == 0 ? 0.001 : 0.1) * (unit + (int)part - 1);
                SensitivityRow *row = &c->row[s->rows++];
                *row = (SensitivityRow){.part = part, .format = format[f], .unit = unit, .layer = name[unit]};
                row->alone = (Measurement){0.975 - cost / 4, 0.25 + cost, cost};
                for (int k = 0; k < PREDICTORS; k++)
                    row->predicted[k] = predictors[k].weights_only && part == PART_ACTIVATIONS ? (double)NAN : cost;
            }
}

static Case *case_make(Arena *a, bool harm, bool partial, const Metric *metric)
{
    Case *c = ARENA_ARRAY(a, Case, 1);
    const char *const *name = harm ? hostile : plain;
    for (int i = 0; i < LAYERS; i++) {
        c->layer[i] = (FormatLayer){.name = name[i], .has_weights = true, .has_output = true, .group = i};
        c->group[i] = (FormatGroup){.name = name[i], .has_weights = true};
    }
    c->s = (Sensitivity){.groups = {LAYERS, LAYERS, c->layer, c->group},
                         .floats = {0.975, 0.25, 0},
                         .images = 1200,
                         .row = c->row,
                         .uniform = c->uniform,
                         .measuring = 3.25};
    add_rows(c, name);
    for (int k = 0; k < PREDICTORS; k++) c->s.predicting[k] = 0.5 + k;
    for (int i = 0; i < STEPS; i++)
        c->step[i] = (PartialStep){i, i == 0 ? NULL : name[LAYERS - i], {0.5 + 0.235 * i, 2.0 - i, 1}, 47.5 - 23.5 * i};
    c->partial = (Partial){.steps = STEPS, .step = c->step, .best = STEPS - 1, .within = true};
    c->options = (PartialOptions){format_named("int2"), format_named("float16"), -1, 1.5};
    c->search = (SearchReport){
        .metric = metric, .sensitivity = &c->s, .partial = partial ? &c->partial : NULL, .options = &c->options};
    c->report = (Report){.title = "demo",
                         .subject = "sensitivity to quantization",
                         .command = "bitfold sensitivity f",
                         .facts = {.validation = 1200},
                         .search = &c->search};
    return c;
}

static bool has(const char *text, const char *word) { return strstr(text, word) != NULL; }

static const char *section(const char *page, const char *heading)
{
    const char *at = strstr(page, heading);
    ck_assert_msg(at != NULL, "no %s", heading);
    return at;
}

static void check_page(Arena *a, const char *text)
{
    check_tags(text);
    check_ids(a, text);
    ck_assert(!has(text, "://") && !has(text, "<script") && !has(text, "nan") && !has(text, "inf<"));
}

START_TEST(bars_stand_in_the_order_of_the_network)
{
    Place p = place_make();
    const Case *c = case_make(p.arena, false, false, &metric_accuracy);
    const char *text = place_page(&p, &c->report);
    check_page(p.arena, text);
    ck_assert(has(text, "<title>demo: sensitivity to quantization</title>"));
    ck_assert_int_eq(count(text, "<h2>"), 3);
    ck_assert_int_eq(count(text, "<details open=\"\">"), ASKED);
    ck_assert_int_eq(count(text, "<table class=\"bars\">"), 3 * ASKED);
    const char *bars = section(text, "<caption><b>Weights</b> in int2</caption>");
    const char *stem = section(bars, "stem"), *block = section(bars, "block+sum");
    ck_assert(stem < block && block < section(bars, "logits"));
    /* from -0.1 to 0.1: down to the left of zero, none, up to the right of it; the numbers beside the bars */
    ck_assert(has(bars, "<rect x=\"0.0\" y=\"1\" width=\"100.0\""));
    ck_assert(has(bars, "<td>−0.1000</td>") && has(bars, "<td>0.1000</td>"));
    ck_assert(strstr(bars, "<rect x=\"100.0\" y=\"1\" width=\"100.0\"") < section(bars, "<caption><b>Activations"));
    ck_assert(has(text, "Mean over 1\u2009200 images that were held out from training."));
    place_drop(&p);
}
END_TEST

START_TEST(the_map_shows_what_was_measured)
{
    Place p = place_make();
    const Case *c = case_make(p.arena, false, false, &metric_accuracy);
    const char *text = section(place_page(&p, &c->report), "<h2>Accuracy by layer and format</h2>");
    ck_assert(has(text, "Percentage points below float32, which has 97.50 %, with"));
    /* weights of the logits: 0.025 and 2.5 points of at most 7.5, which is both of them in int2 */
    ck_assert(
        has(text, "<th scope=\"row\">logits</th><td style=\"--a:0.03\">0.02</td><td style=\"--a:0.35\">2.50</td>"));
    ck_assert(has(text, "<td style=\"--a:0.60\">7.50</td>"));
    ck_assert(has(text, "<th scope=\"row\">stem</th><td>−0.02</td><td>−2.50</td>")); /* no shade: better than float */
    ck_assert(has(section(text, "<caption><b>Activations</b>"), "<td class=\"none\">·</td>"));
    ck_assert(has(text, "<th scope=\"row\">all at once</th><td style=\"--a:0.60\">47.50</td>"));
    place_drop(&p);
}
END_TEST

START_TEST(predictors_have_ranks_and_times)
{
    Place p = place_make();
    Case *c = case_make(p.arena, false, false, &metric_accuracy);
    const char *text = section(place_page(&p, &c->report), "<h2>Predictors");
    ck_assert_int_eq(count(text, "scope=\"colgroup\""), 3);
    /* a quality that grows with the loss ranks the other way round; what is of weights alone is silent of outputs */
    ck_assert(has(text, "<th scope=\"row\">local_sqnr</th><td>−1.00</td><td>−1.00</td><td>−1.00</td><td>–</td>"));
    ck_assert(has(text, "<th scope=\"row\">trace</th><td>1.00</td><td>1.00</td><td>–</td><td>–</td><td>1.00</td>"
                        "<td>1.00</td><td>5.5</td></tr>"));
    ck_assert(has(text, "Measuring took 3.2 seconds.") || has(text, "Measuring took 3.3 seconds."));
    for (int i = 0; i < c->s.rows; i++)
        for (int k = 0; k < PREDICTORS; k++) c->row[i].predicted[k] = (double)NAN;
    ck_assert(!has(place_page(&p, &c->report), "<h2>Predictors"));
    place_drop(&p);
}
END_TEST

START_TEST(the_curve_has_its_tolerance)
{
    Place p = place_make();
    Case *c = case_make(p.arena, false, true, &metric_accuracy);
    const char *text = place_page(&p, &c->report);
    check_page(p.arena, text);
    const char *curve = section(text, "<h2>Partial quantization</h2>");
    ck_assert(curve < section(text, "<h2>Loss added"));
    ck_assert(has(curve, "Every layer in int2 but 2 groups in float16: 97.00 %, within the tolerance of 1.5."));
    ck_assert_int_eq(count(text, "\" role=\"img\""), have_gnuplot() ? 1 : 0);
    if (have_gnuplot()) ck_assert(has(curve, "var(--c-d1495b)") && has(curve, "</svg>tolerance</li>"));
    ck_assert(
        has(curve, "<th scope=\"row\">0</th><td class=\"text\">–</td><td>50.00</td><td>47.50</td><td>2.0000</td>"));
    ck_assert(has(curve, "<tr class=\"best\"><th scope=\"row\">2</th><td class=\"text\">block+sum</td><td>97.00</td>"
                         "<td>0.50</td><td>0.0000</td>"));
    c->partial.within = false, c->options.order = PREDICT_FISHER;
    text = place_page(&p, &c->report);
    ck_assert(has(text, "the best, but beyond the tolerance of 1.5") && has(text, "kept first, by fisher."));
    place_drop(&p);
}
END_TEST

/* Three networks, of which the second costs more than the third and is no better. */
START_TEST(networks_that_were_tried)
{
    Place p = place_make();
    Case *c = case_make(p.arena, false, false, &metric_accuracy);
    const int int8 = format_named("int8"), int2 = format_named("int2");
    int formats[] = {int8, int2}, narrow[2 * LAYERS] = {1, 1, 0}, mixed[2 * LAYERS] = {1, 0, 0}, wide[2 * LAYERS] = {0};
    bool chooses[2 * LAYERS] = {true, true, true}, front[] = {true, false, true};
    Trial trial[] = {{narrow, 0, {{1024, 2048, 5e6, 3e6}}, {0.5, 2, 1}, 47.5},
                     {wide, 0, {{4096, 2048, 9e6, 9e6}}, {0.96, 0.3, 0.1}, 1.5},
                     {mixed, 0, {{3072, 2048, 7e6, 6e6}}, {0.965, 0.3, 0.1}, 1.0}};
    SearchSpace space = {.s = &c->s, .formats = {.n = 2, .at = formats}, .units = 2 * LAYERS, .chooses = chooses};
    const Trials trials = {.space = &space, .n = 3, .at = trial};
    const SearchResult found = {.best = 2, .within = true, .front = front};
    SearchOptions sought = {.tolerance = 1.0};
    for (int k = 0; k < COSTS; k++) sought.budget[k] = (double)INFINITY;
    c->search.trials = &trials, c->search.found = &found, c->search.sought = &sought;
    const char *text = place_page(&p, &c->report);
    check_page(p.arena, text);
    const char *networks = section(text, "<h2>Formats by layer</h2>");
    ck_assert(has(networks, "96.50 % in 3.0 KiB of flash: the best of 3 networks that the method exact tried."));
    ck_assert(has(networks, "<tr class=\"best\"><th scope=\"row\">3.0</th><td>2.0</td><td>7.00</td><td>6.00</td>"
                            "<td>96.50</td><td>1.00</td><td class=\"text\">2 int8, 1 int2</td></tr>"));
    ck_assert(has(networks, "<th scope=\"row\">1.0</th>") && !has(networks, "<th scope=\"row\">4.0</th>"));
    /* of flash, instructions and bit operations; RAM is the same of all */
    ck_assert_int_eq(count(text, "\" role=\"img\""), have_gnuplot() ? 3 : 0);
    place_drop(&p);
}
END_TEST

START_TEST(other_metrics_are_told_as_they_are)
{
    Place p = place_make();
    const Case *c = case_make(p.arena, false, true, &metric_mae);
    const char *text = place_page(&p, &c->report);
    check_page(p.arena, text);
    ck_assert(has(text, "<h2>MAE by layer and format</h2>") &&
              has(text, "worse than float32, which has a value of 0.975"));
    ck_assert(has(text, "<th scope=\"col\">MAE</th><th scope=\"col\">Worse by</th>"));
    ck_assert(!has(text, "ccuracy, %") && !has(text, "points"));
    place_drop(&p);
}
END_TEST

START_TEST(names_stay_text_and_bytes_the_same)
{
    Place p = place_make();
    const Case *c = case_make(p.arena, true, true, &metric_accuracy);
    const char *text = place_page(&p, &c->report);
    check_page(p.arena, text);
    ck_assert(has(text, "<th scope=\"row\">&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;</th>"));
    ck_assert(has(text, "bad \xef\xbf\xbd\xef\xbf\xbd utf-8 %s\nEND"));
    ck_assert_str_eq(place_page(&p, &c->report), text);
    ck_assert_int_eq(place_entries(&p), 1);
    char *path = arena_strdup(p.arena, getenv("PATH"));
    setenv("PATH", p.dir, 1);
    text = place_page(&p, &c->report);
    setenv("PATH", path, 1);
    check_page(p.arena, text);
    ck_assert_int_eq(count(text, "gnuplot was not found"), 1);
    ck_assert_int_eq(count(text, "\" role=\"img\""), 0);
    ck_assert_int_eq(count(text, "<table class=\"steps\">"), 1);
    place_drop(&p);
}
END_TEST

TEST_MAIN("report search", bars_stand_in_the_order_of_the_network, the_map_shows_what_was_measured,
          predictors_have_ranks_and_times, the_curve_has_its_tolerance, networks_that_were_tried,
          other_metrics_are_told_as_they_are, names_stay_text_and_bytes_the_same)
