/* Accuracy, or whatever the metric is, against size.
 *
 * Sizes of one bit width lie close together, so the numbers of the points are placed here, not by gnuplot.
 */
#include <math.h>
#include <stdlib.h>

#include "report/labels.h"
#include "report/report_parts.h"

/* Pixels: the margins around the plot area, half a point, a number's digit and line. */
enum { LEFT = 62, RIGHT = 16, TOP = 12, BOTTOM = 56, POINT = 5, DIGIT = 8, LINE = 13 };

/* value -> pixel along an axis; a proportion on an axis of errors is at -log10(100 - accuracy). */
typedef struct {
    bool log;
    double lo, hi; /* transformed */
    int pixels;
} Axis;

static double pixel(const Axis *axis, double transformed)
{
    return (transformed - axis->lo) / (axis->hi - axis->lo) * axis->pixels;
}

static double error_floor(const CompareRow *row, int rows)
{
    double floor = 1;
    for (int i = 0; i < rows; i++) {
        const double error = 100 * (1 - row_accuracy(&row[i]));
        if (error > 1e-9 && error / 2 < floor) floor = error / 2;
    }
    return floor;
}

/* Of a metric that is no proportion: its values. */
static Axis plain_axis(const CompareRow *row, int rows, int pixels)
{
    double low = (double)INFINITY, high = -(double)INFINITY;
    for (int i = 0; i < rows; i++) {
        if (isnan(row_accuracy(&row[i]))) continue;
        low = fmin(low, row_metric(row)->factor * row_accuracy(&row[i]));
        high = fmax(high, row_metric(row)->factor * row_accuracy(&row[i]));
    }
    const double pad = fmax(0.12 * (high - low), 1e-6 + 1e-6 * fabs(high));
    return (Axis){.pixels = pixels, .lo = low - pad, .hi = high + pad};
}

/* Errors that differ by more than a factor of four are shown by their logarithm: 99.2 against 98.9 is as far as 92
 * against 89, and the best networks stay apart on a page that also holds one that fails. */
static Axis accuracy_axis(const CompareRow *row, int rows, double floor, int pixels)
{
    Axis axis = {.pixels = pixels};
    if (!row_metric(row)->proportion) return plain_axis(row, rows, pixels);
    double best = 100, worst = 0;
    for (int i = 0; i < rows; i++) {
        const double error = fmax(100 * (1 - row_accuracy(&row[i])), floor);
        if (isnan(row_accuracy(&row[i]))) continue;
        best = fmin(best, error);
        worst = fmax(worst, error);
    }
    axis.log = worst > 4 * best;
    if (axis.log) {
        axis.lo = -log10(worst) - 0.12, axis.hi = -log10(best) + 0.12;
    } else {
        const double pad = fmax(0.12 * (worst - best), 0.05);
        axis.lo = 100 - worst - pad, axis.hi = fmin(100 - best + pad, 100 + pad);
    }
    return axis;
}

static double on_axis(const Axis *axis, double accuracy, double floor)
{
    return axis->log ? -log10(fmax(100 - accuracy, floor)) : accuracy;
}

static void put_accuracy_tics(FILE *script, const Axis *axis, double floor)
{
    static const double tic[] = {0,  20, 40,   60,   70,   80,   85,   90,    93,    95,    97,
                                 98, 99, 99.3, 99.5, 99.7, 99.8, 99.9, 99.95, 99.98, 99.99, 100};
    if (!axis->log) return;
    double last = -100;
    const char *comma = "";
    fputs("set ytics (", script);
    for (size_t i = 0; i < sizeof tic / sizeof tic[0]; i++) {
        const double at = on_axis(axis, tic[i], floor), y = pixel(axis, at);
        if (y < 0 || y > axis->pixels || y < last + 20) continue;
        fprintf(script, "%s'%.6g' %.9g", comma, tic[i], at);
        comma = ", ";
        last = y;
    }
    fputs(")\n", script);
}

static Axis size_axis(const CompareRow *row, int rows, int pixels)
{
    Axis axis = {.pixels = pixels};
    double least = (double)INFINITY, most = 0;
    for (int i = 0; i < rows; i++) {
        const double kib = fmax((double)row[i].size_bytes / 1024, 1e-3);
        least = fmin(least, kib);
        most = fmax(most, kib);
    }
    axis.log = most > 2.5 * least;
    const double pad = axis.log ? 0.25 : fmax(0.15 * (most - least), 0.05 * most);
    axis.lo = axis.log ? log2(least) - pad : fmax(least - pad, 0);
    axis.hi = axis.log ? log2(most) + pad : most + pad;
    return axis;
}

