/* Which differences of a table are more than chance. */
#include <math.h>

#include "report/compare.h"
#include "report/report_parts.h"

static bool keeps_weights_alike(const CompareRow *a, const CompareRow *b)
{
    const int ends_a = a->ends == 0 ? a->weight_bits : a->ends, ends_b = b->ends == 0 ? b->weight_bits : b->ends;
    return !row_is_float(a) && !row_is_float(b) && a->weight_bits == b->weight_bits && ends_a == ends_b;
}

/* Row i is more accurate than every other with weights of as many bits, of which there are some. */
static bool leads(Arena *arena, const CompareRow *row, const Answers *answers, int rows, int i)
{
    double *p = ARENA_ARRAY(arena, double, rows);
    int rivals = 0;
    for (int j = 0; j < rows; j++) {
        if (j == i || row[j].error != NULL || !keeps_weights_alike(&row[i], &row[j])) continue;
        if (!(row_accuracy(&row[i]) > row_accuracy(&row[j]))) return false;
        p[rivals++] = paired_difference(&answers[i], &answers[j]).p;
    }
    holm_adjust(p, rivals);
    for (int j = 0; j < rivals; j++)
        if (!(p[j] < 0.05)) return false;
    return rivals > 0;
}

void compare_judge(Arena *arena, CompareRow *row, const Answers *answers, int rows)
{
    double *p = ARENA_ARRAY(arena, double, rows);
    for (int i = 0; i < rows; i++) {
        p[i] = (double)NAN;
        if (row[i].error != NULL) continue;
        const double right = row_accuracy(&row[i]) * answers[i].images;
        row[i].accuracy_range = wilson_interval(right, answers[i].images);
        if (row_is_float(&row[i]) || row[0].error != NULL) continue;
        const Paired drop = paired_difference(&answers[0], &answers[i]);
        row[i].drop_range = drop.range;
        p[i] = drop.p;
    }
    holm_adjust(p, rows);
    for (int i = 0; i < rows; i++) {
        row[i].p = p[i];
        row[i].leads = row[i].error == NULL && leads(arena, row, answers, rows, i);
    }
}
