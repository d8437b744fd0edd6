#include "base/json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/field.h"
#include "base/utf8.h"

typedef struct {
    Arena *scratch;
    const char *option; /* the command line's name for it */
    const char *path;   /* what stands left of '=' */
} Set;

static char *cut(Arena *arena, const char *from, const char *to)
{
    return arena_printf(arena, "%.*s", (int)(to - from), from);
}

/* "<option> <path>: <the path up to `at`> <said>". */
static Status fail(const Set *s, const char *at, const char *said)
{
    if (at > s->path && at[-1] == '.') at--;
    const char *reached = at == s->path ? "the config" : cut(s->scratch, s->path, at);
    return status_fail(STATUS_CONFIG, "%s %s: %s %s", s->option, s->path, reached, said);
}

static const char *kind(const cJSON *json)
{
    return cJSON_IsObject(json)   ? "is an object"
           : cJSON_IsArray(json)  ? "is an array"
           : cJSON_IsString(json) ? "is a string"
           : cJSON_IsNumber(json) ? "is a number"
           : cJSON_IsBool(json)   ? "is true or false"
                                  : "is null";
}

static bool ends_step(char c) { return c == '.' || c == '[' || c == '\0'; }

static Status member(const Set *s, const cJSON *object, const char *at, cJSON **item, const char **end)
{
    *end = at + strcspn(at, ".[");
    if (*end == at) return fail(s, at, "is an object; the name of a member must follow");
    *item = json_get(object, cut(s->scratch, at, *end));
    return STATUS_OK;
}

static Status indexed(const Set *s, cJSON *array, const char *at, cJSON **item, const char **end)
{
    const int n = cJSON_GetArraySize(array);
    const bool from_end = at[1] == '-';
    const char *digits = at + 1 + from_end;
    char *close;
    const unsigned long given = strtoul(digits, &close, 10), count = (unsigned long)n;
    if (*digits < '0' || *digits > '9' || *close != ']' || !ends_step(close[1]))
        return fail(s, at, "is an array; its items are written [0], [1], ... or from its end [-1], [-2], ...");
    if (given >= count + from_end || (from_end && given == 0))
        return fail(s, at, arena_printf(s->scratch, "has %d items; the index must be less than that", n));
    *item = cJSON_GetArrayItem(array, (int)(from_end ? count - given : given));
    *end = close + 1;
    return STATUS_OK;
}

/* What an item of an array is called: its "name", or "TYPE_INDEX"; NULL: nothing. */
static const char *item_name(const Set *s, const cJSON *item, int index)
{
    const char *name = cJSON_GetStringValue(json_get(item, "name"));
    const char *type = cJSON_GetStringValue(json_get(item, "type"));
    if ((name != NULL && name[0] != '\0') || type == NULL) return name;
    return arena_printf(s->scratch, "%s_%d", type, index);
}

/* What an item of the array in front of `at` is called: "layer" in "model.layers.", else "item". */
static const char *item_word(const Set *s, const char *at)
{
    const char *end = at > s->path && at[-1] == '.' ? at - 1 : at, *start = end;
    while (start > s->path && strchr(".[]", start[-1]) == NULL) start--;
    return end - start > 1 && end[-1] == 's' ? cut(s->scratch, start, end - 1) : "item";
}

/* No item has the name that `at` begins with: those that have one are told. */
static Status no_item(const Set *s, const cJSON *array, const char *at)
{
    enum { TOLD = 20 };
    const int n = cJSON_GetArraySize(array);
    const char **names = ARENA_ARRAY(s->scratch, const char *, n + 1), *list = "";
    int named = 0, index = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        const char *name = item_name(s, item, index++);
        if (name != NULL && name[0] != '\0') names[named++] = name;
    }
    if (named == 0) return fail(s, at, "is an array; must be followed by [index] or by the \"name\" of an item");
    for (int i = 0; i < named && i < TOLD; i++)
        list = arena_printf(s->scratch, "%s%s%s", list, i == 0 ? "" : ", ", names[i]);
    if (named > TOLD) list = arena_printf(s->scratch, "%s and %d more", list, named - TOLD);
    const char *given = cut(s->scratch, at, at + strcspn(at, ".[")), *nearest = nearest_name(given, names);
    const char *meant = nearest == NULL ? "" : arena_printf(s->scratch, "; did you mean \"%s\"?", nearest);
    return fail(s, at,
                arena_printf(s->scratch, "has no %s \"%s\"%s%s %s", item_word(s, at), given, meant,
                             nearest == NULL ? "; must be one of:" : " There are", list));
}

