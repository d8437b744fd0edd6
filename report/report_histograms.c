/* Histograms of weights and activations. */
#include "report/report_parts.h"

#include <math.h>
#include <stdlib.h>

enum { DRAWN_BINS = 128, LABEL_COLUMNS = 16, PLOT_PIXELS = 340, LETTER_PIXELS = 6 };

static double merged(const double *count, int bins, int groups, int group)
{
    double sum = 0;
    const int end = (int)((long)bins * (group + 1) / groups);
    for (int j = (int)((long)bins * group / groups); j < end; j++)
        if (isfinite(count[j]) && count[j] > 0) sum += count[j];
    return sum;
}

static double tallest(const double *count, int bins, int groups)
{
    double most = 0;
    for (int i = 0; i < groups; i++) most = fmax(most, merged(count, bins, groups, i));
    return most;
}

static bool drawable(const WeightHistogram *h)
{
    return h->bins > 0 && h->hi > h->lo && isfinite(h->lo) && isfinite(h->hi) &&
           tallest(h->before, h->bins, 1) + tallest(h->after, h->bins, 1) > 0;
}

/* Between tics: 1, 2 or 5 times a power of ten, two to five of them on the axis. */
static double tic_step(double span)
{
    const double power = pow(10, floor(log10(span / 2))), steps = span / power;
    return power * (steps > 10 ? 5 : steps > 5 ? 2 : 1);
}

/* Up: the float weights; down: the same on their grid; each scaled to its own tallest bin, for a 2-bit grid has all
 * its weights in three bins. */
int plot_weights(Gnuplot *gnuplot, const WeightHistogram *h)
{
    if (!drawable(h)) return -1;
    const int groups = h->bins < DRAWN_BINS ? h->bins : DRAWN_BINS;
    const double width = (h->hi - h->lo) / groups;
    const double before = fmax(tallest(h->before, h->bins, groups), 1);
    const double after = fmax(tallest(h->after, h->bins, groups), 1);
    const int figure = gnuplot_figure(gnuplot, 300, 170);
    FILE *script = gnuplot->script;
    fputs(plot_frame, script);
    fprintf(
        script,
        "set border 1\nunset ytics\nset lmargin 1.5\nset rmargin 1.5\nset tmargin 0.5\n"
        "set xrange [%.9g:%.9g]\nset yrange [-1.08:1.08]\nset xtics %.3g\n"
        "set arrow from graph 0, first 0 to graph 1, first 0 nohead lw 0.6 lc rgb '#888888'\n$before << END\n%.7g 0\n",
        h->lo, h->hi, tic_step(h->hi - h->lo), h->lo);
    for (int i = 0; i < groups; i++) {
        const double share = merged(h->before, h->bins, groups, i) / before;
        fprintf(script, "%.7g %.5g\n%.7g %.5g\n", h->lo + i * width, share, h->lo + (i + 1) * width, share);
    }
    fprintf(script, "%.7g 0\nEND\n$after << END\n", h->hi);
    for (int i = 0; i < groups; i++) {
        const double share = merged(h->after, h->bins, groups, i) / after;
        if (share > 0) fprintf(script, "%.7g %.5g\n", h->lo + (i + 0.5) * width, -share);
    }
    fprintf(script,
            "END\nplot $before with filledcurves closed fs solid 0.7 noborder lc rgb '%s', "
            "$after with impulses lw 2 lc rgb '%s'\n",
            line_style(0).colour, line_style(1).colour);
    return figure;
}

typedef struct {
    double at;
    int index;
} Threshold;

static int by_place(const void *a, const void *b)
{
    const Threshold *s = a, *t = b;
    return s->at != t->at ? (s->at > t->at) - (s->at < t->at) : s->index - t->index;
}

static const char *label_text(Arena *arena, const ActivationHistogram *h, Threshold t)
{
    return arena_printf(arena, "%s %.3g", text_clip(arena, h->observer[t.index], LABEL_COLUMNS), t.at);
}

static int label_pixels(Arena *arena, const ActivationHistogram *h, Threshold t)
{
    return LETTER_PIXELS * text_columns(label_text(arena, h, t)) + 8;
}

/* Labelled lines that do not run through each other's labels: from left to right the lines grow taller and the labels
 * stand to their left.  Those with too little room there, to the axis or to a line of their own kind, have labels to
 * their right, above all others, falling. */
