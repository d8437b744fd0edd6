#ifndef BITFOLD_BENCH_CYCLES_FIT_H
#define BITFOLD_BENCH_CYCLES_FIT_H

#include "base/arena.h"

/* x >= 0 that minimizes |a x - 1|^2, a [rows][columns] (Lawson and Hanson 1974, Solving Least Squares Problems, 23.3).
 * Columns are scaled to length 1; one that depends on others is given a share of what they have together.  Cost:
 * O(columns^4) at worst. */
void fit_to_ones(Arena *arena, const double *a, int rows, int columns, double *x);

#endif
