/* JSON text to cJSON, strictly: RFC 8259 and no more.
 *
 * cJSON accepts trailing text, duplicate keys, numbers like 01 and looks keys up without case.  A pass of our own over
 * the text refuses those (and bad UTF-8, control characters in strings, nesting deeper than 64) before cJSON sees it:
 *     configs/a.json:3:17: duplicate key "name"; each key may stand once in an object
 */
#ifndef BITFOLD_BASE_JSON_H
#define BITFOLD_BASE_JSON_H

#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/status.h"

/* `where` names the text in messages (the file's path).  The caller frees *json with cJSON_Delete. */
Status json_parse(const char *text, size_t bytes, const char *where, cJSON **json);
Status json_read(Arena *arena, const char *path, cJSON **json);

/* The member of that exact name (case counts); NULL if there is none or `object` is no object. */
cJSON *json_get(const cJSON *object, const char *key);

/* JSON text with two-space indentation, members in order, each short array of numbers on one line, and a final newline;
 * numbers so that they read back to the same double.  Compact: one line without spaces or newline.  In the arena. */
char *json_print(Arena *arena, const cJSON *json);
char *json_print_compact(Arena *arena, const cJSON *json);

/* Sets a.b.c=value in `root` (the --set option).  The value is JSON if it parses as JSON, otherwise a string.  Missing
 * objects on the way are created; "layers[2].units" and "layers.conv1.units" (by the member "name") reach into arrays.
 * STATUS_CONFIG when the path runs through something that is neither. */
Status json_set(cJSON *root, const char *assignment);

#endif
