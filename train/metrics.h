/* metrics.jsonl: one JSON object a line, no clock in it. */
#ifndef BITFOLD_TRAIN_METRICS_H
#define BITFOLD_TRAIN_METRICS_H

#include <stdio.h>

#include "base/arena.h"
#include "base/status.h"
#include "quant/oscillation.h"
#include "tasks/task.h"

typedef struct {
    FILE *stream; /* NULL: metrics are not kept */
    const char *path;
} Metrics;

/* Opens folder/metrics.jsonl: empty, or, to go on from step `keep`, cut back to the lines up to it. */
Status metrics_open(Arena *arena, const char *folder, const char *phase, long keep, Metrics *metrics);
void metrics_close(Metrics *metrics);

/* {"phase", "step", "epoch", "images", "loss", the task's running metric by its name ("accuracy"), "lr"} and, at an
 * epoch's end where there is a validation split, "validation" (the task's metric) and "validation_loss".  Loss and
 * running metric are means over the `images` trained on since the line before.  Where weights are watched for
 * oscillation (quant/oscillation.h) also "oscillating" and "frozen", shares of all of them, and "dampening", that part
 * of the last step's loss, which "loss" does not have.  With train.sparsity also "sparsity", the share of weights that is 0. */
typedef struct {
    const char *phase;
    long step;
    int epoch, images;
    const Task *task;
    double loss, running, lr, validation, validation_loss;
    double sparsity;                     /* below 0: no weights are removed */
    const OscillationCount *oscillation; /* NULL, or of 0 weights: none are watched */
} MetricsLine;
Status metrics_line(Metrics *metrics, const MetricsLine *line);

#endif
