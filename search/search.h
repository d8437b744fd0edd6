/* Search: which format each layer gets, so that a network is good enough and cheap, or within budgets and good. */
#ifndef BITFOLD_SEARCH_SEARCH_H
#define BITFOLD_SEARCH_SEARCH_H

#include "search/trial.h"

typedef struct {
    int method;       /* index into search_methods */
    IntList formats;  /* candidates: indices into format_choices */
    int measure;      /* a LossMeasure */
    double tolerance; /* how much worse than float the metric may be, as it is shown; NAN: as good as budgets allow */
    double budget[COSTS]; /* INFINITY: none */
    CostKind minimize;    /* with a tolerance: the cost that is to be small; not RAM, which is no sum */
} SearchOptions;

typedef struct {
    const SearchOptions *options;
    Trials *trials;
    SearchSpace *space;
} Search;

typedef struct {
    const char *name, *doc; /* one sentence, no final period */
    /* Asks for networks, of which search_run takes the best. */
    Status (*run)(Arena *arena, const Search *s);
    bool needs_gradients; /* of the float network: it looks at the judge's model */
} SearchMethod;

extern const SearchMethod *const search_methods[]; /* NULL-ended; the first is the default */

typedef struct {
    int best;    /* of the trials; -1: there is none within the budgets */
    bool within; /* it keeps the tolerance, if there is one */
    bool *
        front; /* [trials]: within the budgets, and none of those is better in the metric or the cost that counts and no
                  * worse in the other */
} SearchResult;

/* STATUS_CONFIG: a budget is less than what any network of the space takes; names the layer that takes most of it. */
Status search_check_budgets(Arena *arena, const SearchOptions *options, const SearchSpace *space, const Trials *trials);

/* Narrows the space to what the RAM budget leaves, runs the method and chooses.  With a tolerance the cheapest network
 * that keeps it, or else the one of least drop; without one that of least drop, of equal ones of least loss.
 * STATUS_CONFIG: search_check_budgets', or there is nothing to choose from. */
Status search_run(Arena *arena, const SearchOptions *options, SearchSpace *space, Trials *trials, SearchResult *result);

/* Whether latencies are asked for: there is a budget of them, or they are to be small. */
bool search_is_timed(const SearchOptions *o);

/* The cost that counts: that to be minimized, or the first that has a budget. */
CostKind search_main_cost(const SearchOptions *o);

/* The trials that are on the front, and the one that was chosen, by the cost that counts; how many.  In the arena. */
int *search_front(Arena *arena, const SearchOptions *o, const Trials *trials, const SearchResult *result, int *n);

/* ---- for methods --------------------------------------------------------------------------------------------------- */

bool search_within_budgets(const SearchOptions *o, const Cost *cost);
/* Within the budgets and the tolerance. */
bool search_suffices(const SearchOptions *o, const Trial *trial);
/* The costs that a method looks at: that to be minimized first, then those with a budget; how many.  RAM is none. */
int search_costs(const SearchOptions *o, CostKind cost[KNAPSACK_COSTS]);
/* Raises layers of a choice that is within the budgets, each time the one that loses least by it, as long as the
 * predicted costs stay within them and so does the network as it is made. */
Status search_fill_budgets(Arena *arena, const Search *s, const int *choice);

#endif
