/* Methods of search against trying everything, on spaces whose networks lose and cost what is predicted. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "search/search.h"
#include "tests/support/fixture.h"
#include "tests/support/suite.h"

/* Layers in a row: layer i reads group i - 1 and gives group i; the last gives the logits. */
enum { LAYERS = 4, UNITS = 2 * LAYERS, WIDTHS = 3, ALL = 2187 /* WIDTHS^(UNITS - 1) */, SPACES = 12 };

typedef struct {
    Sensitivity s;
    FormatLayer layer[LAYERS];
    FormatGroup group[LAYERS];
    SearchSpace space;
    Metric metric;
    Judge judge;
    Trials trials;
} Case;

static double random_number(Rng *rng) { return (double)rng_uniform(rng); }

static Status make_as_predicted(const Trials *t, const int *choice, Cost *cost, Measurement *m)
{
    *cost = space_predict_cost(t->space, choice);
    if (m != NULL) *m = (Measurement){1.0 - space_predict(t->space, choice), space_predict(t->space, choice), 0.0};
    return STATUS_OK;
}

static void fill_space(Case *c, uint64_t seed)
{
    Rng rng = rng_make(seed, RNG_TEST, 0);
    static int format[WIDTHS] = {7, 3, 1}; /* int8, int4, int2 */
    SearchSpace *space = &c->space;
    *space = (SearchSpace){.s = &c->s, .formats = {.n = WIDTHS, .at = format}, .units = UNITS};
    space->loss = ARENA_ARRAY(arena, double, UNITS *WIDTHS);
    space->chooses = ARENA_ARRAY(arena, bool, UNITS);
    space->decides = ARENA_ARRAY(arena, int, LAYERS);
    space->cost = ARENA_ARRAY(arena, Cost, LAYERS * WIDTHS * WIDTHS);
    for (int u = 0; u < UNITS; u++) {
        const double scale = pow(10.0, -3.0 * random_number(&rng));
        space->chooses[u] = u != UNITS - 1; /* the logits have one format */
        for (int f = 0; f < WIDTHS; f++)
            *space_loss(space, u, f) = space->chooses[u] ? scale * 0.03 * f * f * (0.5 + random_number(&rng))
                                       : f == 0          ? 0.0
                                                         : (double)INFINITY;
    }
    static const double bits[WIDTHS] = {8, 4, 2};
    for (int i = 0; i < LAYERS; i++) {
        const double weights = floor(100.0 + 4000.0 * random_number(&rng)),
                     uses = 1.0 + floor(50.0 * random_number(&rng));
        space->decides[i] = i - 1;
        for (int w = 0; w < WIDTHS; w++)
            for (int a = 0; a < WIDTHS; a++)
                space->cost[(i * WIDTHS + w) * WIDTHS + a] =
                    (Cost){{[COST_FLASH] = weights * bits[w] / 8.0,
                            [COST_CYCLES] = weights * uses * (1.0 + 0.1 * w),
                            [COST_BOPS] = weights * uses * bits[w] * (i == 0 ? 8.0 : bits[a])}};
    }
    space->fixed.of[COST_FLASH] = 256.0;
}

static Case *make_case(uint64_t seed)
{
    Case *c = ARENA_ARRAY(arena, Case, 1);
    for (int i = 0; i < LAYERS; i++) {
        c->layer[i] =
            (FormatLayer){.name = arena_printf(arena, "l%d", i), .has_weights = true, .has_output = true, .group = i};
        c->group[i] =
            (FormatGroup){.name = c->layer[i].name, .layers = 1, .has_weights = true, .fixed = i == LAYERS - 1};
        c->group[i].layer = ARENA_ARRAY(arena, int, 1);
        c->group[i].layer[0] = i;
    }
    c->s.groups = (FormatGroups){LAYERS, LAYERS, c->layer, c->group};
    fill_space(c, seed);
    c->metric = (Metric){.name = "accuracy",
                         .label = "accuracy",
                         .brief = "acc",
                         .unit = " %",
                         .factor = 100.0,
                         .digits = 2,
                         .higher_is_better = true,
                         .none = -1.0};
    c->judge.task.metric = &c->metric;
    c->judge.floats.value = 1.0;
    c->trials = (Trials){.arena = arena,
                         .make = make_as_predicted,
                         .judge = &c->judge,
                         .space = &c->space,
                         .path = arena_printf(arena, "%s/search.json", folder),
                         .digest = "d",
                         .asked = ""};
    return c;
}

static SearchOptions no_options(void)
{
    SearchOptions o = {.tolerance = (double)NAN};
    for (int k = 0; k < COSTS; k++) o.budget[k] = (double)INFINITY;
    return o;
}

/* The best of all choices: its cost to be minimized, or without a tolerance its loss; INFINITY: none suffices. */
static double try_everything(const Case *c, const SearchOptions *o)
{
    double best = (double)INFINITY;
    for (int number = 0; number < ALL; number++) {
        int choice[UNITS] = {0};
        for (int u = 0, rest = number; u < UNITS - 1; u++, rest /= WIDTHS) choice[u] = rest % WIDTHS;
        Trial t = {.predicted = space_predict(&c->space, choice), .cost = space_predict_cost(&c->space, choice)};
        t.drop = 100.0 * t.predicted;
        if (search_suffices(o, &t)) best = fmin(best, isnan(o->tolerance) ? t.predicted : t.cost.of[o->minimize]);
    }
    return best;
}

