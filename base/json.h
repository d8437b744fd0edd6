/* JSON text to cJSON, strictly: RFC 8259 and no more.
 *
 * cJSON accepts trailing text, duplicate keys, numbers like 01 and looks keys up without case.  A check of our own over
 * the text (base/json_check.h) refuses those, and bad UTF-8, lone surrogates, control characters in strings, before
 * cJSON sees it:
 *     configs/a.json:3:17: duplicate key "name"; each key may stand once in an object
 * Limits: nesting 64 levels, numbers 63 characters long and finite as a double, integers exact as a
 * double (all up to 2^53 are), no NUL (\u0000) in strings.
 */
#ifndef BITFOLD_BASE_JSON_H
#define BITFOLD_BASE_JSON_H

#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/status.h"

enum { JSON_MAX_BYTES = 64 << 20 };

/* `where` names the text in messages (the file's path).  The caller frees *json with cJSON_Delete; after a failure it
 * is NULL.  STATUS_FORMAT names line and column.  json_read takes files of at most JSON_MAX_BYTES. */
Status json_parse(const char *text, size_t bytes, const char *where, cJSON **json);
Status json_read(Arena *arena, const char *path, cJSON **json);

/* The member of that exact name (case counts); NULL if there is none or `object` is no object. */
cJSON *json_get(const cJSON *object, const char *key);

/* A number member: one that is not finite is written as null, and what is no number is read as NAN. */
void json_add_number(cJSON *object, const char *key, double value);
double json_number(const cJSON *object, const char *key);

/* A copy that lives in the arena and is never deleted. */
const cJSON *json_copy(Arena *arena, const cJSON *json);

/* JSON text with two-space indentation, members in order, each short array of numbers, words and strings on one line,
 * and a final newline; numbers in the shortest form that reads back to the same double, NaN and infinity as null,
 * bytes that are not UTF-8 as U+FFFD.  Compact: one line without spaces or newline.  In the arena. */
char *json_print(Arena *arena, const cJSON *json);
char *json_print_compact(Arena *arena, const cJSON *json);

/* A float for JSON: nine digits read back to the same float; the double nearest to them prints as just those digits. */
double json_decimal(float x);

/* For messages: the compact text, or its first 60 bytes and "..."; json_quote does the same for a string. */
char *json_brief(Arena *arena, const cJSON *json);
char *json_quote(Arena *arena, const char *text);

/* Sets a.b.c=value in `root` (`option` is --set or the like, for messages).  The value is JSON if it parses as JSON,
 * otherwise a string.  Missing objects on the way (and those that are null) are created.  Items of arrays must exist;
 * they are reached by index, "layers[2].units", from the end, "layers[-1].units" (the last), and by the member "name",
 * "layers.conv1.units", which may hold dots (the longest name that fits wins); an item without a name by "type" and
 * index, "layers.dense_7.units".
 * STATUS_CONFIG when the path runs through something that is neither, or names no item (those there are, are told);
 * `root` is then as it was. */
Status json_set(cJSON *root, const char *option, const char *assignment);

#endif
