/* Everything that is printed passes here. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/cli.h"

void cli_print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_vprint(stdout, format, args);
    va_end(args);
}

void cli_print_lines(const char *text)
{
    for (size_t n; text[0] != '\0'; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        cli_print("%.*s\n", (int)n, text);
    }
}

void cli_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_vprint(stderr, format, args);
    va_end(args);
}

void cli_print_json(Arena *arena, cJSON *json)
{
    fputs(json_print(arena, json), stdout);
    cJSON_Delete(json);
}
