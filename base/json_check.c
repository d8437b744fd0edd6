#include "base/json_check.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/utf8.h"

typedef struct {
    const char *text, *where;
    size_t bytes, at;
    int depth;
    Arena *scratch;
    size_t *key; /* where the keys of the objects that are open now begin, innermost last */
    size_t keys, keys_room;
} Check;

static Status fail_at(const Check *c, size_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));
static Status fail_at(const Check *c, size_t at, const char *format, ...)
{
    char said[256];
    va_list args;
    va_start(args, format);
    vsnprintf(said, sizeof said, format, args);
    va_end(args);
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        if (c->text[i] == '\n')
            line++, column = 1;
        else
            column += ((unsigned char)c->text[i] & 0xc0) != 0x80;
    }
    return status_fail(STATUS_FORMAT, "%s:%zu:%zu: %s", c->where, line, column, said);
}

/* "found ; wanted" for what stands at c->at. */
static Status fail_wanted(const Check *c, const char *wanted)
{
    if (c->at >= c->bytes) return fail_at(c, c->at, "the text ends; %s is required", wanted);
    const char *p = c->text + c->at;
    size_t n = 0;
    while (c->at + n < c->bytes && n < 24 && ((p[n] | 32) >= 'a' && (p[n] | 32) <= 'z')) n++;
    if (n == 0) n = utf8_bytes(p, c->bytes - c->at);
    const unsigned char byte = (unsigned char)*p;
    if (n == 0 || byte < ' ' || byte == 0x7f) return fail_at(c, c->at, "byte 0x%02x; %s is required", byte, wanted);
    return fail_at(c, c->at, "unexpected '%.*s'; %s is required", (int)n, p, wanted);
}

static char peek(const Check *c) { return c->at < c->bytes ? c->text[c->at] : '\0'; }

static bool accept(Check *c, char wanted)
{
    if (c->at >= c->bytes || c->text[c->at] != wanted) return false;
    c->at++;
    return true;
}

static void skip_space(Check *c)
{
    while (c->at < c->bytes && memchr(" \t\n\r", c->text[c->at], 4) != NULL) c->at++;
}

static bool is_digit(char ch) { return ch >= '0' && ch <= '9'; }

/* The four hex digits at p, or -1. */
static int32_t hex4(const char *p, size_t left)
{
    int32_t value = 0;
    if (left < 4) return -1;
    for (int i = 0; i < 4; i++) {
        const char lower = (char)(p[i] | 32);
        if (!is_digit(p[i]) && (lower < 'a' || lower > 'f')) return -1;
        value = 16 * value + (is_digit(p[i]) ? p[i] - '0' : lower - 'a' + 10);
    }
    return value;
}

