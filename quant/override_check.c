#include "quant/override_check.h"

#include <fnmatch.h>

#include "base/json.h"
#include "quant/scheme_check.h"

/* How many of the layers that an override matches are so. */
typedef struct {
    int matched, won, weighted, formatted, gridded;
} Matches;

static Matches count_matches(const QuantConfig *c, const QuantOverride *o, int layers, const OverriddenLayer *layer)
{
    Matches m = {0};
    for (int i = 0; i < layers; i++) {
        if (fnmatch(o->layers, layer[i].name, 0) != 0) continue;
        m.matched++, m.won += quant_override(c, layer[i].name) == o, m.weighted += layer[i].has_weights;
        m.formatted += !layer[i].keeps_format, m.gridded += layer[i].has_grid;
    }
    return m;
}

static Status fail_unmatched(Arena *arena, const char *where, const QuantOverride *o, int layers,
                             const OverriddenLayer *layer)
{
    const char **names = ARENA_ARRAY(arena, const char *, layers + 1), *known = "";
    for (int i = 0; i < layers; i++) {
        names[i] = layer[i].name;
        known = arena_printf(arena, "%s%s%s", known, i == 0 ? "" : ", ", names[i]);
    }
    const char *nearest = nearest_name(o->layers, names);
    return status_fail(STATUS_CONFIG, "%s matches no layer, of: %s%s", where, known,
                       nearest == NULL ? "" : arena_printf(arena, " (did you mean \"%s\"?)", nearest));
}

/* The first key of the override that is given and says something of weights, formats or output grids; NULL: none. */
static const char *of_weights(const QuantOverride *o)
{
    return o->weight_bits > 0        ? "weight_bits"
           : o->weight_format > 0    ? "weight_format"
           : o->granularity > 0      ? "granularity"
           : o->weight_scheme > 0    ? "weight_scheme"
           : o->weight_quantizer > 0 ? "weight_quantizer"
                                     : NULL;
}

static const char *of_format(const QuantOverride *o)
{
    return o->activation_format > 0   ? "activation_format"
           : o->format > 0            ? "format"
           : o->activation_scheme > 0 ? "activation_scheme"
                                      : NULL;
}

static const char *of_grid(const QuantOverride *o)
{
    return o->activation_bits > 0        ? "activation_bits"
           : o->activation_quantizer > 0 ? "activation_quantizer"
           : o->quantizer > 0            ? "quantizer"
                                         : NULL;
}

static Status check_effect(Arena *arena, const QuantConfig *c, int index, int layers, const OverriddenLayer *layer)
{
    const QuantOverride *o = &((const QuantOverride *)c->overrides.at)[index];
    const char *where = arena_printf(arena, "quant.overrides[%d].layers: %s", index, json_quote(arena, o->layers));
    const Matches m = count_matches(c, o, layers, layer);
    if (m.matched == 0) return fail_unmatched(arena, where, o, layers, layer);
    if (m.won == 0)
        return status_fail(
            STATUS_CONFIG,
            "%s, of which a later override matches every layer; the last that matches wins: it must stand "
            "after that one",
            where);
    if (of_weights(o) != NULL && m.weighted == 0)
        return status_fail(STATUS_CONFIG, "%s with %s, but without weights; layers with weights are required", where,
                           of_weights(o));
    if (of_format(o) != NULL && m.formatted == 0)
        return status_fail(STATUS_CONFIG,
                           "%s with %s, but it has that of its input; a layer that computes is required, such as the "
                           "one it reads",
                           where, of_format(o));
    if (of_grid(o) != NULL && m.gridded == 0)
        return status_fail(STATUS_CONFIG,
                           "%s with %s, but it stays on the grid of its input; a layer with a grid of its own is "
                           "required, such as the one it reads",
                           where, of_grid(o));
    return STATUS_OK;
}

/* The keys of quantizers that an override has: of one that its layers are given by name, and as that one takes them. */
static Status check_keys(Arena *arena, const QuantConfig *c, int index)
{
    const QuantOverride *o = &((const QuantOverride *)c->overrides.at)[index];
    const int weights = quant_weight_quantizer(c, o), outputs = quant_activation_quantizer(c, o);
    for (int i = 0; i < QUANTIZER_TYPES; i++) {
        if (o->keys[i] == NULL) continue;
        const QuantizerType *type = quantizer_types[i];
        const char *where = arena_printf(arena, "quant.overrides[%d].%s", index, type->name);
        if (weights != 1 + i && outputs != 1 + i)
            return status_fail(STATUS_CONFIG,
                               "%s: %s; these layers have another quantizer: \"quantizer\": \"%s\", or that of their "
                               "weights or outputs alone, is required with it",
                               where, json_brief(arena, o->keys[i]), type->name);
        if (!cJSON_IsObject(o->keys[i]))
            return status_fail(STATUS_CONFIG, "%s: %s; must be an object", where, json_brief(arena, o->keys[i]));
        TRY(field_parse(type->fields, o->keys[i], where, arena_zalloc(arena, type->config_bytes), arena));
    }
    return STATUS_OK;
}

Status quant_check_overrides(Arena *arena, const QuantConfig *c, int layers, const OverriddenLayer *layer)
{
    TRY(quant_check_formats(c));
    TRY(quant_check_schemes(c));
    for (int i = 0; i < c->overrides.n; i++) {
        TRY(check_effect(arena, c, i, layers, layer));
        TRY(check_keys(arena, c, i));
    }
    return STATUS_OK;
}
