/* Whose fault a failure is, the config file's or an assignment's: who has typed it looks for it there. */
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "train/config_resolve.h"

enum { SHOWN_BYTES = 100 }; /* of an assignment in a message */

/* "--set KEY=VALUE", the value cut where it is long. */
static const char *place(Arena *arena, const char *assignment)
{
    size_t n = strlen(assignment);
    if (n <= SHOWN_BYTES) return arena_printf(arena, "--set %s", assignment);
    n = SHOWN_BYTES;
    while (n > 0 && ((unsigned char)assignment[n] & 0xc0) == 0x80) n--; /* between two characters */
    return arena_printf(arena, "--set %.*s...", (int)n, assignment);
}

/* Whether the config with its first n assignments fails with the same message. */
static bool fails_so(const Config *config, int n, ConfigCheck *check, const void *context, const char *message)
{
    Arena *own = arena_create();
    Config *some;
    Status status = config_with(own, config, n, &some);
    if (status == STATUS_OK && check != NULL) status = check(own, some, context);
    const bool same = status != STATUS_OK && strcmp(status_message(), message) == 0;
    arena_destroy(own);
    return same;
}

/* The assignment from which on the message is there; -1: it is the file's own. */
static int find_guilty(const Config *config, ConfigCheck *check, const void *context, const char *message)
{
    int n = 0;
    while (config->sets[n] != NULL) n++;
    while (n >= 0 && fails_so(config, n, check, context, message)) n--;
    return n;
}

Status config_blame(const Config *config, ConfigCheck *check, const void *context, Status status)
{
    if (config->sets == NULL) return status;
    Arena *own = arena_create();
    const char *message = arena_strdup(own, status_message());
    const char *path = arena_printf(own, "%s: ", text_shown(own, config->path));
    const int guilty = find_guilty(config, check, context, message);
    if (guilty >= 0 && config->sets[guilty] != NULL)
        status = status_fail(status, "%s: %s", place(own, config->sets[guilty]),
                             message + (strncmp(message, path, strlen(path)) == 0 ? strlen(path) : 0));
    else
        status = status_fail(status, "%s", message);
    arena_destroy(own);
    return status;
}

/* Whether the assignment is of the key that the message begins with, or of an object that holds it. */
static bool is_of(const char *assignment, const char *message)
{
    const size_t n = strcspn(assignment, "=[");
    return n > 0 && strncmp(assignment, message, n) == 0 && strchr(":.[", message[n]) != NULL && message[n] != '\0';
}

Status config_blame_key(const Config *config, Status status)
{
    const char *set = NULL;
    for (int i = 0; config->sets != NULL && config->sets[i] != NULL; i++)
        if (is_of(config->sets[i], status_message())) set = config->sets[i];
    if (set == NULL) return status_prefix(status, "%s", config->path);
    Arena *own = arena_create();
    status_prefix(status, "%s", place(own, set));
    arena_destroy(own);
    return status;
}
