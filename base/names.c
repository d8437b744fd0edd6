#include "base/names.h"

#include <stdbool.h>
#include <string.h>

typedef struct {
    const char *punctuation; /* allowed besides letters and digits; holds '_' */
    const char *ending;      /* between a name and its index */
    bool (*good)(const char *name);
} Rules;

static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* By the rules, but perhaps not different from the others. */
static char *mapped(Arena *arena, const Rules *rules, const char *name)
{
    char *text = arena_strdup(arena, name);
    for (char *p = text; *p != '\0'; p++)
        if (!is_letter(*p) && !is_digit(*p) && strchr(rules->punctuation, *p) == NULL) *p = '_';
    const bool good = rules->good(text);
    return arena_printf(arena, "%s%.*s", good ? "" : "_", NAME_MOST_BYTES - (good ? 0 : 1), text);
}

static bool is_taken(char *const *names, int n, int except, const char *name)
{
    for (int i = 0; i < n; i++)
        if (i != except && strcmp(names[i], name) == 0) return true;
    return false;
}

/* Names with an index differ by it; they have to be told from those without only. */
static char *with_index(Arena *arena, const Rules *rules, char *const *plain, int n, int index)
{
    enum { INDEX_MOST_BYTES = 24 };
    for (int again = 0;; again++) {
        const char *more = again == 0 ? "" : arena_printf(arena, "x%d", again);
        char *name = arena_printf(arena, "%.*s%s%d%s", NAME_MOST_BYTES - INDEX_MOST_BYTES, plain[index], rules->ending,
                                  index, more);
        if (!is_taken(plain, n, index, name)) return name;
    }
}

static char **make(Arena *arena, const Rules *rules, int n, const char *const *names)
{
    char **plain = ARENA_ARRAY(arena, char *, n), **made = ARENA_ARRAY(arena, char *, n);
    for (int i = 0; i < n; i++) plain[i] = mapped(arena, rules, names[i]);
    for (int i = 0; i < n; i++) {
        const bool stays = strcmp(plain[i], names[i]) == 0 || !is_taken(plain, n, i, plain[i]);
        made[i] = stays ? plain[i] : with_index(arena, rules, plain, n, i);
    }
    return made;
}

static bool good_file(const char *name) { return strchr(".-", name[0]) == NULL; /* nor empty: the NUL is in it */ }

static bool good_identifier(const char *name)
{
    static const char *const taken[] = {"auto",   "break",    "case",   "char",     "const",  "continue", "default",
                                        "do",     "double",   "else",   "enum",     "extern", "float",    "for",
                                        "goto",   "if",       "inline", "int",      "long",   "main",     "register",
                                        "return", "restrict", "short",  "signed",   "sizeof", "static",   "struct",
                                        "switch", "typedef",  "union",  "unsigned", "void",   "volatile", "while"};
    if (name[0] == '\0' || is_digit(name[0])) return false;
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (strcmp(taken[i], name) == 0) return false;
    return true;
}

char **names_of_files(Arena *arena, int n, const char *const *names)
{
    return make(arena, &(const Rules){"_.-", "-", good_file}, n, names);
}

char **names_in_c(Arena *arena, int n, const char *const *names)
{
    return make(arena, &(const Rules){"_", "_", good_identifier}, n, names);
}
