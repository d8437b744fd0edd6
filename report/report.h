/* The page that `compare`, `sensitivity`, `partial` and `search` leave behind: report.html, self-contained, every figure from that run. */
#ifndef BITFOLD_REPORT_REPORT_H
#define BITFOLD_REPORT_REPORT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/status.h"
#include "train/latency.h"
#include "train/lr_find.h"
#include "report/statistics.h"
#include "search/landscape.h"
#include "search/partial.h"
#include "search/search.h"

typedef struct {
    const char *name;                   /* "float", "ptq W8A8 per_channel minmax", "qat W4A4", ... */
    const char *kind;                   /* "float", "ptq", "qat" */
    int weight_bits, act_bits;          /* 32 for float */
    const char *floats;                 /* "stem float32": layers in floats while others have codes; NULL: none */
    int first_last_bits;                /* bits of the first and last layer; 0: as the rest */
    const char *granularity, *observer; /* "" for float; observer "" for qat */
    const Metric *metric;               /* that is told as accuracy here; NULL: accuracy */
    double accuracy, accuracy_std;      /* mean, sample deviation; float engine or simulator */
    double accuracy_int8;               /* by the integer engine; NAN for float */
    int seeds;
    Interval accuracy_range; /* 95 % by Wilson's method on the test images, of the accuracy that is shown */
    /* 95 % of how much worse than the float row's it is, paired: of accuracy that one less this.  No use in the float
     * row */
    Interval drop_range;
    double p;          /* of that difference being none, adjusted for the number of rows; NAN: not tested */
    bool leads;        /* more accurate than each row with weights of as many bits, beyond chance */
    long size_bytes;   /* ceil(n * bits / 8) per weight tensor, 4 per bias and scale */
    long ram_bytes;    /* all activations of one image in one arena; 0: not known, for float */
    long macs;         /* of one image */
    Latency latency;   /* of one image on one thread, integer engine or float forward; 0: not measured */
    const char *error; /* why there is no result, and the numbers are NAN and 0; NULL: there is one */
} CompareRow;

/* Means over stretches of a training: y[i] over `images[i]` images, the last at step x[i]. */
typedef struct {
    const char *name; /* of the table's row */
    int n;
    const double *x, *y;
    const double *images; /* NULL: as many everywhere */
} Curve;

typedef enum {
    CURVE_LOSS,
    CURVE_ACCURACY,
    CURVE_VALIDATION_LOSS,
    CURVE_VALIDATION_ACCURACY,
    CURVE_OSCILLATING, /* shares of weights (quant/oscillation.h) */
    CURVE_FROZEN,
    CURVE_KINDS
} CurveKind;

typedef struct {
    const char *layer;
    int bits, bins;
    double lo, hi;                /* of the bins */
    const double *before, *after; /* counts: float weights, the same weights on their grid */
} WeightHistogram;

typedef struct {
    const char *layer;
    int bits, bins;
    double width; /* bin j covers |x| in [j, j+1) * width */
    const double *count;
    int thresholds;
    const char **observer;
    const double *threshold;
    /* What "entropy" and "mse" compare at each threshold at[k]: KL divergence, mean squared error. */
    struct {
        int n;
        const double *at, *cost;
    } search[2];
} ActivationHistogram;

/* 10 log10(sum y^2 / sum (y - yq)^2) of each layer's output, quantized network against float. */
typedef struct {
    const char *row; /* name of the table's row */
    int layers;
    const char **layer;
    const double *sqnr_db;
} LayerSqnr;

/* What a layer costs; flash by column: the distinct widths of weights in the table. */
typedef struct {
    const char *name, *type;
    int h, w, c; /* of its output */
    long weights, macs;
    long ram_bytes; /* of activations that are alive while it runs; 0: it does not run */
    const long *flash_bytes;
} LayerCost;

/* counts[label][answer] of the test images. */
typedef struct {
    const char *row;
    const long *count;
} Confusion;

/* Where a network has points: [pictures][points][x, y]; and the metric of all test pictures against float's answers. */
typedef struct {
    const char *row;
    const float *at;
    double against_float;
} PointAnswers;

/* Some test pictures with points, pixels[pictures,h,w,c] and label[pictures,points,POINT_FLOATS]; row 0 is float. */
typedef struct {
    int pictures, points, h, w, c, rows;
    const uint8_t *pixels;
    const float *label;
    const PointAnswers *row;
} PointPictures;

