#include "search/prune_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "deploy/lower.h"
#include "train/recipe.h"

enum { IMAGES = 16 /* that calibrate what is costed */, KEPT_SHARE = 8 };

/* ---- a network without some groups ------------------------------------------------------------------------------- */

Status pruned_model(Arena *arena, const PrunePlan *plan, const bool *removed, Config **config, Model **pruned)
{
    Config *c = ARENA_ARRAY(arena, Config, 1);
    *c = *plan->config;
    c->model.layers = pruned_layers(arena, plan->groups, removed, c->model.layers);
    TRY(experiment_model(arena, c, NULL, NULL, pruned));
    prune_copy(plan->groups, removed, *pruned);
    *config = c;
    return STATUS_OK;
}

static IntList calibration_alone(Arena *arena)
{
    int *step = ARENA_ARRAY(arena, int, 1);
    while (ptq_steps[*step] != &ptq_step_calibrate) (*step)++;
    return (IntList){1, step};
}

Status prune_cost(const Config *config, const Model *m, const DataSplits *data, PruneCost *cost)
{
    Arena *own = arena_create();
    Config c = *config;
    c.quant = ptq_quant_config(own, &c.quant);
    c.ptq.images = IMAGES, c.ptq.steps = calibration_alone(own), c.ptq.calibration = (PtqCalibration){0};
    *cost = (PruneCost){.parameters = (double)model_parameters(m)};
    for (int i = 0; i < m->layers; i++) cost->macs += (double)layer_macs(&m->layer[i]);
    Model *quantized;
    Graph *graph;
    Status status = quantize_from(own, &c, &c.quant, m, data, &quantized);
    if (status == STATUS_OK) status = model_lower(own, quantized, (Rounding)c.quant.rounding, &graph);
    if (status == STATUS_OK) cost->cost = network_cost(own, graph, NULL);
    arena_destroy(own);
    return status;
}

/* ---- the order --------------------------------------------------------------------------------------------------- */

typedef struct {
    int group;
    double worth; /* score over what it frees */
} Ranked;

static int compare_ranked(const void *a, const void *b)
{
    const Ranked *x = a, *y = b;
    if (x->worth != y->worth) return x->worth < y->worth ? -1 : 1;
    return x->group - y->group;
}

static double budgeted(const PruneBudget *budget, ChannelCost cost)
{
    if (budget->macs > 0 || budget->of[COST_CYCLES] > 0) return cost.macs;
    return budget->of[COST_FLASH] > 0 ? cost.weights : cost.values;
}

/* Whether the group can still go, so that every layer keeps what it must. */
static bool may_go(const ChannelGroups *g, int group, const int *left)
{
    for (int i = 0; i < g->m->layers; i++) {
        const int gone = group_members(g, group, i), all = g->m->layer[i].out.c;
        if (gone == 0 || !layer_makes_channels(&g->m->layer[i])) continue;
        const int least = (all + KEPT_SHARE - 1) / KEPT_SHARE;
        if (left[i] - gone < least) return false;
    }
    return true;
}

static void take(const ChannelGroups *g, int group, int *left)
{
    for (int i = 0; i < g->m->layers; i++) left[i] -= group_members(g, group, i);
}

/* order[] = the groups in the order they go; how many there are. */
static int find_order(Arena *arena, const PrunePlan *plan, int *order)
{
    const ChannelGroups *g = plan->groups;
    const Model *m = plan->model;
    Ranked *ranked = ARENA_ARRAY(arena, Ranked, g->n);
    int *left = ARENA_ARRAY(arena, int, m->layers), *all = ARENA_ARRAY(arena, int, m->layers), n = 0, goes = 0;
    channels_left(g, NULL, all);
    const double whole = budgeted(&plan->budget, channel_cost(m, all));
    for (int k = 0; k < g->n; k++) {
        if (g->keeps[k] != NULL) continue;
        memcpy(left, all, sizeof *left * (size_t)m->layers);
        take(g, k, left);
        const double frees = whole - budgeted(&plan->budget, channel_cost(m, left));
        ranked[n++] = (Ranked){k, plan->score[k] / (plan->by_cost && frees > 0 ? frees : 1)};
    }
    qsort(ranked, (size_t)n, sizeof *ranked, compare_ranked);
    for (int i = 0; i < n; i++) {
        if (!may_go(g, ranked[i].group, all)) continue;
        take(g, ranked[i].group, all);
        order[goes++] = ranked[i].group;
    }
    return goes;
}

