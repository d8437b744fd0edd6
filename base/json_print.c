#include "base/json.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum {
    LINE = 100, /* an array of scalars up to this many characters stays on one line */
    BRIEF = 60,
};

typedef struct {
    Arena *arena;
    char *at;
    size_t bytes, room;
    bool compact;
} Text;

static void put_bytes(Text *t, const char *p, size_t n)
{
    if (t->room - t->bytes < n) {
        t->room = 2 * t->room + n;
        t->at = memcpy(arena_alloc(t->arena, t->room), t->at, t->bytes);
    }
    memcpy(t->at + t->bytes, p, n);
    t->bytes += n;
}

static void put(Text *t, const char *text) { put_bytes(t, text, strlen(text)); }

static void put_newline(Text *t, int depth)
{
    if (t->compact) return;
    put(t, "\n");
    for (int i = 0; i < depth; i++) put(t, "  ");
}

static void put_string(Text *t, const char *s)
{
    put(t, "\"");
    for (size_t left = strlen(s), n; left > 0; s += n, left -= n) {
        static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
        const char *special = memchr(plain, *s, sizeof plain - 1);
        n = utf8_bytes(s, left);
        char escape[8];
        if (n == 0) {
            put(t, "\\ufffd");
            n = 1;
        } else if (special != NULL) {
            snprintf(escape, sizeof escape, "\\%c", letter[special - plain]);
            put(t, escape);
        } else if (n == 1 && (*s < ' ' || *s == 0x7f)) {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)*s);
            put(t, escape);
        } else if (n == 2 && (unsigned char)s[0] == 0xc2 && (unsigned char)s[1] < 0xa0) { /* controls, too */
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(unsigned char)s[1]);
            put(t, escape);
        } else {
            put_bytes(t, s, n);
        }
    }
    put(t, "\"");
}

static void put_number(Text *t, double v)
{
    char digits[32];
    if (!isfinite(v)) {
        put(t, "null");
        return;
    }
    if (v == floor(v) && fabs(v) <= 0x1p53)
        snprintf(digits, sizeof digits, "%.0f", v);
    else
        for (int precision = 15; precision <= 17; precision++) {
            snprintf(digits, sizeof digits, "%.*g", precision, v);
            if (strtod(digits, NULL) == v) break;
        }
    put(t, digits);
}

static void put_value(Text *t, const cJSON *json, int depth);

static bool is_scalars(const cJSON *array)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, array) if (cJSON_IsArray(item) || cJSON_IsObject(item)) return false;
    return true;
}

/* Writes "[1, 2, 3]"; takes it back and says false when it gets longer than a line. */
static bool put_on_one_line(Text *t, const cJSON *array, int depth)
{
    const size_t start = t->bytes;
    const cJSON *item;
    put(t, "[");
    cJSON_ArrayForEach(item, array)
    {
        put_value(t, item, depth);
        put(t, item->next == NULL ? "]" : ", ");
        if (t->bytes - start + 2 * (size_t)depth <= LINE) continue;
        t->bytes = start;
        return false;
    }
    return true;
}

static void put_items(Text *t, const cJSON *json, int depth)
{
    const bool object = cJSON_IsObject(json);
    const cJSON *item;
    if (json->child == NULL) {
        put(t, object ? "{}" : "[]");
        return;
    }
    if (!t->compact && !object && is_scalars(json) && put_on_one_line(t, json, depth)) return;
    put(t, object ? "{" : "[");
    cJSON_ArrayForEach(item, json)
    {
        put_newline(t, depth + 1);
        if (object) {
            put_string(t, item->string);
            put(t, t->compact ? ":" : ": ");
        }
        put_value(t, item, depth + 1);
        if (item->next != NULL) put(t, ",");
    }
    put_newline(t, depth);
    put(t, object ? "}" : "]");
}

static void put_value(Text *t, const cJSON *json, int depth)
{
    if (cJSON_IsArray(json) || cJSON_IsObject(json))
        put_items(t, json, depth);
    else if (cJSON_IsString(json))
        put_string(t, json->valuestring);
    else if (cJSON_IsNumber(json))
        put_number(t, json->valuedouble);
    else
        put(t, cJSON_IsTrue(json) ? "true" : cJSON_IsFalse(json) ? "false" : "null");
}

static char *print(Arena *arena, const cJSON *json, bool compact)
{
    enum { FIRST = 256 };
    Arena *scratch = arena_create(); /* the text is copied as it grows; only the last copy goes to the caller */
    Text t = {.arena = scratch, .at = arena_alloc(scratch, FIRST), .room = FIRST, .compact = compact};
    put_value(&t, json, 0);
    if (!compact) put(&t, "\n");
    char *text = arena_alloc(arena, t.bytes + 1);
    memcpy(text, t.at, t.bytes);
    text[t.bytes] = '\0';
    arena_destroy(scratch);
    return text;
}

char *json_print(Arena *arena, const cJSON *json) { return print(arena, json, false); }
char *json_print_compact(Arena *arena, const cJSON *json) { return print(arena, json, true); }

char *json_brief(Arena *arena, const cJSON *json)
{
    char *text = json_print_compact(arena, json);
    if (strlen(text) <= BRIEF) return text;
    size_t n = BRIEF;
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) n--;
    return arena_printf(arena, "%.*s...", (int)n, text);
}

char *json_quote(Arena *arena, const char *text)
{
    const cJSON string = {.type = cJSON_String, .valuestring = (char *)(uintptr_t)text};
    return json_brief(arena, &string);
}

double json_decimal(float x)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%.9g", (double)x);
    return strtod(digits, NULL);
}
