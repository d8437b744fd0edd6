/* The form of compare.rows and compare.grid. */
#include <string.h>

#include "base/json.h"
#include "train/config_resolve.h"

enum { NAME_BYTES = 100 };

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