/* ---- how many ---------------------------------------------------------------------------------------------------- */

static void remove_first(const ChannelGroups *g, const int *order, int n, bool *removed)
{
    for (int k = 0; k < g->n; k++) removed[k] = false;
    for (int i = 0; i < n; i++) removed[order[i]] = true;
}

static bool costed(const PruneBudget *b)
{
    return b->of[COST_FLASH] > 0 || b->of[COST_RAM] > 0 || b->of[COST_CYCLES] > 0;
}

/* What the network without these groups takes of what has a budget. */
static Status cost_without(const PrunePlan *plan, const bool *removed, PruneCost *cost)
{
    Arena *own = arena_create();
    int *left = ARENA_ARRAY(own, int, plan->model->layers);
    channels_left(plan->groups, removed, left);
    Status status = STATUS_OK;
    Config *config;
    Model *pruned;
    *cost = (PruneCost){0};
    if (costed(&plan->budget)) {
        status = pruned_model(own, plan, removed, &config, &pruned);
        if (status == STATUS_OK) status = prune_cost(config, pruned, plan->data, cost);
    }
    cost->macs = channel_cost(plan->model, left).macs;
    arena_destroy(own);
    return status;
}

bool prune_within(const PruneBudget *b, const PruneCost *cost)
{
    bool within = b->macs <= 0 || cost->macs <= b->macs;
    for (int k = 0; k < COSTS; k++) within = within && (b->of[k] <= 0 || cost->cost.of[k] <= b->of[k]);
    return within;
}

/* Why layers keep their channels, each reason once. */
static const char *obstacles(Arena *arena, const ChannelGroups *g)
{
    const char *all = "";
    for (int k = 0; k < g->n; k++) {
        const char *why = g->keeps[k];
        if (why == NULL || strstr(all, why) != NULL) continue;
        all = arena_printf(arena, "%s%s%s", all, all[0] == '\0' ? "" : "; ", why);
    }
    return all;
}

static Status cannot(const PrunePlan *plan, const PruneCost *least)
{
    Arena *own = arena_create();
    const PruneBudget *b = &plan->budget;
    const char *text = "";
    if (b->macs > 0) text = arena_printf(own, "%.0f MACs for %.0f", least->macs, b->macs);
    for (int k = 0; k < COSTS; k++)
        if (b->of[k] > 0)
            text = arena_printf(own, "%s%s%s %s for %s", text, text[0] == '\0' ? "" : ", ", cost_types[k].name,
                                cost_text(own, (CostKind)k, least->cost.of[k]), cost_text(own, (CostKind)k, b->of[k]));
    const Status status = status_fail(STATUS_STATE,
                                      "the smallest network that is left takes %s; budgets must be larger (kept are an "
                                      "eighth of each layer's channels, and %s)",
                                      text, obstacles(own, plan->groups));
    arena_destroy(own);
    return status;
}

/* What still fits stays after all, the last that went first: a large group may have gone after small ones. */
static Status give_back(const PrunePlan *plan, const int *order, int n, bool *removed)
{
    for (int i = n - 1; i >= 0; i--) {
        PruneCost cost;
        removed[order[i]] = false;
        TRY(cost_without(plan, removed, &cost));
        removed[order[i]] = !prune_within(&plan->budget, &cost);
    }
    return STATUS_OK;
}

Status prune_plan(Arena *arena, const PrunePlan *plan, bool *removed)
{
    const ChannelGroups *g = plan->groups;
    int *order = ARENA_ARRAY(arena, int, g->n);
    const int all = find_order(arena, plan, order);
    PruneCost cost;
    remove_first(g, order, 0, removed);
    TRY(cost_without(plan, removed, &cost));
    if (prune_within(&plan->budget, &cost)) return STATUS_OK;
    remove_first(g, order, all, removed);
    TRY(cost_without(plan, removed, &cost));
    if (!prune_within(&plan->budget, &cost)) return cannot(plan, &cost);
    int over = 0, within = all; /* so many removed are too few, and enough */
    while (within - over > 1) {
        const int middle = over + (within - over) / 2;
        remove_first(g, order, middle, removed);
        TRY(cost_without(plan, removed, &cost));
        if (prune_within(&plan->budget, &cost))
            within = middle;
        else
            over = middle;
    }
    remove_first(g, order, within, removed);
    return costed(&plan->budget) ? STATUS_OK : give_back(plan, order, within, removed);
}
