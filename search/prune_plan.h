/* Which channels go, so that what is left keeps to budgets. */
#ifndef BITFOLD_SEARCH_PRUNE_PLAN_H
#define BITFOLD_SEARCH_PRUNE_PLAN_H

#include "compress/prune.h"
#include "search/cost.h"
#include "train/experiment.h"

/* What a float network takes: of one image, and as exported C after post-training quantization by its config. */
typedef struct {
    double macs, parameters;
    Cost cost; /* without latency */
} PruneCost;

typedef struct {
    double macs;      /* at most so many; 0: no budget */
    double of[COSTS]; /* of flash, RAM, cycles; 0: none */
} PruneBudget;

typedef struct {
    const Config *config;
    const Model *model;
    const DataSplits *data;
    const ChannelGroups *groups;
    const double *score; /* [groups->n] (compress/channel_scores.h) */
    bool by_cost;        /* scores are losses: what is cheap to keep is kept */
    PruneBudget budget;
} PrunePlan;

/* The config and the model without some groups; removed[groups->n].  Parameters are those of the channels that are left. */
Status pruned_model(Arena *arena, const PrunePlan *plan, const bool *removed, Config **config, Model **pruned);

/* Of a float model of the config.  A few training images calibrate the integers that are costed. */
Status prune_cost(const Config *config, const Model *m, const DataSplits *data, PruneCost *cost);

/* Whether every budget is kept. */
bool prune_within(const PruneBudget *budget, const PruneCost *cost);

/* Chooses removed[groups->n]: the fewest groups, in the order of score over what the group frees of the first budget (MACs,
 * cycles, flash, RAM), with which every budget is kept; of MACs alone, without those that still fit.  Each layer that makes channels keeps an eighth of them, and one, at
 * least.  None where the budgets are kept as it is.  STATUS_STATE: they cannot be kept; names the layers that keep all of
 * their channels. */
Status prune_plan(Arena *arena, const PrunePlan *plan, bool *removed);

#endif
