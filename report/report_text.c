/* Text of the user: into HTML, into the columns of a terminal. */
#include "report/report_parts.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* The character at p as `*bytes` bytes at the return value: itself, or U+FFFD for what no text should hold. */
static const char *next_char(const char *p, size_t left, const char *controls_allowed, size_t *bytes)
{
    const size_t n = utf8_bytes(p, left);
    const unsigned char c = (unsigned char)*p;
    const bool control = n == 1 && (c < ' ' || c == 0x7f) && strchr(controls_allowed, *p) == NULL;
    const bool control_c1 = n == 2 && c == 0xc2 && (unsigned char)p[1] < 0xa0;
    *bytes = n == 0 ? 1 : n;
    return n == 0 || control || control_c1 ? replacement : p;
}

void html_text(FILE *out, const char *text)
{
    static const char special[] = "&<>\"'";
    static const char *const reference[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    if (text == NULL) return;
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
        const char *c = next_char(text, left, "\t\n", &n);
        const char *which = strchr(special, *c);
        if (which != NULL)
            fputs(reference[which - special], out);
        else
            fwrite(c, 1, c == text ? n : sizeof replacement - 1, out);
    }
}

/* Columns a terminal gives to a character: 0 for combining marks and joiners, 2 for East Asian wide ones and emoji. */
static int columns_of(const char *p, size_t bytes)
{
    static const struct {
        uint32_t from, to;
        int columns;
    } range[] = {
        {0x300, 0x36f, 0},   {0x1100, 0x115f, 2}, {0x200b, 0x200f, 0},   {0x20d0, 0x20ff, 0},   {0x2e80, 0x303e, 2},
        {0x3041, 0xa4cf, 2}, {0xac00, 0xd7a3, 2}, {0xf900, 0xfaff, 2},   {0xfe00, 0xfe0f, 0},   {0xfe30, 0xfe6f, 2},
        {0xff00, 0xff60, 2}, {0xffe0, 0xffe6, 2}, {0x1f300, 0x1f64f, 2}, {0x1f900, 0x1f9ff, 2}, {0x20000, 0x3fffd, 2},
    };
    const unsigned char *u = (const unsigned char *)p;
    uint32_t code = bytes == 1 ? u[0] : u[0] & (0x7fU >> bytes);
    for (size_t i = 1; i < bytes; i++) code = code << 6 | (u[i] & 0x3fU);
    for (size_t i = 0; i < sizeof range / sizeof range[0]; i++)
        if (code >= range[i].from && code <= range[i].to) return range[i].columns;
    return 1;
}

int text_columns(const char *text)
{
    int columns = 0;
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
        const char *c = next_char(text, left, "", &n);
        columns += columns_of(c, c == text ? n : sizeof replacement - 1);
    }
    return columns;
}

char *text_clip(Arena *arena, const char *text, int columns)
{
    if (text == NULL) text = "";
    const bool fits = text_columns(text) <= columns;
    const size_t length = strlen(text);
    /* Every byte may become the three of U+FFFD; three more for the ellipsis. */
    char *clipped = arena_try_alloc(arena, 3 * length + 4);
    if (clipped == NULL) return arena_strdup(arena, replacement);
    char *to = clipped;
    int used = 0;
    for (size_t left = length, n; left > 0; text += n, left -= n) {
        const char *c = next_char(text, left, "", &n);
        const size_t bytes = c == text ? n : sizeof replacement - 1;
        used += columns_of(c, bytes);
        if (!fits && used > columns - 1) {
            memcpy(to, "\xe2\x80\xa6", 3);
            to += 3;
            break;
        }
        memcpy(to, c, bytes);
        to += bytes;
    }
    *to = '\0';
    return clipped;
}
