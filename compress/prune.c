#include "compress/prune.h"

#include <string.h>

#include "base/json.h"

void channels_left(const ChannelGroups *g, const bool *removed, int *left)
{
    for (int i = 0; i < g->m->layers; i++) {
        left[i] = 0;
        for (int c = 0; c < g->m->layer[i].out.c; c++) left[i] += removed == NULL || !removed[g->of[1 + i][c]];
    }
}

ChannelCost channel_cost(const Model *m, const int *left)
{
    ChannelCost cost = {0};
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        const double cells = (double)l->out.h * l->out.w;
        cost.values += cells * left[i];
        if (l->weight == NULL) continue;
        double weights = (double)l->weight->count / l->out.c * left[i];
        if (l->type->channels == CHANNELS_OWN && l->input[0] >= 0) weights *= (double)left[l->input[0]] / l->in[0].c;
        cost.weights += weights;
        if (layer_multiplies(l)) cost.macs += weights * cells;
    }
    return cost;
}

/* ---- the config -------------------------------------------------------------------------------------------------- */

/* The layer that the i-th of the list describes. */
static int layer_of(Arena *arena, const Model *m, const cJSON *json, int i)
{
    const char *name = cJSON_GetStringValue(json_get(json, "name"));
    if (name == NULL || name[0] == '\0')
        name = arena_printf(arena, "%s_%d", cJSON_GetStringValue(json_get(json, "type")), i);
    for (int k = 0; k < m->layers; k++)
        if (strcmp(m->layer[k].name, name) == 0) return k;
    return -1;
}

const cJSON *pruned_layers(Arena *arena, const ChannelGroups *g, const bool *removed, const cJSON *layers)
{
    int *left = ARENA_ARRAY(arena, int, g->m->layers), i = 0;
    channels_left(g, removed, left);
    cJSON *list = cJSON_Duplicate(layers, true), *json;
    cJSON_ArrayForEach(json, list)
    {
        const int at = layer_of(arena, g->m, json, i++);
        ASSERT(at >= 0);
        const char *key = g->m->layer[at].type->channels_key;
        cJSON *channels = key == NULL ? NULL : json_get(json, key);
        if (channels != NULL) (void)cJSON_SetNumberHelper(channels, left[at]);
    }
    const cJSON *kept = json_copy(arena, list);
    cJSON_Delete(list);
    return kept;
}

/* ---- the parameters ---------------------------------------------------------------------------------------------- */

typedef struct {
    const int *group; /* of each channel */
    const bool *removed;
} Kept;

static bool is_kept(const Kept *k, int c) { return !k->removed[k->group[c]]; }

static void copy_channels(const Kept *out, int channels, const float *from, float *to)
{
    for (int c = 0; from != NULL && c < channels; c++)
        if (is_kept(out, c)) *to++ = from[c];
}

/* [O,K,C]: rows of outputs, in each every cell's channels. */
static void copy_rows(const Kept *out, const Kept *in, const Layer *l, float *to)
{
    const int C = l->in[0].c, O = l->out.c;
    const long cells = l->weight->count / O / C;
    for (int o = 0; o < O; o++)
        for (long i = 0; is_kept(out, o) && i < cells * C; i++)
            if (is_kept(in, (int)(i % C))) *to++ = l->weight->x[o * cells * C + i];
}

/* [K,O] */
static void copy_columns(const Kept *out, const Layer *l, float *to)
{
    for (long i = 0; i < l->weight->count; i++)
        if (is_kept(out, (int)(i % l->out.c))) *to++ = l->weight->x[i];
}

static float *values(const Param *p) { return p == NULL ? NULL : p->x; }

static void copy_layer(const ChannelGroups *g, const bool *removed, int i, Layer *to)
{
    const Layer *from = &g->m->layer[i];
    const Kept out = {g->of[1 + i], removed};
    if (from->weight == NULL) return;
    if (from->weight->count == to->weight->count)
        memcpy(to->weight->x, from->weight->x, sizeof(float) * (size_t)to->weight->count);
    else if (from->type->channels == CHANNELS_EACH)
        copy_columns(&out, from, to->weight->x);
    else
        copy_rows(&out, &(Kept){input_groups(g, from, 0), removed}, from, to->weight->x);
    copy_channels(&out, from->out.c, values(from->bias), values(to->bias));
    copy_channels(&out, from->out.c, values(from->gamma), values(to->gamma));
    copy_channels(&out, from->out.c, values(from->beta), values(to->beta));
    if (from->norm == NULL) return;
    copy_channels(&out, from->out.c, from->norm->mean, to->norm->mean);
    copy_channels(&out, from->out.c, from->norm->var, to->norm->var);
}

void prune_copy(const ChannelGroups *g, const bool *removed, Model *to)
{
    ASSERT(to->layers == g->m->layers);
    for (int i = 0; i < to->layers; i++) copy_layer(g, removed, i, &to->layer[i]);
    to->class_names = g->m->class_names;
    to->scale = g->m->scale;
}
