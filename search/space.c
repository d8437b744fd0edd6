#include "search/space.h"

#include <math.h>
#include <string.h>

#include "quant/quantizer.h"

/* ---- what is lost -------------------------------------------------------------------------------------------------- */

static double row_loss(const SearchSpace *space, const SensitivityRow *row)
{
    if (space->measure == LOSS_KL) return row->alone.kl;
    if (space->measure == LOSS_LOSS) return fmax(row->alone.loss - space->s->floats.loss, 0.0);
    const int kind = space->measure - LOSS_PREDICTOR;
    const double value = row->predicted[kind];
    return predictors[kind].of_quality ? pow(10.0, -value / 10.0) : fmax(value, 0.0);
}

int space_format(const SearchSpace *space, int format)
{
    for (int f = 0; f < space->formats.n; f++)
        if (space->formats.at[f] == format) return f;
    return -1;
}

void space_measured(SearchSpace *space, int measure)
{
    const FormatGroups *g = &space->s->groups;
    space->measure = measure;
    for (int i = 0; i < space->units * space->formats.n; i++) space->loss[i] = (double)INFINITY;
    for (int i = 0; i < space->s->rows; i++) {
        const SensitivityRow *row = &space->s->row[i];
        const int f = space_format(space, row->format);
        if (row->part == PART_BOTH || f < 0) continue;
        const int unit = row->part == PART_WEIGHTS ? row->unit : g->layers + row->unit;
        *space_loss(space, unit, f) = row_loss(space, row);
        space->chooses[unit] = true;
    }
    /* float32, if it is a candidate, loses nothing and has no rows */
    for (int f = 0; f < space->formats.n; f++)
        for (int unit = 0; unit < space->units; unit++)
            if (strcmp(format_choices[space->formats.at[f]], "float32") == 0 && space->chooses[unit])
                *space_loss(space, unit, f) = 0.0;
    for (int unit = 0; unit < space->units; unit++)
        if (!space->chooses[unit]) *space_loss(space, unit, 0) = 0.0;
}

/* ---- what it costs --------------------------------------------------------------------------------------------------- */

static int layer_named(const FormatGroups *g, const Model *m, const char *name)
{
    for (int i = 0; i < g->layers; i++)
        for (int k = g->layer[i].first; k <= g->layer[i].last; k++)
            if (strcmp(m->layer[k].name, name) == 0) return i;
    return -1;
}

/* The layer of the config that a node belongs to: the one of its name, or of what stands before its last point, for the
 * conversions of a layer are named after it; -1: none. */
int space_layer_of_node(Arena *arena, const SearchSpace *space, const Model *m, const char *name)
{
    const FormatGroups *g = &space->s->groups;
    const int layer = layer_named(g, m, name);
    const char *point = strrchr(name, '.');
    if (layer >= 0 || point == NULL) return layer;
    return layer_named(g, m, arena_printf(arena, "%.*s", (int)(point - name), name));
}

static void add_costs(Arena *arena, SearchSpace *space, const Candidate *c, int weights, int outputs)
{
    Cost *of = ARENA_ARRAY(arena, Cost, c->graph->nodes);
    space->fixed = network_cost(arena, c->graph, of);
    for (int i = 0; i < c->graph->nodes; i++) {
        const int layer = space_layer_of_node(arena, space, c->model, c->graph->node[i].name);
        for (int k = 0; k < COSTS; k++) space->fixed.of[k] -= of[i].of[k];
        if (layer < 0) continue;
        Cost *cost = &space->cost[(layer * space->formats.n + weights) * space->formats.n + outputs];
        for (int k = 0; k < COSTS; k++) cost->of[k] += of[i].of[k];
    }
}

static Status fill_costs(const Judge *judge, SearchSpace *space)
{
    const FormatGroups *g = &space->s->groups;
    for (int w = 0; w < space->formats.n; w++)
        for (int a = 0; a < space->formats.n; a++) {
            Arena *own = arena_create();
            const FormatChoice choice = format_choice(own, g, space->formats.at[w], space->formats.at[a]);
            Candidate c;
            const Status status = judge_make(judge, own, g, &choice, &c);
            if (status == STATUS_OK) add_costs(own, space, &c, w, a);
            arena_destroy(own);
            TRY(status);
        }
    return STATUS_OK;
}

