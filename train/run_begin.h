/* How a run begins: what it is made of, the folder it takes, the data and the model with its first weights.  Nothing is
 * written yet, and whatever can refuse the run does so here. */
#ifndef BITFOLD_TRAIN_RUN_BEGIN_H
#define BITFOLD_TRAIN_RUN_BEGIN_H

#include "train/run_source.h"

typedef struct {
    RunSource source;
    RunStart start;
    DataSplits data;
    Recipe recipe;
} RunBegin;

/* Fills *b and of the outcome the config, the folder, which is held then, what a resumed run goes on from, and the
 * model after the recipe's RECIPE_BEGIN. */
Status run_begin(Arena *arena, const RunRequest *r, ModelKind kind, RunBegin *b, RunOutcome *out);

#endif
