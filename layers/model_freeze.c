/* Layers that training leaves as they are. */
#include <fnmatch.h>

#include "layers/model.h"

static int freeze_matching(Model *m, const char *pattern)
{
    Param *params[LAYER_PARAMS];
    int layers = 0;
    for (int i = 0; i < m->layers; i++) {
        Layer *l = &m->layer[i];
        const int n = layer_params(l, params);
        if (n == 0 || fnmatch(pattern, l->name, 0) != 0) continue;
        l->frozen = true;
        for (int k = 0; k < n; k++) params[k]->frozen = true;
        layers++;
    }
    return layers;
}

/* "conv1, conv2, ...", the layers a pattern could have meant. */
static const char *names_with_params(const Model *m)
{
    enum { TOLD = 12 };
    Param *params[LAYER_PARAMS];
    const char *list = "";
    int n = 0;
    for (int i = 0; i < m->layers; i++) {
        if (layer_params(&m->layer[i], params) == 0) continue;
        if (n < TOLD) list = arena_printf(m->arena, "%s%s%s", list, n == 0 ? "" : ", ", m->layer[i].name);
        n++;
    }
    return n > TOLD ? arena_printf(m->arena, "%s, ...", list) : list;
}

Status model_freeze(Model *m, const StringList *patterns, const char *where)
{
    for (int i = 0; i < patterns->n; i++)
        if (freeze_matching(m, patterns->at[i]) == 0)
            return status_fail(STATUS_CONFIG,
                               "%s: train.freeze[%d]: \"%s\"; must match the name of a layer with parameters, of: %s",
                               where, i, patterns->at[i], names_with_params(m));
    for (int i = 0; i < m->params.n; i++)
        if (!m->params.param[i]->frozen) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "%s: train.freeze: all layers; at least one must be left to train", where);
}
