#include "search/knapsack.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A choice among the first items: the state it comes from, and the option added. */
typedef struct {
    double loss;
    double cost[KNAPSACK_COSTS];
    int from, option;
} State;

typedef struct {
    int n;
    State *at;
} States;

static int by_cost(const void *a, const void *b)
{
    const State *p = a, *q = b;
    for (int c = 0; c < KNAPSACK_COSTS; c++)
        if (p->cost[c] != q->cost[c]) return p->cost[c] < q->cost[c] ? -1 : 1;
    if (p->loss != q->loss) return p->loss < q->loss ? -1 : 1;
    if (p->from != q->from) return p->from < q->from ? -1 : 1;
    return (p->option > q->option) - (p->option < q->option);
}

static bool beats(const State *a, const State *b, int costs)
{
    bool better = a->loss <= b->loss;
    for (int c = 1; c < costs && better; c++) better = a->cost[c] <= b->cost[c];
    return better; /* and cost[0], by the order */
}

/* Keeps of the sorted states those that no earlier one beats. */
static void drop_beaten(States *s, int costs)
{
    int kept = 0;
    for (int i = 0; i < s->n; i++) {
        bool beaten = false;
        /* With one cost the last that was kept has the least loss. */
        for (int j = kept - 1; j >= 0 && !beaten && (costs > 1 || j == kept - 1); j--)
            beaten = beats(&s->at[j], &s->at[i], costs);
        if (!beaten) s->at[kept++] = s->at[i];
    }
    s->n = kept;
}

/* least[i][c]: what items i and later cost at least. */
static double (*least_costs(Arena *arena, const Knapsack *k))[KNAPSACK_COSTS]
{
    double(*least)[KNAPSACK_COSTS] = arena_zalloc(arena, sizeof *least * (size_t)(k->items + 1));
    for (int i = k->items - 1; i >= 0; i--)
        for (int c = 0; c < k->costs; c++) {
            double lowest = (double)INFINITY;
            for (int o = 0; o < k->item[i].options; o++) lowest = fmin(lowest, k->item[i].option[o].cost[c]);
            least[i][c] = least[i + 1][c] + lowest;
        }
    return least;
}

static bool fits(const Knapsack *k, const State *s, const double *rest)
{
    bool within = true;
    for (int c = 0; c < k->costs; c++) within = within && s->cost[c] + rest[c] <= k->budget[c] * (1.0 + 1e-12);
    return within;
}

static Status extend(Arena *arena, const Knapsack *k, int i, const States *before, const double *rest, States *after)
{
    const KnapsackItem *item = &k->item[i];
    const double most = (double)before->n * item->options;
    const int limit = k->costs == 1 ? KNAPSACK_MAX_STATES : KNAPSACK_MAX_STATES_OF_MANY;
    if (most > 4.0 * limit)
        return status_fail(STATUS_NUMERIC,
                           "exact: more than %d partial choices would have to be kept; --method lagrange keeps none",
                           limit);
    *after = (States){.at = ARENA_ARRAY(arena, State, (size_t)most + 1)};
    for (int j = 0; j < before->n; j++)
        for (int o = 0; o < item->options; o++) {
            State s = before->at[j];
            s.from = j, s.option = o;
            s.loss += item->option[o].loss;
            for (int c = 0; c < k->costs; c++) s.cost[c] += item->option[o].cost[c];
            if (fits(k, &s, rest)) after->at[after->n++] = s;
        }
    qsort(after->at, (size_t)after->n, sizeof *after->at, by_cost);
    drop_beaten(after, k->costs);
    return STATUS_OK;
}

Status knapsack_front(Arena *arena, const Knapsack *k, KnapsackFront *front)
{
    *front = (KnapsackFront){0};
    Arena *own = arena_create();
    const double(*least)[KNAPSACK_COSTS] = (const double(*)[KNAPSACK_COSTS])least_costs(own, k);
    States *level = ARENA_ARRAY(own, States, k->items + 1);
    State empty = {.from = -1, .option = -1};
    level[0] = (States){fits(k, &empty, least[0]), &empty};
    Status status = STATUS_OK;
    for (int i = 0; i < k->items && status == STATUS_OK; i++)
        status = extend(own, k, i, &level[i], least[i + 1], &level[i + 1]);
    const States *last = &level[k->items];
    if (status == STATUS_OK && last->n > 0) {
        KnapsackChoice *choice = ARENA_ARRAY(arena, KnapsackChoice, last->n);
        for (int j = 0; j < last->n; j++) {
            int *pick = ARENA_ARRAY(arena, int, k->items + 1);
            choice[j].loss = last->at[j].loss;
            memcpy(choice[j].cost, last->at[j].cost, sizeof choice[j].cost);
            for (int i = k->items, at = j; i > 0; at = level[i].at[at].from, i--) pick[i - 1] = level[i].at[at].option;
            choice[j].pick = pick;
        }
        *front = (KnapsackFront){last->n, choice};
    }
    arena_destroy(own);
    return status;
}

KnapsackChoice knapsack_lagrange(Arena *arena, const Knapsack *k, const double weight[KNAPSACK_COSTS])
{
    KnapsackChoice choice = {0};
    int *pick = ARENA_ARRAY(arena, int, k->items + 1);
    for (int i = 0; i < k->items; i++) {
        double lowest = (double)INFINITY;
        for (int o = 0; o < k->item[i].options; o++) {
            const KnapsackOption *option = &k->item[i].option[o];
            double sum = option->loss;
            for (int c = 0; c < k->costs; c++) sum += weight[c] * option->cost[c];
            if (sum < lowest) lowest = sum, pick[i] = o;
        }
        const KnapsackOption *taken = &k->item[i].option[pick[i]];
        choice.loss += taken->loss;
        for (int c = 0; c < k->costs; c++) choice.cost[c] += taken->cost[c];
    }
    choice.pick = pick;
    return choice;
}
