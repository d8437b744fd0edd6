#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "base/utf8.h"

enum { PIECE = 400 }; /* the longest number, "%.50f" of 1e308, and any one character */

/* ---- one character ----------------------------------------------------------------------------------------------- */

static uint32_t code_point(const char *p, size_t bytes)
{
    const unsigned char *u = (const unsigned char *)p;
    uint32_t code = bytes == 1 ? u[0] : u[0] & (0x7fU >> bytes);
    for (size_t i = 1; i < bytes; i++) code = code << 6 | (u[i] & 0x3fU);
    return code;
}

/* Controls, line and paragraph separators, and what turns the direction of writing: Unicode's classes Cc, Zl, Zp and
 * the property Bidi_Control. */
static bool is_harmful(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* The character at p, `*bytes` long, as it is shown. */
static size_t show_char(const char *p, size_t left, size_t *bytes, char shown[PIECE])
{
    static const char named[] = "\a\b\f\n\r\t\v", letter[] = "abfnrtv";
    const size_t n = utf8_bytes(p, left);
    *bytes = n == 0 ? 1 : n;
    const char *known = n == 1 && *p != '\0' ? strchr(named, *p) : NULL;
    const uint32_t code = n == 0 ? 0 : code_point(p, n);
    if (known != NULL) return (size_t)snprintf(shown, PIECE, "\\%c", letter[known - named]);
    if (n <= 1 && (n == 0 || is_harmful(code))) return (size_t)snprintf(shown, PIECE, "\\x%02x", (unsigned char)*p);
    if (is_harmful(code)) return (size_t)snprintf(shown, PIECE, "\\u%04x", code);
    memcpy(shown, p, n);
    return n;
}

/* ---- formats ----------------------------------------------------------------------------------------------------- */

/* A buffer; of a stream, if there is one. */
typedef struct {
    FILE *stream;
    char *to;
    size_t room, bytes;
    bool full; /* a piece did not fit: nothing may follow it */
} Out;

static void flush(Out *out)
{
    fwrite(out->to, 1, out->bytes, out->stream);
    out->bytes = 0;
}

static void put(Out *out, const char *piece, size_t n)
{
    if (out->stream != NULL && n >= out->room - out->bytes) flush(out);
    if (out->full || n >= out->room - out->bytes) {
        out->full = true;
        return;
    }
    memcpy(out->to + out->bytes, piece, n);
    out->bytes += n;
}

/* One conversion: the text of its flags, its numbers, its length. */
typedef struct {
    char flags[8];
    int width, precision; /* -1: not given */
    enum { PLAIN, LONG, LONG_LONG, SIZE } length;
    char conversion;
} Spec;

/* Bytes of a character that the end of the text cuts in two, 0 if none does. */
static size_t cut_character(const char *p, size_t left)
{
    const unsigned char lead = (unsigned char)*p;
    const size_t whole = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
    return left < whole ? left : 0;
}

/* Puts the first `left` bytes, shown, and gives the characters that makes; `out` NULL: only counts. */
static int put_shown(Out *out, const char *text, size_t left, bool cut)
{
    int columns = 0;
    char piece[PIECE];
    for (size_t bytes; left > 0 && !(cut && cut_character(text, left) > 0); text += bytes, left -= bytes) {
        const size_t n = show_char(text, left, &bytes, piece);
        columns += piece[0] == '\\' ? (int)n : 1;
        if (out != NULL) put(out, piece, n);
    }
    return columns;
}

static void put_text(Out *out, const Spec *s, const char *text)
{
    if (text == NULL) text = "(null)";
    const size_t bytes = s->precision < 0 ? strlen(text) : strnlen(text, (size_t)s->precision);
    const bool cut = s->precision >= 0 && bytes == (size_t)s->precision;
    const bool left_aligned = s->width < 0 || strchr(s->flags, '-') != NULL;
    const int pad = abs(s->width) - put_shown(NULL, text, bytes, cut);
    for (int i = 0; !left_aligned && i < pad; i++) put(out, " ", 1);
    put_shown(out, text, bytes, cut);
    for (int i = 0; left_aligned && i < pad; i++) put(out, " ", 1);
}

typedef struct {
    va_list list;
} Args;

/* The number at *p, or the argument that '*' stands for. */
static int take_number(const char **p, Args *args)
{
    int number = 0;
    if (**p == '*') {
        ++*p;
        return va_arg(args->list, int);
    }
    for (; **p >= '0' && **p <= '9'; ++*p) number = 10 * number + (**p - '0');
    return number;
}

/* Reads a conversion from after its '%'; gives its last character. */
static const char *take_spec(const char *p, Args *args, Spec *s)
{
    *s = (Spec){.precision = -1};
    const size_t flags = strspn(p, "-+ #0");
    ASSERT(flags < sizeof s->flags);
    memcpy(s->flags, p, flags);
    p += flags;
    s->width = take_number(&p, args);
    if (*p == '.') {
        p++;
        s->precision = take_number(&p, args);
    }
    if (*p == 'z') s->length = SIZE, p++;
    for (; *p == 'l'; p++) s->length = s->length == PLAIN ? LONG : LONG_LONG;
    s->conversion = *p;
    return p;
}

/* A number as the C library puts it. */
#define PUT_NUMBER(length_text, type)                                                                                  \
    do {                                                                                                               \
        char one[24], piece[PIECE];                                                                                    \
        snprintf(one, sizeof one, "%%%s*.*" length_text "%c", s->flags, s->conversion);                                \
        const int n = snprintf(piece, sizeof piece, one, s->width, s->precision, va_arg(args->list, type));            \
        put(out, piece, n < PIECE ? (size_t)n : PIECE - 1);                                                            \
    } while (0)

static void put_integer(Out *out, const Spec *s, Args *args)
{
    switch (s->length) {
    case PLAIN:
        PUT_NUMBER("", int);
        break;
    case LONG:
        PUT_NUMBER("l", long);
        break;
    case LONG_LONG:
        PUT_NUMBER("ll", long long);
        break;
    case SIZE:
        PUT_NUMBER("z", size_t);
        break;
    }
}

static void put_conversion(Out *out, const Spec *s, Args *args)
{
    if (s->conversion == '%')
        put(out, "%", 1);
    else if (s->conversion == 's')
        put_text(out, s, va_arg(args->list, const char *));
    else if (s->conversion == 'c')
        put_text(out, s, (char[2]){(char)va_arg(args->list, int)});
    else if (strchr("diuxo", s->conversion) != NULL)
        put_integer(out, s, args);
    else if (strchr("efg", s->conversion) != NULL)
        PUT_NUMBER("", double);
    else
        ASSERT(false); /* the formats are this program's own */
}

static void put_format(Out *out, const char *format, Args *args)
{
    for (const char *p = format; *p != '\0'; p++) {
        if (*p == '%') {
            Spec spec;
            p = take_spec(p + 1, args, &spec);
            ASSERT(*p != '\0');
            put_conversion(out, &spec, args);
            continue;
        }
        const size_t bytes = utf8_bytes(p, strnlen(p, 4)); /* put whole or not at all */
        put(out, p, bytes == 0 ? 1 : bytes);
        p += bytes == 0 ? 0 : bytes - 1;
    }
}

size_t text_vformat(char *to, size_t room, const char *format, va_list list)
{
    Args args;
    Out out = {.to = to, .room = room};
    va_copy(args.list, list);
    put_format(&out, format, &args);
    va_end(args.list);
    to[out.bytes] = '\0';
    return out.bytes;
}

void text_vprint(FILE *stream, const char *format, va_list list)
{
    char line[1024]; /* a line of standard error, which has no buffer, is one write */
    Args args;
    Out out = {.stream = stream, .to = line, .room = sizeof line};
    va_copy(args.list, list);
    put_format(&out, format, &args);
    va_end(args.list);
    flush(&out);
}
