/* Text from outside in the arena, as a person may see it. */
#include <stdarg.h>
#include <string.h>

#include "base/text.h"

static void format_into(char *to, size_t room, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void format_into(char *to, size_t room, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    text_vformat(to, room, format, list);
    va_end(list);
}

char *text_shown(Arena *arena, const char *text)
{
    enum { LONGEST = 6 }; /* bytes that one byte or character becomes: \u202e */
    const size_t room = LONGEST * strlen(text) + LONGEST + 1;
    char *shown = arena_alloc(arena, room);
    format_into(shown, room, "%s", text);
    return shown;
}
