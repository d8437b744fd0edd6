#include "search/search.h"

#include <math.h>
#include <stdlib.h>

#include "quant/quantizer.h"

#define METHOD(name) extern const SearchMethod search_method_##name;
#include "search/search_methods.def"
#undef METHOD

#define METHOD(name) &search_method_##name,
const SearchMethod *const search_methods[] = {
#include "search/search_methods.def"
    NULL};
#undef METHOD

/* ---- for methods --------------------------------------------------------------------------------------------------- */

bool search_within_budgets(const SearchOptions *o, const Cost *cost)
{
    bool within = true;
    for (int k = 0; k < COSTS; k++) within = within && cost->of[k] <= o->budget[k];
    return within;
}

bool search_suffices(const SearchOptions *o, const Trial *trial)
{
    return search_within_budgets(o, &trial->cost) && (isnan(o->tolerance) || drop_within(trial->drop, o->tolerance));
}

int search_costs(const SearchOptions *o, CostKind cost[KNAPSACK_COSTS])
{
    int n = 0;
    if (!isnan(o->tolerance)) cost[n++] = o->minimize;
    for (CostKind k = 0; k < COSTS; k++)
        if (k != COST_RAM && isfinite(o->budget[k]) && (n == 0 || cost[0] != k)) cost[n++] = k;
    if (n == 0) cost[n++] = COST_FLASH; /* RAM alone is asked for */
    return n;
}

CostKind search_main_cost(const SearchOptions *o)
{
    CostKind cost[KNAPSACK_COSTS];
    search_costs(o, cost);
    return cost[0];
}

bool search_is_timed(const SearchOptions *o)
{
    return isfinite(o->budget[COST_LATENCY]) || (!isnan(o->tolerance) && o->minimize == COST_LATENCY);
}

/* ---- budgets --------------------------------------------------------------------------------------------------------- */

static Status nothing_fits(Arena *arena, const SearchSpace *space, CostKind kind, double least, double budget)
{
    const FormatGroups *g = &space->s->groups;
    int worst = 0;
    double most = -1.0;
    for (int i = 0; i < g->layers; i++) {
        double lowest = (double)INFINITY;
        for (int w = 0; w < space->formats.n; w++)
            for (int a = 0; a < space->formats.n; a++)
                if (isfinite(*space_loss(space, i, w))) lowest = fmin(lowest, space_cost(space, i, w, a)->of[kind]);
        if (lowest > most && isfinite(lowest)) most = lowest, worst = i;
    }
    const bool time = kind == COST_LATENCY;
    const int digits = time ? 3 : 0;
    const char *unit = cost_types[kind].binary ? " bytes" : time ? " us" : "";
    const char *alone =
        kind == COST_RAM ? "; smaller pictures, fewer filters or strides near the image take less"
                         : arena_printf(arena, "; layer \"%s\" alone takes %.*f", g->layer[worst].name, digits, most);
    return status_fail(STATUS_CONFIG, "--%s: %.*f%s; in these formats the network takes at least %.*f%s",
                       cost_types[kind].name, digits, budget, unit, digits, least, alone);
}

/* The network that takes the least of a cost that is a sum. */
static Status check_budget(Arena *arena, const SearchOptions *o, const SearchSpace *space, CostKind kind)
{
    SpaceKnapsack k;
    TRY(space_knapsack(arena, space, &kind, 1, &o->budget[kind], &k));
    const KnapsackChoice least = knapsack_lagrange(arena, &k.problem, (const double[KNAPSACK_COSTS]){1e15});
    const double takes = least.cost[0] + space->fixed.of[kind];
    return takes <= o->budget[kind] ? STATUS_OK : nothing_fits(arena, space, kind, takes, o->budget[kind]);
}

/* Bytes of a value in memory, as exported C has it. */
static int value_bytes(const SearchSpace *space, int format)
{
    const int choice = space->formats.at[format];
    if (format_is_float(quant_choice_format(choice))) return 4;
    return quant_bits(choice, QUANT_MAX_BITS) > QUANT_MAX_BITS ? 2 : 1;
}

/* Takes wide formats from the group that has most bytes to lose, until the network of least loss fits. */
static Status fit_ram(Arena *arena, const SearchOptions *o, SearchSpace *space, const Trials *trials)
{
    if (!isfinite(o->budget[COST_RAM])) return STATUS_OK;
    const FormatGroups *g = &space->s->groups;
    for (;;) {
        const int *choice = space_best(arena, space);
        Cost cost;
        TRY(trials->make(trials, choice, &cost, NULL));
        if (cost.of[COST_RAM] <= o->budget[COST_RAM]) return STATUS_OK;
        int from = -1;
        double most = 0.0;
        for (int i = 0; i < g->groups; i++) {
            const int unit = g->layers + i, bytes = value_bytes(space, choice[unit]);
            bool narrower = false;
            for (int f = 0; f < space->formats.n; f++)
                narrower |= isfinite(*space_loss(space, unit, f)) && value_bytes(space, f) < bytes;
            const double values = (double)space_group_values(space, i);
            if (!narrower || bytes * values <= most) continue;
            most = bytes * values, from = unit;
        }
        if (from < 0) return nothing_fits(arena, space, COST_RAM, cost.of[COST_RAM], o->budget[COST_RAM]);
        const int bytes = value_bytes(space, choice[from]);
        for (int f = 0; f < space->formats.n; f++)
            if (value_bytes(space, f) >= bytes) space_forbid(space, from, f);
    }
}

