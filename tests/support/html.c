#include "tests/support/html.h"

#include <check.h>
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

int count(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word)) n++;
    return n;
}

static size_t name_length(const char *at)
{
    size_t n = 0;
    while (isalnum((unsigned char)at[n])) n++;
    return n;
}

static bool is_void(const char *name, size_t n)
{
    static const char *const tag[] = {"meta", "br", "link", "img"};
    for (size_t i = 0; i < sizeof tag / sizeof tag[0]; i++)
        if (strlen(tag[i]) == n && strncmp(tag[i], name, n) == 0) return true;
    return false;
}

void check_tags(const char *text)
{
    const char *open[64];
    size_t depth = 0;
    ck_assert(strncmp(text, "<!DOCTYPE html>\n", 16) == 0);
    for (const char *at = text + 16; *at != '\0'; at++) {
        if (*at == '&') {
            ck_assert_msg(!strncmp(at, "&amp;", 5) || !strncmp(at, "&lt;", 4) || !strncmp(at, "&gt;", 4) ||
                              !strncmp(at, "&quot;", 6) || !strncmp(at, "&#39;", 5),
                          "%.30s", at);
        } else if (*at == '<' && at[1] == '/') {
            const size_t n = name_length(at + 2);
            ck_assert_msg(depth > 0 && name_length(open[depth - 1]) == n && !strncmp(open[depth - 1], at + 2, n),
                          "</%.*s> closes <%.10s>", (int)n, at + 2, depth > 0 ? open[depth - 1] : "");
            depth--;
            ck_assert_int_eq(at[2 + n], '>');
        } else if (*at == '<') {
            const char *name = at + 1;
            const size_t n = name_length(name);
            ck_assert_msg(n > 0, "%.30s", at);
            char quote = '\0';
            for (at = name + n; *at != '>' || quote != '\0'; at++) {
                ck_assert_int_ne(*at, '\0');
                ck_assert_int_ne(*at, '<');
                if (quote == '\0' && (*at == '"' || *at == '\'')) {
                    quote = *at;
                    ck_assert(at[-1] == '=' || at[-1] == ' ');
                } else if (*at == quote) {
                    quote = '\0';
                    ck_assert_msg(strchr(" \n/>", at[1]) != NULL, "%.40s", at - 20);
                }
            }
            if (at[-1] == '/' || is_void(name, n)) continue;
            ck_assert_uint_lt(depth, 64);
            open[depth++] = name;
        }
    }
    ck_assert_uint_eq(depth, 0);
}

void check_ids(Arena *arena, const char *text)
{
    for (const char *at = text; (at = strstr(at, " id=")) != NULL; at += 5) {
        const int n = (int)strcspn(at + 5, "'\"");
        const char *once = arena_printf(arena, " id=%c%.*s%c", at[4], n, at + 5, at[4]);
        ck_assert_msg(count(text, once) == 1, "%s is there %d times", once, count(text, once));
    }
    for (const char *at = text; (at = strstr(at, "href='#")) != NULL; at += 7) {
        const int n = (int)strcspn(at + 7, "'");
        ck_assert_ptr_nonnull(strstr(text, arena_printf(arena, " id='%.*s'", n, at + 7)));
    }
}
