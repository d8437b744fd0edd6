#include "train/config_old_keys.h"

#include <string.h>

#include "base/field.h"
#include "base/json.h"
#include "quant/target.h"

const OldKey config_old_keys[] = {{"quant", "dialect", "target", true},
                                  {"compare", "calibrators", "observers", false},
                                  {"compare", "ends", "first_last_bits", false},
                                  {.section = NULL}};

static Status contradicts(const OldKey *key, const char *path, const char *old, const char *given)
{
    return status_fail(STATUS_CONFIG,
                       "%s: %s.%s: %s; contradicts %s.%s, %s, of which it is the old name; one of them is required to "
                       "go",
                       path, key->section, key->old, old, key->section, key->name, given);
}

/* *value becomes the target that has the rounding `old`: `given` if that is one. */
static Status target_with(Arena *arena, const OldKey *key, const char *path, const cJSON *old, const cJSON *given,
                          cJSON **value)
{
    const int rounding = name_find(rounding_names, cJSON_GetStringValue(old));
    if (rounding < 0)
        return status_fail(STATUS_CONFIG,
                           "%s: quant.dialect: %s; must be one of: xnnpack, tflite-single, tflite-double, onnxruntime",
                           path, json_brief(arena, old));
    const int target = name_find(target_names, cJSON_GetStringValue(given));
    const TargetType *named = target >= 0 ? target_types[target] : target_of((Rounding)rounding);
    if (named->rounding != (Rounding)rounding)
        return contradicts(key, path, json_brief(arena, old), json_brief(arena, given));
    *value = given != NULL ? cJSON_Duplicate(given, true) : cJSON_CreateString(named->name);
    return STATUS_OK;
}

static Status same_value(Arena *arena, const OldKey *key, const char *path, const cJSON *old, const cJSON *given,
                         cJSON **value)
{
    if (given != NULL && !cJSON_Compare(old, given, true))
        return contradicts(key, path, json_brief(arena, old), json_brief(arena, given));
    *value = cJSON_Duplicate(old, true);
    return STATUS_OK;
}

static Status rename_key(Arena *arena, const OldKey *key, cJSON *root, const char *path)
{
    cJSON *section = cJSON_GetObjectItemCaseSensitive(root, key->section), *value = NULL;
    const cJSON *old = json_get(section, key->old), *given = json_get(section, key->name);
    if (old == NULL) return STATUS_OK;
    TRY(key->was_rounding ? target_with(arena, key, path, old, given, &value)
                          : same_value(arena, key, path, old, given, &value));
    cJSON_DeleteItemFromObjectCaseSensitive(section, key->old);
    cJSON_DeleteItemFromObjectCaseSensitive(section, key->name);
    cJSON_AddItemToObject(section, key->name, value);
    return STATUS_OK;
}

Status config_rename_keys(Arena *arena, const cJSON *root, const char *path, const cJSON **with)
{
    bool any = false;
    for (const OldKey *k = config_old_keys; k->section != NULL; k++)
        any |= json_get(json_get(root, k->section), k->old) != NULL;
    *with = root;
    if (!any) return STATUS_OK;
    cJSON *copy = cJSON_Duplicate(root, true);
    Status status = STATUS_OK;
    for (const OldKey *k = config_old_keys; k->section != NULL && status == STATUS_OK; k++)
        status = rename_key(arena, k, copy, path);
    if (status == STATUS_OK) *with = json_copy(arena, copy);
    cJSON_Delete(copy);
    return status;
}

/* Whether an assignment, "SECTION.NAME=..." or "SECTION.NAME[0]=...", gives the key. */
static bool assigns(const char *assignment, const char *section, const char *name)
{
    const size_t n = strlen(section), m = strlen(name);
    return strncmp(assignment, section, n) == 0 && assignment[n] == '.' && strncmp(assignment + n + 1, name, m) == 0 &&
           (assignment[n + 1 + m] == '=' || assignment[n + 1 + m] == '[');
}

const OldKey *config_assigned_old_key(const char *assignment)
{
    for (const OldKey *k = config_old_keys; k->section != NULL; k++)
        if (assigns(assignment, k->section, k->old)) return k;
    return NULL;
}

void config_drop_other_name(cJSON *root, const char *assignment)
{
    for (const OldKey *k = config_old_keys; k->section != NULL; k++) {
        cJSON *section = cJSON_GetObjectItemCaseSensitive(root, k->section);
        if (assigns(assignment, k->section, k->old)) cJSON_DeleteItemFromObjectCaseSensitive(section, k->name);
        if (assigns(assignment, k->section, k->name)) cJSON_DeleteItemFromObjectCaseSensitive(section, k->old);
    }
}