/* ---- choosing -------------------------------------------------------------------------------------------------------- */

static bool better(const SearchOptions *o, const Trial *a, const Trial *b)
{
    const bool fits_a = search_within_budgets(o, &a->cost), fits_b = search_within_budgets(o, &b->cost);
    if (fits_a != fits_b) return fits_a;
    const bool does_a = search_suffices(o, a), does_b = search_suffices(o, b);
    if (does_a != does_b) return does_a;
    if (does_a && !isnan(o->tolerance) && a->cost.of[o->minimize] != b->cost.of[o->minimize])
        return a->cost.of[o->minimize] < b->cost.of[o->minimize];
    return a->drop != b->drop ? a->drop < b->drop : a->m.loss < b->m.loss;
}

static bool *find_front(Arena *arena, const SearchOptions *o, const Trials *t)
{
    const CostKind kind = search_main_cost(o);
    bool *front = ARENA_ARRAY(arena, bool, t->n + 1);
    for (int i = 0; i < t->n; i++) {
        front[i] = search_within_budgets(o, &t->at[i].cost);
        for (int j = 0; j < t->n && front[i]; j++) {
            const double a = t->at[i].cost.of[kind], b = t->at[j].cost.of[kind];
            const double p = t->at[i].drop, q = t->at[j].drop;
            const bool beaten = b <= a && q <= p && (b < a || q < p || j < i);
            if (beaten && search_within_budgets(o, &t->at[j].cost)) front[i] = false;
        }
    }
    return front;
}

Status search_check_budgets(Arena *arena, const SearchOptions *options, const SearchSpace *space, const Trials *trials)
{
    for (CostKind k = 0; k < COSTS; k++)
        if (k != COST_RAM && isfinite(options->budget[k])) TRY(check_budget(arena, options, space, k));
    if (!isfinite(options->budget[COST_RAM])) return STATUS_OK;
    int *choice = space_best(arena, space);
    for (int u = 0; u < space->units; u++)
        for (int f = 0; f < space->formats.n; f++)
            if (isfinite(*space_loss(space, u, f)) && value_bytes(space, f) < value_bytes(space, choice[u]))
                choice[u] = f;
    Cost cost;
    TRY(trials->make(trials, choice, &cost, NULL));
    if (cost.of[COST_RAM] <= options->budget[COST_RAM]) return STATUS_OK;
    return nothing_fits(arena, space, COST_RAM, cost.of[COST_RAM], options->budget[COST_RAM]);
}

Status search_run(Arena *arena, const SearchOptions *options, SearchSpace *space, Trials *trials, SearchResult *result)
{
    int choices = 0;
    for (int u = 0; u < space->units; u++) choices += space->chooses[u];
    if (choices == 0) return status_fail(STATUS_CONFIG, "--formats: no layer has a choice among them");
    TRY(search_check_budgets(arena, options, space, trials));
    TRY(fit_ram(arena, options, space, trials));
    const Search s = {options, trials, space};
    TRY(search_methods[options->method]->run(arena, &s));
    *result = (SearchResult){.best = -1};
    for (int i = 0; i < trials->n; i++)
        if (result->best < 0 || better(options, &trials->at[i], &trials->at[result->best])) result->best = i;
    if (result->best >= 0 && !search_within_budgets(options, &trials->at[result->best].cost)) result->best = -1;
    result->within = result->best >= 0 && search_suffices(options, &trials->at[result->best]);
    result->front = find_front(arena, options, trials);
    return STATUS_OK;
}

/* ---- the front ------------------------------------------------------------------------------------------------------- */

typedef struct {
    double cost;
    int trial;
} Ranked;

static int by_cost(const void *a, const void *b)
{
    const Ranked *p = a, *q = b;
    if (p->cost != q->cost) return p->cost < q->cost ? -1 : 1;
    return (p->trial > q->trial) - (p->trial < q->trial);
}

int *search_front(Arena *arena, const SearchOptions *o, const Trials *trials, const SearchResult *result, int *n)
{
    Ranked *ranked = ARENA_ARRAY(arena, Ranked, trials->n + 1);
    const CostKind kind = search_main_cost(o);
    *n = 0;
    for (int i = 0; i < trials->n; i++)
        if (result->front[i] || i == result->best) ranked[(*n)++] = (Ranked){trials->at[i].cost.of[kind], i};
    qsort(ranked, (size_t)*n, sizeof *ranked, by_cost);
    int *trial = ARENA_ARRAY(arena, int, *n + 1);
    for (int i = 0; i < *n; i++) trial[i] = ranked[i].trial;
    return trial;
}
