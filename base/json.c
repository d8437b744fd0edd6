#include "base/json.h"

#include "base/file.h"
#include "base/json_check.h"

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
