/* Lagrangian relaxation: each layer for itself takes what has the least loss + price x cost, and the price is searched
 * for.  It finds the choices on the convex hull of the front; what budgets leave is then given to the layers that need
 * it most. */
#include <math.h>

#include "search/search.h"

enum { STEPS = 40, ROUNDS = 12 };
static const double CHEAPEST = 1e-9, DEAREST = 1e6; /* of the price, in losses for each thousandth of the network */

typedef struct {
    const Search *s;
    SpaceKnapsack k;
    CostKind cost[KNAPSACK_COSTS];
    int costs;
    double
        unit[KNAPSACK_COSTS]; /* a thousandth of what the network of least loss costs, less for a cost that is dearer */
} Prices;

static int *choice_at(Arena *arena, const Prices *p, double price)
{
    double weight[KNAPSACK_COSTS] = {0};
    for (int i = 0; i < p->costs; i++) weight[i] = price / p->unit[i];
    return space_choice(arena, p->s->space, &p->k, knapsack_lagrange(arena, &p->k.problem, weight).pick);
}

/* Whether the price is high enough (budgets), or as low as has to be (a tolerance). */
static Status dear_enough(Arena *arena, const Prices *p, double price, bool *enough)
{
    const int *choice = choice_at(arena, p, price);
    int trial;
    TRY(trials_run(p->s->trials, choice, &trial));
    const Trial *made = &p->s->trials->at[trial];
    const SearchOptions *o = p->s->options;
    *enough = isnan(o->tolerance) ? search_within_budgets(o, &made->cost) : !drop_within(made->drop, o->tolerance);
    return STATUS_OK;
}

/* The price that is just dear enough for the budgets, or cheap enough for the tolerance; the network there. */
static Status find_price(Arena *arena, const Prices *p, const Trial **last)
{
    const Search *s = p->s;
    double low = log(CHEAPEST), high = log(DEAREST);
    bool enough;
    TRY(dear_enough(arena, p, CHEAPEST, &enough));
    for (int i = 0; i < STEPS && !enough; i++) {
        bool dear;
        TRY(dear_enough(arena, p, exp((low + high) / 2.0), &dear));
        *(dear ? &high : &low) = (low + high) / 2.0;
    }
    const bool tolerant = !isnan(s->options->tolerance);
    const int *choice = choice_at(arena, p, enough ? CHEAPEST : exp(tolerant ? low : high));
    int trial;
    TRY(trials_run(s->trials, choice, &trial));
    *last = &s->trials->at[trial];
    if (tolerant || !search_within_budgets(s->options, &(*last)->cost)) return STATUS_OK;
    TRY(search_fill_budgets(arena, s, choice));
    *last = &s->trials->at[trial]; /* they may have moved */
    return STATUS_OK;
}

static Status run_lagrange(Arena *arena, const Search *s)
{
    Prices p = {.s = s};
    p.costs = search_costs(s->options, p.cost);
    const Cost most = space_predict_cost(s->space, space_best(arena, s->space));
    double none[KNAPSACK_COSTS];
    for (int i = 0; i < p.costs; i++) {
        none[i] = (double)INFINITY;
        p.unit[i] = fmax(most.of[p.cost[i]], 1.0) / 1000.0;
    }
    TRY(space_knapsack(arena, s->space, p.cost, p.costs, none, &p.k));
    for (int round = 0; round < ROUNDS; round++) {
        const Trial *last;
        TRY(find_price(arena, &p, &last));
        bool dearer = false;
        for (int i = 0; i < p.costs; i++)
            if (last->cost.of[p.cost[i]] > s->options->budget[p.cost[i]]) p.unit[i] /= 2.0, dearer = true;
        if (!dearer) break;
    }
    return STATUS_OK;
}

const SearchMethod search_method_lagrange = {
    "lagrange", "Each layer for itself takes the least loss + price x cost; the price is searched for", run_lagrange};
