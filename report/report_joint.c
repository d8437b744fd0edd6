/* Several networks on one page: the metric against each cost with the widths of a network joined, bars of float,
 * post-training and quantization-aware rows, and the table of all. */
#include <math.h>

#include "report/joint.h"
#include "report/report_parts.h"

static const CostKind shown_costs[JOINT_COSTS] = {COST_FLASH, COST_RAM, COST_CYCLES, COST_BOPS};
static const char *const cost_labels[JOINT_COSTS] = {"flash, KiB", "RAM, KiB", "instructions (Cortex-M4), millions",
                                                     "bit operations, millions"};
static const double cost_units[JOINT_COSTS] = {1024.0, 1024.0, 1e6, 1e6};
static const char *const bar_kinds[] = {"float", "ptq", "qat"};
static const char *const bar_labels[] = {"float", "post-training", "quantization-aware"};
enum { BARS = 3, MAX_BITS = 16 };

static double shown(const Joint *joint, const JointRow *row) { return joint->metric->factor * row_accuracy(&row->row); }
static double cost_of(const JointRow *row, int k) { return row->cost.of[shown_costs[k]] / cost_units[k]; }

/* The best row of a network that is of this kind (NULL: any but float) and width of weights; NULL: there is none. */
static const JointRow *best_row(const Joint *joint, const JointNetwork *n, const char *kind, int bits, bool costed)
{
    const JointRow *best = NULL;
    for (int i = 0; i < n->rows; i++) {
        const JointRow *row = &n->row[i];
        const bool of_kind = kind == NULL ? !row_is_float(&row->row) : strcmp(row->row.kind, kind) == 0;
        if (!of_kind || (bits > 0 && row->row.weight_bits != bits) || (costed && !row->costed)) continue;
        if (!isfinite(row_accuracy(&row->row))) continue;
        if (best == NULL || !metric_as_good(joint->metric, row_accuracy(&best->row), row_accuracy(&row->row)))
            best = row;
    }
    return best;
}

/* ---- the metric against a cost ----------------------------------------------------------------------------------- */

static void put_network_data(FILE *script, const Joint *joint, int i, int k)
{
    const JointNetwork *n = &joint->network[i];
    fprintf(script, "$all%d << END\n", i);
    for (int r = 0; r < n->rows; r++)
        if (n->row[r].costed && isfinite(shown(joint, &n->row[r])))
            fprintf(script, "%.9g %.9g\n", cost_of(&n->row[r], k), shown(joint, &n->row[r]));
    fprintf(script, "END\n$best%d << END\n", i);
    for (int bits = 1; bits <= MAX_BITS; bits++) {
        const JointRow *row = best_row(joint, n, NULL, bits, true);
        if (row != NULL) fprintf(script, "%.9g %.9g %d\n", cost_of(row, k), shown(joint, row), bits);
    }
    fputs("END\n", script);
}

typedef struct {
    double x[2], y[2];
} Range;

/* Of the rows that lines join: those far below them are in the table alone. */
static Range joined_range(const Joint *joint, int k)
{
    Range r = {{(double)INFINITY, -(double)INFINITY}, {(double)INFINITY, -(double)INFINITY}};
    for (int i = 0; i < joint->networks; i++)
        for (int bits = 1; bits <= MAX_BITS; bits++) {
            const JointRow *row = best_row(joint, &joint->network[i], NULL, bits, true);
            if (row == NULL) continue;
            r.x[0] = fmin(r.x[0], cost_of(row, k)), r.x[1] = fmax(r.x[1], cost_of(row, k));
            r.y[0] = fmin(r.y[0], shown(joint, row)), r.y[1] = fmax(r.y[1], shown(joint, row));
        }
    return r;
}

int plot_joint(Gnuplot *gnuplot, const Joint *joint, int k)
{
    if (!isfinite(joined_range(joint, k).x[0])) return -1;
    char axis[64];
    metric_axis(axis, sizeof axis, joint->metric);
    const Range range = joined_range(joint, k);
    const double pad = fmax(0.08 * (range.y[1] - range.y[0]), 1e-6 * fmax(fabs(range.y[1]), 1));
    const int figure = gnuplot_figure(gnuplot, 520, 360);
    FILE *script = gnuplot->script;
    fputs(plot_frame, script);
    fprintf(script,
            "set xlabel '%s'\nset ylabel '%s'\nset logscale x 2\nset xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n",
            cost_labels[k], axis, range.x[0] / 1.3, range.x[1] * 1.3, range.y[0] - 2 * pad, range.y[1] + 2 * pad);
    for (int i = 0; i < joint->networks; i++) put_network_data(script, joint, i, k);
    fputs("$front << END\n", script);
    for (int i = 0; i < joint->networks; i++)
        for (int r = 0; r < joint->network[i].rows; r++)
            if (joint->network[i].row[r].front)
                fprintf(script, "%.9g %.9g\n", cost_of(&joint->network[i].row[r], k),
                        shown(joint, &joint->network[i].row[r]));
    fputs("END\n", script);
    const char *comma = "plot ";
    for (int i = 0; i < joint->networks; i++) {
        if (best_row(joint, &joint->network[i], NULL, 0, true) == NULL) continue;
        const LineStyle style = line_style(i);
        fprintf(script,
                "%s$all%d with points pt 7 ps 0.35 lc rgb '%s', $best%d using 1:2 with linespoints pt 7 ps 0.8 lw 1.6 "
                "lc rgb "
                "'%s' %s, $best%d using 1:2:3 with labels offset 0.8,0.8",
                comma, i, style.colour, i, style.colour, style.gnuplot_dash, i);
        comma = ", ";
    }
    if (k == 0) fputs(", $front with points pt 6 ps 1.5 lw 1.2 lc rgb '#d1495b'", script);
    fputc('\n', script);
    return figure;
}

