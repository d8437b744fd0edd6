#include "train/config_patch.h"

#include <string.h>

#include "base/json.h"

enum { NAME_BYTES = 100 };

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
        char part[NAME_BYTES + 1];
        const size_t n = strcspn(key, ".[");
        if (n >= sizeof part) return false;
        memcpy(part, key, n);
        part[n] = '\0';
        config = json_get(config, part);
        key += n + (key[n] == '.');
    }
    return config != NULL;
}

/* ---- the keys of a table ----------------------------------------------------------------------------------------- */

static Status check_name(const char *where, const cJSON *patch, bool required)
{
    const cJSON *name = json_get(patch, "name");
    if (name == NULL && !required) return STATUS_OK;
    const char *text = cJSON_GetStringValue(name);
    if (text != NULL && strlen(text) <= NAME_BYTES && (text[0] != '\0' || !required)) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "%s.name: %s; must be a string of %s%d bytes", where,
                       name == NULL ? "missing" : "given otherwise", required ? "1 to " : "at most ", NAME_BYTES);
}

static Status check_patches(Arena *arena, const char *where, const cJSON *list, bool named)
{
    if (!cJSON_IsArray(list))
        return status_fail(STATUS_CONFIG, "%s: %s; must be a list of objects", where, json_brief(arena, list));
    int i = 0;
    for (const cJSON *item = list->child; item != NULL; item = item->next, i++) {
        const char *place_of = arena_printf(arena, "%s[%d]", where, i);
        if (!cJSON_IsObject(item))
            return status_fail(STATUS_CONFIG, "%s: %s; must be an object", place_of, json_brief(arena, item));
        TRY(check_name(place_of, item, named));
    }
    return STATUS_OK;
}

static Status check_all(Arena *arena, const char *path, const cJSON *rows, const cJSON *grid)
{
    const char *where = arena_printf(arena, "%s: compare.rows", path);
    if (rows != NULL) TRY(check_patches(arena, where, rows, true));
    where = arena_printf(arena, "%s: compare.grid", path);
    if (grid != NULL && !cJSON_IsArray(grid))
        return status_fail(STATUS_CONFIG, "%s: %s; must be a list of lists of objects", where, json_brief(arena, grid));
    int i = 0;
    for (const cJSON *list = grid == NULL ? NULL : grid->child; list != NULL; list = list->next, i++) {
        const char *place_of = arena_printf(arena, "%s[%d]", where, i);
        TRY(check_patches(arena, place_of, list, false));
        if (list->child == NULL)
            return status_fail(STATUS_CONFIG, "%s: []; must have a patch, or the product has no row", place_of);
    }
    return STATUS_OK;
}

Status config_check_rows(const char *path, const cJSON *rows, const cJSON *grid)
{
    Arena *own = arena_create();
    const Status status = check_all(own, path, rows, grid);
    arena_destroy(own);
    return status;
}
