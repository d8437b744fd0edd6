/* The choices that a search has: for each layer a format of its weights, for each group one of its outputs; what each
 * is thought to lose, and what it costs. */
#ifndef BITFOLD_SEARCH_SPACE_H
#define BITFOLD_SEARCH_SPACE_H

#include "search/cost.h"
#include "search/knapsack.h"
#include "search/sensitivity.h"

/* What a choice is thought to lose: a sum over layers and groups of what each loses alone. */
typedef enum {
    LOSS_KL,        /* the divergence of the answers; of classes */
    LOSS_LOSS,      /* the loss added, below 0 taken as 0 */
    LOSS_PREDICTOR, /* and up: LOSS_PREDICTOR + a PredictorKind; SQNR in dB as a ratio of powers */
} LossMeasure;

typedef struct {
    const Sensitivity *s; /* rows of weights and activations in the formats */
    int measure;          /* a LossMeasure */
    IntList formats;      /* indices into format_choices: the candidates */
    int units;            /* layers, then groups */
    double *loss;         /* [units][formats]; INFINITY: that cannot be chosen */
    bool *chooses;        /* [units]: there is something to choose; else the first format stands for it */
    int *decides;         /* [layers]: the group by whose format its cost goes, besides that of its weights */
    Cost *cost;           /* [layers][formats of weights][formats of the group that decides] */
    const Model *model;   /* the float network */
    Cost fixed;           /* of no layer: tables of pixels */
    bool timed;           /* COST_LATENCY is known */
} SearchSpace;

static inline double *space_loss(const SearchSpace *space, int unit, int format)
{
    return &space->loss[unit * space->formats.n + format];
}
static inline const Cost *space_cost(const SearchSpace *space, int layer, int weights, int outputs)
{
    return &space->cost[(layer * space->formats.n + weights) * space->formats.n + outputs];
}

/* How many of the kinds of costs are known. */
static inline int space_costs(const SearchSpace *space) { return space->timed ? COSTS : COST_LATENCY; }

/* The layer of the groups that a node of a network made from the space's belongs to, by its name; -1: none. */
int space_layer_of_node(Arena *arena, const SearchSpace *space, const Model *m, const char *node);

/* Makes the network uniformly in each pair of formats to see its layers' costs.  Of s only the groups are looked at, and
 * every choice is open and loses nothing, until space_measured.  In the arena. */
Status space_make(Arena *arena, const Judge *judge, const Sensitivity *s, IntList formats, SearchSpace *space);

/* What s measured has become what choices lose; what it has no rows of cannot be chosen. */
void space_measured(SearchSpace *space, int measure);

/* The place of an index into format_choices among the candidates; -1: it is none. */
int space_format(const SearchSpace *space, int format);

/* A choice is an index into the formats for each unit. */
double space_predict(const SearchSpace *space, const int *choice);
Cost space_predict_cost(const SearchSpace *space, const int *choice);
FormatChoice space_formats(Arena *arena, const SearchSpace *space, const int *choice);
const char *space_unit_name(const SearchSpace *space, int unit);
/* Values that the outputs of a group have, for one image. */
long space_group_values(const SearchSpace *space, int group);

/* Takes from a unit the choice of a format; whether another is left it. */
bool space_forbid(SearchSpace *space, int unit, int format);

/* The choice of least loss, of equal ones the first of the formats. */
int *space_best(Arena *arena, const SearchSpace *space);

/* The choices as a knapsack whose cost[0], cost[1] ... are these: an item is a group together with the layers whose costs
 * it decides, so that costs are sums over items.  Its fixed costs are taken from the budgets.  Fails as knapsack_front. */
typedef struct {
    Knapsack problem;
    const int ***formats; /* [items][options][units]: -1 where the item does not hold the unit */
} SpaceKnapsack;
Status space_knapsack(Arena *arena, const SearchSpace *space, const CostKind *cost, int costs, const double *budget,
                      SpaceKnapsack *k);
/* What a choice of the knapsack is in the space. */
int *space_choice(Arena *arena, const SearchSpace *space, const SpaceKnapsack *k, const int *pick);

#endif
