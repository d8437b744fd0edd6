/* metrics.jsonl: one JSON object a line, no clock in it. */
#ifndef BITFOLD_TRAIN_METRICS_H
#define BITFOLD_TRAIN_METRICS_H

#include <stdio.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct {
    FILE *stream; /* NULL: metrics are not kept */
    const char *path;
} Metrics;

/* Opens folder/metrics.jsonl: empty, or, to go on from step `keep`, cut back to the lines up to it. */
Status metrics_open(Arena *arena, const char *folder, const char *phase, long keep, Metrics *metrics);
void metrics_close(Metrics *metrics);

/* {"phase", "step", "epoch", "loss", "accuracy", "lr"} and, at an epoch's end, "validation" (>= 0). */
typedef struct {
    const char *phase;
    long step;
    int epoch;
    double loss, accuracy, lr, validation;
} MetricsLine;
Status metrics_line(Metrics *metrics, const MetricsLine *line);

#endif
