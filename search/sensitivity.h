/* Sensitivity: which layer's weights or outputs cost how much in which format, measured one at a time, beside what
 * predictors say of it. */
#ifndef BITFOLD_SEARCH_SENSITIVITY_H
#define BITFOLD_SEARCH_SENSITIVITY_H

#include <signal.h>

#include "search/predictor.h"

typedef struct {
    IntList formats; /* indices into format_choices, none of them 0 (auto) */
    bool part[PART_BOTH + 1];
    bool leave_out; /* measure also all but one, not only one alone */
    bool predict;   /* ask the predictors, too */
} SensitivityOptions;

typedef struct {
    FormatPart part;
    int format;        /* index into format_choices */
    int unit;          /* PART_WEIGHTS: the layer of FormatGroups; else the group */
    const char *layer; /* its name */
    Measurement alone,
        spared; /* nothing but it in the format, the rest float32; all in it but this; not measured: NAN */
    double predicted[PREDICTORS]; /* NAN: says nothing about such a row */
    double trace_error;           /* the standard error of predicted[PREDICT_TRACE]; NAN beside it */
} SensitivityRow;

/* Every weight, or every output, or both, in one format: what `spared` is to be held against. */
typedef struct {
    FormatPart part;
    int format;
    Measurement all;
} UniformRow;

typedef struct {
    FormatGroups groups;
    Measurement floats; /* of the network in float32 */
    int images;
    int rows, uniforms;
    SensitivityRow *row;
    UniformRow *uniform;
    int taken;                     /* rows that were there already */
    double measuring;              /* seconds, of what was made now */
    double predicting[PREDICTORS]; /* local SQNR, first order and Fisher come of one pass and share its time */
} Sensitivity;

typedef struct {
    const Judge *judge;
    FormatGroups groups; /* that are asked for */
    SensitivityOptions options;
    const char *folder; /* exists; rows are kept there as they are made, in sensitivity.json */
    const char *digest; /* all that the rows follow from; kept rows of another one are made again */
    const volatile sig_atomic_t *stop;
    /* Before the predictors look at the network as a whole, which may take as long as many rows. */
    void (*begin)(void *context, const char *what);
    /* After each row: how many there are of how many, and the seconds that are left. */
    void (*progress)(void *context, const Sensitivity *s, int done, double left);
    void *context;
} SensitivityJob;

/* Measures all rows, or those that the folder has not; in the arena.  STATUS_INTERRUPTED: what was made is kept. */
Status sensitivity_run(Arena *arena, const SensitivityJob *job, Sensitivity *s);

#endif
