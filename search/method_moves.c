/* Methods that lower one layer after the other, the least sensitive first. */
#include <math.h>
#include <string.h>

#include "search/search.h"

typedef struct {
    int unit, format; /* -1: there is none */
    double loss;      /* added, as it is predicted */
    double saved;     /* of the costs that count, as parts of the network of least loss */
} Move;

typedef struct {
    const Search *s;
    CostKind cost[KNAPSACK_COSTS];
    int costs;
    Cost most;    /* of the network of least loss */
    int *choice;  /* as it is now */
    bool *locked; /* [units]: they stay as they are */
} Walk;

static Walk walk_begin(Arena *arena, const Search *s)
{
    Walk w = {.s = s, .choice = space_best(arena, s->space), .locked = ARENA_ARRAY(arena, bool, s->space->units)};
    w.costs = search_costs(s->options, w.cost);
    w.most = space_predict_cost(s->space, w.choice);
    return w;
}

/* What a cost that is over its budget, or is to be minimized, falls by. */
static double saving(const Walk *w, const Cost *now, const Cost *then)
{
    const SearchOptions *o = w->s->options;
    double sum = 0.0;
    for (int i = 0; i < w->costs; i++) {
        const CostKind k = w->cost[i];
        if (isnan(o->tolerance) && now->of[k] <= o->budget[k]) continue;
        sum += (now->of[k] - then->of[k]) / fmax(w->most.of[k], 1.0);
    }
    return sum;
}

/* Of all moves that save something the one that loses least, or (by_saving) loses least for what it saves. */
static Move next_move(Walk *w, bool by_saving)
{
    const SearchSpace *space = w->s->space;
    const Cost now = space_predict_cost(space, w->choice);
    Move best = {.unit = -1};
    for (int u = 0; u < space->units; u++) {
        const int was = w->choice[u];
        for (int f = 0; f < space->formats.n && !w->locked[u]; f++) {
            if (f == was || !isfinite(*space_loss(space, u, f))) continue;
            w->choice[u] = f;
            const Cost then = space_predict_cost(space, w->choice);
            Move m = {u, f, *space_loss(space, u, f) - *space_loss(space, u, was), saving(w, &now, &then)};
            if (m.saved <= 0.0) continue;
            const double a = by_saving ? m.loss / m.saved : m.loss, b = by_saving ? best.loss / best.saved : best.loss;
            if (best.unit < 0 || a < b || (a == b && m.saved > best.saved)) best = m;
        }
        w->choice[u] = was;
    }
    return best;
}

static Status measure(const Walk *w, const Trial **trial)
{
    int index;
    TRY(trials_run(w->s->trials, w->choice, &index));
    *trial = &w->s->trials->at[index];
    return STATUS_OK;
}

/* Lowers until the budgets hold, as the network is made. */
static Status lower_to_budgets(Walk *w, bool by_saving)
{
    const SearchOptions *o = w->s->options;
    Cost now = space_predict_cost(w->s->space, w->choice);
    now.of[COST_RAM] = 0.0; /* what is left fits */
    for (;;) {
        while (!search_within_budgets(o, &now)) {
            const Move m = next_move(w, by_saving);
            if (m.unit < 0) return STATUS_OK;
            w->choice[m.unit] = m.format;
            now = space_predict_cost(w->s->space, w->choice);
            now.of[COST_RAM] = 0.0;
        }
        const Trial *trial;
        TRY(measure(w, &trial));
        if (search_within_budgets(o, &trial->cost)) return STATUS_OK;
        const Move m = next_move(w, by_saving);
        if (m.unit < 0) return STATUS_OK;
        w->choice[m.unit] = m.format;
    }
}

/* The raise that takes away most of the loss and stays within the budgets. */
static Move next_raise(const Walk *w)
{
    const SearchSpace *space = w->s->space;
    Move best = {.unit = -1};
    for (int u = 0; u < space->units; u++) {
        const int was = w->choice[u];
        for (int f = 0; f < space->formats.n && !w->locked[u]; f++) {
            const double gain = *space_loss(space, u, was) - *space_loss(space, u, f);
            if (!(gain > 0.0) || (best.unit >= 0 && gain <= best.loss)) continue;
            w->choice[u] = f;
            Cost then = space_predict_cost(space, w->choice);
            then.of[COST_RAM] = 0.0; /* what is left of formats fits */
            if (search_within_budgets(w->s->options, &then)) best = (Move){u, f, gain, 0.0};
        }
        w->choice[u] = was;
    }
    return best;
}

static Status fill(Walk *w)
{
    for (Move m = next_raise(w); m.unit >= 0; m = next_raise(w)) {
        const int was = w->choice[m.unit];
        w->choice[m.unit] = m.format;
        const Trial *trial;
        TRY(measure(w, &trial));
        if (search_within_budgets(w->s->options, &trial->cost)) continue;
        w->choice[m.unit] = was;
        w->locked[m.unit] = true;
    }
    return STATUS_OK;
}

Status search_fill_budgets(Arena *arena, const Search *s, const int *choice)
{
    Walk w = walk_begin(arena, s);
    memcpy(w.choice, choice, sizeof *choice * (size_t)s->space->units);
    return fill(&w);
}

static Status run_greedy(Arena *arena, const Search *s)
{
    Walk w = walk_begin(arena, s);
    TRY(lower_to_budgets(&w, true));
    TRY(fill(&w));
    if (isnan(s->options->tolerance)) return STATUS_OK;
    memset(w.locked, 0, sizeof *w.locked * (size_t)s->space->units);
    for (Move m = next_move(&w, false); m.unit >= 0; m = next_move(&w, false)) {
        const int was = w.choice[m.unit];
        w.choice[m.unit] = m.format;
        const Trial *trial;
        TRY(measure(&w, &trial));
        if (search_suffices(s->options, trial)) continue;
        w.choice[m.unit] = was;
        w.locked[m.unit] = true;
    }
    return STATUS_OK;
}

/* The moves from the network of least loss to that of least cost, and how far along they suffice. */
static Status run_binary(Arena *arena, const Search *s)
{
    Walk w = walk_begin(arena, s);
    TRY(lower_to_budgets(&w, false));
    TRY(fill(&w));
    if (isnan(s->options->tolerance)) return STATUS_OK;
    memset(w.locked, 0, sizeof *w.locked * (size_t)s->space->units);
    const size_t bytes = sizeof *w.choice * (size_t)s->space->units;
    int most = s->space->units * s->space->formats.n, moves = 0;
    int **after = ARENA_ARRAY(arena, int *, most + 1);
    after[0] = memcpy(arena_alloc(arena, bytes), w.choice, bytes);
    for (Move m = next_move(&w, false); m.unit >= 0 && moves < most; m = next_move(&w, false)) {
        w.choice[m.unit] = m.format;
        after[++moves] = memcpy(arena_alloc(arena, bytes), w.choice, bytes);
    }
    for (int low = 0, high = moves + 1; high - low > 1;) {
        const int middle = low + (high - low) / 2;
        int trial;
        TRY(trials_run(s->trials, after[middle], &trial));
        if (search_suffices(s->options, &s->trials->at[trial]))
            low = middle;
        else
            high = middle;
    }
    return STATUS_OK;
}

const SearchMethod search_method_greedy = {
    "greedy", "Lowers one layer after the other, the least sensitive first, and takes back what is too much",
    run_greedy, false};
const SearchMethod search_method_binary = {
    "binary", "Lowers as many layers as the tolerance bears, the least sensitive first, by bisection", run_binary,
    false};
