/* Which differences of a table are more than chance. */
#include <math.h>
#include <string.h>

#include "report/compare.h"
#include "report/report_parts.h"

static bool keeps_weights_alike(const CompareRow *a, const CompareRow *b)
{
    const int bits_a = a->first_last_bits == 0 ? a->weight_bits : a->first_last_bits,
              bits_b = b->first_last_bits == 0 ? b->weight_bits : b->first_last_bits;
    const char *floats_a = a->floats == NULL ? "" : a->floats, *floats_b = b->floats == NULL ? "" : b->floats;
    if (strcmp(floats_a, floats_b) != 0) return false;
    return !row_is_float(a) && !row_is_float(b) && a->weight_bits == b->weight_bits && bits_a == bits_b;
}

/* Row i is more accurate than every other with weights of as many bits, of which there are some. */
static bool leads(Arena *arena, const CompareRow *row, const Answers *answers, int rows, int i)
{
    double *p = ARENA_ARRAY(arena, double, rows);
    int rivals = 0;
    for (int j = 0; j < rows; j++) {
        if (j == i || row[j].error != NULL || !keeps_weights_alike(&row[i], &row[j])) continue;
        if (!(metric_drop(row_metric(&row[i]), row_accuracy(&row[i]), row_accuracy(&row[j])) > 0)) return false;
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
        const bool exact = answers[i].right != NULL;
        row[i].accuracy_range = exact ? wilson_interval(row_accuracy(&row[i]) * answers[i].images, answers[i].images)
                                      : mean_interval(answers[i].part, answers[i].images);
        if (row_is_float(&row[i]) || row[0].error != NULL) continue;
        const Paired drop = paired_difference(&answers[0], &answers[i]);
        const bool higher = row_metric(&row[i])->higher_is_better;
        row[i].drop_range = higher ? drop.range : (Interval){-drop.range.high, -drop.range.low};
        p[i] = drop.p;
    }
    holm_adjust(p, rows);
    for (int i = 0; i < rows; i++) {
        row[i].p = p[i];
        row[i].leads = row[i].error == NULL && leads(arena, row, answers, rows, i);
    }
}
