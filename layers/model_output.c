#include "layers/model_output.h"

#include <string.h>

#include "base/json.h"

/* The layer that an item of the list reads first; NULL: the image, or none. */
static const cJSON *source_of(const cJSON *layers, const cJSON *item)
{
    const cJSON *inputs = json_get(item, "inputs"), *first = cJSON_IsArray(inputs) ? inputs->child : inputs;
    if (first == NULL) return item == layers->child ? NULL : item->prev;
    const cJSON *found = NULL, *other;
    cJSON_ArrayForEach(other, layers)
    {
        const cJSON *name = json_get(other, "name");
        if (cJSON_IsString(name) && cJSON_IsString(first) && strcmp(name->valuestring, first->valuestring) == 0)
            found = other;
    }
    return found;
}

static const LayerType *type_of(const cJSON *item)
{
    const cJSON *type = json_get(item, "type");
    return cJSON_IsString(type) ? layer_type(type->valuestring) : NULL;
}

static bool has_curve(const cJSON *item)
{
    static const char *const keys[] = {"activation", "function"};
    for (int i = 0; i < 2; i++) {
        const cJSON *value = json_get(item, keys[i]);
        const int choice = cJSON_IsString(value) ? name_find(activation_names, value->valuestring) : -1;
        if (choice >= 0 && activation_curve(choice) != NULL) return true;
    }
    return false;
}

bool model_output_may_be_wide(const ModelConfig *model, const QuantConfig *quant)
{
    const cJSON *item = cJSON_IsArray(model->layers) ? model->layers->child : NULL;
    while (item != NULL && item->next != NULL) item = item->next;
    for (int left = cJSON_GetArraySize(model->layers); item != NULL && left > 0; left--) {
        const LayerType *type = type_of(item);
        if (type == NULL) return false;
        if (type->shows_input) {
            item = source_of(model->layers, item);
            continue;
        }
        if (type->keeps_grid || has_curve(item)) return false;
        const cJSON *name = json_get(item, "name");
        QuantConfig wide = *quant;
        wide.output_bits = QUANT_WIDE_BITS;
        const QuantPlace place = {.name = cJSON_IsString(name) ? name->valuestring : "", .is_output = true};
        return !quant_activation_spec(&wide, place).type->learns;
    }
    return false;
}
