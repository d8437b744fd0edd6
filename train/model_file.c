#include "train/model_file.h"

#include <dirent.h>
#include <string.h>

#include "base/file.h"

static const char *find(Arena *arena, const char *folder)
{
    static const char *const names[] = {"best.safetensors", "last.safetensors", "model.safetensors", NULL};
    for (int i = 0; names[i] != NULL; i++) {
        const char *file = file_join(arena, folder, names[i]);
        if (file_exists(file)) return file;
    }
    return NULL;
}

/* The first, by name, of the folders in `folder` that hold a model; *count of them. */
static const char *first_inside(Arena *arena, const char *folder, int *count)
{
    const char *first = NULL;
    *count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e = dir == NULL ? NULL : readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_name[0] == '.' || find(arena, file_join(arena, folder, e->d_name)) == NULL) continue;
        ++*count;
        if (first == NULL || strcmp(e->d_name, first) < 0) first = arena_strdup(arena, e->d_name);
    }
    if (dir != NULL) closedir(dir);
    return first == NULL ? NULL : file_join(arena, folder, first);
}

Status model_file(Arena *arena, const char *path, const char **file)
{
    *file = path;
    if (!file_is_dir(path)) return STATUS_OK;
    *file = find(arena, path);
    if (*file != NULL) return STATUS_OK;
    int count;
    const char *first = first_inside(arena, path, &count);
    if (first != NULL)
        return status_fail(STATUS_STATE,
                           "%s: holds no model but %d run director%s; one of them is required, such as %s", path, count,
                           count == 1 ? "y" : "ies", first);
    return status_fail(STATUS_STATE,
                       "%s: a folder without best.safetensors, last.safetensors or model.safetensors; a model or the "
                       "run directory of one is required",
                       path);
}