/* ---- bars -------------------------------------------------------------------------------------------------------- */

typedef struct {
    const JointNetwork *network;
    int bits;
    const JointRow *of[BARS]; /* NULL: there is none */
} BarGroup;

/* A group for each network and width that has a quantized row; of the largest width first. */
static int bar_groups(Arena *arena, const Joint *joint, BarGroup **groups)
{
    int n = 0;
    *groups = ARENA_ARRAY(arena, BarGroup, joint->networks * MAX_BITS);
    for (int i = 0; i < joint->networks; i++)
        for (int bits = MAX_BITS; bits >= 1; bits--) {
            const JointNetwork *network = &joint->network[i];
            BarGroup g = {.network = network, .bits = bits, .of = {best_row(joint, network, "float", 0, false)}};
            for (int b = 1; b < BARS; b++) g.of[b] = best_row(joint, network, bar_kinds[b], bits, false);
            if (g.of[1] != NULL || g.of[2] != NULL) (*groups)[n++] = g;
        }
    return n;
}

int plot_joint_bars(Arena *arena, Gnuplot *gnuplot, const Joint *joint)
{
    BarGroup *group;
    const int n = bar_groups(arena, joint, &group);
    double low = (double)INFINITY, high = -(double)INFINITY;
    for (int i = 0; i < n; i++)
        for (int b = 0; b < BARS; b++)
            if (group[i].of[b] != NULL)
                low = fmin(low, shown(joint, group[i].of[b])), high = fmax(high, shown(joint, group[i].of[b]));
    if (n == 0 || !isfinite(low)) return -1;
    char axis[64];
    metric_axis(axis, sizeof axis, joint->metric);
    const double floor_at = fmin(0.0, low), pad = 0.12 * (high - floor_at);
    const int figure = gnuplot_figure(gnuplot, 160 + 130 * n, 340);
    FILE *script = gnuplot->script;
    fputs(plot_frame, script);
    fprintf(script,
            "set ylabel '%s'\nset yrange [%.9g:%.9g]\nset xrange [-0.6:%.2f]\nunset xtics\nset bmargin 4\n"
            "set style fill solid 0.85\nset boxwidth 0.26\n",
            axis, floor_at, high + pad, n - 0.4);
    for (int i = 0; i < n; i++) {
        fputs("set label ", script);
        gnuplot_text(script, arena_printf(arena, "%s, %d bits", group[i].network->name, group[i].bits));
        fprintf(script, " at first %d, graph %.2f center\n", i, i % 2 == 0 ? -0.06 : -0.13);
        for (int b = 0; b < BARS; b++)
            if (group[i].of[b] != NULL)
                fprintf(script, "set label '%.*f' at first %.3f, first %.9g center offset 0,0.6\n",
                        joint->metric->proportion ? 1 : 3, shown(joint, group[i].of[b]), i + 0.28 * (b - 1),
                        shown(joint, group[i].of[b]));
    }
    for (int b = 0; b < BARS; b++) {
        fprintf(script, "$bars%d << END\n", b);
        for (int i = 0; i < n; i++)
            if (group[i].of[b] != NULL)
                fprintf(script, "%.3f %.9g\n", i + 0.28 * (b - 1), shown(joint, group[i].of[b]));
        fputs("END\n", script);
    }
    const char *comma = "plot ";
    for (int b = 0; b < BARS; b++) {
        bool any = false;
        for (int i = 0; i < n; i++) any |= group[i].of[b] != NULL;
        if (!any) continue;
        fprintf(script, "%s$bars%d with boxes lc rgb '%s'", comma, b, kind_colour(&(CompareRow){.kind = bar_kinds[b]}));
        comma = ", ";
    }
    fputc('\n', script);
    return figure;
}

/* ---- the page ---------------------------------------------------------------------------------------------------- */

static void put_key(FILE *out, const Joint *joint)
{
    fputs("<ul class=\"key\">", out);
    for (int i = 0; i < joint->networks; i++) {
        const LineStyle style = line_style(i);
        html_key_line(out, style.colour, style.dash, joint->network[i].name);
    }
    html_key_line(out, "#d1495b", "1,2", "ring, by flash: no row of the page is as good and smaller");
    fputs("</ul>\n", out);
}

