/* A search as a table, CSV, and the reasons for what was chosen. */
#ifndef BITFOLD_REPORT_REPORT_TRIALS_H
#define BITFOLD_REPORT_REPORT_TRIALS_H

#include "search/search.h"

/* "3 int8, 5 int4, 2 int2": how many layers' weights have which format; in the arena. */
char *trial_weights(Arena *arena, const SearchSpace *space, const int *choice);

/* The networks on the front by their cost, and the one that was chosen; in the arena. */
char *search_table(Arena *arena, const SearchOptions *options, const Trials *trials, const SearchResult *result);

/* One line for each network that was tried: its costs, metric, loss, kl, drop, the loss that was predicted, whether it is
 * on the front and whether it was chosen, and the format of each unit. */
Status search_write_csv(const Trials *trials, const SearchResult *result, const char *path);

/* For each layer and group what it was given, and what every candidate would lose and take. */
Status search_write_why(Arena *arena, const SearchOptions *options, const Trials *trials, const SearchResult *result,
                        const char *path);

#endif
