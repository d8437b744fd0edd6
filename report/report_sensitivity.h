/* Sensitivity as a table: lines for people, and CSV. */
#ifndef BITFOLD_REPORT_REPORT_SENSITIVITY_H
#define BITFOLD_REPORT_REPORT_SENSITIVITY_H

#include "search/sensitivity.h"

/* The rows, part by part, in the order of the layers, with a bar for what each adds to the loss; below them how well each
 * predictor ranks them, by part and format.  In the arena. */
char *sensitivity_table(Arena *arena, const Sensitivity *s, const Metric *metric);

/* One line for each row: layer, part, format, metric, loss, kl, the same of all but it, each predictor. */
Status sensitivity_write_csv(Arena *arena, const Sensitivity *s, const Metric *metric, const char *path);

#endif
