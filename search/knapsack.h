/* The multiple-choice knapsack problem: of each item one option, so that the sum of losses is small and the sums of costs
 * stay within budgets.
 *
 * Source: Kellerer, Pferschy, Pisinger, "Knapsack Problems" (2004), chapter 11. */
#ifndef BITFOLD_SEARCH_KNAPSACK_H
#define BITFOLD_SEARCH_KNAPSACK_H

#include "base/arena.h"
#include "base/status.h"

/* States are partial choices that are kept; with more than one cost each is held against all others. */
enum { KNAPSACK_COSTS = 4, KNAPSACK_MAX_STATES = 1 << 20, KNAPSACK_MAX_STATES_OF_MANY = 1 << 15 };

typedef struct {
    double loss;
    double cost[KNAPSACK_COSTS]; /* 0 or more; those not asked for are 0 */
} KnapsackOption;

typedef struct {
    int options; /* 1 or more */
    const KnapsackOption *option;
} KnapsackItem;

typedef struct {
    int items;
    const KnapsackItem *item;
    int costs;                     /* how many of them count: 1 to KNAPSACK_COSTS */
    double budget[KNAPSACK_COSTS]; /* INFINITY: none */
} Knapsack;

/* One choice: an option of each item, and the sums. */
typedef struct {
    double loss;
    double cost[KNAPSACK_COSTS];
    const int *pick; /* [items] */
} KnapsackChoice;

typedef struct {
    int n;
    const KnapsackChoice *at;
} KnapsackFront;

/* All choices within the budgets that no other beats in the loss and every cost, by rising cost[0]; of equal ones one.
 * None: no choice is within them.  Dynamic programming over the items, exact.  In the arena.  STATUS_NUMERIC: more
 * states would have to be looked at than that. */
Status knapsack_front(Arena *arena, const Knapsack *k, KnapsackFront *front);

/* The choice that has the least loss + weight[0] cost[0] + ..., the budgets aside: on the convex hull of the front. */
KnapsackChoice knapsack_lagrange(Arena *arena, const Knapsack *k, const double weight[KNAPSACK_COSTS]);

#endif