static void put_thresholds(Arena *arena, FILE *script, const ActivationHistogram *h, double hi, double band)
{
    Threshold *sorted = ARENA_ARRAY(arena, Threshold, h->thresholds + 1);
    int n = 0, near = 0;
    for (int i = 0; i < h->thresholds; i++)
        if (isfinite(h->threshold[i]) && h->threshold[i] >= 0) sorted[n++] = (Threshold){h->threshold[i], i};
    qsort(sorted, (size_t)n, sizeof *sorted, by_place);
    while (near < n && label_pixels(arena, h, sorted[near]) >
                           (sorted[near].at - (near > 0 ? sorted[near - 1].at : 0)) / hi * PLOT_PIXELS)
        near++;
    for (int i = 0; i < n; i++) {
        const bool is_near = i < near;
        const int level = is_near ? n - 1 - i : i - near;
        const double top = 1 - band + band * (level + 0.5) / n;
        const char *colour = line_style(sorted[i].index + 1).colour;
        fprintf(script,
                "set arrow from first %.9g, graph 0 to first %.9g, graph %.4f nohead front lw 1.5 lc rgb '%s'\n",
                sorted[i].at, sorted[i].at, top + band / n * 0.4, colour);
        fputs("set label ", script);
        gnuplot_text(script, label_text(arena, h, sorted[i]));
        fprintf(script, " at first %.9g, graph %.4f %s offset %s,0 front textcolor rgb '%s'\n", sorted[i].at, top,
                is_near ? "left" : "right", is_near ? "0.6" : "-0.6", colour);
    }
}

/* The costs of a search, on a logarithmic axis of their own: from their least, at the bottom, up to a thousand times that. */
static bool put_costs(FILE *script, const ActivationHistogram *h, int kind)
{
    double least = HUGE_VAL;
    for (int i = 0; i < h->search[kind].n; i++)
        if (h->search[kind].cost[i] > 0) least = fmin(least, h->search[kind].cost[i]);
    if (!isfinite(least)) return false;
    fprintf(script, "$costs%d << END\n", kind);
    for (int i = 0; i < h->search[kind].n; i++) {
        const double ratio = fmax(h->search[kind].cost[i], least) / least;
        if (isfinite(ratio) && ratio < 1000) fprintf(script, "%.7g %.5g\n", h->search[kind].at[i], ratio);
    }
    fputs("END\n", script);
    return true;
}

int plot_activations(Arena *arena, Gnuplot *gnuplot, const ActivationHistogram *h)
{
    int used = 0;
    for (int j = 0; j < h->bins; j++)
        if (h->count[j] > 0) used = j + 1;
    if (used == 0 || !(h->width > 0) || !isfinite(h->width)) return -1;
    double hi = used * h->width;
    for (int i = 0; i < h->thresholds; i++)
        if (isfinite(h->threshold[i])) hi = fmax(hi, h->threshold[i]);
    hi = hi > 0 && isfinite(hi) ? 1.03 * hi : 1;
    const int groups = used < DRAWN_BINS ? used : DRAWN_BINS;
    const double most = fmax(tallest(h->count, used, groups), 1);

    enum { HEIGHT = 270, AXIS = 50, ROW = 15 };
    const double band = fmin((double)ROW * h->thresholds / (HEIGHT - AXIS), 0.6);
    const int figure = gnuplot_figure(gnuplot, 400, HEIGHT);
    FILE *script = gnuplot->script;
    fputs(plot_frame, script);
    /* The band above the tallest bin is the labels'; half a count is the bottom of the axis. */
    const double decades = log10(2 * most) / (0.96 - band);
    fprintf(script, "set xrange [0:%.9g]\nset logscale y\nset yrange [0.5:%.9g]\nset xlabel '|x|'\nset ytics (", hi,
            0.5 * pow(10, decades));
    const char *comma = "";
    for (int power = 0, step = most > 1e4 ? 2 : 1; power <= log10(most) + 1e-9; power += step) {
        static const char *const name[] = {"1", "10", "100", "1k", "10k", "100k", "1M", "10M", "100M", "1G"};
        if (power < 10) fprintf(script, "%s'%s' 1e%d", comma, name[power], power);
        comma = ", ";
    }
    fputs(")\n", script);
    put_thresholds(arena, script, h, hi, band);
    fputs("$counts << END\n0 0.5\n", script);
    for (int i = 0; i < groups; i++) {
        const double count = fmax(merged(h->count, used, groups, i), 0.5);
        const long first = (long)used * i / groups, end = (long)used * (i + 1) / groups;
        fprintf(script, "%.7g %.7g\n%.7g %.7g\n", (double)first * h->width, count, (double)end * h->width, count);
    }
    fprintf(script, "%.7g 0.5\nEND\n", used * h->width);
    const bool drawn[2] = {put_costs(script, h, 0), put_costs(script, h, 1)};
    fputs("set y2range [0.8:1000]\nset logscale y2\n", script);
    fprintf(script, "plot $counts with filledcurves closed fs solid 0.6 noborder lc rgb '%s'", line_style(0).colour);
    for (int k = 0; k < 2; k++)
        if (drawn[k])
            fprintf(script, ", $costs%d with lines axes x1y2 lw 1.5 dt (%d,3) lc rgb '%s'", k, k == 0 ? 6 : 2,
                    line_style(k == 0 ? 4 : 5).colour);
    fputc('\n', script);
    return figure;
}
