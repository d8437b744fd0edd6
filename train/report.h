/* The page that `compare` leaves behind: report.html, self-contained, every figure from that run. */
#ifndef BITFOLD_TRAIN_REPORT_H
#define BITFOLD_TRAIN_REPORT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct {
    const char *name;                     /* "float", "ptq W8A8 per_channel minmax", "qat W4A4", ... */
    const char *kind;                     /* "float", "ptq", "qat" */
    int weight_bits, act_bits;            /* 32 for float */
    int ends;                             /* bits of the first and last layer; 0: as the rest */
    const char *granularity, *calibrator; /* "" for float; calibrator "" for qat */
    double accuracy, accuracy_std;        /* mean, sample deviation; 0 to 1; float engine or simulator */
    double accuracy_int8;                 /* by the integer engine; NAN for float */
    int seeds;
    long size_bytes;   /* ceil(n * bits / 8) per weight tensor, 4 per bias and scale */
    double latency_us; /* one image, one thread, integer engine; float: float forward */
} CompareRow;

typedef struct {
    const char *name; /* "float seed 1: loss", ... */
    int n;
    const double *x, *y; /* x: steps */
} Curve;

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
    const char **calibrator;
    const double *threshold;
} ActivationHistogram;

/* 10 log10(sum y^2 / sum (y - yq)^2) of each layer's output, quantized network against float. */
typedef struct {
    const char *row; /* name of the table's row */
    int layers;
    const char **layer;
    const double *sqnr_db;
} LayerSqnr;

typedef struct {
    const char *title, *dataset, *config_text; /* config_text: the resolved JSON, shown folded */
    const char *command;                       /* that reproduces the run */
    int rows;
    const CompareRow *row;
    int curves;
    const Curve *loss, *accuracy; /* curves each: training loss; training accuracy */
    const char *weights_row;      /* whose weights these are: name of the table's row */
    int weight_histograms;
    const WeightHistogram *weights;
    int activation_histograms;
    const ActivationHistogram *activations;
    int sqnrs;
    const LayerSqnr *sqnr;
} Report;

/* Writes the page atomically.  Plots are SVG drawn by gnuplot and inlined; without gnuplot on the PATH the page says so
 * and has tables in their place; a gnuplot that fails is STATUS_IO.  Equal reports give equal bytes. */
Status report_write(Arena *arena, const Report *report, const char *path);

/* The table as CSV by RFC 4180 (header line, one row per line, CR LF, names quoted where needed, nothing for NAN),
 * atomically; first_last_bits is `ends`. */
Status report_write_csv(Arena *arena, const CompareRow *row, int rows, const char *path);

/* The table as text for a terminal, lines of at most 100 columns without newline: the head, and one row
 * (accuracy by the integer engine, drop against `float_accuracy`). */
char *report_text_head(Arena *arena);
char *report_text_row(Arena *arena, const CompareRow *row, double float_accuracy);

#endif
