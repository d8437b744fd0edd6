/* What learning widths has come to, kept at the end of each stage so that a search that was cut short goes on from there. */
#ifndef BITFOLD_SEARCH_LEARNED_STATE_H
#define BITFOLD_SEARCH_LEARNED_STATE_H

#include "search/search.h"
#include "search/weight_mix.h"

enum { LEARNED_STAGES = 40 /* at most */ };

/* A stretch of training at one price. */
typedef struct {
    double price[KNAPSACK_COSTS]; /* of each cost, for its unit */
    double loss;                  /* mean over its images */
    double moved;                 /* |w - w0| / |w0| of all mixed weights at its end */
    int *choice;                  /* [units]: the largest shares, and the formats of outputs at that price */
} LearnedStage;

typedef struct {
    const char *folder, *digest;
    const SearchSpace *space;
    int costs;
    const CostKind *cost;
    int stages;
    LearnedStage stage[LEARNED_STAGES];
    /* at the end of the last stage */
    double *logit, *first, *second; /* [layers][formats] of the shares, and the moments of their gradients */
    Model *model;
    Optimizer *optimizer;
    long steps; /* of a stage */
} LearnedState;

/* After a stage. */
Status learned_state_write(const LearnedState *s);
/* The stages that the folder keeps, if they are of this digest.  The rest of s is filled in by learned_state_load. */
Status learned_state_read(Arena *arena, LearnedState *s);
/* What training goes on from after the last stage.  *loaded false: the folder does not have it. */
Status learned_state_load(Arena *arena, LearnedState *s, bool *loaded);
/* Nothing more is trained: the files that training would go on from go. */
void learned_state_finish(Arena *arena, const LearnedState *s);

#endif
