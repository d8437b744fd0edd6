/* Methods along the front: the choices that no other beats in predicted loss and cost. */
#include <math.h>

#include "search/search.h"

enum { CORRECTIONS = 8, FINALISTS = 4, PARETO_POINTS = 20 };

/* The front as it falls in loss with the rising first cost. */
typedef struct {
    int n;
    const int **choice;
} Chain;

static Status make_chain(Arena *arena, const Search *s, const double *excess, Chain *chain)
{
    CostKind cost[KNAPSACK_COSTS];
    const int costs = search_costs(s->options, cost);
    double budget[KNAPSACK_COSTS];
    for (int i = 0; i < costs; i++) budget[i] = s->options->budget[cost[i]] - excess[cost[i]];
    SpaceKnapsack k;
    KnapsackFront front;
    TRY(space_knapsack(arena, s->space, cost, costs, budget, &k));
    TRY(knapsack_front(arena, &k.problem, &front));
    *chain = (Chain){.choice = ARENA_ARRAY(arena, const int *, front.n + 1)};
    double least = (double)INFINITY;
    for (int i = 0; i < front.n; i++) {
        if (front.at[i].loss >= least) continue;
        least = front.at[i].loss;
        chain->choice[chain->n++] = space_choice(arena, s->space, &k, front.at[i].pick);
    }
    return STATUS_OK;
}

/* The chain whose last choice is within the budgets as it is made: where conversions come on top, a tighter one. */
static Status find_chain(Arena *arena, const Search *s, Chain *chain)
{
    double excess[COSTS] = {0};
    for (int i = 0; i < CORRECTIONS; i++) {
        TRY(make_chain(arena, s, excess, chain));
        if (chain->n == 0) return STATUS_OK;
        int last;
        TRY(trials_run(s->trials, chain->choice[chain->n - 1], &last));
        const Cost *cost = &s->trials->at[last].cost;
        if (search_within_budgets(s->options, cost)) return STATUS_OK;
        for (int k = 0; k < COSTS; k++)
            if (isfinite(s->options->budget[k])) excess[k] += fmax(cost->of[k] - s->options->budget[k], 0.0);
    }
    return STATUS_OK;
}

/* The first of the chain that suffices, when all after it do. */
static Status bisect(const Search *s, const Chain *chain)
{
    int low = -1, high = chain->n - 1;
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        int trial;
        TRY(trials_run(s->trials, chain->choice[middle], &trial));
        if (search_suffices(s->options, &s->trials->at[trial]))
            high = middle;
        else
            low = middle;
    }
    return STATUS_OK;
}

static Status run_exact(Arena *arena, const Search *s)
{
    Chain chain;
    TRY(find_chain(arena, s, &chain));
    if (!isnan(s->options->tolerance)) return bisect(s, &chain);
    for (int i = chain.n - 1; i >= 0 && i >= chain.n - FINALISTS; i--) {
        int trial;
        TRY(trials_run(s->trials, chain.choice[i], &trial));
    }
    return STATUS_OK;
}

static Status run_pareto(Arena *arena, const Search *s)
{
    Chain chain;
    TRY(find_chain(arena, s, &chain));
    const int points = chain.n < PARETO_POINTS ? chain.n : PARETO_POINTS;
    for (int i = 0; i < points; i++) {
        int trial;
        TRY(trials_run(s->trials, chain.choice[points == 1 ? 0 : (long)i * (chain.n - 1) / (points - 1)], &trial));
    }
    return run_exact(arena, s);
}

const SearchMethod search_method_exact = {
    "exact", "The choices of least predicted loss for their cost, by dynamic programming; among them by bisection",
    run_exact, false};
const SearchMethod search_method_pareto = {
    "pareto", "Measures networks all along the front of predicted loss against cost, then does as exact does",
    run_pareto, false};
