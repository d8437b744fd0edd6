/* Partial quantization: every layer in one format but those that bear it worst, as many as it takes. */
#ifndef BITFOLD_SEARCH_PARTIAL_H
#define BITFOLD_SEARCH_PARTIAL_H

#include "search/sensitivity.h"

typedef struct {
    int format, keep; /* indices into format_choices: what layers get, and what those that bear it worst keep */
    int order;        /* a PredictorKind, by which layers are put in order; -1: the loss they add */
    double tolerance; /* how much worse than float the metric may be, as it is shown (points of accuracy) */
} PartialOptions;

/* One network: the `kept` worst groups in options.keep. */
typedef struct {
    int kept;
    const char *layer; /* the last of them; NULL: none is kept */
    Measurement m;
    double drop; /* of the metric below float's, as it is shown */
} PartialStep;

typedef struct {
    int steps;
    PartialStep *step;
    int best;    /* the step that was chosen: the last if it is within the tolerance, else the one of least drop */
    bool within; /* whether that is within the tolerance */
    FormatChoice choice; /* its formats */
} Partial;

/* Leaves more and more groups of s, whose rows have options.format for outputs (PART_ACTIVATIONS) and for both, in
 * options.keep, the worst first, until the metric is within the tolerance on the judge's images.  step: called after each,
 * or NULL.  In the arena. */
Status partial_run(Arena *arena, const Judge *judge, const Sensitivity *s, const PartialOptions *options,
                   void (*step)(void *context, const PartialStep *step), void *context, Partial *partial);

#endif
