#include "datasets/classes.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

enum { LISTED = 8 };

char *classes_text(Arena *arena, const char *const *name, int n)
{
    char *text = arena_strdup(arena, n == 0 ? "none" : "");
    for (int i = 0; i < n && i < LISTED; i++)
        text = arena_printf(arena, "%s%s%s", text, i == 0 ? "" : ", ", json_quote(arena, name[i]));
    return n <= LISTED ? text : arena_printf(arena, "%s and %d more", text, n - LISTED);
}

bool *classes_seen(Arena *arena, const Dataset *set)
{
    bool *seen = ARENA_ARRAY(arena, bool, set->classes);
    for (int i = 0; i < set->n; i++) seen[set->targets.label[i]] = true;
    return seen;
}

static bool is_number(const char *name, int value)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%d", value);
    return strcmp(name, digits) == 0;
}

static int find(const ModelClasses *model, const char *name)
{
    for (int i = 0; i < model->n; i++)
        if (strcmp(model->name[i], name) == 0) return i;
    return -1;
}

bool classes_named(const ModelClasses *model)
{
    for (int i = 0; i < model->n; i++)
        if (!is_number(model->name[i], i)) return true;
    return false;
}

/* output[k]: the model's class that is the data's class k, -1: none.  How many are found. */
static int match(const ModelClasses *model, const DataSplits *data, int *output)
{
    int found = 0;
    for (int k = 0; k < data->train.classes; k++) found += (output[k] = find(model, data->class_names[k])) >= 0;
    return found;
}

/* The named classes of the model that no class of the data is, in `missing`; how many. */
static int list_missing(Arena *arena, const ModelClasses *model, const int *output, int classes, const char **missing)
{
    bool *there = ARENA_ARRAY(arena, bool, model->n);
    for (int k = 0; k < classes; k++) there[output[k]] = true;
    int n = 0;
    for (int i = 0; i < model->n; i++)
        if (!there[i] && !is_number(model->name[i], i)) missing[n++] = model->name[i];
    return n;
}

static void relabel(Arena *arena, Dataset *set, const int *output, int classes)
{
    int32_t *labels = ARENA_ARRAY(arena, int32_t, set->n);
    for (int i = 0; i < set->n; i++) labels[i] = output[set->targets.label[i]];
    set->targets.label = labels;
    set->classes = classes;
}

static Status map_by_name(Arena *arena, const ModelClasses *model, bool all, const int *output, DataSplits *data,
                          const char **note)
{
    const int classes = data->train.classes;
    const char **missing = ARENA_ARRAY(arena, const char *, model->n);
    const int n = list_missing(arena, model, output, classes, missing);
    const char *lacks =
        arena_printf(arena, "the data has no class %s; the model has %s, the data %s", classes_text(arena, missing, n),
                     classes_text(arena, model->name, model->n), classes_text(arena, data->class_names, classes));
    if (n > 0 && all) return status_fail(STATUS_FORMAT, "%s: %s; training needs them all", model->where, lacks);
    if (n > 0) *note = lacks;
    relabel(arena, &data->train, output, model->n);
    relabel(arena, &data->validation, output, model->n);
    relabel(arena, &data->test, output, model->n);
    data->class_names = (const char **)ARENA_ARRAY(arena, const char *, model->n);
    memcpy(data->class_names, model->name, sizeof *model->name * (size_t)model->n);
    data->named = true;
    return STATUS_OK;
}

/* Class k is output k; where only the model has names, they are the data's from now on. */
static Status map_by_number(Arena *arena, const ModelClasses *model, DataSplits *data, const char **note)
{
    const int classes = data->train.classes;
    if (classes > model->n)
        return status_fail(STATUS_SHAPE, "%s: %d outputs, the data has %d classes; must be at least as many",
                           model->where, model->n, classes);
    if (data->named) {
        *note = arena_printf(arena, "the model has no class names: its outputs 0 to %d are taken as %s", classes - 1,
                             classes_text(arena, data->class_names, classes));
        return STATUS_OK;
    }
    if (classes < model->n)
        *note = arena_printf(arena, "%d classes in the data, without names, %d outputs: class k is taken as output k",
                             classes, model->n);
    data->class_names = ARENA_ARRAY(arena, const char *, model->n);
    memcpy(data->class_names, model->name, sizeof *model->name * (size_t)model->n);
    data->train.classes = data->validation.classes = data->test.classes = model->n;
    return STATUS_OK;
}

/* Some classes of the data are the model's and these are not. */
static Status fail_unknown(Arena *arena, const ModelClasses *model, const int *output, const DataSplits *data)
{
    const char **unknown = ARENA_ARRAY(arena, const char *, data->train.classes);
    int n = 0;
    for (int k = 0; k < data->train.classes; k++)
        if (output[k] < 0) unknown[n++] = data->class_names[k];
    return status_fail(STATUS_FORMAT, "%s: the data's class %s is none of the model's; the model has %s, the data %s",
                       model->where, classes_text(arena, unknown, n), classes_text(arena, model->name, model->n),
                       classes_text(arena, data->class_names, data->train.classes));
}

Status classes_map(Arena *arena, const ModelClasses *model, bool all, DataSplits *data, const char **note)
{
    *note = NULL;
    int *output = ARENA_ARRAY(arena, int, data->train.classes);
    const int found = match(model, data, output);
    if (data->named && found == data->train.classes) return map_by_name(arena, model, all, output, data, note);
    if (data->named && (found > 0 || classes_named(model))) return fail_unknown(arena, model, output, data);
    return map_by_number(arena, model, data, note);
}