static double found(Case *c, const SearchOptions *o, const char *method)
{
    SearchOptions with = *o;
    while (strcmp(search_methods[with.method]->name, method) != 0) with.method++;
    c->trials.n = 0;
    SearchResult r;
    must(search_run(arena, &with, &c->space, &c->trials, &r));
    ck_assert_msg(r.within && search_suffices(o, &c->trials.at[r.best]), "%s", method);
    ck_assert(r.front[r.best] || isnan(o->tolerance));
    const Trial *t = &c->trials.at[r.best];
    return isnan(o->tolerance) ? t->predicted : t->cost.of[o->minimize];
}

/* exact and pareto find the best there is; what the others find suffices and is no better. */
static void compare_methods(Case *c, const SearchOptions *o, double worst[])
{
    const double best = try_everything(c, o);
    ck_assert(isfinite(best));
    for (int i = 0; search_methods[i] != NULL; i++) {
        const char *name = search_methods[i]->name;
        if (search_methods[i]->needs_gradients) continue;
        const double is = found(c, o, name);
        ck_assert_msg(is >= best * (1.0 - 1e-12) - 1e-12, "%s: %g is better than the best, %g", name, is, best);
        if (strcmp(name, "exact") == 0 || strcmp(name, "pareto") == 0)
            ck_assert_msg(is <= best * (1.0 + 1e-9) + 1e-12, "%s: %g; %g is the best", name, is, best);
        worst[i] = fmax(worst[i], is / fmax(best, 1e-9));
    }
}

START_TEST(tolerances_against_everything)
{
    begin();
    double worst[8] = {0};
    for (uint64_t seed = 0; seed < SPACES; seed++)
        for (int goal = 0; goal < 3; goal++) {
            SearchOptions o = no_options();
            o.tolerance = 0.5 + 2.0 * goal;
            o.minimize = (const CostKind[]){COST_FLASH, COST_CYCLES, COST_BOPS}[goal];
            compare_methods(make_case(seed), &o, worst);
        }
    for (int i = 0; search_methods[i] != NULL; i++)
        ck_assert_msg(worst[i] < 2.0, "%s: %g times the least cost", search_methods[i]->name, worst[i]);
    end();
}
END_TEST

START_TEST(budgets_against_everything)
{
    begin();
    for (uint64_t seed = 0; seed < SPACES; seed++)
        for (int goal = 0; goal < 4; goal++) {
            double worst[8] = {0};
            Case *c = make_case(seed);
            const Cost most = space_predict_cost(&c->space, space_best(arena, &c->space));
            SearchOptions o = no_options();
            if (goal != 1) o.budget[COST_FLASH] = 0.55 * most.of[COST_FLASH];
            if (goal != 0) o.budget[COST_BOPS] = 0.4 * most.of[COST_BOPS];
            if (goal == 3) o.budget[COST_CYCLES] = 1.05 * most.of[COST_CYCLES];
            if (!isfinite(try_everything(c, &o))) continue;
            compare_methods(c, &o, worst);
        }
    end();
}
END_TEST

/* A tolerance and a budget at once. */
START_TEST(both_against_everything)
{
    begin();
    double worst[8] = {0};
    for (uint64_t seed = 0; seed < SPACES; seed++) {
        Case *c = make_case(seed);
        const Cost most = space_predict_cost(&c->space, space_best(arena, &c->space));
        SearchOptions o = no_options();
        o.tolerance = 4.0;
        o.budget[COST_BOPS] = 0.5 * most.of[COST_BOPS];
        if (isfinite(try_everything(c, &o))) compare_methods(c, &o, worst);
    }
    end();
}
END_TEST

START_TEST(what_nothing_meets)
{
    begin();
    Case *c = make_case(1);
    SearchOptions o = no_options();
    SearchResult r;
    o.budget[COST_FLASH] = 300.0;
    const Status status = search_run(arena, &o, &c->space, &c->trials, &r);
    ck_assert_int_eq(status, STATUS_CONFIG);
    ck_assert_msg(strstr(status_message(), "--flash: 300 bytes; in these formats the network takes at least ") !=
                          NULL &&
                      strstr(status_message(), "; layer \"l") != NULL,
                  "%s", status_message());

    /* Nothing loses nothing: the best is there, and it is said that it does not suffice. */
    c = make_case(1);
    for (int u = 0; u < UNITS - 1; u++)
        for (int f = 0; f < WIDTHS; f++) *space_loss(&c->space, u, f) += 0.01;
    o = no_options();
    o.tolerance = 1.0;
    must(search_run(arena, &o, &c->space, &c->trials, &r));
    ck_assert(r.best >= 0 && !r.within);
    for (int i = 0; i < c->trials.n; i++) ck_assert(c->trials.at[i].drop >= c->trials.at[r.best].drop);
    end();
}
END_TEST

TEST_MAIN("search_methods", tolerances_against_everything, budgets_against_everything, both_against_everything,
          what_nothing_meets)
