/* Networks that a search tried: the metric against each cost, and those that no other beats. */
#include <math.h>

#include "report/report_parts.h"
#include "report/report_trials.h"

static const char TRIED[] = "#7f8790", FRONT[] = "#3b82c4", TOLERANCE[] = "#d1495b";
static const char *const cost_labels[COSTS] = {[COST_FLASH] = "flash, KiB",
                                               [COST_RAM] = "RAM, KiB",
                                               [COST_CYCLES] = "instructions (Cortex-M4), millions",
                                               [COST_BOPS] = "bit operations, millions",
                                               [COST_LATENCY] = "latency, microseconds"};
static const double cost_units[COSTS] = {
    [COST_FLASH] = 1024.0, [COST_RAM] = 1024.0, [COST_CYCLES] = 1e6, [COST_BOPS] = 1e6, [COST_LATENCY] = 1.0};

static double shown_cost(const Trial *t, CostKind kind) { return t->cost.of[kind] / cost_units[kind]; }
static double shown_value(const SearchReport *search, const Trial *t) { return search->metric->factor * t->m.value; }

typedef struct {
    double x[2], y[2];
} Range;

static Range range_of(const SearchReport *search, CostKind kind)
{
    const Trials *t = search->trials;
    const double floats = search->metric->factor * search->sensitivity->floats.value;
    Range r = {{(double)INFINITY, -(double)INFINITY}, {floats, floats}};
    for (int i = 0; i < t->n; i++) {
        const double x = shown_cost(&t->at[i], kind), y = shown_value(search, &t->at[i]);
        if (!isfinite(y)) continue;
        r.x[0] = fmin(r.x[0], x), r.x[1] = fmax(r.x[1], x);
        r.y[0] = fmin(r.y[0], y), r.y[1] = fmax(r.y[1], y);
    }
    return r;
}

static void put_points(FILE *script, const char *name, const SearchReport *search, CostKind kind, bool front, int only)
{
    const Trials *t = search->trials;
    fprintf(script, "$%s << END\n", name);
    for (int i = 0; i < t->n; i++)
        if ((only < 0 || i == only) && (!front || search->found->front[i]) && isfinite(shown_value(search, &t->at[i])))
            fprintf(script, "%.9g %.9g\n", shown_cost(&t->at[i], kind), shown_value(search, &t->at[i]));
    fputs("END\n", script);
}

int plot_networks(Gnuplot *gnuplot, const SearchReport *search, CostKind kind)
{
    const Range r = range_of(search, kind);
    if (!(r.x[1] > r.x[0])) return -1; /* the choice of formats does not move it */
    const Metric *m = search->metric;
    char axis[64];
    metric_axis(axis, sizeof axis, m);
    const double pad = fmax(0.06 * (r.y[1] - r.y[0]), 1e-6 * fmax(fabs(r.y[1]), 1)), side = 0.05 * (r.x[1] - r.x[0]);
    const int figure = gnuplot_figure(gnuplot, 460, 320);
    FILE *script = gnuplot->script;
    fputs(plot_frame, script);
    fprintf(script, "set xlabel '%s'\nset ylabel '%s'\nset xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n",
            cost_labels[kind], axis, r.x[0] - side, r.x[1] + side, r.y[0] - pad, r.y[1] + pad);
    if (!isnan(search->sought->tolerance)) {
        const double limit = tolerance_limit(search, search->sought->tolerance);
        fprintf(script,
                "set arrow from graph 0, first %.9g to graph 1, first %.9g nohead lw 1.4 lc rgb '%s' dt (6,3)\n", limit,
                limit, TOLERANCE);
    }
    put_points(script, "tried", search, kind, false, -1);
    put_points(script, "best", search, kind, false, search->found->best);
    fprintf(script,
            "plot $tried with points pt 7 ps 0.5 lc rgb '%s', $best with points pt 6 ps 1.6 lw 1.6 lc rgb '%s'\n",
            TRIED, FRONT);
    return figure;
}

