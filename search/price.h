/* Methods that put a price on the cost: how they choose at a price is theirs; the price is searched for here. */
#ifndef BITFOLD_SEARCH_PRICE_H
#define BITFOLD_SEARCH_PRICE_H

#include "search/search.h"

typedef struct Pricing {
    const Search *s;
    SpaceKnapsack knapsack; /* of the space and these costs, without budgets */
    CostKind cost[KNAPSACK_COSTS];
    int costs;
    double
        unit[KNAPSACK_COSTS]; /* what the price is for: a thousandth of the network of least loss, less for a cost that
                                  * has to be dearer than the others */
    int steps;                /* at most so many prices are tried at a time */
    /* The choice at a price, in losses for each unit of cost; equal prices and units give equal choices. */
    Status (*choose)(Arena *arena, const struct Pricing *p, double price, int *choice);
    void *context;
} Pricing;

/* By bisection the price that is just dear enough for the budgets, or as dear as the tolerance bears; what budgets leave is
 * then given to the layers that need it most (search_fill_budgets).  p: steps, choose and context are filled in. */
Status price_search(Arena *arena, const Search *s, Pricing *p);

/* Fills in what is the same for all prices: s, knapsack, costs and units. */
Status price_begin(Arena *arena, const Search *s, Pricing *p);

/* The choice of least predicted loss + price x cost. */
Status price_choose_predicted(Arena *arena, const Pricing *p, double price, int *choice);

#endif
