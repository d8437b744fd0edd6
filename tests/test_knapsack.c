/* The knapsack against trying everything: the front, its budgets, the hull that prices find. */
#include <check.h>
#include <math.h>
#include <stdbool.h>

#include "base/rng.h"
#include "search/knapsack.h"
#include "tests/support/suite.h"

enum { ITEMS = 7, OPTIONS = 3, ALL = 2187 /* OPTIONS^ITEMS */, PROBLEMS = 40 };

static Knapsack random_problem(Arena *arena, uint64_t seed, int costs)
{
    Rng rng = rng_make(seed, RNG_TEST, 0);
    KnapsackItem *item = ARENA_ARRAY(arena, KnapsackItem, ITEMS);
    for (int i = 0; i < ITEMS; i++) {
        KnapsackOption *option = ARENA_ARRAY(arena, KnapsackOption, OPTIONS);
        for (int o = 0; o < OPTIONS; o++) {
            option[o].loss = (double)rng_uniform(&rng);
            for (int c = 0; c < costs; c++) option[o].cost[c] = floor(20.0 * (double)rng_uniform(&rng));
        }
        item[i] = (KnapsackItem){1 + (int)(seed + (uint64_t)i) % OPTIONS, option};
    }
    return (Knapsack){
        .items = ITEMS, .item = item, .costs = costs, .budget = {(double)INFINITY, (double)INFINITY, (double)INFINITY}};
}

/* Choice number k, if there is such a one. */
static bool numbered(const Knapsack *k, int number, KnapsackChoice *choice)
{
    *choice = (KnapsackChoice){0};
    for (int i = 0; i < k->items; i++, number /= OPTIONS) {
        const int o = number % OPTIONS;
        if (o >= k->item[i].options) return false;
        choice->loss += k->item[i].option[o].loss;
        for (int c = 0; c < k->costs; c++) choice->cost[c] += k->item[i].option[o].cost[c];
    }
    return true;
}

static bool within(const Knapsack *k, const KnapsackChoice *choice)
{
    bool fits = true;
    for (int c = 0; c < k->costs; c++) fits = fits && choice->cost[c] <= k->budget[c];
    return fits;
}

static bool no_worse(const Knapsack *k, const KnapsackChoice *a, const KnapsackChoice *b)
{
    bool as_good = a->loss <= b->loss + 1e-12;
    for (int c = 0; c < k->costs; c++) as_good = as_good && a->cost[c] <= b->cost[c];
    return as_good;
}

/* What the picks of a choice add up to is what it says. */
static void sums_are_right(const Knapsack *k, const KnapsackChoice *choice)
{
    int number = 0;
    for (int i = k->items - 1; i >= 0; i--) number = number * OPTIONS + choice->pick[i];
    KnapsackChoice again;
    ck_assert(numbered(k, number, &again));
    ck_assert_double_eq_tol(choice->loss, again.loss, 1e-12);
    for (int c = 0; c < k->costs; c++) ck_assert_double_eq(choice->cost[c], again.cost[c]);
}

/* Every choice within the budgets is beaten or equalled by one of the front, which has none that is beaten itself. */
static void front_is_all(Arena *arena, const Knapsack *k)
{
    KnapsackFront front;
    ck_assert(knapsack_front(arena, k, &front) == STATUS_OK);
    int fitting = 0;
    for (int number = 0; number < ALL; number++) {
        KnapsackChoice choice;
        if (!numbered(k, number, &choice) || !within(k, &choice)) continue;
        fitting++;
        bool covered = false;
        for (int i = 0; i < front.n && !covered; i++) covered = no_worse(k, &front.at[i], &choice);
        ck_assert_msg(covered, "choice %d of cost %g and loss %g", number, choice.cost[0], choice.loss);
    }
    ck_assert_int_eq(front.n > 0, fitting > 0);
    for (int i = 0; i < front.n; i++) {
        sums_are_right(k, &front.at[i]);
        ck_assert(within(k, &front.at[i]));
        ck_assert(i == 0 || front.at[i].cost[0] >= front.at[i - 1].cost[0]);
        for (int j = 0; j < front.n; j++)
            ck_assert(i == j || front.at[j].loss >= front.at[i].loss || !no_worse(k, &front.at[j], &front.at[i]));
    }
}

START_TEST(the_front_is_what_trying_everything_gives)
{
    for (int costs = 1; costs <= KNAPSACK_COSTS; costs++)
        for (int p = 0; p < PROBLEMS; p++) {
            Arena *arena = arena_create();
            Knapsack k = random_problem(arena, 100 * (uint64_t)costs + (uint64_t)p, costs);
            front_is_all(arena, &k);
            for (int c = 0; c < costs; c++) k.budget[c] = 30.0 + p; /* from almost nothing to almost everything */
            front_is_all(arena, &k);
            arena_destroy(arena);
        }
}
END_TEST

START_TEST(nothing_fits)
{
    Arena *arena = arena_create();
    Knapsack k = random_problem(arena, 5, 2);
    k.budget[1] = -1.0;
    KnapsackFront front;
    ck_assert(knapsack_front(arena, &k, &front) == STATUS_OK);
    ck_assert_int_eq(front.n, 0);
    arena_destroy(arena);
}
END_TEST

START_TEST(prices_find_the_least_sum)
{
    for (int p = 0; p < PROBLEMS; p++) {
        Arena *arena = arena_create();
        const Knapsack k = random_problem(arena, (uint64_t)p, 2);
        const double weight[KNAPSACK_COSTS] = {0.01 * p, 0.002 * p};
        const KnapsackChoice found = knapsack_lagrange(arena, &k, weight);
        sums_are_right(&k, &found);
        const double sum = found.loss + weight[0] * found.cost[0] + weight[1] * found.cost[1];
        for (int number = 0; number < ALL; number++) {
            KnapsackChoice other;
            if (numbered(&k, number, &other))
                ck_assert_double_le(sum, other.loss + weight[0] * other.cost[0] + weight[1] * other.cost[1] + 1e-12);
        }
        arena_destroy(arena);
    }
}
END_TEST

/* Many items whose sums all differ: one line, not all the memory there is. */
START_TEST(too_many_states_are_refused)
{
    Arena *arena = arena_create();
    enum { MANY = 40 };
    KnapsackItem item[MANY];
    KnapsackOption option[MANY][2];
    for (int i = 0; i < MANY; i++) {
        option[i][0] = (KnapsackOption){1.0 + ldexp(1.0, i), {0.0}};
        option[i][1] = (KnapsackOption){1.0, {ldexp(1.0, i)}};
        item[i] = (KnapsackItem){2, option[i]};
    }
    const Knapsack k = {.items = MANY, .item = item, .costs = 1, .budget = {(double)INFINITY}};
    KnapsackFront front;
    ck_assert(knapsack_front(arena, &k, &front) == STATUS_NUMERIC);
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("knapsack", the_front_is_what_trying_everything_gives, nothing_fits, prices_find_the_least_sum,
          too_many_states_are_refused)