/* The group of what a layer with weights reads, if it is the output of another: products of bits go by it.  Of others their own. */
static void find_deciding(const Model *m, SearchSpace *space)
{
    const FormatGroups *g = &space->s->groups;
    for (int i = 0; i < g->layers; i++) {
        const FormatLayer *l = &g->layer[i];
        const int from = format_grid_owner(m, m->layer[l->first].input[0]);
        const bool reads = from >= 0 && (l->has_weights || l->group < 0);
        space->decides[i] = reads ? g->layer[format_layer_of(g, from)].group : l->group;
    }
}

Status space_make(Arena *arena, const Judge *judge, const Sensitivity *s, IntList formats, SearchSpace *space)
{
    const FormatGroups *g = &s->groups;
    const size_t pairs = (size_t)formats.n * (size_t)formats.n;
    *space = (SearchSpace){.s = s, .formats = formats, .units = g->layers + g->groups, .model = judge->model};
    space->loss = ARENA_ARRAY(arena, double, space->units *formats.n);
    space->chooses = ARENA_ARRAY(arena, bool, space->units);
    space->decides = ARENA_ARRAY(arena, int, g->layers);
    space->cost = ARENA_ARRAY(arena, Cost, (size_t)g->layers * pairs);
    find_deciding(judge->model, space);
    return fill_costs(judge, space);
}

/* ---- choices ------------------------------------------------------------------------------------------------------------- */

double space_predict(const SearchSpace *space, const int *choice)
{
    double sum = 0.0;
    for (int unit = 0; unit < space->units; unit++) sum += *space_loss(space, unit, choice[unit]);
    return sum;
}

Cost space_predict_cost(const SearchSpace *space, const int *choice)
{
    const FormatGroups *g = &space->s->groups;
    Cost sum = space->fixed;
    for (int i = 0; i < g->layers; i++) {
        const Cost *one =
            space_cost(space, i, choice[i], space->decides[i] < 0 ? 0 : choice[g->layers + space->decides[i]]);
        for (int k = 0; k < COSTS; k++) sum.of[k] += one->of[k];
    }
    return sum;
}

FormatChoice space_formats(Arena *arena, const SearchSpace *space, const int *choice)
{
    const FormatGroups *g = &space->s->groups;
    FormatChoice c = format_choice(arena, g, space->formats.at[0], space->formats.at[0]);
    for (int i = 0; i < g->layers; i++) c.weights[i] = space->formats.at[choice[i]];
    for (int i = 0; i < g->groups; i++) c.activations[i] = space->formats.at[choice[g->layers + i]];
    return c;
}

const char *space_unit_name(const SearchSpace *space, int unit)
{
    const FormatGroups *g = &space->s->groups;
    return unit < g->layers ? g->layer[unit].name : g->group[unit - g->layers].name;
}

long space_group_values(const SearchSpace *space, int group)
{
    const FormatGroup *of = &space->s->groups.group[group];
    long values = 0;
    for (int i = 0; i < of->layers; i++) {
        const Extent *out = &space->model->layer[space->s->groups.layer[of->layer[i]].last].out;
        values += (long)out->h * out->w * out->c;
    }
    return values;
}

static bool may(const SearchSpace *space, int unit, int format) { return isfinite(*space_loss(space, unit, format)); }

bool space_forbid(SearchSpace *space, int unit, int format)
{
    int left = 0;
    for (int f = 0; f < space->formats.n; f++) left += f != format && may(space, unit, f);
    if (left == 0) return false;
    *space_loss(space, unit, format) = (double)INFINITY;
    return true;
}

int *space_best(Arena *arena, const SearchSpace *space)
{
    int *choice = ARENA_ARRAY(arena, int, space->units);
    for (int unit = 0; unit < space->units; unit++) {
        int best = -1;
        for (int f = 0; f < space->formats.n; f++)
            if (may(space, unit, f) && (best < 0 || *space_loss(space, unit, f) < *space_loss(space, unit, best)))
                best = f;
        choice[unit] = best;
    }
    return choice;
}

/* ---- as a knapsack --------------------------------------------------------------------------------------------------- */

typedef struct {
    const SearchSpace *space;
    const CostKind *cost;
    int costs;
} Costs;