/* What one step of post-training quantization did to a row; NAN: not known. */
typedef struct {
    const char *row, *step;
    double loss[2], sqnr[2]; /* before, after; dB */
    double seconds;
} StepEffect;

/* What was computed, on which data, when and where; a NULL text or a 0 is left out. */
typedef struct {
    const char *dataset;
    int train, validation, test, classes; /* images; classes of the data */
    int h, w, c;                          /* of an image */
    long parameters;
    const char *seeds;                          /* "1, 2, 3" */
    const char *date, *cpu, *kernels, *version; /* when the page was written; the rest says where */
    int threads;
} ReportFacts;

/* Which layers cost the metric, and what is left of it as the worst of them are spared. */
typedef struct {
    const Metric *metric;
    const Sensitivity *sensitivity;
    const Partial *partial;        /* NULL: only the former */
    const PartialOptions *options; /* of `partial` */
    const Trials *trials;          /* of a search for formats; NULL: there was none */
    const SearchResult *found;     /* of it, */
    const SearchOptions *sought;   /* and what was looked for */
} SearchReport;

typedef struct {
    const char *subject;             /* after the title; NULL: "quantization compared" */
    const char *title, *config_text; /* config_text: the resolved JSON, shown folded */
    const char *command;             /* that reproduces the run */
    ReportFacts facts;
    int rows;
    const CompareRow *row; /* none has an error */
    int failures;
    const CompareRow *failure; /* those that have */
    const Metric *running;     /* what training tells as it goes; NULL: accuracy */
    int curves;
    const Curve *curve[CURVE_KINDS]; /* curves of each kind, NULL: none; n == 0 where there is none */
    int layers, flash_columns;
    const LayerCost *layer;
    const char **flash_column; /* "W4 ends 8" */
    int confusions, classes;   /* classes: outputs of the network, as many names */
    const Confusion *confusion;
    const char *const *class_name;
    const PointPictures *points; /* NULL: the answers are no points */
    const char *weights_row;     /* whose weights these are: name of the table's row */
    int weight_histograms;
    const WeightHistogram *weights;
    int activation_histograms;
    const ActivationHistogram *activations;
    int sqnrs;
    const LayerSqnr *sqnr;
    const SearchReport *search; /* NULL: none */
    int steps;
    const StepEffect *step;
    const LrFind *lr_find;      /* NULL: none */
    const Landscape *landscape; /* NULL: none */
    const struct Joint *joint;  /* several tables (report/joint.h); NULL: none */
} Report;

/* A line for each point: model, kind, figure ("line" or "plane"), x, y, loss. */
Status landscape_write_csv(Arena *arena, const Landscape *l, const char *path);

/* One line for each rate that was tried: step, rate, loss, smoothed loss. */
Status lr_find_write_csv(Arena *arena, const LrFind *find, const char *path);

/* What a page says of data and machine, the date included; parameters: of the network; seeds: "1, 2, 3". */
ReportFacts report_facts(Arena *arena, const Config *config, const DataSplits *data, long parameters,
                         const char *seeds);

/* Writes the page atomically.  Plots are SVG drawn by gnuplot and inlined; without gnuplot on the PATH the page says so
 * and has tables in their place; a gnuplot that fails is STATUS_IO.  Equal reports give equal bytes. */
Status report_write(Arena *arena, const Report *report, const char *path);

/* Significant at 5 %: -1 worse than float, 1 better, 0 neither. */
int row_verdict(const CompareRow *row);

/* The table as CSV by RFC 4180 (header line, one row per line, CR LF, names quoted where needed, nothing for NAN),
 * atomically; only where a row failed there is a column more, `error`, and one, `floats`, only where a row has layers in floats while others have codes.  Equal runs give equal bytes: latency is not in
 * it. */
Status report_write_csv(Arena *arena, const CompareRow *row, int rows, const char *path);

/* The table as text for a terminal, lines of at most 100 columns without newline: the head, one row (accuracy by the
 * integer engine, drop against `float_accuracy`), and under the table what its differences are worth. */
char *report_text_head(Arena *arena, const Metric *metric);
char *report_text_row(Arena *arena, const CompareRow *row, double float_accuracy);
char *report_text_foot(Arena *arena, const CompareRow *row, int rows, int images);

#endif
