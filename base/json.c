#include "base/json.h"

#include <math.h>

#include <stdint.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json_check.h"

/* cJSON answers a failed allocation with NULL, which its own functions then pass on in silence: an item is missing from
 * what is written.  So no allocation of its comes back empty.  This runs when the program or the library is loaded, so
 * that it is before any use of cJSON, and a program that gives cJSON an allocator of its own keeps that one. */
__attribute__((constructor)) static void guard_cjson(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = alloc_or_exit, .free_fn = free});
}

Status json_parse(const char *text, size_t bytes, const char *where, cJSON **json)
{
    *json = NULL;
    TRY(json_check(text, bytes, where));
    *json = cJSON_ParseWithLength(text, bytes);
    if (*json == NULL) return status_fail(STATUS_NOMEM, "%s: no memory for the %zu bytes of JSON", where, bytes);
    return STATUS_OK;
}

Status json_read(Arena *arena, const char *path, cJSON **json)
{
    *json = NULL;
    unsigned char *text;
    size_t bytes;
    TRY(file_read(arena, path, JSON_MAX_BYTES, &text, &bytes));
    return json_parse((const char *)text, bytes, path, json);
}

cJSON *json_get(const cJSON *object, const char *key)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

const cJSON *json_copy(Arena *arena, const cJSON *json)
{
    cJSON *copy = ARENA_ARRAY(arena, cJSON, 1);
    copy->type = json->type & ~(cJSON_IsReference | cJSON_StringIsConst);
    copy->valueint = json->valueint;
    copy->valuedouble = json->valuedouble;
    if (json->valuestring != NULL) copy->valuestring = arena_strdup(arena, json->valuestring);
    if (json->string != NULL) copy->string = arena_strdup(arena, json->string);
    const cJSON *item;
    cJSON *last = NULL;
    cJSON_ArrayForEach(item, json)
    {
        cJSON *next = (cJSON *)(uintptr_t)json_copy(arena, item);
        if (last == NULL)
            copy->child = next;
        else
            last->next = next;
        next->prev = last;
        last = next;
    }
    if (last != NULL) copy->child->prev = last; /* as cJSON has it: the first item knows the last */
    return copy;
}

void json_add_number(cJSON *object, const char *key, double value)
{
    if (isfinite(value))
        cJSON_AddNumberToObject(object, key, value);
    else
        cJSON_AddNullToObject(object, key);
}

double json_number(const cJSON *object, const char *key)
{
    const cJSON *item = json_get(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}
