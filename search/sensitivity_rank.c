#include "search/sensitivity_rank.h"

#include <math.h>

double sensitivity_cost(const Sensitivity *s, const SensitivityRow *row) { return row->alone.loss - s->floats.loss; }

double sensitivity_correlation(Arena *arena, const Sensitivity *s, PredictorKind kind, int part, int format)
{
    double *predicted = ARENA_ARRAY(arena, double, s->rows), *cost = ARENA_ARRAY(arena, double, s->rows);
    int n = 0;
    for (int i = 0; i < s->rows; i++) {
        const SensitivityRow *row = &s->row[i];
        if ((part >= 0 && (int)row->part != part) || (format >= 0 && row->format != format)) continue;
        if (isnan(row->predicted[kind]) || isnan(row->alone.loss)) continue;
        predicted[n] = predictors[kind].of_quality ? -row->predicted[kind] : row->predicted[kind];
        cost[n++] = sensitivity_cost(s, row);
    }
    return rank_correlation(arena, predicted, cost, n);
}
