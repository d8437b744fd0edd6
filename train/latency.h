/* How long a network takes for one image. */
#ifndef BITFOLD_TRAIN_LATENCY_H
#define BITFOLD_TRAIN_LATENCY_H

#include <stdbool.h>

#include "datasets/dataset.h"
#include "layers/model.h"
#include "graph/graph.h"

typedef struct {
    double least_us, median_us; /* of the repeats: what the network takes, and what it took */
    int repeats;
    /* Mean number of other tasks that ran or waited for a processor meanwhile, for each processor; and the share of the
     * time in which this program had to wait for one. */
    double others, waited;
} Latency;

/* One test image on one thread, again and again: by the integer engine, its pixels' codes included, or, where graph is
 * NULL, by the float network.  At least 101 times, and for a fifteenth of a second where that takes at most 10,000. */
Status latency_measure(Arena *arena, Model *m, const Graph *graph, const Dataset *test, Latency *latency);

/* The machine had other work to do, which makes figures too high: more than a tenth of its processors, or of the
 * time. */
bool latency_disturbed(const Latency *latency);

#endif