static void put_network(Arena *arena, FILE *out, const SearchReport *search, int i)
{
    const Trial *t = &search->trials->at[i];
    fprintf(out, "<tr%s>", i == search->found->best ? " class=\"best\"" : "");
    for (int k = 0; k < space_costs(search->trials->space); k++) {
        fputs(k == 0 ? "<th scope=\"row\">" : "<td>", out);
        html_number(out, k == COST_CYCLES || k == COST_BOPS ? "%.2f" : "%.1f", shown_cost(t, (CostKind)k));
        fputs(k == 0 ? "</th>" : "</td>", out);
    }
    fputs("<td>", out);
    html_metric(out, search->metric, shown_value(search, t));
    fputs("</td><td>", out);
    html_drop(out, search, &t->m);
    fputs("</td><td class=\"text\">", out);
    fputs(trial_weights(arena, search->trials->space, t->choice), out);
    fputs("</td></tr>\n", out);
}

static void put_table(FILE *out, const SearchReport *search)
{
    char title[64];
    metric_title(search->metric, title);
    fputs("<div class=\"wide\"><table class=\"steps\">\n<thead><tr>", out);
    static const char *const head[COSTS] = {"Flash, KiB", "RAM, KiB", "Instructions, M", "BOPs, M",
                                            "Latency, &micro;s"};
    for (int k = 0; k < space_costs(search->trials->space); k++) fprintf(out, "<th scope=\"col\">%s</th>", head[k]);
    fprintf(out,
            "<th scope=\"col\">%s</th><th scope=\"col\">%s</th><th scope=\"col\" class=\"text\">Weights</th></tr>"
            "</thead>\n<tbody>\n",
            title, search->metric->proportion ? "Drop, points" : "Worse by");
    Arena *own = arena_create();
    int n;
    const int *front = search_front(own, search->sought, search->trials, search->found, &n);
    for (int i = 0; i < n; i++) put_network(own, out, search, front[i]);
    arena_destroy(own);
    fputs("</tbody></table></div>\n", out);
}

static void put_figures(FILE *out, const SearchReport *search, const ReportPlots *plots)
{
    if (plots->gnuplot.svg == NULL) return;
    char name[64], what[160];
    metric_name(search->metric, name);
    fputs("<div class=\"row\">\n", out);
    for (int k = 0; k < COSTS; k++) {
        if (plots->networks[k] < 0) continue;
        snprintf(what, sizeof what, "%s of each network that was tried against %s", name, cost_labels[k]);
        fputs("<figure>\n", out);
        gnuplot_write_svg(&plots->gnuplot, plots->networks[k], what, out);
        fputs("</figure>\n", out);
    }
    fputs("</div>\n<p class=\"note\">A point is a network that was made and measured; the ring is the one that was "
          "chosen",
          out);
    fputs(isnan(search->sought->tolerance) ? ".</p>\n" : "; the dashed line is the tolerance.</p>\n", out);
}

void put_networks(FILE *out, const Report *report, const ReportPlots *plots)
{
    const SearchReport *search = report->search;
    if (search == NULL || search->trials == NULL || search->found->best < 0) return;
    const Trial *best = &search->trials->at[search->found->best];
    fputs("<section>\n<h2>Formats by layer</h2>\n<p>", out);
    html_metric(out, search->metric, shown_value(search, best));
    fprintf(out, "%s in %.1f KiB of flash: the best of ", search->metric->unit, shown_cost(best, COST_FLASH));
    html_count(out, search->trials->n);
    fprintf(out, " networks that the method %s tried%s. What each layer was given, and why, stands in why.txt.</p>\n",
            search_methods[search->sought->method]->name, search->found->within ? "" : "; none of them suffices");
    fputs("<p class=\"note\">Measured on the integer engine, on ", out);
    html_measured_images(out, report);
    fputs("; costs are those of exported C. Below are those that no other beats.</p>\n", out);
    put_figures(out, search, plots);
    put_table(out, search);
    fputs("</section>\n", out);
}
