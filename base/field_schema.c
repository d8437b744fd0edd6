#include "base/field.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

static void add_string(cJSON *object, const char *key, const char *text)
{
    cJSON_AddItemToObject(object, key, cJSON_CreateString(text));
}

static void add_number(cJSON *object, const char *key, double v)
{
    cJSON_AddItemToObject(object, key, cJSON_CreateNumber(v));
}

static void add_range(cJSON *schema, const Field *f, const char *low_key, const char *high_key)
{
    double low, high;
    field_range(f, &low, &high);
    if (low > -HUGE_VAL) add_number(schema, low_key, low);
    if (high < HUGE_VAL) add_number(schema, high_key, high);
}

static void add_item_rule(cJSON *schema, const Field *f)
{
    switch (f->type) {
    case FIELD_BOOL:
        add_string(schema, "type", "boolean");
        break;
    case FIELD_INT:
    case FIELD_INTS:
    case FIELD_U64:
        add_string(schema, "type", "integer");
        add_range(schema, f, "minimum", "maximum");
        break;
    case FIELD_FLOAT:
    case FIELD_FLOATS: { /* the limits say nothing of strings, nor the pattern of numbers */
        cJSON *types = cJSON_AddArrayToObject(schema, "type");
        cJSON_AddItemToArray(types, cJSON_CreateString("number"));
        cJSON_AddItemToArray(types, cJSON_CreateString("string"));
        add_range(schema, f, "minimum", "maximum");
        add_string(schema, "pattern", "^[-+.0-9eE]+/[-+.0-9eE]+$");
        break;
    }
    case FIELD_STRING:
    case FIELD_STRINGS:
        add_string(schema, "type", "string");
        add_range(schema, f, "minLength", "maxLength");
        break;
    case FIELD_ENUM:
    case FIELD_ENUMS: {
        cJSON *names = cJSON_AddArrayToObject(schema, "enum");
        for (int i = 0; f->names[i] != NULL; i++) cJSON_AddItemToArray(names, cJSON_CreateString(f->names[i]));
        break;
    }
    default:
        break;
    }
}

static void add_object_rule(cJSON *schema, const Field *fields);

static bool is_list(const Field *f)
{
    return f->type == FIELD_INTS || f->type == FIELD_FLOATS || f->type == FIELD_STRINGS || f->type == FIELD_ENUMS ||
           f->type == FIELD_OBJECTS;
}

static void add_rule(cJSON *schema, const Field *f)
{
    cJSON *item = schema;
    if (is_list(f)) {
        add_string(schema, "type", "array");
        item = cJSON_AddObjectToObject(schema, "items");
        if (f->min_count > 0) add_number(schema, "minItems", f->min_count);
        add_number(schema, "maxItems", field_max_count(f));
    }
    if (f->type == FIELD_OBJECT || f->type == FIELD_OBJECTS)
        add_object_rule(item, f->fields);
    else
        add_item_rule(item, f);
}

static cJSON *value_schema(const Field *f)
{
    cJSON *schema = cJSON_CreateObject();
    if (f->doc != NULL) {
        Arena *scratch = arena_create();
        add_string(schema, "description", f->unit == NULL ? f->doc : arena_printf(scratch, "%s (%s)", f->doc, f->unit));
        arena_destroy(scratch);
    }
    cJSON *def;
    if (f->def != NULL && json_parse(f->def, strlen(f->def), f->name, &def) == STATUS_OK)
        cJSON_AddItemToObject(schema, "default", def);
    if (f->type == FIELD_JSON) return schema;
    const bool scalar_ok = f->scalar_ok && is_list(f);
    if (!f->nullable && !scalar_ok) {
        add_rule(schema, f);
        return schema;
    }
    cJSON *any = cJSON_AddArrayToObject(schema, "anyOf"), *choice;
    if (scalar_ok) {
        cJSON_AddItemToArray(any, choice = cJSON_CreateObject());
        if (f->type == FIELD_OBJECTS)
            add_object_rule(choice, f->fields);
        else
            add_item_rule(choice, f);
    }
    cJSON_AddItemToArray(any, choice = cJSON_CreateObject());
    add_rule(choice, f);
    if (f->nullable) {
        cJSON_AddItemToArray(any, choice = cJSON_CreateObject());
        add_string(choice, "type", "null");
    }
    return schema;
}

static void add_object_rule(cJSON *schema, const Field *fields)
{
    add_string(schema, "type", "object");
    cJSON *properties = cJSON_AddObjectToObject(schema, "properties"), *required = NULL;
    for (const Field *f = fields; f->name != NULL; f++) {
        cJSON_AddItemToObject(properties, f->name, value_schema(f));
        if (!f->required) continue;
        if (required == NULL) required = cJSON_AddArrayToObject(schema, "required");
        cJSON_AddItemToArray(required, cJSON_CreateString(f->name));
    }
    cJSON_AddItemToObject(schema, "additionalProperties", cJSON_CreateFalse());
}

cJSON *field_schema(const Field *fields)
{
    cJSON *schema = cJSON_CreateObject();
    add_object_rule(schema, fields);
    return schema;
}
