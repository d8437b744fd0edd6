#include "train/transfer.h"

#include <string.h>

#include "train/model_data.h"
#include "train/model_task.h"

static const Param *find_param(const ParamSet *set, const Param *like)
{
    for (int i = 0; i < set->n; i++) {
        const Param *p = set->param[i];
        if (strcmp(p->name, like->name) == 0 && p->kind != PARAM_QUANTIZER && shape_equal(p->shape, like->shape))
            return p;
    }
    return NULL;
}

static bool is_of(const Layer *l, const Param *p)
{
    Param *params[LAYER_PARAMS];
    const int n = layer_params(l, params);
    for (int i = 0; i < n; i++)
        if (params[i] == p) return true;
    return false;
}

static void add(StringList *list, const char *name) { list->at[list->n++] = name; }

static void copy_statistics(Model *to, const Model *from, int renewed)
{
    for (int i = 0; i < to->layers; i++) {
        const Layer *l = &to->layer[i];
        if (l->norm == NULL || i == renewed) continue;
        for (int k = 0; k < from->layers; k++) {
            const Layer *f = &from->layer[k];
            if (f->norm == NULL || strcmp(f->name, l->name) != 0 || f->gamma->count != l->gamma->count) continue;
            memcpy(l->norm->mean, f->norm->mean, sizeof(float) * (size_t)l->gamma->count);
            memcpy(l->norm->var, f->norm->var, sizeof(float) * (size_t)l->gamma->count);
        }
    }
}

void model_transfer(Arena *arena, Model *to, const Model *from, int renewed, Transfer *transfer)
{
    Transfer untold;
    if (transfer == NULL) transfer = &untold;
    *transfer = (Transfer){.fresh = {0, ARENA_ARRAY(arena, const char *, to->params.n)},
                           .unused = {0, ARENA_ARRAY(arena, const char *, from->params.n)}};
    for (int i = 0; i < to->params.n; i++) {
        Param *p = to->params.param[i];
        if (p->kind == PARAM_QUANTIZER) continue;
        const bool kept = renewed >= 0 && is_of(&to->layer[renewed], p);
        const Param *source = kept ? NULL : find_param(&from->params, p);
        if (source == NULL) {
            add(&transfer->fresh, p->name);
            continue;
        }
        memcpy(p->x, source->x, sizeof(float) * (size_t)p->count);
        transfer->taken++;
    }
    for (int i = 0; i < from->params.n; i++) {
        const Param *p = from->params.param[i],
                    *target = p->kind == PARAM_QUANTIZER ? NULL : find_param(&to->params, p);
        const bool kept = target != NULL && renewed >= 0 && is_of(&to->layer[renewed], target);
        if (p->kind != PARAM_QUANTIZER && (target == NULL || kept)) add(&transfer->unused, p->name);
    }
    copy_statistics(to, from, renewed);
    const bool scaled = to->scale.mean != NULL && from->scale.mean != NULL && to->classes == from->classes;
    if (scaled && renewed < 0) to->scale = from->scale;
}

static const char *name_list(Arena *arena, const char *what, const StringList *names)
{
    enum { TOLD = 8 };
    if (names->n == 0) return "";
    const char *text = arena_printf(arena, "; %s: ", what);
    for (int i = 0; i < names->n && i < TOLD; i++)
        text = arena_printf(arena, "%s%s%s", text, i == 0 ? "" : ", ", names->at[i]);
    return names->n <= TOLD ? text : arena_printf(arena, "%s and %d more", text, names->n - TOLD);
}

char *transfer_text(Arena *arena, const Transfer *t, const char *path)
{
    return arena_printf(arena, "starts from %s: %d parameter%s taken%s%s", path, t->taken, t->taken == 1 ? "" : "s",
                        name_list(arena, "new", &t->fresh), name_list(arena, "unused", &t->unused));
}

/* The layer whose outputs are the logits. */
static int model_head(const Model *m)
{
    int i = m->layers - 1;
    while (i > 0 && m->layer[i].weight == NULL && m->layer[i].input[0] >= 0) i = m->layer[i].input[0];
    return i;
}

static bool is_class_of(const ModelClasses *model, const char *name)
{
    int i = 0;
    while (i < model->n && strcmp(model->name[i], name) != 0) i++;
    return i < model->n;
}

static int count_known(const DataSplits *data, const ModelClasses *model)
{
    int n = 0;
    for (int k = 0; k < data->train.classes; k++) n += is_class_of(model, data->class_names[k]);
    return n;
}