static void put_figures(FILE *out, const Joint *joint, const ReportPlots *plots)
{
    if (plots->gnuplot.svg == NULL) return;
    char name[64], what[160];
    metric_name(joint->metric, name);
    fputs("<div class=\"grid large\">\n", out);
    for (int k = 0; k < JOINT_COSTS; k++) {
        if (plots->joint[k] < 0) continue;
        snprintf(what, sizeof what, "%s of each row against %s", name, cost_labels[k]);
        fputs("<figure>\n", out);
        gnuplot_write_svg(&plots->gnuplot, plots->joint[k], what, out);
        fputs("</figure>\n", out);
    }
    fputs("</div>\n", out);
    put_key(out, joint);
    if (plots->joint_bars < 0) return;
    snprintf(what, sizeof what, "%s of float, the best post-training row and the best quantization-aware row", name);
    fputs("<figure>\n", out);
    gnuplot_write_svg(&plots->gnuplot, plots->joint_bars, what, out);
    fputs("<ul class=\"key\">", out);
    for (int b = 0; b < BARS; b++)
        html_key_line(out, kind_colour(&(CompareRow){.kind = bar_kinds[b]}), "", bar_labels[b]);
    fputs("</ul>\n</figure>\n", out);
}

static void put_cell(FILE *out, const char *format, bool there, double value)
{
    fputs("<td>", out);
    html_number(out, format, there ? value : (double)NAN);
    fputs("</td>", out);
}

static void put_row(FILE *out, const Joint *joint, const JointNetwork *n, const JointRow *row)
{
    const CompareRow *r = &row->row;
    const int verdict = row_verdict(r);
    fprintf(out, "<tr%s><th scope=\"row\" class=\"text\">", row->front ? " class=\"best\"" : "");
    html_text(out, n->name);
    fputs("</th><td class=\"text\">", out);
    html_text(out, r->name);
    fputs("</td><td>", out);
    html_metric(out, joint->metric, shown(joint, row));
    fputs(verdict < 0 ? " ▼" : verdict > 0 ? " ▲" : "", out);
    fputs("</td>", out);
    put_cell(out, "%.2f", r->seeds > 1, joint->metric->factor * r->accuracy_std);
    put_cell(out, "%.3g", !row_is_float(r), r->p);
    put_cell(out, "%.1f", row->costed, row->cost.of[COST_FLASH] / 1024);
    put_cell(out, "%.1f", row->costed, row->weight_bytes / 1024);
    put_cell(out, "%.1f", row->costed, row->bias_bytes / 1024);
    put_cell(out, "%.1f", row->costed, row->other_bytes / 1024);
    for (int k = 1; k < JOINT_COSTS; k++) put_cell(out, k == 1 ? "%.1f" : "%.2f", row->costed, cost_of(row, k));
    put_cell(out, "%.1f", r->latency.least_us > 0, r->latency.least_us);
    put_cell(out, "%.1f", r->latency.median_us > 0, r->latency.median_us);
    fputs("</tr>\n", out);
}

void put_joint(FILE *out, const Report *report, const ReportPlots *plots)
{
    const Joint *joint = report->joint;
    if (joint == NULL) return;
    char title[64];
    metric_title(joint->metric, title);
    fputs("<section>\n<h2>Networks side by side</h2>\n<p class=\"note\">Each line joins the best rows of a network by "
          "the "
          "bits of its weights, which stand beside the points; small points are its other rows, but for those far "
          "below. Costs are those of "
          "exported C.</p>\n",
          out);
    put_figures(out, joint, plots);
    fprintf(
        out,
        "<p class=\"note\">▼ and ▲: worse and better than the network’s float row beyond chance (5 %%; McNemar’s exact "
        "test, Holm’s adjustment within its table). Flash is split by kind: weights, biases, and multipliers with "
        "tables. "
        "Latency: least and median of one image on one thread, where the table was measured.</p>\n"
        "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\" class=\"text\">Network</th><th scope=\"col\" "
        "class=\"text\">Row</th><th scope=\"col\">%s</th><th scope=\"col\">&plusmn;</th><th scope=\"col\">p</th>"
        "<th scope=\"col\">Flash, KiB</th><th scope=\"col\">weights</th><th scope=\"col\">biases</th><th "
        "scope=\"col\">other</th><th scope=\"col\">RAM, KiB</th><th scope=\"col\">M4 instr., M</th><th "
        "scope=\"col\">BOPs, M</th><th scope=\"col\">&micro;s, least</th><th scope=\"col\">median</th></tr></thead>\n"
        "<tbody>\n",
        title);
    for (int i = 0; i < joint->networks; i++)
        for (int r = 0; r < joint->network[i].rows; r++)
            put_row(out, joint, &joint->network[i], &joint->network[i].row[r]);
    fputs("</tbody></table></div>\n</section>\n", out);
}
