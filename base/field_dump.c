#include "base/field.h"

#include <string.h>

#include "base/json.h"

/* A number its own rule refuses stands for "not given": NULL. */
static cJSON *number(const Field *f, double v)
{
    double low, high;
    field_range(f, &low, &high);
    return v >= low && v <= high ? cJSON_CreateNumber(v) : NULL;
}

static cJSON *string(const char *text) { return text == NULL ? NULL : cJSON_CreateString(text); }

static cJSON *list(const Field *f, const void *member)
{
    ObjectList items; /* all list structs are {int, pointer} */
    memcpy(&items, member, sizeof items);
    if (items.n < f->min_count) return NULL;
    cJSON *array = cJSON_CreateArray();
    for (int i = 0; i < items.n; i++) {
        cJSON *item;
        switch (f->type) {
        case FIELD_INTS:
            item = cJSON_CreateNumber(((const int *)items.at)[i]);
            break;
        case FIELD_FLOATS:
            item = cJSON_CreateNumber(((const double *)items.at)[i]);
            break;
        case FIELD_STRINGS:
            item = cJSON_CreateString(((const char **)items.at)[i]);
            break;
        case FIELD_ENUMS:
            item = cJSON_CreateString(f->names[((const int *)items.at)[i]]);
            break;
        default:
            item = field_dump(f->fields, (const char *)items.at + (size_t)i * f->item_bytes);
            break;
        }
        cJSON_AddItemToArray(array, item);
    }
    return array;
}

static cJSON *dump(const Field *f, const void *member)
{
    switch (f->type) {
    case FIELD_BOOL:
        return cJSON_CreateBool(*(const bool *)member);
    case FIELD_INT:
        return number(f, *(const int *)member);
    case FIELD_U64:
        return number(f, (double)*(const uint64_t *)member);
    case FIELD_FLOAT:
        return number(f, *(const double *)member);
    case FIELD_STRING:
        return string(*(const char *const *)member);
    case FIELD_ENUM:
        return cJSON_CreateString(f->names[*(const int *)member]);
    case FIELD_OBJECT:
        return field_dump(f->fields, member);
    case FIELD_JSON: {
        const cJSON *json = *(const cJSON *const *)member;
        return json == NULL ? NULL : cJSON_Duplicate(json, true);
    }
    default:
        return list(f, member);
    }
}

cJSON *field_dump(const Field *fields, const void *in)
{
    cJSON *object = cJSON_CreateObject();
    for (const Field *f = fields; f->name != NULL; f++) {
        cJSON *value = dump(f, (const char *)in + f->offset);
        if (value == NULL && f->nullable) value = cJSON_CreateNull();
        if (value != NULL) cJSON_AddItemToObject(object, f->name, value);
    }
    return object;
}

bool field_is_default(const Field *f, const cJSON *value)
{
    cJSON *def = NULL;
    if (value == NULL || f->def == NULL || json_parse(f->def, strlen(f->def), f->name, &def) != STATUS_OK) return false;
    const bool same = cJSON_Compare(def, value, true) != 0;
    cJSON_Delete(def);
    return same;
}