/* ", none of them the model's, "a", "b"", where names tell that the data is of something else; else "". */
static const char *strangers(Arena *arena, const DataSplits *data, const ModelClasses *model)
{
    if (!data->named || !classes_named(model) || count_known(data, model) > 0) return "";
    return arena_printf(arena, ", none of them the model's, %s", classes_text(arena, model->name, model->n));
}

static Status head_must_fit(Arena *arena, const Config *config, const Model *to, const ModelClasses *model,
                            const DataSplits *data)
{
    const Layer *head = &to->layer[model_head(to)];
    const char *key = strcmp(head->type->name, "dense") == 0    ? "units"
                      : strcmp(head->type->name, "conv2d") == 0 ? "filters"
                                                                : NULL;
    const int n = data->train.classes;
    const char *advice =
        key == NULL ? arena_printf(arena, "its last layer \"%s\" must give %d", head->name, n)
                    : arena_printf(arena, "--set model.layers.%s.%s=%d gives it a new last layer", head->name, key, n);
    return status_fail(STATUS_SHAPE, "%s: %d outputs, the data of %s has %d class%s, %s%s; must be as many: %s",
                       model->where, to->classes, config->data.path, n, n == 1 ? "" : "es",
                       classes_text(arena, data->class_names, n), strangers(arena, data, model), advice);
}

/* Whether the data has only classes of the model. */
static bool is_subset(const DataSplits *data, const ModelClasses *model)
{
    return data->named && count_known(data, model) == data->train.classes;
}

static void note_renewed(Arena *arena, const Model *to, const ModelClasses *old, DataSplits *data)
{
    const char *none = strangers(arena, data, old);
    data_note(arena, data, "the data has classes %s%s: the last layer, \"%s\", is learned anew",
              classes_text(arena, data->class_names, data->train.classes),
              none[0] != '\0' ? none : arena_printf(arena, " instead of %s", classes_text(arena, old->name, old->n)),
              to->layer[model_head(to)].name);
}

/* Of values: a head that gives the same ones as before goes on, another learns anew. */
static Status transfer_values(Arena *arena, const Config *config, Model *to, const Model *from, DataSplits *data,
                              int *renewed)
{
    const Layer *head = &to->layer[model_head(to)];
    TRY(experiment_data(arena, config, data));
    const int n = data->train.classes;
    const Task task = model_task(config, to);
    TRY(task_check_head(&task, config->path, to->layer[to->layers - 1].name, n));
    bool same = from->scale.mean != NULL && from->classes == n;
    for (int k = 0; same && k < n; k++) same = strcmp(from->class_names[k], data->class_names[k]) == 0;
    if (!same && from->classes == n) *renewed = model_head(to);
    if (!same)
        data_note(arena, data, "the model gives other values: the last layer, \"%s\", is learned anew", head->name);
    to->class_names = data->class_names;
    model_set_task(arena, config, data, to);
    return STATUS_OK;
}

Status transfer_data(Arena *arena, const Config *config, Model *to, const Model *from, const char *path,
                     DataSplits *data, int *renewed)
{
    *renewed = -1;
    if (config->data.target == TARGET_TOKENS) return experiment_data(arena, config, data);
    if (config->data.target != TARGET_CLASS) return transfer_values(arena, config, to, from, data, renewed);
    Config any = *config; /* data.classes is what the old model was made for */
    const DatasetType *type = dataset_type(config->data.dataset);
    if (type != NULL && type->names_classes) any.data.classes = 0;
    TRY(experiment_data(arena, &any, data));
    const ModelClasses classes = model_classes(path, from);
    DataSplits mapped = *data;
    const char *note = NULL;
    const bool same_head = to->classes == from->classes;
    const Status same = same_head ? classes_map(arena, &classes, true, &mapped, &note) : STATUS_SHAPE;
    if (same == STATUS_OK && mapped.train.classes == to->classes) {
        *data = mapped;
        if (note != NULL) data_note(arena, data, "%s: %s", path, note);
    } else if (same != STATUS_OK && same_head && data->train.classes < to->classes && is_subset(data, &classes)) {
        return same; /* the message lists which are missing */
    } else if (data->train.classes != to->classes) {
        return head_must_fit(arena, config, to, &classes, data);
    } else {
        if (same_head) *renewed = model_head(to); /* one of another size is new anyway */
        if (same_head || data->named) note_renewed(arena, to, &classes, data);
    }
    to->class_names = data->class_names;
    return STATUS_OK;
}
