#include "search/price.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 12 };
static const double CHEAPEST = 1e-9, DEAREST = 1e6;

Status price_choose_predicted(Arena *arena, const Pricing *p, double price, int *choice)
{
    double weight[KNAPSACK_COSTS] = {0};
    for (int i = 0; i < p->costs; i++) weight[i] = price / p->unit[i];
    const KnapsackChoice best = knapsack_lagrange(arena, &p->knapsack.problem, weight);
    memcpy(choice, space_choice(arena, p->s->space, &p->knapsack, best.pick),
           sizeof *choice * (size_t)p->s->space->units);
    return STATUS_OK;
}

static Status try_price(Arena *arena, const Pricing *p, double price, int *choice, int *trial)
{
    TRY(p->choose(arena, p, price, choice));
    return trials_run(p->s->trials, choice, trial);
}

/* Whether the price is high enough (budgets), or higher than may be (a tolerance). */
static bool is_dear(const Pricing *p, int trial)
{
    const Trial *made = &p->s->trials->at[trial];
    const SearchOptions *o = p->s->options;
    return isnan(o->tolerance) ? search_within_budgets(o, &made->cost) : !drop_within(made->drop, o->tolerance);
}

/* One bisection; the network at its price. */
static Status find_price(Arena *arena, const Pricing *p, int *choice, int *trial)
{
    const Search *s = p->s;
    const bool tolerant = !isnan(s->options->tolerance);
    double low = log(CHEAPEST), high = log(DEAREST);
    TRY(price_choose_predicted(arena, p, CHEAPEST, choice)); /* almost for nothing: the best there is */
    TRY(trials_run(s->trials, choice, trial));
    const bool at_once = is_dear(p, *trial);
    for (int i = 0; i < p->steps && !at_once; i++) {
        TRY(try_price(arena, p, exp((low + high) / 2.0), choice, trial));
        *(is_dear(p, *trial) ? &high : &low) = (low + high) / 2.0;
    }
    if (!at_once) TRY(try_price(arena, p, exp(tolerant ? low : high), choice, trial));
    if (tolerant || !search_within_budgets(s->options, &s->trials->at[*trial].cost)) return STATUS_OK;
    return search_fill_budgets(arena, s, choice);
}

Status price_begin(Arena *arena, const Search *s, Pricing *p)
{
    p->s = s;
    p->costs = search_costs(s->options, p->cost);
    const Cost most = space_predict_cost(s->space, space_best(arena, s->space));
    double none[KNAPSACK_COSTS];
    for (int i = 0; i < p->costs; i++) {
        none[i] = (double)INFINITY;
        p->unit[i] = fmax(most.of[p->cost[i]], 1.0) / 1000.0;
    }
    return space_knapsack(arena, s->space, p->cost, p->costs, none, &p->knapsack);
}

Status price_search(Arena *arena, const Search *s, Pricing *p)
{
    TRY(price_begin(arena, s, p));
    int *choice = ARENA_ARRAY(arena, int, s->space->units);
    for (int round = 0; round < ROUNDS; round++) {
        int last;
        TRY(find_price(arena, p, choice, &last));
        bool dearer = false;
        for (int i = 0; i < p->costs; i++)
            if (s->trials->at[last].cost.of[p->cost[i]] > s->options->budget[p->cost[i]])
                p->unit[i] /= 2.0, dearer = true;
        if (!dearer) break;
    }
    return STATUS_OK;
}
