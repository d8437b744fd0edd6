/* Accuracy against size.
 *
 * Sizes of one bit width lie close together, so the numbers of the points are placed here, not by gnuplot: each takes
 * the first free place around its point, nearest first, with a thin line to the point where it had to move away.
 */
#include "train/report_parts.h"

#include <math.h>
#include <stdlib.h>

/* Pixels: the figure, its plot area inside the margins, a point, a number's digit and line. */
enum { WIDTH = 560, HEIGHT = 380, LEFT = 62, RIGHT = 16, TOP = 12, BOTTOM = 56, POINT = 5, DIGIT = 8, LINE = 12 };

typedef struct {
    double x, y; /* of the centre, in pixels from the lower left of the plot area */
    double half_width, half_height;
} Box;

/* value -> pixel along an axis; accuracy on an axis of errors is at -log10(100 - accuracy). */
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

/* Errors that differ by more than a factor of four are shown by their logarithm: 99.2 against 98.9 is as far as 92
 * against 89, and the best networks stay apart on a page that also holds one that fails. */
static Axis accuracy_axis(const CompareRow *row, int rows, double floor)
{
    Axis axis = {.pixels = HEIGHT - TOP - BOTTOM};
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

static Axis size_axis(const CompareRow *row, int rows)
{
    Axis axis = {.pixels = WIDTH - LEFT - RIGHT};
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

static bool collide(const Box *a, const Box *b)
{
    return fabs(a->x - b->x) < a->half_width + b->half_width && fabs(a->y - b->y) < a->half_height + b->half_height;
}

static bool is_free(const Box *place, const Box *taken, int n, const Axis *x, const Axis *y)
{
    if (place->x < place->half_width || place->x > x->pixels - place->half_width) return false;
    if (place->y < place->half_height || place->y > y->pixels - place->half_height) return false;
    for (int i = 0; i < n; i++)
        if (collide(place, &taken[i])) return false;
    return true;
}

/* The first free place for a number of that size around a point; the point itself when the plot is full. */
static Box place_number(Box point, double half_width, const Box *taken, int n, const Axis *x, const Axis *y)
{
    static const double direction[][2] = {{1, 0},       {-1, 0},       {0, 1},        {0, -1},
                                          {0.92, 0.38}, {0.92, -0.38}, {-0.92, 0.38}, {-0.92, -0.38},
                                          {0.71, 0.71}, {0.71, -0.71}, {-0.71, 0.71}, {-0.71, -0.71}};
    Box place = {point.x, point.y, half_width, LINE / 2.0};
    for (double far = POINT + 1; far < 120; far += 7)
        for (size_t i = 0; i < sizeof direction / sizeof direction[0]; i++) {
            place.x = point.x + direction[i][0] * (far + half_width);
            place.y = point.y + direction[i][1] * (far + LINE / 2.0);
            if (is_free(&place, taken, n, x, y)) return place;
        }
    place.x = point.x, place.y = point.y;
    return place;
}

static void put_numbers(Gnuplot *gnuplot, const Box *point, const Box *number, int rows, const Axis *x, const Axis *y)
{
    for (int i = 0; i < rows; i++) {
        if (isnan(point[i].y)) continue;
        const double gx = number[i].x / x->pixels, gy = number[i].y / y->pixels;
        const double dx = number[i].x - point[i].x, dy = number[i].y - point[i].y;
        if (hypot(dx, dy) > number[i].half_width + POINT + 8) {
            const double end = 1 - (number[i].half_width + 2) / hypot(dx, dy);
            fprintf(gnuplot->script,
                    "set arrow from graph %.4f,%.4f to graph %.4f,%.4f nohead lw 0.6 lc rgb '#888888'\n",
                    point[i].x / x->pixels, point[i].y / y->pixels, (point[i].x + end * dx) / x->pixels,
                    (point[i].y + end * dy) / y->pixels);
        }
        fprintf(gnuplot->script, "set label '%d' at graph %.4f,%.4f center front\n", i + 1, gx, gy);
    }
}

int plot_scatter(Arena *arena, Gnuplot *gnuplot, const CompareRow *row, int rows)
{
    int known = 0;
    for (int i = 0; i < rows; i++) known += isfinite(row_accuracy(&row[i]));
    if (known < 2) return -1;
    const double floor = error_floor(row, rows);
    const Axis x = size_axis(row, rows), y = accuracy_axis(row, rows, floor);
    /* First the points, then the numbers: a number avoids both. */
    Box *taken = ARENA_ARRAY(arena, Box, 2 * rows), *number = taken + rows;
    for (int i = 0; i < rows; i++) {
        const double kib = fmax((double)row[i].size_bytes / 1024, 1e-3);
        taken[i] = (Box){pixel(&x, x.log ? log2(kib) : kib), pixel(&y, on_axis(&y, 100 * row_accuracy(&row[i]), floor)),
                         POINT, POINT};
    }
    for (int i = 0; i < rows; i++)
        number[i] = place_number(taken[i],
                                 (i + 1 < 10    ? 1
                                  : i + 1 < 100 ? 2
                                                : 3) *
                                     DIGIT / 2.0,
                                 taken, rows + i, &x, &y);

    const int figure = gnuplot_figure(gnuplot, WIDTH, HEIGHT);
    FILE *script = gnuplot->script;
    fprintf(script, "set lmargin at screen %.6f\nset rmargin at screen %.6f\n", (double)LEFT / WIDTH,
            1 - (double)RIGHT / WIDTH);
    fprintf(script, "set bmargin at screen %.6f\nset tmargin at screen %.6f\n", (double)BOTTOM / HEIGHT,
            1 - (double)TOP / HEIGHT);
    fprintf(script, "set xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n", x.lo, x.hi, y.lo, y.hi);
    put_size_tics(script, &x);
    put_accuracy_tics(script, &y, floor);
    fputs("set border 3\nset tics nomirror scale 0.5\nset grid lt 1 lw 0.5 lc rgb '#a0a0a0' dt (2,3)\n"
          "set xlabel 'size, KiB'\nset ylabel 'accuracy, %'\nunset key\n",
          script);
    put_numbers(gnuplot, taken, number, rows, &x, &y);
    fputs("$points << END\n", script);
    for (int i = 0; i < rows; i++) {
        if (isnan(taken[i].y)) continue;
        const unsigned long colour = strtoul(kind_colour(&row[i]) + 1, NULL, 16);
        fprintf(script, "%.9g %.9g %lu\n", x.lo + taken[i].x / x.pixels * (x.hi - x.lo),
                y.lo + taken[i].y / y.pixels * (y.hi - y.lo), colour);
    }
    fputs("END\nplot $points using 1:2:3 with points pt 7 ps 1 lc rgb variable\n", script);
    return figure;
}