static KnapsackItem layer_item(Arena *arena, const Costs *c, int layer, int outputs, int *format)
{
    const SearchSpace *space = c->space;
    KnapsackOption *option = ARENA_ARRAY(arena, KnapsackOption, space->formats.n);
    int n = 0;
    for (int f = 0; f < space->formats.n; f++) {
        if (!may(space, layer, f)) continue;
        option[n].loss = *space_loss(space, layer, f);
        for (int k = 0; k < c->costs; k++) option[n].cost[k] = space_cost(space, layer, f, outputs)->of[c->cost[k]];
        format[n++] = f;
    }
    return (KnapsackItem){n, option};
}

/* Options of a group's output in one format: the best choices of the layers whose costs it decides. */
static Status add_options(Arena *arena, const Costs *c, const int *layer, int layers, int unit, int outputs,
                          KnapsackItem *item, KnapsackOption *option, const int **formats)
{
    const SearchSpace *space = c->space;
    const int width = space->formats.n;
    int *format = ARENA_ARRAY(arena, int, layers *width + 1);
    Knapsack k = {.items = layers, .costs = c->costs};
    KnapsackItem *items = ARENA_ARRAY(arena, KnapsackItem, layers + 1);
    for (int i = 0; i < layers; i++) items[i] = layer_item(arena, c, layer[i], outputs, &format[i * width]);
    k.item = items;
    for (int i = 0; i < c->costs; i++) k.budget[i] = (double)INFINITY;
    KnapsackFront front;
    TRY(knapsack_front(arena, &k, &front));
    for (int i = 0; i < front.n; i++, item->options++) {
        int *of = ARENA_ARRAY(arena, int, space->units);
        for (int u = 0; u < space->units; u++) of[u] = -1;
        for (int l = 0; l < layers; l++) of[layer[l]] = format[l * width + front.at[i].pick[l]];
        if (unit >= 0) of[unit] = outputs;
        formats[item->options] = of;
        KnapsackOption *o = &option[item->options];
        o->loss = front.at[i].loss + (unit >= 0 ? *space_loss(space, unit, outputs) : 0.0);
        memcpy(o->cost, front.at[i].cost, sizeof o->cost);
    }
    return STATUS_OK;
}

/* group -1: the layers of which none decides. */
static Status group_item(Arena *arena, const Costs *c, int group, KnapsackItem *item, const int ***formats)
{
    const SearchSpace *space = c->space;
    const int unit = group < 0 ? -1 : space->s->groups.layers + group;
    int *layer = ARENA_ARRAY(arena, int, space->s->groups.layers + 1), layers = 0, most = space->formats.n;
    for (int i = 0; i < space->s->groups.layers; i++) {
        if (space->decides[i] != group) continue;
        layer[layers++] = i;
        if (most > KNAPSACK_MAX_STATES / space->formats.n)
            return status_fail(STATUS_NUMERIC, "%s: %d layers read it, in too many combinations of formats",
                               group < 0 ? "the image" : space_unit_name(space, unit), layers);
        most *= space->formats.n;
    }
    KnapsackOption *option = ARENA_ARRAY(arena, KnapsackOption, most);
    *formats = ARENA_ARRAY(arena, const int *, most);
    *item = (KnapsackItem){0, option};
    for (int f = 0; f < space->formats.n; f++)
        if (unit < 0 ? f == 0 : may(space, unit, f))
            TRY(add_options(arena, c, layer, layers, unit, f, item, option, *formats));
    return STATUS_OK;
}

Status space_knapsack(Arena *arena, const SearchSpace *space, const CostKind *cost, int costs, const double *budget,
                      SpaceKnapsack *k)
{
    const Costs c = {space, cost, costs};
    const int groups = space->s->groups.groups;
    KnapsackItem *item = ARENA_ARRAY(arena, KnapsackItem, groups + 1);
    *k = (SpaceKnapsack){.problem = {.items = groups + 1, .item = item, .costs = costs},
                         .formats = ARENA_ARRAY(arena, const int **, groups + 1)};
    for (int i = 0; i < costs; i++) k->problem.budget[i] = budget[i] - space->fixed.of[cost[i]];
    for (int i = 0; i <= groups; i++) TRY(group_item(arena, &c, i - 1, &item[i], &k->formats[i]));
    return STATUS_OK;
}

int *space_choice(Arena *arena, const SearchSpace *space, const SpaceKnapsack *k, const int *pick)
{
    int *choice = ARENA_ARRAY(arena, int, space->units);
    for (int i = 0; i < k->problem.items; i++)
        for (int u = 0; u < space->units; u++)
            if (k->formats[i][pick[i]][u] >= 0) choice[u] = k->formats[i][pick[i]][u];
    return choice;
}
