#include "base/field.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

/* Where a value stands, put into words only when it is refused. */
typedef struct {
    Arena *arena;
    const char *where, *key; /* key NULL: `where` itself */
    int index;               /* -1: the whole value */
} Spot;

static const char *spot_path(const Spot *s)
{
    const char *path = s->where;
    if (s->key != NULL) path = arena_printf(s->arena, "%s%s%s", path, strstr(path, ": ") == NULL ? ": " : ".", s->key);
    return s->index < 0 ? path : arena_printf(s->arena, "%s[%d]", path, s->index);
}

static Status refuse(const Spot *s, const Field *f, const char *given)
{
    static const char *const article[] = {
        [FIELD_BOOL] = "",      [FIELD_INT] = "an ",  [FIELD_U64] = "an ",    [FIELD_FLOAT] = "a ",
        [FIELD_STRING] = "a ",  [FIELD_ENUM] = "",    [FIELD_INTS] = "a ",    [FIELD_FLOATS] = "a ",
        [FIELD_STRINGS] = "a ", [FIELD_ENUMS] = "a ", [FIELD_OBJECT] = "an ", [FIELD_OBJECTS] = "a ",
        [FIELD_JSON] = "",
    };
    return status_fail(STATUS_CONFIG, "%s: %s; must be %s%s", spot_path(s), given, article[f->type],
                       field_rule(s->arena, f));
}

static size_t member_bytes(const Field *f)
{
    switch (f->type) {
    case FIELD_BOOL:
        return sizeof(bool);
    case FIELD_INT:
    case FIELD_ENUM:
        return sizeof(int);
    case FIELD_U64:
        return sizeof(uint64_t);
    case FIELD_FLOAT:
        return sizeof(double);
    case FIELD_STRING:
        return sizeof(const char *);
    case FIELD_JSON:
        return sizeof(const cJSON *);
    case FIELD_OBJECT:
        return f->item_bytes;
    default:
        return sizeof(ObjectList);
    }
}

/* The field that describes one item of a list. */
static Field item_of(const Field *f)
{
    Field item = *f;
    item.nullable = false;
    item.type = f->type == FIELD_INTS      ? FIELD_INT
                : f->type == FIELD_FLOATS  ? FIELD_FLOAT
                : f->type == FIELD_STRINGS ? FIELD_STRING
                : f->type == FIELD_ENUMS   ? FIELD_ENUM
                                           : FIELD_OBJECT;
    return item;
}

static bool in_range(const Field *f, double v)
{
    double low, high;
    field_range(f, &low, &high);
    return v >= low && v <= high;
}

static Status convert(const Field *f, const cJSON *given, const Spot *s, void *member);

static Status convert_list(const Field *f, const cJSON *given, const Spot *s, void *member)
{
    const Field item = item_of(f);
    const bool bare = f->scalar_ok && !cJSON_IsArray(given);
    if (!bare && !cJSON_IsArray(given)) return refuse(s, f, json_brief(s->arena, given));
    const int n = bare ? 1 : cJSON_GetArraySize(given);
    if (n < f->min_count || n > field_max_count(f)) return refuse(s, f, json_brief(s->arena, given));
    const size_t bytes = member_bytes(&item);
    char *at = n == 0 ? NULL : arena_zalloc(s->arena, bytes * (size_t)n);
    const cJSON *v = bare ? given : given->child;
    const char *path = spot_path(s);
    for (int i = 0; i < n; i++, v = v->next) {
        const Spot spot = {s->arena, path, NULL, bare ? -1 : i};
        TRY(convert(&item, v, &spot, at + (size_t)i * bytes));
    }
    /* All list structs are {int, pointer}. */
    const ObjectList list = {.n = n, .at = at};
    memcpy(member, &list, sizeof list);
    return STATUS_OK;
}

static Status convert_enum(const Field *f, const cJSON *given, const Spot *s, int *member)
{
    const int found = name_find(f->names, cJSON_GetStringValue(given));
    if (found >= 0) {
        *member = found;
        return STATUS_OK;
    }
    const char *nearest = cJSON_IsString(given) ? nearest_name(given->valuestring, f->names) : NULL;
    const Status status = refuse(s, f, json_brief(s->arena, given));
    if (nearest == NULL) return status;
    return status_fail(status, "%s (did you mean \"%s\"?)", arena_strdup(s->arena, status_message()), nearest);
}

/* A number, or two with a slash between them in a string: their quotient, rounded once. */
static bool real_number(const cJSON *given, double *v)
{
    *v = cJSON_IsNumber(given) ? given->valuedouble : 0.0;
    const char *slash = cJSON_IsString(given) ? strchr(given->valuestring, '/') : NULL;
    if (slash == NULL) return cJSON_IsNumber(given) && isfinite(*v);
    cJSON *over, *under = NULL;
    if (json_parse(given->valuestring, (size_t)(slash - given->valuestring), "", &over) != STATUS_OK) return false;
    bool fits = json_parse(slash + 1, strlen(slash + 1), "", &under) == STATUS_OK;
    fits = fits && cJSON_IsNumber(over) && cJSON_IsNumber(under);
    if (fits) *v = over->valuedouble / under->valuedouble;
    cJSON_Delete(over);
    cJSON_Delete(under);
    return fits && isfinite(*v);
}

