#include "base/field.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

static const char *number_words(Arena *arena, double v)
{
    const cJSON number = {.type = cJSON_Number, .valuedouble = v};
    return json_print_compact(arena, &number);
}

/* `before` and "1 to 31", "0 or more" or "at most 5" and `unit`; nothing when there is no limit. */
static char *range_words(Arena *arena, const Field *f, const char *before, const char *unit)
{
    double low, high;
    field_range(f, &low, &high);
    const bool has_low = low > -HUGE_VAL, has_high = high < HUGE_VAL;
    const char *from = number_words(arena, low), *to = number_words(arena, high);
    if (has_low && has_high) return arena_printf(arena, "%s%s to %s%s", before, from, to, unit);
    if (has_low) return arena_printf(arena, "%s%s or more%s", before, from, unit);
    if (has_high) return arena_printf(arena, "%sat most %s%s", before, to, unit);
    return "";
}

static char *name_words(Arena *arena, const Field *f)
{
    char *words = arena_printf(arena, "one of: %s", f->names[0]);
    for (int i = 1; f->names[i] != NULL; i++) words = arena_printf(arena, "%s, %s", words, f->names[i]);
    return words;
}

static char *list_words(Arena *arena, const Field *f, const char *nouns, const char *each)
{
    const int low = f->min_count, high = field_max_count(f);
    const char *end = f->scalar_ok ? ", or a single one" : "";
    if (low == high) return arena_printf(arena, "list of %d %s%s%s", low, nouns, each, end);
    if (low > 0) return arena_printf(arena, "list of %d to %d %s%s%s", low, high, nouns, each, end);
    return arena_printf(arena, "list of at most %d %s%s%s", high, nouns, each, end);
}

static char *words(Arena *arena, const Field *f)
{
    switch (f->type) {
    case FIELD_BOOL:
        return "true or false";
    case FIELD_INT:
    case FIELD_U64:
        return arena_printf(arena, "integer%s", range_words(arena, f, ", ", ""));
    case FIELD_FLOAT:
        return arena_printf(arena, "number%s", range_words(arena, f, ", ", ""));
    case FIELD_STRING:
        return arena_printf(arena, "string%s", range_words(arena, f, " of ", " bytes"));
    case FIELD_ENUM:
        return name_words(arena, f);
    case FIELD_INTS:
        return list_words(arena, f, "integers", range_words(arena, f, ", each ", ""));
    case FIELD_FLOATS:
        return list_words(arena, f, "numbers", range_words(arena, f, ", each ", ""));
    case FIELD_STRINGS:
        return list_words(arena, f, "strings", range_words(arena, f, ", each of ", " bytes"));
    case FIELD_ENUMS:
        return list_words(arena, f, "names", arena_printf(arena, ", each %s", name_words(arena, f)));
    case FIELD_OBJECT:
        return "object";
    case FIELD_OBJECTS:
        return list_words(arena, f, "objects", "");
    case FIELD_JSON:
        return "any value";
    }
    return "";
}

char *field_rule(Arena *arena, const Field *field)
{
    return arena_printf(arena, "%s%s", words(arena, field), field->nullable ? ", or null" : "");
}

void field_visit(const Field *fields, const char *prefix, FieldVisitor *visit, void *context)
{
    for (const Field *f = fields; f->name != NULL; f++) {
        char path[512];
        const int n = snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", f->name);
        ASSERT(n >= 0 && (size_t)n + 3 <= sizeof path);
        visit(context, path, f);
        if (f->type == FIELD_OBJECTS) strcat(path, "[]");
        if (f->type == FIELD_OBJECT || f->type == FIELD_OBJECTS) field_visit(f->fields, path, visit, context);
    }
}
