/* The task that a config gives to a model. */
#ifndef BITFOLD_TRAIN_MODEL_TASK_H
#define BITFOLD_TRAIN_MODEL_TASK_H

#include "layers/model.h"
#include "tasks/task.h"
#include "train/config.h"

/* Points into both, which must outlive it; the model has its class names. */
Task model_task(const Config *config, const Model *m);

/* What a new model of the config is for: of value targets, the scale of the data's training images; of none, until a
 * checkpoint or another model tells it (data NULL), 0 and 1. */
void model_set_task(Arena *arena, const Config *config, const DataSplits *data, Model *m);

#endif