static Status convert(const Field *f, const cJSON *given, const Spot *s, void *member)
{
    if (cJSON_IsNull(given) && f->nullable) {
        if (f->type == FIELD_OBJECT) return field_parse(f->fields, NULL, spot_path(s), member, s->arena);
        memset(member, 0, member_bytes(f));
        return STATUS_OK;
    }
    double number = cJSON_IsNumber(given) ? given->valuedouble : 0.0;
    bool fits = true;
    switch (f->type) {
    case FIELD_BOOL:
        fits = cJSON_IsBool(given);
        if (fits) *(bool *)member = cJSON_IsTrue(given);
        break;
    case FIELD_INT:
        fits = cJSON_IsNumber(given) && number == floor(number) && in_range(f, number);
        if (fits) *(int *)member = (int)number;
        break;
    case FIELD_U64:
        fits = cJSON_IsNumber(given) && number == floor(number) && in_range(f, number);
        if (fits) *(uint64_t *)member = (uint64_t)number;
        break;
    case FIELD_FLOAT:
        fits = real_number(given, &number) && in_range(f, number);
        if (fits) *(double *)member = number;
        break;
    case FIELD_STRING:
        fits = cJSON_IsString(given) && in_range(f, (double)strlen(given->valuestring));
        if (fits) *(const char **)member = arena_strdup(s->arena, given->valuestring);
        break;
    case FIELD_ENUM:
        return convert_enum(f, given, s, member);
    case FIELD_OBJECT:
        return field_parse(f->fields, given, spot_path(s), member, s->arena);
    case FIELD_JSON:
        *(const cJSON **)member = json_copy(s->arena, given);
        break;
    default:
        return convert_list(f, given, s, member);
    }
    return fits ? STATUS_OK : refuse(s, f, json_brief(s->arena, given));
}

static Status set_default(const Field *f, const Spot *s, void *member)
{
    if (f->def != NULL) {
        /* Only a wrong table gets here with a failure; the message then says which default it is. */
        const Spot of_default = {s->arena, arena_printf(s->arena, "default of %s", spot_path(s)), NULL, -1};
        cJSON *json;
        TRY(json_parse(f->def, strlen(f->def), of_default.where, &json));
        const Status status = convert(f, json, &of_default, member);
        cJSON_Delete(json);
        return status;
    }
    if (f->type == FIELD_OBJECT) return field_parse(f->fields, NULL, spot_path(s), member, s->arena);
    memset(member, 0, member_bytes(f));
    return STATUS_OK;
}

/* The paths of the objects' members named `key` at any depth, as "a.b.key" or "c.key", in the arena; NULL: there is
 * none. */
static const char *deeper(const Field *fields, const char *key, const char *path, const char *found, Arena *arena)
{
    for (const Field *f = fields; f->name != NULL; f++) {
        if (f->type != FIELD_OBJECT) continue;
        for (const Field *inner = f->fields; inner->name != NULL; inner++)
            if (strcmp(inner->name, key) == 0)
                found = arena_printf(arena, "%s%s\"%s%s.%s\"", found == NULL ? "" : found, found == NULL ? "" : " or ",
                                     path, f->name, key);
        found = deeper(f->fields, key, arena_printf(arena, "%s%s.", path, f->name), found, arena);
    }
    return found;
}

static Status refuse_unknown(const Field *fields, const char *key, const char *where, Arena *arena)
{
    int n = 0;
    while (fields[n].name != NULL) n++;
    const char **names = ARENA_ARRAY(arena, const char *, n + 1);
    char *known = n == 0 ? "none" : arena_strdup(arena, fields[0].name);
    for (int i = 0; i < n; i++) {
        names[i] = fields[i].name;
        if (i > 0) known = arena_printf(arena, "%s, %s", known, names[i]);
    }
    const char *quoted = json_quote(arena, key), *below = deeper(fields, key, "", NULL, arena);
    if (below != NULL) return status_fail(STATUS_CONFIG, "%s: unknown key %s; did you mean %s?", where, quoted, below);
    const char *nearest = nearest_name(key, names);
    if (nearest != NULL)
        return status_fail(STATUS_CONFIG, "%s: unknown key %s; did you mean \"%s\"?", where, quoted, nearest);
    return status_fail(STATUS_CONFIG, "%s: unknown key %s; the known ones are: %s", where, quoted, known);
}

Status field_parse(const Field *fields, const cJSON *object, const char *where, void *out, Arena *arena)
{
    if (object != NULL && !cJSON_IsObject(object))
        return status_fail(STATUS_CONFIG, "%s: %s; must be an object", where, json_brief(arena, object));
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        const Field *f = fields;
        while (f->name != NULL && strcmp(f->name, item->string) != 0) f++;
        if (f->name == NULL) return refuse_unknown(fields, item->string, where, arena);
    }
    for (const Field *f = fields; f->name != NULL; f++) {
        const Spot spot = {arena, where, f->name, -1};
        void *member = (char *)out + f->offset;
        const cJSON *given = json_get(object, f->name);
        if (given != NULL)
            TRY(convert(f, given, &spot, member));
        else if (f->required)
            return refuse(&spot, f, "missing");
        else
            TRY(set_default(f, &spot, member));
    }
    return STATUS_OK;
}
