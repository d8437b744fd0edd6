#include "train/model_file.h"

#include "base/file.h"
#include "base/folder.h"
#include "train/run_files.h"

/* The first, by name, of the folders in `folder` that hold a model; *count of them. */
static Status first_inside(Arena *arena, const char *folder, const char **first, int *count)
{
    FolderNames all;
    TRY(folder_names(arena, folder, &all));
    *first = NULL;
    *count = 0;
    for (int i = 0; i < all.n; i++) {
        const char *inside = file_join(arena, folder, all.at[i]);
        if (all.at[i][0] == '.' || run_files_model(arena, inside) == NULL) continue;
        if (++*count == 1) *first = inside;
    }
    return STATUS_OK;
}

Status model_file(Arena *arena, const char *path, const char **file)
{
    *file = path;
    if (!file_is_dir(path)) return STATUS_OK;
    *file = run_files_model(arena, path);
    if (*file != NULL) return STATUS_OK;
    int count;
    const char *first;
    TRY(first_inside(arena, path, &first, &count));
    if (first != NULL)
        return status_fail(STATUS_STATE,
                           "%s: holds no model but %d run director%s; one of them is required, such as %s", path, count,
                           count == 1 ? "y" : "ies", first);
    return status_fail(STATUS_STATE,
                       "%s: a folder without best.safetensors, last.safetensors or model.safetensors; a model or the "
                       "run directory of one is required",
                       path);
}
