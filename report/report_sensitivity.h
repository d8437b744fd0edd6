/* Sensitivity as a table, lines for people and CSV, and partial quantization as CSV. */
#ifndef BITFOLD_REPORT_REPORT_SENSITIVITY_H
#define BITFOLD_REPORT_REPORT_SENSITIVITY_H

#include "search/partial.h"

/* The rows, part by part, in the order of the layers, with a bar for what each adds to the loss; below them how well each
 * predictor ranks them, by part and format.  In the arena. */
char *sensitivity_table(Arena *arena, const Sensitivity *s, const Metric *metric);

/* One line for each row: layer, part, format, metric, loss, kl, the same of all but it, each predictor. */
Status sensitivity_write_csv(Arena *arena, const Sensitivity *s, const Metric *metric, const char *path);

/* One line for each network that was tried: how many groups were kept, the last of them, metric, loss, kl, drop. */
Status partial_write_csv(Arena *arena, const Partial *partial, const Metric *metric, const char *path);

#endif
