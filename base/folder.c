#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void add(Arena *arena, FolderNames *names, int *room, const char *name)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return;
    if (names->n == *room) {
        char **larger = ARENA_ARRAY(arena, char *, 2 * (size_t)*room + 16);
        if (names->n > 0) memcpy(larger, names->at, (size_t)names->n * sizeof *larger);
        names->at = larger;
        *room = 2 * *room + 16;
    }
    names->at[names->n++] = arena_strdup(arena, name);
}

static DIR *open_folder(const char *folder)
{
    DIR *dir;
    do dir = opendir(folder);
    while (dir == NULL && errno == EINTR);
    return dir;
}

Status folder_names(Arena *arena, const char *folder, FolderNames *names)
{
    *names = (FolderNames){0};
    DIR *dir = open_folder(folder);
    int room = 0, reason = dir == NULL ? errno : 0;
    while (dir != NULL) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        reason = errno;
        if (entry == NULL) break;
        add(arena, names, &room, entry->d_name);
    }
    if (dir != NULL) closedir(dir);
    if (reason != 0) return status_fail(STATUS_IO, "%s: cannot read the folder: %s", folder, strerror(reason));
    if (names->n > 0) qsort(names->at, (size_t)names->n, sizeof *names->at, by_bytes);
    return STATUS_OK;
}
