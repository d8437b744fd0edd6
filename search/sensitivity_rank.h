/* What layers are put in order by, and how well predictors do it. */
#ifndef BITFOLD_SEARCH_SENSITIVITY_RANK_H
#define BITFOLD_SEARCH_SENSITIVITY_RANK_H

#include "search/sensitivity.h"

/* By how much the loss is higher than float's with one format alone: what predictors are to tell, and what layers are put
 * in order by. */
double sensitivity_cost(const Sensitivity *s, const SensitivityRow *row);

/* The rank correlation of a predictor with that over the rows of one part and format (-1: all of them) of which it says
 * something; the sign is such that 1 is a perfect predictor.  NAN: fewer than three such rows. */
double sensitivity_correlation(Arena *arena, const Sensitivity *s, PredictorKind kind, int part, int format);

#endif
