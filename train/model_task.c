#include "train/model_task.h"

Task model_task(const Config *config, const Model *m)
{
    return task_make(&config->task, (float)config->train.label_smoothing, m->classes, m->class_names);
}