static void put_size_tics(FILE *script, const Axis *axis)
{
    if (!axis->log) return;
    const char *comma = "";
    fputs("set xtics (", script);
    /* At most nine powers of two. */
    const int first = (int)ceil(axis->lo), step = 1 + (int)((axis->hi - axis->lo) / 9);
    for (int power = first; power <= axis->hi; power += step) {
        fprintf(script, "%s'%.6g' %d", comma, exp2(power), power);
        comma = ", ";
    }
    fputs(")\n", script);
}

static double digits_width(int number)
{
    int digits = 1;
    for (; number >= 10; number /= 10) digits++;
    return digits * DIGIT / 2.0 + 1;
}

static void put_labels(FILE *script, int rows, const Box *point, const Box *label, const Axis *x, const Axis *y)
{
    for (int i = 0; i < rows; i++) {
        if (isnan(point[i].y) || isnan(label[i].x)) continue;
        Leader l;
        if (labels_leader(rows, point, label, i, &l))
            fprintf(script, "set arrow from graph %.4f,%.4f to graph %.4f,%.4f nohead front lw 0.7 lc rgb '#888888'\n",
                    l.x0 / x->pixels, l.y0 / y->pixels, l.x1 / x->pixels, l.y1 / y->pixels);
        fprintf(script, "set label '%d' at graph %.4f,%.4f center front\n", i + 1, label[i].x / x->pixels,
                label[i].y / y->pixels);
    }
}

/* The points of the rows and their labels, in pixels of the plot area; how many labels found no room. */
static int lay_out(const CompareRow *row, int rows, const Axis *x, const Axis *y, double floor, Box *point, Box *label)
{
    for (int i = 0; i < rows; i++) {
        const double kib = fmax((double)row[i].size_bytes / 1024, 1e-3);
        point[i] = (Box){pixel(x, x->log ? log2(kib) : kib),
                         pixel(y, on_axis(y, row_metric(row)->factor * row_accuracy(&row[i]), floor)), POINT, POINT};
        label[i] = (Box){0, 0, digits_width(i + 1), LINE / 2.0};
    }
    return labels_place(rows, point, label, x->pixels, y->pixels);
}

int plot_scatter(Arena *arena, Gnuplot *gnuplot, const CompareRow *row, int rows, bool wide, int *left_out)
{
    int known = 0;
    *left_out = 0;
    for (int i = 0; i < rows; i++) known += isfinite(row_accuracy(&row[i]));
    if (known < 2) return -1;
    const int width = wide ? 1100 : 390, height = wide ? 480 : 460;
    const double floor = error_floor(row, rows);
    const Axis x = size_axis(row, rows, width - LEFT - RIGHT),
               y = accuracy_axis(row, rows, floor, height - TOP - BOTTOM);
    Box *point = ARENA_ARRAY(arena, Box, rows), *label = ARENA_ARRAY(arena, Box, rows);
    *left_out = lay_out(row, rows, &x, &y, floor, point, label);

    const int figure = gnuplot_figure(gnuplot, width, height);
    FILE *script = gnuplot->script;
    fprintf(script, "set lmargin at screen %.6f\nset rmargin at screen %.6f\n", (double)LEFT / width,
            1 - (double)RIGHT / width);
    fprintf(script, "set bmargin at screen %.6f\nset tmargin at screen %.6f\n", (double)BOTTOM / height,
            1 - (double)TOP / height);
    fprintf(script, "set xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n", x.lo, x.hi, y.lo, y.hi);
    put_size_tics(script, &x);
    put_accuracy_tics(script, &y, floor);
    fputs("set border 3\nset tics nomirror scale 0.5\nset grid lt 1 lw 0.5 lc rgb '#a0a0a0' dt (2,3)\n"
          "set xlabel 'size, KiB'\nunset key\n",
          script);
    char axis_name[64];
    metric_axis(axis_name, sizeof axis_name, row_metric(row));
    fprintf(script, "set ylabel '%s'\n", axis_name);
    put_labels(script, rows, point, label, &x, &y);
    fputs("$points << END\n", script);
    for (int i = 0; i < rows; i++) {
        if (isnan(point[i].y)) continue;
        const unsigned long colour = strtoul(kind_colour(&row[i]) + 1, NULL, 16);
        fprintf(script, "%.9g %.9g %lu\n", x.lo + point[i].x / x.pixels * (x.hi - x.lo),
                y.lo + point[i].y / y.pixels * (y.hi - y.lo), colour);
    }
    fputs("END\nplot $points using 1:2:3 with points pt 7 ps 0.8 lc rgb variable\n", script);
    return figure;
}
