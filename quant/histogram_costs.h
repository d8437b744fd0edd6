/* What the searches of quant/histogram.h compare: the cost of every threshold that they try. */
#ifndef BITFOLD_QUANT_HISTOGRAM_COSTS_H
#define BITFOLD_QUANT_HISTOGRAM_COSTS_H

#include "quant/histogram.h"

/* Thresholds rise. */
typedef struct {
    int n;
    double *threshold, *cost; /* room for HISTOGRAM_BINS + 1 */
} HistogramCosts;

/* KL(P || Q) in nats, HUGE_VAL where Q is 0 and P is not; histogram_entropy's threshold is where it is least. */
void histogram_entropy_costs(const Histogram *h, int levels, HistogramCosts *costs);

/* The mean squared error of a value; histogram_mse's threshold is where it is least. */
void histogram_mse_costs(const Histogram *h, int levels, HistogramCosts *costs);

#endif
