#include "search/format_group.h"

#include <string.h>

#include "train/config_patch.h"

const char *const format_part_names[] = {"weights", "activations", "both", NULL};

/* ---- finding them ---------------------------------------------------------------------------------------------------- */

int format_layer_of(const FormatGroups *g, int model_layer)
{
    for (int i = 0; i < g->layers; i++)
        if (model_layer >= g->layer[i].first && model_layer <= g->layer[i].last) return i;
    return -1;
}

int format_grid_owner(const Model *m, int i)
{
    while (i >= 0 && m->layer[i].type->keeps_grid) i = m->layer[i].input[0];
    return i;
}

static void list_layers(Arena *arena, const Model *m, FormatGroups *g)
{
    g->layer = ARENA_ARRAY(arena, FormatLayer, m->layers);
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        FormatLayer *of = g->layers > 0 ? &g->layer[g->layers - 1] : NULL;
        if (l->curve_of != NULL && of != NULL && strcmp(l->curve_of, of->name) == 0) {
            of->last = i;
        } else {
            of = &g->layer[g->layers++];
            *of = (FormatLayer){.name = layer_given_name(l), .first = i, .last = i};
        }
        of->has_weights |= layer_multiplies(l);
        of->has_output = !l->type->keeps_grid;
    }
}

/* root[i]: the first layer that shares a format with layer i. */
static int root_of(const int *root, int i)
{
    while (root[i] != i) i = root[i];
    return i;
}

static void join(int *root, int a, int b)
{
    a = root_of(root, a), b = root_of(root, b);
    root[a > b ? a : b] = a > b ? b : a;
}

static int *find_roots(Arena *arena, const Model *m, const FormatGroups *g)
{
    int *root = ARENA_ARRAY(arena, int, g->layers);
    for (int i = 0; i < g->layers; i++) root[i] = i;
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        int first = -1;
        for (int k = 0; k < l->inputs && l->inputs > 1; k++) {
            const int owner = format_grid_owner(m, l->input[k]);
            if (owner < 0) continue;
            if (first < 0) first = format_layer_of(g, owner);
            join(root, first, format_layer_of(g, owner));
        }
    }
    return root;
}

static bool gives_logits(const Model *m, const FormatLayer *l)
{
    return format_grid_owner(m, m->layers - 1) == l->last;
}

static void add_to_group(Arena *arena, FormatGroup *group, const FormatLayer *l, int i, bool fixed)
{
    group->fixed = (group->layers == 0 || group->fixed) && fixed;
    group->name = group->layers == 0 ? l->name : arena_printf(arena, "%s+%s", group->name, l->name);
    group->layer[group->layers++] = i;
    group->has_weights |= l->has_weights;
}

FormatGroups format_groups(Arena *arena, const Model *m)
{
    FormatGroups g = {0};
    list_layers(arena, m, &g);
    const int *root = find_roots(arena, m, &g);
    g.group = ARENA_ARRAY(arena, FormatGroup, g.layers);
    for (int i = 0; i < g.layers; i++) {
        FormatLayer *l = &g.layer[i];
        l->group = -1;
        if (!l->has_output) continue;
        const int r = root_of(root, i);
        l->group = r == i ? g.groups++ : g.layer[r].group;
        if (r == i) g.group[l->group].layer = ARENA_ARRAY(arena, int, g.layers);
        add_to_group(arena, &g.group[l->group], l, i, gives_logits(m, l));
    }
    return g;
}

/* ---- configs of them --------------------------------------------------------------------------------------------------- */

FormatChoice format_choice(Arena *arena, const FormatGroups *groups, int weights, int activations)
{
    FormatChoice c = {ARENA_ARRAY(arena, int, groups->layers), ARENA_ARRAY(arena, int, groups->groups)};
    for (int i = 0; i < groups->layers; i++) c.weights[i] = weights;
    for (int i = 0; i < groups->groups; i++) c.activations[i] = activations;
    return c;
}

void format_choice_set(const FormatGroups *groups, FormatChoice *choice, FormatPart part, int unit, int format)
{
    if (part == PART_WEIGHTS) {
        choice->weights[unit] = format;
        return;
    }
    const FormatGroup *group = &groups->group[unit];
    choice->activations[unit] = format;
    for (int k = 0; k < group->layers && part == PART_BOTH; k++) choice->weights[group->layer[k]] = format;
}

/* What the config's own override of a layer says besides bits and formats. */
static cJSON *begin_override(const Config *config, const char *layer)
{
    const QuantOverride *own = quant_override(&config->quant, layer);
    cJSON *json = own == NULL ? cJSON_CreateObject() : field_dump(override_fields, own);
    const char *const replaced[] = {
        "layers", "weight_bits", "activation_bits", "format", "weight_format", "activation_format", NULL};
    for (int i = 0; replaced[i] != NULL; i++) cJSON_DeleteItemFromObjectCaseSensitive(json, replaced[i]);
    cJSON_AddStringToObject(json, "layers", layer);
    return json;
}

cJSON *format_choice_overrides(const Config *config, const FormatGroups *groups, const FormatChoice *choice)
{
    cJSON *overrides = cJSON_CreateArray();
    for (int i = 0; i < groups->layers; i++) {
        const FormatLayer *l = &groups->layer[i];
        if (!l->has_weights && l->group < 0) continue;
        cJSON *json = begin_override(config, l->name);
        if (l->has_weights) {
            const char *format = format_choices[choice->weights[i]];
            cJSON_AddStringToObject(json, "weight_format", strcmp(format, "int16") == 0 ? "int8" : format);
        }
        if (l->group >= 0) {
            const int format = choice->activations[l->group];
            const bool codes = groups->group[l->group].fixed && !format_is_float(quant_choice_format(format));
            cJSON_AddStringToObject(json, "activation_format", format_choices[codes ? 0 : format]);
        }
        cJSON_AddItemToArray(overrides, json);
    }
    return overrides;
}

Status format_choice_config(Arena *arena, const Config *config, const FormatGroups *groups, const FormatChoice *choice,
                            Config **chosen)
{
    cJSON *patch = cJSON_CreateObject();
    cJSON_AddItemToObject(cJSON_AddObjectToObject(patch, "quant"), "overrides",
                          format_choice_overrides(config, groups, choice));
    const Status status = config_patch(arena, config, patch, "formats", chosen);
    cJSON_Delete(patch);
    return status;
}
