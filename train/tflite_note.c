#include "train/tflite_note.h"

#include "base/json.h"
#include "deploy/exporter.h"
#include "quant/quant_config.h"

static bool is_signed_below_8_bits(const Layer *l)
{
    return l->out_q != NULL && l->out_q->qp.is_signed && l->out_q->qp.bits < 8;
}

/* The list of overrides with one more for each such layer, which keeps what the layer had of another. */
static cJSON *overrides_with_8_bits(const Model *m)
{
    const Field one[] = {{"overrides", FIELD_OBJECTS, offsetof(QuantConfig, overrides), .fields = override_fields,
                          .item_bytes = sizeof(QuantOverride)},
                         FIELD_END};
    cJSON *object = field_dump(one, m->quant), *list = cJSON_DetachItemFromObject(object, "overrides");
    cJSON_Delete(object);
    if (!cJSON_IsArray(list)) {
        cJSON_Delete(list);
        list = cJSON_CreateArray();
    }
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (!is_signed_below_8_bits(l)) continue;
        const QuantOverride *had = quant_override(m->quant, l->name);
        QuantOverride wide = {0};
        if (had != NULL) wide = *had;
        wide.layers = l->name;
        wide.activation_bits = 8;
        cJSON_AddItemToArray(list, field_dump(override_fields, &wide));
    }
    return list;
}

/* Members that say "as the default" are left out. */
static void leave_out_defaults(cJSON *list)
{
    cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        for (const Field *f = override_fields; f->name != NULL; f++)
            if (field_is_default(f, json_get(item, f->name))) cJSON_DeleteItemFromObjectCaseSensitive(item, f->name);
    }
}

const char *tflite_note(Arena *arena, const Model *m)
{
    int layers = 0;
    for (int i = 0; i < m->layers; i++) layers += is_signed_below_8_bits(&m->layer[i]);
    const Rounding rounding = (Rounding)m->quant->rounding;
    if (layers == 0 || exporter_rounding(exporter_find("tflite"), rounding) != rounding) return NULL;
    cJSON *list = overrides_with_8_bits(m);
    leave_out_defaults(list);
    const char *text = json_print_compact(arena, list);
    cJSON_Delete(list);
    return arena_printf(
        arena,
        "note: %d layer%s signed outputs below 8 bits, which a TFLite file clips by two operators more for "
        "each, MAXIMUM and MINIMUM; 8 bits for them avoid these: --set 'quant.overrides=%s'",
        layers, layers == 1 ? " gives" : "s give", text);
}
