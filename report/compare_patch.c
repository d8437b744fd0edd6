#include "report/compare_patch.h"

#include <string.h>

#include "base/field.h"
#include "base/json.h"
#include "train/provenance.h"

typedef struct {
    Arena *arena;
    const Config *config;
    const RowPatch *row;
    const cJSON *relevant[2]; /* of the row's kind, and of the float network it starts from (may be NULL) */
    cJSON *idle;              /* keys of grid patches that no row heeds yet: {"KEY": "why"}; NULL: of a row */
} Checks;

static Status fail_key(const Checks *c, const char *key, const char *what)
{
    return status_fail(STATUS_CONFIG, "%s: %s: %s: %s", c->config->path, c->row->where, key, what);
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static bool begins(const char *key, const char *start)
{
    const size_t n = strlen(start);
    return strncmp(key, start, n) == 0 && (key[n] == '\0' || key[n] == '.' || key[n] == '[');
}

/* Rows share the images that they are tested on, the seeds, and the table itself. */
static Status check_shared(const Checks *c, const char *key)
{
    static const char *const tables[] = {"$schema", "seed", "task", "compare", NULL};
    if (begins(key, "data") && !begins(key, "data.augment"))
        return fail_key(c, key, "all rows share the data; of these only data.augment can differ");
    for (int i = 0; tables[i] != NULL; i++)
        if (begins(key, tables[i])) return fail_key(c, key, "is the table's; a row cannot have another one");
    return STATUS_OK;
}

/* A key that is known, but that nothing follows from in a row of this kind. */
static Status check_key(void *context, const char *key, const cJSON *value)
{
    Checks *c = context;
    (void)value;
    TRY(check_shared(c, key));
    const bool heeded = config_has_key(c->relevant[0], key) || config_has_key(c->relevant[1], key);
    if (c->idle == NULL)
        return heeded ? STATUS_OK
                      : fail_key(c, key,
                                 arena_printf(c->arena, "has no effect on a row of kind %s; it must have one",
                                              model_kind_names[c->row->kind]));
    if (heeded) {
        cJSON_DeleteItemFromObjectCaseSensitive(c->idle, key);
        cJSON_AddNullToObject(c->idle, key);
    } else if (json_get(c->idle, key) == NULL) {
        cJSON_AddStringToObject(c->idle, key, c->row->where);
    }
    return STATUS_OK;
}

static const cJSON *relevant_json(Arena *arena, const Config *config, ModelKind kind)
{
    const char *text = provenance_now(arena, config, (RunStart){kind, "model", NULL}, "").config;
    cJSON *json = NULL;
    if (json_parse(text, strlen(text), config->path, &json) != STATUS_OK) return NULL;
    const cJSON *kept = json_copy(arena, json);
    cJSON_Delete(json);
    return kept;
}

/* Whether the config with the patch is the config without it. */
static bool is_same(const Config *a, const Config *b)
{
    cJSON *x = field_dump(config_fields, a), *y = field_dump(config_fields, b);
    const bool same = cJSON_Compare(x, y, true);
    cJSON_Delete(x);
    cJSON_Delete(y);
    return same;
}

static Status first_key(void *context, const char *key, const cJSON *value)
{
    Checks *c = context;
    return fail_key(c, key,
                    arena_printf(c->arena, "is %s without the patch, too: it has no effect; it must change something",
                                 json_brief(c->arena, value)));
}

/* idle NULL: a row of compare.rows, of which each key must have an effect. */
static Status check_patch(Arena *arena, const Config *config, bool copied, RowPatch *row, cJSON *idle)
{
    Checks c = {.arena = arena, .config = config, .row = row, .idle = idle};
    Config *patched;
    TRY(config_patch(arena, config, row->patch, row->where, &patched));
    row->config = patched;
    c.relevant[0] = relevant_json(arena, patched, row->kind);
    if (!copied) c.relevant[1] = relevant_json(arena, patched, MODEL_FLOAT);
    TRY(config_patch_keys(arena, row->patch, check_key, &c));
    if (idle != NULL || row->patch->child == NULL || !is_same(config, patched)) return STATUS_OK;
    return config_patch_keys(arena, row->patch, first_key, &c);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static Status find_kind(const Config *config, const cJSON *patch, RowPatch *row)
{
    const cJSON *kind = json_get(patch, "kind");
    const char *text = cJSON_GetStringValue(kind);
    const int found = name_find(model_kind_names, text);
    if (found >= 0) return row->kind = (ModelKind)found, STATUS_OK;
    const char *nearest = text == NULL ? NULL : nearest_name(text, model_kind_names);
    return status_fail(STATUS_CONFIG, "%s: %s: kind: %s%s%s; must be one of: float, ptq, qat%s%s%s", config->path,
                       row->where, text == NULL ? "" : "\"",
                       text != NULL   ? text
                       : kind == NULL ? "missing"
                                      : "no name",
                       text == NULL ? "" : "\"", nearest == NULL ? "" : " (did you mean \"",
                       nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?)");
}

static const cJSON *without_name(Arena *arena, const cJSON *patch)
{
    cJSON *rest = cJSON_Duplicate(patch, true);
    cJSON_DeleteItemFromObjectCaseSensitive(rest, "name");
    cJSON_DeleteItemFromObjectCaseSensitive(rest, "kind");
    const cJSON *kept = json_copy(arena, rest);
    cJSON_Delete(rest);
    return kept;
}

static const char *place(Arena *arena, const char *list, int i, const char *name)
{
    return arena_printf(arena, "compare.%s[%d] (%s)", list, i, json_quote(arena, name));
}

static Status add_rows(Arena *arena, const Config *config, bool copied, RowPatches *all)
{
    int i = 0;
    for (const cJSON *item = config->compare.rows->child; item != NULL; item = item->next, i++) {
        const char *name = cJSON_GetStringValue(json_get(item, "name"));
        RowPatch row = {.name = name, .where = place(arena, "rows", i, name), .patch = without_name(arena, item)};
        TRY(find_kind(config, item, &row));
        TRY(check_patch(arena, config, copied, &row, NULL));
        all->at[all->n++] = row;
    }
    return STATUS_OK;
}

/* ---- the grid ---------------------------------------------------------------------------------------------------- */

/* Later patches go over earlier ones. */
static void overlay(cJSON *to, const cJSON *patch)
{
    for (const cJSON *item = patch->child; item != NULL; item = item->next) {
        cJSON *old = cJSON_GetObjectItemCaseSensitive(to, item->string);
        if (cJSON_IsObject(item) && cJSON_IsObject(old)) {
            overlay(old, item);
        } else {
            cJSON_DeleteItemFromObjectCaseSensitive(to, item->string);
            cJSON_AddItemToObject(to, item->string, cJSON_Duplicate(item, true));
        }
    }
}

/* The k-th row of the product of `grid`, which has `rows`. */
static Status grid_row(Arena *arena, const Config *config, const cJSON *grid, int k, int rows, RowPatch *row)
{
    cJSON *whole = cJSON_CreateObject();
    const char *name = "";
    for (const cJSON *list = grid->child; list != NULL; list = list->next) {
        rows /= cJSON_GetArraySize(list);
        const cJSON *patch = cJSON_GetArrayItem(list, k / rows);
        k %= rows;
        const char *part = cJSON_GetStringValue(json_get(patch, "name"));
        if (part != NULL && part[0] != '\0')
            name = arena_printf(arena, "%s%s%s", name, name[0] == '\0' ? "" : " ", part);
        overlay(whole, patch);
    }
    *row = (RowPatch){.name = name,
                      .where = arena_printf(arena, "compare.grid (%s)", json_quote(arena, name)),
                      .patch = without_name(arena, whole)};
    const Status status = find_kind(config, whole, row);
    cJSON_Delete(whole);
    if (status == STATUS_OK && name[0] == '\0')
        return status_fail(STATUS_CONFIG,
                           "%s: compare.grid: row %d of the product has no name; one of its patches must have",
                           config->path, k + 1);
    return status;
}

/* A key of the grid must have an effect on one of its rows; which, is the rows' affair. */
static Status check_idle(const Config *config, const cJSON *idle)
{
    for (const cJSON *item = idle->child; item != NULL; item = item->next)
        if (cJSON_IsString(item))
            return status_fail(STATUS_CONFIG,
                               "%s: %s: %s: has no effect on this or any other row of the grid; it must have one",
                               config->path, item->valuestring, item->string);
    return STATUS_OK;
}

static Status add_grid(Arena *arena, const Config *config, bool copied, int rows, RowPatches *all)
{
    cJSON *idle = cJSON_CreateObject();
    Status status = STATUS_OK;
    for (int k = 0; k < rows && status == STATUS_OK; k++) {
        RowPatch row = {0};
        status = grid_row(arena, config, config->compare.grid, k, rows, &row);
        if (status == STATUS_OK) status = check_patch(arena, config, copied, &row, idle);
        all->at[all->n++] = row;
    }
    if (status == STATUS_OK) status = check_idle(config, idle);
    cJSON_Delete(idle);
    return status;
}

Status compare_patches(Arena *arena, const Config *config, bool copied, RowPatches *all)
{
    const cJSON *rows = config->compare.rows, *grid = config->compare.grid;
    long product = cJSON_GetArraySize(grid) > 0;
    for (const cJSON *list = grid == NULL ? NULL : grid->child; list != NULL; list = list->next) {
        product *= cJSON_GetArraySize(list);
        if (product > COMPARE_MAX_ROWS) break;
    }
    if (cJSON_GetArraySize(rows) + product > COMPARE_MAX_ROWS)
        return status_fail(STATUS_CONFIG, "%s: compare: more than %d rows; at most so many are allowed", config->path,
                           COMPARE_MAX_ROWS);
    *all = (RowPatches){0, ARENA_ARRAY(arena, RowPatch, cJSON_GetArraySize(rows) + product + 1)};
    if (rows != NULL) TRY(add_rows(arena, config, copied, all));
    return product > 0 ? add_grid(arena, config, copied, (int)product, all) : STATUS_OK;
}
