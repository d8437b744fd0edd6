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
    FIELD_BOOL,    /* bool */
    FIELD_INT,     /* int, min .. max; 2.5 is refused, 2.0 is 2 */
    FIELD_U64,     /* uint64_t, 0 .. 2^53 */
    FIELD_FLOAT,   /* double, min .. max; "1/255", a fraction of two numbers, is the nearest double */
    FIELD_STRING,  /* const char *; min .. max bytes long */
    FIELD_ENUM,    /* int: index into `names` */
    FIELD_INTS,    /* IntList: each min .. max; at least min_count, at most max_count */
    FIELD_FLOATS,  /* FloatList */
    FIELD_STRINGS, /* StringList */
    FIELD_ENUMS,   /* IntList of indices into `names` */
    FIELD_OBJECT,  /* a struct in place, described by `fields` */
    FIELD_OBJECTS, /* ObjectList: an array of structs of item_bytes, each described by `fields` */
    FIELD_JSON,    /* const cJSON *: a copy in the arena, for what another table parses */
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

/* Limits: min and max both left out (0): none; max below min: no upper one; INFINITY or -INFINITY: none on that side
 * (".min = 0, .max = INFINITY" is "0 or more"). */
typedef struct Field {
    const char *name; /* NULL ends a table */
    FieldType type;
    size_t offset; /* of the member in the struct that field_parse fills */
    double min, max;
    bool required;              /* a missing key is refused, in an absent object too */
    bool nullable;              /* null is accepted and gives the member 0, false, NULL, {0} or, FIELD_OBJECT,
                                   its defaults: not the default of this field */
    bool scalar_ok;             /* lists: a bare value v stands for [v] */
    int min_count, max_count;   /* lists; max_count 0: 64 */
    const char *def;            /* default as JSON text ("0.1", "[1,2]", "\"same\""), held to the same rules;
                                   NULL: 0, false, NULL, empty, which need not obey them */
    const char *const *names;   /* FIELD_ENUM(S): NULL-ended */
    const struct Field *fields; /* FIELD_OBJECT(S) */
    size_t item_bytes;          /* FIELD_OBJECTS */
    const char *unit;           /* "steps", "images", "seconds", ...; shown by describe */
    const char *doc;            /* one or two sentences, no final period needed */
} Field;
#define FIELD_END                                                                                                      \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

/* Fills `out` (a struct, any content) from `object`: defaults first, then what is given.  A NULL object is {}.
 *
 * `where` is "FILE" or "FILE: path" (nothing but the separator ": " tells them apart); keys are joined to the first
 * with ": ", to the second with "." : configs/a.json: layers[3].kernel: 99; must be an integer, 1 to 31
 * STATUS_CONFIG: wrong type, out of range, missing required key; an unknown key, with the objects further down that
 * have a key of that name ("train.epochs" for "epochs"), or else the nearest known one.
 * Strings, lists and JSON live in the arena: `object` may be deleted afterwards.  After a failure `out` is not to be
 * used. */
Status field_parse(const Field *fields, const cJSON *object, const char *where, void *out, Arena *arena);

/* The reverse: an object with every field of `in`, defaults included, that field_parse reads back to the same values.
 * A member that its own rule would refuse (a NULL string, the 0 of a kernel that starts at 1) stands for "not given":
 * null if the field is nullable, otherwise left out.  The caller frees it. */
cJSON *field_dump(const Field *fields, const void *in);

/* Whether the value of a field is its default; NULL and a field without one: false. */
bool field_is_default(const Field *field, const cJSON *value);

/* The JSON Schema (draft-07, without "$schema", so that it nests) of an object with these fields; FIELD_JSON takes any
 * value.  The caller frees it. */
cJSON *field_schema(const Field *fields);

/* The limits of a value, or of a string's length in bytes; INFINITY or -INFINITY where there is none. */
void field_range(const Field *field, double *low, double *high);
int field_max_count(const Field *field);

/* Called once per field, depth first, an object before its members, with the dotted path ("quant.weights.bits",
 * "overrides[].bits"; after "prefix." unless the prefix is ""): for `describe` and the docs page. */
typedef void FieldVisitor(void *context, const char *path, const Field *field);
void field_visit(const Field *fields, const char *prefix, FieldVisitor *visit, void *context);

/* "integer, 1 to 31", "number, 0 or more", "one of: same, valid", "list of 2 integers, each 1 to 31": the rule in
 * words, in the arena. */
char *field_rule(Arena *arena, const Field *field);

/* The place of a name in a NULL-ended list; -1: it is not there, or NULL. */
int name_find(const char *const *names, const char *name);

/* The candidate nearest to `word` by edit distance (at most half its length away), or NULL: for "did you mean". */
const char *nearest_name(const char *word, const char *const *candidates);

#endif
