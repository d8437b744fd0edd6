#include "train/model_task.h"

Task model_task(const Config *config, const Model *m)
{
    Task task = task_make(&config->task, (float)config->train.label_smoothing, m->classes, m->class_names, m->scale);
    if (config->train.class_weights.n == m->classes) task.class_weight = config->train.class_weights.at;
    return task;
}

void model_set_task(Arena *arena, const Config *config, const DataSplits *data, Model *m)
{
    const TaskType *type = task_types[config->task.type];
    m->task = type->name;
    if (type->scale == NULL) return;
    if (data != NULL && data->train.n > 0) {
        m->scale = type->scale(arena, data->train.targets, data->train.n);
        return;
    }
    float *mean = ARENA_ARRAY(arena, float, m->classes), *std = ARENA_ARRAY(arena, float, m->classes);
    for (int k = 0; k < m->classes; k++) std[k] = 1.0f;
    m->scale = (TargetScale){mean, std};
}
