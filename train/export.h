/* A model for a format: in a rounding that the format's runtimes round as, and what that changes. */
#ifndef BITFOLD_TRAIN_EXPORT_H
#define BITFOLD_TRAIN_EXPORT_H

#include "deploy/exporter.h"
#include "train/experiment.h"

typedef struct {
    const char *path;
    OpenModel open;
    Graph *graph;            /* to be written */
    Rounding wanted;         /* by the config or an assignment; the graph is in another if the format cannot have it */
    const Graph *trained;    /* the same model in the rounding it was quantized with; NULL: the graph is in that */
    const char *file_suffix; /* the format's, for messages */
} ExportModel;

/* Any quantized MODEL (graph_open), lowered again where the format's runtimes round otherwise than the model.  A
 * bitfold-int8 file keeps its integers, and only the rounding changes. */
Status export_open(Arena *arena, const char *path, const char *const *sets, const ExporterType *type,
                   ExportModel *model);

/* What another rounding changes, by the integer engine on test images. */
typedef struct {
    int images;             /* 0: not measured */
    const char *unmeasured; /* why not */
    long logits, different; /* codes of the last layer */
    double largest;         /* in codes; of logits in floats, in their own unit */
    int answers;            /* images that get another class; -1: answers are no classes */
    double before, after;   /* of the task's metric */
    const Metric *metric;
} RoundingChange;
enum { ROUNDING_MAX_IMAGES = 10000 };

/* Runs model->trained and model->graph, which must differ in rounding, on the first test images of the model's data.
 * Data that cannot be read are no failure: `unmeasured` says so. */
Status export_measure(Arena *arena, const ExportModel *model, RoundingChange *change);

/* The same in one line. */
const char *export_change_text(Arena *arena, const ExportModel *model, const RoundingChange *change);

#endif
