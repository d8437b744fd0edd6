/* The figures of the report: training curves; the others have files of their own. */
#include "report/report_parts.h"

#include <math.h>
#include <string.h>

enum { CURVE_POINTS = 300 /* of a longer curve, means of about as many stretches are drawn */ };

/* ---- curves ---- */

static double images_of(const Curve *c, int i) { return c->images == NULL ? 1 : c->images[i]; }

int curve_points(const Curve *c, int points, double *x, double *y)
{
    double all = 0, most = 0;
    for (int i = 0; i < c->n; i++) {
        if (!isfinite(c->x[i]) || !isfinite(c->y[i])) continue;
        all += images_of(c, i);
        most = fmax(most, images_of(c, i));
    }
    const double want = fmax(all / points, most) * (1 - 1e-9);
    double images = 0, before = 0, sum = 0, places = 0;
    int n = 0;
    for (int i = 0; i < c->n; i++) {
        if (!isfinite(c->x[i]) || !isfinite(c->y[i]) || images_of(c, i) <= 0) continue;
        const double w = images_of(c, i);
        images += w, sum += w * c->y[i], places += w * c->x[i];
        if (images < want) continue;
        x[n] = places / images, y[n] = sum / images;
        n++;
        before = images;
        images = sum = places = 0;
    }
    if (images == 0) return n;
    /* What is left at the end is too little to stand alone. */
    if (n == 0) n++, x[0] = y[0] = before = 0;
    x[n - 1] = (x[n - 1] * before + places) / (before + images);
    y[n - 1] = (y[n - 1] * before + sum) / (before + images);
    return n;
}

static bool has_points(const Curve *c)
{
    for (int i = 0; i < c->n; i++)
        if (isfinite(c->x[i]) && isfinite(c->y[i])) return true;
    return false;
}

/* The losses of a run that learns span decades: an axis of logarithms, as long as the curves. */
static void set_log_axis(FILE *script, const Curve *curve, int curves)
{
    double least = (double)INFINITY, most = 0;
    for (const Curve *c = curve; c < curve + curves; c++)
        for (int i = 0; i < c->n; i++) least = fmin(least, c->y[i]), most = fmax(most, c->y[i]);
    if (least > 0 && most > 20 * least && isfinite(most))
        fprintf(script, "set logscale y\nset yrange [%.4g:%.4g]\n", least / 1.2, 1.2 * most);
}

double curve_label(const Report *report, CurveKind kind, char text[64])
{
    if (kind >= CURVE_OSCILLATING) {
        snprintf(text, 64, "%s weights, %%", kind == CURVE_FROZEN ? "frozen" : "oscillating");
        return 100;
    }
    const bool training = kind == CURVE_LOSS || kind == CURVE_ACCURACY;
    const bool is_loss = kind == CURVE_LOSS || kind == CURVE_VALIDATION_LOSS;
    const Metric *m = training ? report->running : report->rows == 0 ? NULL : report->row->metric;
    if (m == NULL) m = metric_default();
    char axis[48] = "loss";
    if (!is_loss) metric_axis(axis, sizeof axis, m);
    snprintf(text, 64, "%s %s", training ? "training" : "validation", axis);
    return is_loss ? 1 : m->factor;
}

static int plot_curves(Arena *arena, Gnuplot *gnuplot, const Report *report, CurveKind kind)
{
    const Curve *curve = report->curve[kind];
    const int curves = curve == NULL ? 0 : report->curves;
    char label[64];
    const double factor = curve_label(report, kind, label);
    const bool is_loss = kind == CURVE_LOSS || kind == CURVE_VALIDATION_LOSS;
    const bool is_validation = kind == CURVE_VALIDATION_LOSS || kind == CURVE_VALIDATION_ACCURACY;
    int drawn = 0;
    for (int i = 0; i < curves; i++) drawn += has_points(&curve[i]);
    if (drawn == 0) return -1;
    const int figure = gnuplot_figure(gnuplot, 460, 300);
    FILE *script = gnuplot->script;
    fputs(plot_frame, script);
    fprintf(script, "set xlabel 'step'\nset ylabel '%s'\n", label);
    if (is_loss) set_log_axis(script, curve, curves);
    double *x = ARENA_ARRAY(arena, double, CURVE_POINTS + 1), *y = ARENA_ARRAY(arena, double, CURVE_POINTS + 1);
    for (int i = 0; i < curves; i++) {
        const int n = curve_points(&curve[i], CURVE_POINTS, x, y);
        if (n == 0) continue;
        fprintf(script, "$c%d << END\n", i);
        for (int k = 0; k < n; k++) fprintf(script, "%.7g %.7g\n", x[k], factor * y[k]);
        fputs("END\n", script);
    }
    const char *comma = "plot ";
    for (int i = 0; i < curves; i++) {
        if (!has_points(&curve[i])) continue;
        const LineStyle style = line_style(i);
        fprintf(script, "%s$c%d with %s lw 1.6 lc rgb '%s' %s", comma, i,
                is_validation ? "linespoints pt 7 ps 0.5" : "lines", style.colour, style.gnuplot_dash);
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
    for (int k = 0; k < 2; k++)
        plots->scatter[k] = plot_scatter(arena, gnuplot, report->row, report->rows, k == 0, &plots->unnumbered[k]);
    for (int k = 0; k < CURVE_KINDS; k++) plots->curve[k] = plot_curves(arena, gnuplot, report, (CurveKind)k);
    for (int i = 0; i < report->weight_histograms; i++) plots->weights[i] = plot_weights(gnuplot, &report->weights[i]);
    for (int i = 0; i < report->activation_histograms; i++)
        plots->activations[i] = plot_activations(arena, gnuplot, &report->activations[i]);
    plots->partial =
        report->search == NULL || report->search->partial == NULL ? -1 : plot_partial(gnuplot, report->search);
    plots->lr_find = plot_lr_find(gnuplot, report->lr_find);
    plots->landscape = plot_landscape(gnuplot, report->landscape);
    for (int k = 0; k < JOINT_COSTS; k++)
        plots->joint[k] = report->joint == NULL ? -1 : plot_joint(gnuplot, report->joint, k);
    plots->joint_bars = report->joint == NULL ? -1 : plot_joint_bars(arena, gnuplot, report->joint);
    for (int k = 0; k < COSTS; k++)
        plots->networks[k] = report->search == NULL || report->search->trials == NULL
                                 ? -1
                                 : plot_networks(gnuplot, report->search, (CostKind)k);
    return gnuplot->figures == 0 ? STATUS_OK : gnuplot_run(arena, gnuplot);
}
