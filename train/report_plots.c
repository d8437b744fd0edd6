/* The figures of the report: training curves, noise by layer; the others have files of their own. */
#include "train/report_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CURVE_POINTS = 300, /* of a longer curve, means of as many stretches are drawn */
    LABEL_COLUMNS = 22,
};

LineStyle line_style(int i)
{
    static const char *const colour[] = {"#3b82c4", "#e07b1f", "#2f9e63", "#d1495b",
                                         "#8d6fd1", "#1a9ba3", "#b8860b", "#c2569b"};
    static const char *const dash[][2] = {
        {"", "dt solid"}, {"6,3", "dt (6,3)"}, {"2,2", "dt (2,2)"}, {"8,3,2,3", "dt (8,3,2,3)"}};
    return (LineStyle){colour[i % 8], dash[i / 8 % 4][0], dash[i / 8 % 4][1]};
}

const char *kind_colour(const CompareRow *row)
{
    return row_is_float(row) ? "#7f8790" : strcmp(row->kind, "qat") == 0 ? "#e07b1f" : "#3b82c4";
}

const char plot_frame[] = "set border 3\nset tics nomirror scale 0.5\n"
                          "set grid ytics lt 1 lw 0.5 lc rgb '#a0a0a0' dt (2,3)\nunset key\n";

/* ---- curves ---- */

/* One curve as a data block: its points, or where there are many the means of equal stretches. */
static void put_curve(FILE *script, int index, const Curve *c, double unit)
{
    fprintf(script, "$c%d << END\n", index);
    const int points = c->n < CURVE_POINTS ? c->n : CURVE_POINTS;
    for (int i = 0; i < points; i++) {
        const int first = (int)((long)c->n * i / points), end = (int)((long)c->n * (i + 1) / points);
        double x = 0, y = 0;
        int n = 0;
        for (int j = first; j < end; j++) {
            if (!isfinite(c->x[j]) || !isfinite(c->y[j])) continue;
            x += c->x[j], y += c->y[j], n++;
        }
        if (n > 0) fprintf(script, "%.7g %.7g\n", x / n, unit * y / n);
    }
    fputs("END\n", script);
}

static bool has_points(const Curve *c)
{
    for (int i = 0; i < c->n; i++)
        if (isfinite(c->x[i]) && isfinite(c->y[i])) return true;
    return false;
}

/* The losses of a run that learns span decades. */
static bool wants_log(const Curve *curve, int curves)
{
    double least = (double)INFINITY, most = 0;
    for (const Curve *c = curve; c < curve + curves; c++)
        for (int i = 0; i < c->n; i++) least = fmin(least, c->y[i]), most = fmax(most, c->y[i]);
    return least > 0 && most > 20 * least && isfinite(most);
}

static int plot_curves(Gnuplot *gnuplot, const Curve *curve, int curves, bool is_loss)
{
    int drawn = 0;
    for (int i = 0; i < curves; i++) drawn += has_points(&curve[i]);
    if (drawn == 0) return -1;
    const int figure = gnuplot_figure(gnuplot, 520, 320);
    FILE *script = gnuplot->script;
    fputs(plot_frame, script);
    fprintf(script, "set xlabel 'step'\nset ylabel '%s'\n", is_loss ? "training loss" : "training accuracy, %");
    if (is_loss && wants_log(curve, curves)) fputs("set logscale y\n", script);
    for (int i = 0; i < curves; i++)
        if (has_points(&curve[i])) put_curve(script, i, &curve[i], is_loss ? 1 : 100);
    const char *comma = "plot ";
    for (int i = 0; i < curves; i++) {
        if (!has_points(&curve[i])) continue;
        const LineStyle style = line_style(i);
        fprintf(script, "%s$c%d with lines lw 1.6 lc rgb '%s' %s", comma, i, style.colour, style.gnuplot_dash);
        comma = ", ";
    }
    fputc('\n', script);
    return figure;
}

/* ---- noise ---- */

static int plot_sqnr(Arena *arena, Gnuplot *gnuplot, const LayerSqnr *sqnr, int sqnrs)
{
    int longest = 0, points = 0;
    for (int i = 0; i < sqnrs; i++) {
        if (sqnr[i].layers > sqnr[longest].layers) longest = i;
        for (int j = 0; j < sqnr[i].layers; j++) points += isfinite(sqnr[i].sqnr_db[j]);
    }
    if (points == 0) return -1;
    const int figure = gnuplot_figure(gnuplot, 860, 400);
    FILE *script = gnuplot->script;
    fputs(plot_frame, script);
    fprintf(script, "set ylabel 'SQNR, dB'\nset xrange [-0.4:%.1f]\nset lmargin 9\nset bmargin 8\nunset xtics\n",
            sqnr[longest].layers - 0.6);
    for (int j = 0; j < sqnr[longest].layers; j++) {
        fputs("set label ", script);
        gnuplot_text(script, text_clip(arena, sqnr[longest].layer[j], LABEL_COLUMNS));
        fprintf(script, " at first %d, graph -0.03 right rotate by 35\n", j);
    }
    for (int i = 0; i < sqnrs; i++) {
        fprintf(script, "$s%d << END\n", i);
        for (int j = 0; j < sqnr[i].layers; j++)
            if (isfinite(sqnr[i].sqnr_db[j])) fprintf(script, "%d %.6g\n", j, sqnr[i].sqnr_db[j]);
        fputs("END\n", script);
    }
    const char *comma = "plot ";
    for (int i = 0; i < sqnrs; i++) {
        bool any = false;
        for (int j = 0; j < sqnr[i].layers; j++) any = any || isfinite(sqnr[i].sqnr_db[j]);
        if (!any) continue;
        const LineStyle style = line_style(i);
        fprintf(script, "%s$s%d with linespoints lw 1.5 pt 7 ps 0.5 lc rgb '%s' %s", comma, i, style.colour,
                style.gnuplot_dash);
        comma = ", ";
    }
    fputc('\n', script);
    return figure;
}

Status report_plots(Arena *arena, const Report *report, ReportPlots *plots)
{
    *plots = (ReportPlots){.weights = ARENA_ARRAY(arena, int, report->weight_histograms + 1),
                           .activations = ARENA_ARRAY(arena, int, report->activation_histograms + 1)};
    Gnuplot *gnuplot = &plots->gnuplot;
    TRY(gnuplot_begin(gnuplot));
    plots->scatter = plot_scatter(arena, gnuplot, report->row, report->rows);
    plots->loss = plot_curves(gnuplot, report->loss, report->curves, true);
    plots->accuracy = plot_curves(gnuplot, report->accuracy, report->curves, false);
    for (int i = 0; i < report->weight_histograms; i++) plots->weights[i] = plot_weights(gnuplot, &report->weights[i]);
    for (int i = 0; i < report->activation_histograms; i++)
        plots->activations[i] = plot_activations(arena, gnuplot, &report->activations[i]);
    plots->sqnr = plot_sqnr(arena, gnuplot, report->sqnr, report->sqnrs);
    return gnuplot->figures == 0 ? STATUS_OK : gnuplot_run(arena, gnuplot);
}
