/* Lagrangian relaxation: each layer for itself takes what has the least predicted loss + price x cost.  It finds the
 * choices on the convex hull of the front. */
#include "search/price.h"

static Status run_lagrange(Arena *arena, const Search *s)
{
    Pricing p = {.steps = 40, .choose = price_choose_predicted};
    return price_search(arena, s, &p);
}

const SearchMethod search_method_lagrange = {
    "lagrange", "Each layer for itself takes the least loss + price x cost; the price is searched for", run_lagrange,
    false};
