/* The task that a config gives to a model. */
#ifndef BITFOLD_TRAIN_MODEL_TASK_H
#define BITFOLD_TRAIN_MODEL_TASK_H

#include "layers/model.h"
#include "tasks/task.h"
#include "train/config.h"

/* Points into both, which must outlive it; the model has its class names. */
Task model_task(const Config *config, const Model *m);

#endif
