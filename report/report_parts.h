/* What the files of the report share. */
#ifndef BITFOLD_REPORT_REPORT_PARTS_H
#define BITFOLD_REPORT_REPORT_PARTS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "report/gnuplot.h"
#include "report/report.h"

/* ---- text ---- */

/* Text into HTML, in an element or a quoted attribute: & < > " ' as references, bytes that are not UTF-8 and control
 * characters but tab and newline as U+FFFD.  NULL is "". */
void html_text(FILE *out, const char *text);

/* Columns that `text` takes in a terminal. */
int text_columns(const char *text);

/* `text` in at most that many columns of a terminal, the end replaced by an ellipsis where it does not fit; what
 * html_text replaces, and tab and newline, is U+FFFD. */
char *text_clip(Arena *arena, const char *text, int columns);

/* ---- CSV (RFC 4180) ---- */

/* A field, in quotes where it must be; NULL is nothing. */
void csv_text(FILE *out, const char *text);
/* In the shortest form that reads back to the same double; nothing for what is not a number. */
void csv_number(FILE *out, double value);
/* n more fields. */
void csv_numbers(FILE *out, const double *value, int n);

/* ---- rows ---- */

/* Share of right answers as shown: the integer engine's; of the float row, and where that is unknown, `accuracy`. */
double row_accuracy(const CompareRow *row);
const Metric *row_metric(const CompareRow *row);
static inline bool row_is_float(const CompareRow *row) { return strcmp(row->kind, "float") == 0; }

/* "Accuracy": at the start of a sentence; and "Accuracy, %": at an axis or above a column. */
void metric_name(const Metric *metric, char text[64]);
void metric_title(const Metric *metric, char text[64]);

/* Of which rows the latency was measured while the machine was busy. */
typedef enum { NO_ROWS, SOME_ROWS, ALL_ROWS } RowsDisturbed;
RowsDisturbed rows_disturbed(const CompareRow *row, int rows);

/* A number in an HTML table, with a true minus; a dash for what is none. */
void html_number(FILE *out, const char *format, double value) __attribute__((format(printf, 2, 0)));

/* The same for a value of a metric as it is shown, its factor applied. */
void html_metric(FILE *out, const Metric *metric, double shown);

/* A line and what it stands for, in the key of a figure; dash: of SVG, "" for a solid line. */
void html_key_line(FILE *out, const char *colour, const char *dash, const char *what);

/* An integer with thin spaces between its thousands. */
void html_count(FILE *out, long value);

/* ---- plots ---- */

/* How line i of a figure looks, the same in the figure and in the legend next to it. */
typedef struct {
    const char *colour;       /* "#rrggbb"; on the page it is var(--c-rrggbb), which the style sheet sets */
    const char *dash;         /* of SVG: "6,3"; "" for a solid line */
    const char *gnuplot_dash; /* "dt (6,3)" */
} LineStyle;
LineStyle line_style(int i);

/* Colour of a row's point by its kind. */
const char *kind_colour(const CompareRow *row);

enum { JOINT_COSTS = 4 }; /* flash, RAM, instructions, bit operations */

/* The figures of each section, -1: none (no data).  Of the scatter there is one for wide and one for narrow windows. */
typedef struct {
    Gnuplot gnuplot;
    int scatter[2], curve[CURVE_KINDS];
    int unnumbered[2];          /* points of each scatter whose number found no room */
    int *weights, *activations; /* by histogram */
    int partial, networks[COSTS], lr_find, landscape;
    int joint[JOINT_COSTS], joint_bars;
} ReportPlots;

/* Draws everything the report has data for; plots->gnuplot.svg is NULL without gnuplot.  The caller
 * ends plots->gnuplot. */
Status report_plots(Arena *arena, const Report *report, ReportPlots *plots);

/* Axes left and below, faint lines across, no key: the settings most figures begin with. */
extern const char plot_frame[];

/* Each adds a figure and returns its number; -1: there is nothing to draw.  The points of the scatter, accuracy against
 * size, are numbered as the rows of the table, but for *left_out of them, whose numbers found no room. */
int plot_scatter(Arena *arena, Gnuplot *gnuplot, const CompareRow *row, int rows, bool wide, int *left_out);
int plot_weights(Gnuplot *gnuplot, const WeightHistogram *histogram);
int plot_activations(Arena *arena, Gnuplot *gnuplot, const ActivationHistogram *histogram);
int plot_partial(Gnuplot *gnuplot, const SearchReport *search);
int plot_lr_find(Gnuplot *gnuplot, const LrFind *find);
int plot_landscape(Gnuplot *gnuplot, const Landscape *l);
int plot_joint(Gnuplot *gnuplot, const struct Joint *joint, int cost); /* cost: 0 .. JOINT_COSTS - 1 */
int plot_joint_bars(Arena *arena, Gnuplot *gnuplot, const struct Joint *joint);
int plot_networks(Gnuplot *gnuplot, const SearchReport *search, CostKind kind);

/* What a curve's values are, "training accuracy, %", and by what they are shown. */
double curve_label(const Report *report, CurveKind kind, char text[64]);

/* A curve as it is drawn: at most `points` points, each the mean, weighted by images, of a stretch of at least as many
 * images as the longest of its stretches had, so that a last batch of few images is no point of its own.  Fills x and y
 * (room for points + 1) and returns their number; what is not finite is left out. */
int curve_points(const Curve *curve, int points, double *x, double *y);

/* ---- parts of the page ---- */
extern const char report_style[]; /* the style sheet */
extern const char search_style[]; /* more of it, where there is a search */

void put_facts(FILE *out, const Report *report);
void put_confusions(FILE *out, const Report *report);
void put_point_pictures(FILE *out, const Report *report);
void put_layers(FILE *out, const Report *report);
void put_noise(FILE *out, const Report *report);
void put_ptq_steps(FILE *out, const Report *report);
void put_search(FILE *out, const Report *report);
void put_partial(FILE *out, const Report *report, const ReportPlots *plots);
void put_lr_find(FILE *out, const Report *report, const ReportPlots *plots);
void put_landscape(FILE *out, const Report *report, const ReportPlots *plots);
void put_joint(FILE *out, const Report *report, const ReportPlots *plots);
void put_networks(FILE *out, const Report *report, const ReportPlots *plots);

/* The worst value of the metric that is within a tolerance, as it is shown. */
double tolerance_limit(const SearchReport *search, double tolerance);

/* "2 000 images that were held out from training": what the search was measured on. */
void html_measured_images(FILE *out, const Report *report);

/* How much worse than float a measurement is, as it is shown, with its sign: "Drop, points" above it, or "Worse by". */
void html_drop(FILE *out, const SearchReport *search, const Measurement *m);

void table_rows(FILE *out, const CompareRow *row, int rows);
void table_curves(FILE *out, const Curve *curve, int curves, double unit);
void table_weights(FILE *out, const WeightHistogram *histogram);
void table_activations(FILE *out, const ActivationHistogram *histogram, int histograms);

#endif
