#include "train/model_data.h"

#include <string.h>

ModelClasses model_classes(const char *path, const Model *m)
{
    return (ModelClasses){.where = path, .n = m->classes, .name = m->class_names};
}

/* Of values: those of the model, in its order. */
static Status same_values(Arena *arena, const ModelClasses *model, const DataSplits *data)
{
    const int n = data->train.classes;
    bool same = n == model->n;
    for (int k = 0; same && k < n && data->named && classes_named(model); k++)
        same = strcmp(model->name[k], data->class_names[k]) == 0;
    if (same) return STATUS_OK;
    return status_fail(STATUS_FORMAT, "%s: gives %s, the data has %s; must be the same values", model->where,
                       classes_text(arena, model->name, model->n), classes_text(arena, data->class_names, n));
}

Status model_data(Arena *arena, const Config *config, const ModelClasses *classes, bool all, DataSplits *data)
{
    if (classes == NULL) return experiment_data(arena, config, data);
    if (config->data.target == TARGET_TOKENS) return experiment_data(arena, config, data);
    if (config->data.target != TARGET_CLASS) {
        TRY(experiment_data(arena, config, data));
        return same_values(arena, classes, data);
    }
    Config some = *config; /* data.classes is what the model was made for; the data may have less */
    const DatasetType *type = dataset_type(config->data.dataset);
    if (type != NULL && type->names_classes) some.data.classes = 0;
    TRY(experiment_data(arena, &some, data));
    const char *note;
    TRY(classes_map(arena, classes, all, data, &note));
    if (note != NULL) data_note(arena, data, "%s: %s", classes->where, note);
    return STATUS_OK;
}

static char *points_text(Arena *arena, const DataSplits *data)
{
    const int n = data->train.targets.points;
    const char **name = ARENA_ARRAY(arena, const char *, n);
    for (int p = 0; p < n; p++) name[p] = point_name(arena, data->class_names[2 * p]);
    return classes_text(arena, name, n);
}

char *data_line(Arena *arena, const DataSplits *data)
{
    const Dataset *t = &data->train, *sets[] = {t, &data->validation, &data->test};
    if (t->targets.points > 0)
        return arena_printf(arena,
                            "data: %d points in each image, %s; %d training, %d validation and %d test images of "
                            "%d x %d x %d",
                            t->targets.points, points_text(arena, data), t->n, data->validation.n, data->test.n, t->h,
                            t->w, t->c);
    if (t->targets.width > 0 && t->classes != t->targets.width)
        return arena_printf(arena, "data: a text; %d training, %d validation and %d test windows of %d bytes", t->n,
                            data->validation.n, data->test.n, t->h);
    if (t->targets.width > 0)
        return arena_printf(arena,
                            "data: %d value%s of each image, %s; %d training, %d validation and %d test images of "
                            "%d x %d x %d",
                            t->classes, t->classes == 1 ? "" : "s", classes_text(arena, data->class_names, t->classes),
                            t->n, data->validation.n, data->test.n, t->h, t->w, t->c);
    int seen = 0;
    for (int k = 0; k < t->classes; k++) {
        bool found = false;
        for (int s = 0; s < 3; s++)
            for (int i = 0; i < sets[s]->n && !found; i++) found = sets[s]->targets.label[i] == k;
        seen += found;
    }
    const char *of = seen == t->classes ? "" : arena_printf(arena, "%d of ", seen);
    return arena_printf(arena, "data: %s%d class%s; %d training, %d validation and %d test images of %d x %d x %d", of,
                        t->classes, t->classes == 1 ? "" : "es", t->n, data->validation.n, data->test.n, t->h, t->w,
                        t->c);
}

/* ---- what makes training suspicious ------------------------------------------------------------------------------ */

enum { IMBALANCE = 10 };

static long *count_labels(Arena *arena, const Dataset *set)
{
    long *count = ARENA_ARRAY(arena, long, set->classes);
    for (int i = 0; i < set->n; i++) count[set->targets.label[i]]++;
    return count;
}

static void check_balance(Arena *arena, DataSplits *data)
{
    const Dataset *t = &data->train;
    const long *count = count_labels(arena, t);
    const char **empty = ARENA_ARRAY(arena, const char *, t->classes);
    int none = 0, most = 0, least = -1;
    for (int k = 0; k < t->classes; k++) {
        if (count[k] > count[most]) most = k;
        if (count[k] == 0)
            empty[none++] = data->class_names[k];
        else if (least < 0 || count[k] < count[least])
            least = k;
    }
    if (none > 0 && none < t->classes)
        data_note(arena, data, "no training image of class %s", classes_text(arena, empty, none));
    if (least >= 0 && count[most] >= IMBALANCE * count[least])
        data_note(arena, data, "the classes are out of balance: %ld training images of %s, %ld of %s", count[most],
                  classes_text(arena, &data->class_names[most], 1), count[least],
                  classes_text(arena, &data->class_names[least], 1));
}

static void check_spread(Arena *arena, DataSplits *data)
{
    const Dataset *t = &data->train;
    const size_t K = (size_t)t->targets.width;
    for (size_t k = 0; k < (size_t)t->classes; k++) {
        const size_t at = t->targets.points > 0 ? k / 2 * POINT_FLOATS + k % 2 : k;
        int i = 1;
        while (i < t->n && t->targets.value[(size_t)i * K + at] == t->targets.value[at]) i++;
        if (i >= t->n)
            data_note(arena, data, "%s is the same in all training images",
                      classes_text(arena, &data->class_names[k], 1));
    }
}

void data_check_training(Arena *arena, const Config *config, int outputs, DataSplits *data)
{
    const Dataset *t = &data->train;
    if (t->n < config->train.batch)
        data_note(arena, data, "%d training images are fewer than train.batch, %d: each step sees all of them", t->n,
                  config->train.batch);
    if (config->data.target == TARGET_TOKENS) return;
    if (t->targets.width > 0) return check_spread(arena, data);
    if (t->classes == 1)
        data_note(arena, data, "one class only, %s: there is nothing to tell apart",
                  classes_text(arena, data->class_names, 1));
    if (t->classes > 1 && t->classes < outputs)
        data_note(arena, data, "%d classes, but the network has %d outputs: %d of them are never right", t->classes,
                  outputs, outputs - t->classes);
    check_balance(arena, data);
}