static bool is_high(int32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
static bool is_low(int32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

/* c->at is after a backslash. */
static Status check_escape(Check *c)
{
    const size_t start = c->at - 1;
    if (c->at < c->bytes && memchr("\"\\/bfnrt", c->text[c->at], 8) != NULL) {
        c->at++;
        return STATUS_OK;
    }
    if (!accept(c, 'u'))
        return fail_at(c, start,
                       "unknown escape in a string; must be one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
    const int32_t unit = hex4(c->text + c->at, c->bytes - c->at);
    if (unit < 0) return fail_at(c, start, "\\u without four hex digits; must be \\uXXXX");
    if (unit == 0) return fail_at(c, start, "\\u0000 in a string; a string may not hold a NUL");
    c->at += 4;
    if (is_high(unit) && c->bytes - c->at >= 6 && c->text[c->at] == '\\' && c->text[c->at + 1] == 'u' &&
        is_low(hex4(c->text + c->at + 2, 4))) {
        c->at += 6;
        return STATUS_OK;
    }
    if (is_high(unit) || is_low(unit))
        return fail_at(c, start, "lone surrogate \\u%04x; surrogates must come as a high and a low one",
                       (unsigned)unit);
    return STATUS_OK;
}

static Status check_string(Check *c)
{
    const size_t start = c->at++;
    while (c->at < c->bytes) {
        const unsigned char byte = (unsigned char)c->text[c->at];
        if (accept(c, '"')) return STATUS_OK;
        if (accept(c, '\\')) {
            TRY(check_escape(c));
            continue;
        }
        if (byte < ' ') return fail_at(c, c->at, "control byte 0x%02x in a string; must be written as an escape", byte);
        const size_t n = utf8_bytes(c->text + c->at, c->bytes - c->at);
        if (n == 0) return fail_at(c, c->at, "byte 0x%02x in a string is not UTF-8; the text must be UTF-8", byte);
        c->at += n;
    }
    return fail_at(c, start, "string without an end; a closing '\"' is required");
}

static size_t skip_digits(Check *c)
{
    const size_t start = c->at;
    while (is_digit(peek(c))) c->at++;
    return c->at - start;
}

static Status check_number(Check *c)
{
    const size_t start = c->at;
    accept(c, '-');
    if (accept(c, '0')) {
        if (is_digit(peek(c))) return fail_at(c, start, "number with a leading zero; must be written without it");
    } else if (skip_digits(c) == 0) {
        return fail_wanted(c, "a digit");
    }
    if (accept(c, '.') && skip_digits(c) == 0) return fail_wanted(c, "a digit behind the decimal point");
    if (accept(c, 'e') || accept(c, 'E')) {
        if (!accept(c, '-')) accept(c, '+');
        if (skip_digits(c) == 0) return fail_wanted(c, "a digit of the exponent");
    }
    const size_t n = c->at - start;
    if (n > JSON_MAX_NUMBER)
        return fail_at(c, start, "number of %zu characters; must be at most %d", n, (int)JSON_MAX_NUMBER);
    char digits[JSON_MAX_NUMBER + 1];
    memcpy(digits, c->text + start, n);
    digits[n] = '\0';
    const double value = strtod(digits, NULL);
    if (!isfinite(value)) return fail_at(c, start, "%s; must be within the range of a double, +-1.8e308", digits);
    if (strcspn(digits, ".eE") < n) return STATUS_OK;
    char exact[JSON_MAX_NUMBER + 2]; /* a seed that would silently become its neighbour is refused */
    snprintf(exact, sizeof exact, "%.0f", value);
    if (strcmp(exact, digits) != 0)
        return fail_at(c, start, "%s; an integer must be one that a double holds exactly, as all up to 2^53", digits);
    return STATUS_OK;
}

/* The next character of a checked string, escapes resolved; -1 at its end. */
static int32_t next_char(const char **at)
{
    const char *p = *at;
    if (*p == '"') return -1;
    if (*p != '\\') {
        const size_t n = utf8_bytes(p, 4);
        int32_t value = n == 1 ? p[0] : (unsigned char)p[0] & (0x7f >> n);
        for (size_t i = 1; i < n; i++) value = value << 6 | (p[i] & 0x3f);
        *at = p + n;
        return value;
    }
    static const char letters[] = "bfnrt";
    const char *letter = memchr(letters, p[1], 5);
    *at = p + 2;
    if (letter != NULL) return "\b\f\n\r\t"[letter - letters];
    if (p[1] != 'u') return p[1];
    const int32_t unit = hex4(p + 2, 4);
    *at = p + 6;
    if (!is_high(unit)) return unit;
    *at = p + 12;
    return 0x10000 + ((unit - 0xd800) << 10) + (hex4(p + 8, 4) - 0xdc00);
}

static int compare_keys(const char *a, const char *b)
{
    for (;;) {
        const int32_t x = next_char(&a), y = next_char(&b);
        if (x != y) return x < y ? -1 : 1;
        if (x < 0) return 0;
    }
}

static int by_key_then_place(const void *a, const void *b, void *text)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    const int order = compare_keys((const char *)text + x, (const char *)text + y);
    return order != 0 ? order : x < y ? -1 : x > y;
}

/* Sorting keeps an object of a million keys, which a hostile file may hold, from costing a million squared. */
static Status check_unique(Check *c, size_t first)
{
    if (c->keys == first) return STATUS_OK;
    size_t *key = c->key + first, n = c->keys - first, again = SIZE_MAX;
    if (n > 1) qsort_r(key, n, sizeof *key, by_key_then_place, (void *)(uintptr_t)c->text);
    for (size_t i = 1; i < n; i++)
        if (compare_keys(c->text + key[i - 1], c->text + key[i]) == 0 && key[i] < again) again = key[i];
    c->keys = first;
    if (again == SIZE_MAX) return STATUS_OK;
    size_t length = 0;
    while (length < 60 && c->text[again + length] != '"')
        length += c->text[again + length] == '\\' ? 2 : utf8_bytes(c->text + again + length, 4);
    return fail_at(c, again - 1, "duplicate key \"%.*s\"; each key may stand once in an object", (int)length,
                   c->text + again);
}

static void push_key(Check *c, size_t at)
{
    if (c->keys == c->keys_room) {
        const size_t room = c->keys_room == 0 ? 64 : 2 * c->keys_room;
        size_t *bigger = arena_alloc(c->scratch, room * sizeof *bigger);
        if (c->keys > 0) memcpy(bigger, c->key, c->keys * sizeof *bigger);
        c->key = bigger;
        c->keys_room = room;
    }
    c->key[c->keys++] = at;
}

static Status check_value(Check *c);

/* The items between the brackets; c->at is after the opening one. */
static Status check_items(Check *c, bool object)
{
    const char close = object ? '}' : ']';
    const size_t first = c->keys;
    skip_space(c);
    if (accept(c, close)) return STATUS_OK;
    do {
        if (object) {
            skip_space(c);
            if (peek(c) != '"') return fail_wanted(c, "a key in double quotes");
            push_key(c, c->at + 1);
            TRY(check_string(c));
            skip_space(c);
            if (!accept(c, ':')) return fail_wanted(c, "':' behind the key");
        }
        TRY(check_value(c));
        skip_space(c);
    } while (accept(c, ','));
    if (!accept(c, close)) return fail_wanted(c, object ? "',' or '}'" : "',' or ']'");
    return check_unique(c, first);
}

static bool accept_word(Check *c, const char *word)
{
    const size_t n = strlen(word);
    if (c->bytes - c->at < n || memcmp(c->text + c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

static Status check_value(Check *c)
{
    skip_space(c);
    const char ch = peek(c);
    if (ch == '{' || ch == '[') {
        if (c->depth == JSON_MAX_DEPTH)
            return fail_at(c, c->at, "nested deeper than %d levels; must be at most %d", (int)JSON_MAX_DEPTH,
                           (int)JSON_MAX_DEPTH);
        c->depth++;
        c->at++;
        TRY(check_items(c, ch == '{'));
        c->depth--;
        return STATUS_OK;
    }
    if (ch == '"') return check_string(c);
    if (ch == '-' || is_digit(ch)) return check_number(c);
    if (accept_word(c, "true") || accept_word(c, "false") || accept_word(c, "null")) return STATUS_OK;
    return fail_wanted(c, "a JSON value");
}

Status json_check(const char *text, size_t bytes, const char *where)
{
    Check c = {.text = text, .bytes = bytes, .where = where};
    if (accept_word(&c, "\xef\xbb\xbf")) return fail_at(&c, 0, "a byte order mark; plain UTF-8 is required");
    skip_space(&c);
    if (c.at == bytes) return fail_at(&c, c.at, "nothing; a JSON value is required");
    c.scratch = arena_create();
    Status status = check_value(&c);
    arena_destroy(c.scratch);
    skip_space(&c);
    if (status == STATUS_OK && c.at < bytes) status = fail_wanted(&c, "the end of the text");
    return status;
}
