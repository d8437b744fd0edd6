/* Clock and medians, for progress and benchmarks; nothing that is computed may depend on them. */
#ifndef BITFOLD_BASE_TIMING_H
#define BITFOLD_BASE_TIMING_H

/* Seconds since some fixed moment; never runs backwards. */
double timing_seconds(void);

/* Sorts the n > 0 values and returns the middle one (the upper of two). */
double timing_median(double *values, int n);

#endif
