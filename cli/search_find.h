/* A search as verbs start it: measured rows, the space, and networks tried with progress, all kept in the run directory. */
#ifndef BITFOLD_CLI_SEARCH_FIND_H
#define BITFOLD_CLI_SEARCH_FIND_H

#include "cli/search_job.h"
#include "search/search.h"
#include "search/space_latency.h"

typedef struct {
    Sensitivity sensitivity;
    SearchSpace space;
    Trials trials;
    SearchResult result;
    LatencyJob latency; /* where latencies are asked for */
} SearchFound;

/* --flash, --ram, --cycles, --bops, --latency; none: no budget. */
Status search_budget_options(const Options *o, SearchOptions *s);

/* Measures the candidates one at a time (search_sensitivity) and searches.  options->measure below 0: what is usual for
 * the task, which is then put there.  On STATUS_INTERRUPTED says how to go on and sets the exit code. */
Status search_find(Arena *arena, SearchJob *job, SearchOptions *options, SearchFound *found);

/* Writes pareto.csv and why.txt of a search that found something. */
Status search_leave(Arena *arena, const SearchJob *job, const SearchOptions *options, const SearchFound *found);

#endif
