/* Keys by their names in earlier versions. */
#include <string.h>

#include "base/json.h"
#include "quant/target.h"
#include "train/config_resolve.h"

/* The same as quant.target, by its name in earlier versions: a rounding. */
Status config_rename_keys(Arena *arena, const cJSON *root, const char *path, const cJSON **with)
{
    const cJSON *quant = json_get(root, "quant"), *old = json_get(quant, "dialect"),
                *target = json_get(quant, "target");
    *with = root;
    if (old == NULL) return STATUS_OK;
    const int rounding = name_find(rounding_names, cJSON_GetStringValue(old));
    if (rounding < 0)
        return status_fail(STATUS_CONFIG,
                           "%s: quant.dialect: %s; must be one of: xnnpack, tflite-single, tflite-double, onnxruntime",
                           path, json_brief(arena, old));
    const TargetType *named = target_of((Rounding)rounding);
    for (int i = 0; cJSON_IsString(target) && target_types[i] != NULL; i++)
        if (strcmp(target->valuestring, target_types[i]->name) == 0) named = target_types[i];
    if (named->rounding != (Rounding)rounding)
        return status_fail(STATUS_CONFIG,
                           "%s: quant.dialect: %s; contradicts quant.target, %s, of which it is the old name; one of "
                           "them is required to go",
                           path, json_brief(arena, old), json_brief(arena, target));
    cJSON *copy = cJSON_Duplicate(root, true), *section = cJSON_GetObjectItemCaseSensitive(copy, "quant");
    cJSON_DeleteItemFromObjectCaseSensitive(section, "dialect");
    if (target == NULL) cJSON_AddStringToObject(section, "target", named->name);
    *with = json_copy(arena, copy);
    cJSON_Delete(copy);
    return STATUS_OK;
}

/* What is assigned takes the place of what the file says under the other name. */
void config_drop_other_name(cJSON *root, const char *assignment)
{
    static const char *const names[] = {"dialect", "target"};
    for (int i = 0; i < 2; i++) {
        const char *start = i == 0 ? "quant.dialect=" : "quant.target=";
        if (strncmp(assignment, start, strlen(start)) == 0)
            cJSON_DeleteItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(root, "quant"), names[1 - i]);
    }
}