static Status named(const Set *s, const cJSON *array, const char *at, cJSON **item, const char **end)
{
    size_t longest = 0;
    int index = 0;
    cJSON *candidate;
    cJSON_ArrayForEach(candidate, array)
    {
        const char *name = item_name(s, candidate, index++);
        const size_t n = name == NULL ? 0 : strlen(name);
        if (n <= longest || strncmp(at, name, n) != 0 || !ends_step(at[n])) continue;
        longest = n;
        *item = candidate;
    }
    if (longest == 0) return no_item(s, array, at);
    *end = at + longest;
    return STATUS_OK;
}

/* value becomes {"b": {"c": value}} for the missing rest ".b.c" of a path. */
static Status wrap(const Set *s, const char *rest, cJSON **value)
{
    if (*rest == '\0') return STATUS_OK;
    if (*rest == '[') return fail(s, rest, "is missing; an array must be there to reach into");
    const char *end = rest + 1 + strcspn(rest + 1, ".[");
    if (end == rest + 1) return fail(s, rest, "must be followed by the name of a member");
    TRY(wrap(s, end, value));
    cJSON *object = cJSON_CreateObject();
    cJSON_AddItemToObject(object, cut(s->scratch, rest + 1, end), *value);
    *value = object;
    return STATUS_OK;
}

static Status set(const Set *s, cJSON *root, cJSON *value)
{
    cJSON *parent = root, *item = NULL;
    const char *at = s->path, *end = at;
    for (;;) {
        if (cJSON_IsObject(parent))
            TRY(member(s, parent, at, &item, &end));
        else if (!cJSON_IsArray(parent))
            return fail(s, at, arena_printf(s->scratch, "%s; must be an object or an array", kind(parent)));
        else if (*at == '[')
            TRY(indexed(s, parent, at, &item, &end));
        else
            TRY(named(s, parent, at, &item, &end));
        if (*end == '\0' || item == NULL || cJSON_IsNull(item)) break;
        parent = item;
        at = *end == '.' ? end + 1 : end;
    }
    TRY(wrap(s, end, &value));
    const char *key = cut(s->scratch, at, end);
    if (item == NULL)
        cJSON_AddItemToObject(parent, key, value);
    else if (cJSON_IsObject(parent))
        cJSON_ReplaceItemInObjectCaseSensitive(parent, key, value);
    else
        cJSON_ReplaceItemViaPointer(parent, item, value);
    return STATUS_OK;
}

Status json_set(cJSON *root, const char *option, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    if (equals == NULL || equals == assignment)
        return status_fail(STATUS_CONFIG, "%s %s: no path or no '='; must be path=value", option, assignment);
    const size_t bytes = strlen(assignment);
    for (size_t at = 0, n; at < bytes; at += n)
        if ((n = utf8_bytes(assignment + at, bytes - at)) == 0)
            return status_fail(STATUS_CONFIG, "%s: byte 0x%02x is not UTF-8; path and value must be UTF-8", option,
                               (unsigned char)assignment[at]);
    cJSON *value;
    if (json_parse(equals + 1, strlen(equals + 1), option, &value) != STATUS_OK) value = cJSON_CreateString(equals + 1);
    Set s = {.scratch = arena_create(), .option = option};
    s.path = cut(s.scratch, assignment, equals);
    const Status status = set(&s, root, value);
    if (status != STATUS_OK) cJSON_Delete(value);
    arena_destroy(s.scratch);
    return status;
}
