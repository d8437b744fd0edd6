/* One table drives everything that is said about a JSON object: parsing, validation, defaults, `describe`, the docs
 * page, the JSON Schema and the resolved config.json.
 *
 *     static const Field dense_fields[] = {
 *         {"units", FIELD_INT, offsetof(DenseConfig, units), .min = 1, .max = 65536, .required = true,
 *          .doc = "output features"},
 *         FIELD_END};
 */
#ifndef BITFOLD_BASE_FIELD_H
#define BITFOLD_BASE_FIELD_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef enum {
    FIELD_BOOL,    /* bool                                                                                      */
    FIELD_INT,     /* int, min .. max                                                                           */
    FIELD_U64,     /* uint64_t, 0 .. 2^53                                                                       */
    FIELD_FLOAT,   /* double, min .. max                                                                        */
    FIELD_STRING,  /* const char *; max > 0 limits the length                                                   */
    FIELD_ENUM,    /* int: index into `names`                                                                   */
    FIELD_INTS,    /* IntList: each min .. max; at least min_count, at most max_count                           */
    FIELD_FLOATS,  /* FloatList                                                                                 */
    FIELD_STRINGS, /* StringList                                                                                */
    FIELD_ENUMS,   /* IntList of indices into `names`                                                           */
    FIELD_OBJECT,  /* a struct in place, described by `fields`                                                  */
    FIELD_OBJECTS, /* ObjectList: an array of structs of item_bytes, each described by `fields`                 */
    FIELD_JSON,    /* const cJSON *: taken as it is, for what another table parses                              */
} FieldType;

typedef struct {
    int n;
    int *at;
} IntList;
typedef struct {
    int n;
    double *at;
} FloatList;
typedef struct {
    int n;
    const char **at;
} StringList;
typedef struct {
    int n;
    void *at;
} ObjectList;

typedef struct Field {
    const char *name; /* NULL ends a table */
    FieldType type;
    size_t offset; /* of the member in the struct that field_parse fills */
    double min, max;
    bool required;
    bool nullable;            /* null is accepted and leaves the default's value with `*_is_set` untouched: the member 0 */
    bool scalar_ok;           /* lists: a bare value v stands for [v]                                                   */
    int min_count, max_count; /* lists; max_count 0: 64                                                                 */
    const char *def;          /* default as JSON text ("0.1", "[1,2]", "\"same\""); NULL: 0, false, NULL, empty         */
    const char *const *names; /* FIELD_ENUM(S): NULL-ended                                                              */
    const struct Field *fields; /* FIELD_OBJECT(S)                                                                      */
    size_t item_bytes;          /* FIELD_OBJECTS                                                                        */
    const char *unit;           /* "steps", "images", "seconds", ...; shown by describe                                 */
    const char *doc;            /* one or two sentences, no final period needed                                         */
} Field;
#define FIELD_END                                                                                                      \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

/* Fills `out` (a struct, any content) from `object`: defaults first, then what is given.  NULL object: all defaults.
 * STATUS_CONFIG, naming `where`.key, what was given and the rule: wrong type, out of range, unknown key (with the nearest
 * known one by edit distance), missing required key, non-finite number.  Strings and lists live in the arena. */
Status field_parse(const Field *fields, const cJSON *object, const char *where, void *out, Arena *arena);

/* The reverse: an object with every field of `in`, defaults included.  The caller frees it. */
cJSON *field_dump(const Field *fields, const void *in);

/* The JSON Schema (draft-07) of an object with these fields; FIELD_JSON becomes {}. The caller frees it. */
cJSON *field_schema(const Field *fields);

/* Called once per field, depth first, with the dotted path: for `describe` and the docs page. */
typedef void FieldVisitor(void *context, const char *path, const Field *field);
void field_visit(const Field *fields, const char *prefix, FieldVisitor *visit, void *context);

/* "integer, 1 to 31", "number, 0 or more", "one of: same, valid", "list of ...": the rule in words, in the arena. */
char *field_rule(Arena *arena, const Field *field);

/* The candidate nearest to `word` by edit distance (at most half its length away), or NULL: for "did you mean". */
const char *nearest_name(const char *word, const char *const *candidates);

#endif
