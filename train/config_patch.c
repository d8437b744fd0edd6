#include "train/config_patch.h"

#include <string.h>

#include "base/json.h"

enum { KEY_BYTES = 100 };

static bool is_path(const char *key) { return strpbrk(key, ".[") != NULL; }

/* ---- applying ---------------------------------------------------------------------------------------------------- */

/* Depth is that of the patch, which the JSON reader bounds. */
static Status merge(Arena *arena, cJSON *to, const cJSON *patch, const char *where)
{
    for (const cJSON *item = patch->child; item != NULL; item = item->next) {
        cJSON *old = cJSON_GetObjectItemCaseSensitive(to, item->string);
        if (is_path(item->string)) {
            TRY(json_set(to, where, arena_printf(arena, "%s=%s", item->string, json_print_compact(arena, item))));
        } else if (cJSON_IsObject(item) && cJSON_IsObject(old)) {
            TRY(merge(arena, old, item, where));
        } else if (old != NULL) {
            cJSON_ReplaceItemViaPointer(to, old, cJSON_Duplicate(item, true));
        } else {
            cJSON_AddItemToObject(to, item->string, cJSON_Duplicate(item, true));
        }
    }
    return STATUS_OK;
}

Status config_patch_failed(Arena *arena, const Config *config, const char *where, Status status)
{
    const char *message = arena_strdup(arena, status_message()), *file = arena_printf(arena, "%s: ", config->path);
    const size_t n = strlen(file), m = strlen(where);
    if (strncmp(message, file, n) == 0) message += n;
    if (strncmp(message, where, m) == 0) message += m + strspn(message + m, ": ");
    return status_fail(status, "%s: %s: %s", config->path, where, message);
}

Status config_patch(Arena *arena, const Config *config, const cJSON *patch, const char *where, Config **patched)
{
    cJSON *root = field_dump(config_fields, config);
    Config *c = NULL;
    Status status = merge(arena, root, patch, where);
    if (status == STATUS_OK) status = config_from_json(arena, root, config->path, NULL, &c);
    cJSON_Delete(root);
    if (status != STATUS_OK) return config_patch_failed(arena, config, where, status);
    c->folder = config->folder, c->data.path = config->data.path;
    c->given = config->given, c->assigned = config->assigned, c->renormalized = config->renormalized;
    *patched = c;
    return STATUS_OK;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static Status visit_keys(Arena *arena, const cJSON *patch, const char *path, PatchVisitor *visit, void *context)
{
    for (const cJSON *item = patch->child; item != NULL; item = item->next) {
        const char *key = path[0] == '\0' ? item->string : arena_printf(arena, "%s.%s", path, item->string);
        TRY(cJSON_IsObject(item) ? visit_keys(arena, item, key, visit, context) : visit(context, key, item));
    }
    return STATUS_OK;
}

Status config_patch_keys(Arena *arena, const cJSON *patch, PatchVisitor *visit, void *context)
{
    return visit_keys(arena, patch, "", visit, context);
}

bool config_has_key(const cJSON *config, const char *key)
{
    while (cJSON_IsObject(config) && *key != '\0') {
        char part[KEY_BYTES + 1];
        const size_t n = strcspn(key, ".[");
        if (n >= sizeof part) return false;
        memcpy(part, key, n);
        part[n] = '\0';
        config = json_get(config, part);
        key += n + (key[n] == '.');
    }
    return config != NULL;
}
