#include "train/run_files.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/temporary.h"
#include "deploy/exporter.h"

#define MODELS "best.safetensors", "last.safetensors", "model.safetensors"
static const char *const models[] = {MODELS, NULL};

/* config.json is removed first: without it no model is read. */
static const char *const names[] = {"config.json",
                                    "run.json",
                                    "metrics.jsonl",
                                    MODELS,
                                    "compare.csv",
                                    "report.html",
                                    "row.json",
                                    "sensitivity.json",
                                    "sensitivity.csv",
                                    "lrfind.csv",
                                    "partial.csv",
                                    "search.json",
                                    "pareto.csv",
                                    "why.txt",
                                    "workflow.json",
                                    "learned.json",
                                    "latency.json",
                                    "learned-0.safetensors",
                                    "learned-1.safetensors",
                                    "model.json",
                                    NULL};

static bool is_temporary_of(const char *name, const char *file)
{
    const size_t n = strlen(file);
    return temporary_is(name) && strncmp(name + 1, file, n) == 0 && name + 1 + n == strrchr(name, '.');
}

/* model.json is a name that anybody could give: ours is the page next to an int8 model. */
static bool is_ours(Arena *arena, const char *folder, const char *file)
{
    const char *path = file_join(arena, folder, file);
    if (!file_exists(path)) return false;
    const ExporterType *type = exporter_find("safetensors");
    return strcmp(file, "model.json") != 0 || exporter_made_companion(type, path);
}

static bool is_run_file(Arena *arena, const char *folder, const char *name)
{
    if (strcmp(name, RUN_MARKER) == 0) return true;
    for (int i = 0; names[i] != NULL; i++)
        if (is_temporary_of(name, names[i]) || (strcmp(name, names[i]) == 0 && is_ours(arena, folder, name)))
            return true;
    return false;
}

const char *run_files_model(Arena *arena, const char *folder)
{
    for (int i = 0; models[i] != NULL; i++) {
        const char *file = file_join(arena, folder, models[i]);
        if (file_exists(file)) return file;
    }
    return NULL;
}

bool run_files_kept(Arena *arena, const char *folder)
{
    return run_files_model(arena, folder) != NULL || file_exists(file_join(arena, folder, "sensitivity.json"));
}

Status run_files_only(Arena *arena, const char *folder, bool *only)
{
    FolderNames all;
    TRY(folder_names(arena, folder, &all));
    *only = true;
    for (int i = 0; i < all.n && *only; i++) *only = is_run_file(arena, folder, all.at[i]);
    return STATUS_OK;
}

static bool has(Arena *arena, const char *folder, const char *name)
{
    return file_exists(file_join(arena, folder, name));
}

/* Of versions without a marker: a model or metrics next to a config. */
static bool was_run(Arena *arena, const char *folder)
{
    return has(arena, folder, "config.json") &&
           (run_files_model(arena, folder) != NULL || has(arena, folder, "metrics.jsonl"));
}

/* The same: its runs are in folders of their own. */
static bool was_table(Arena *arena, const char *folder, const FolderNames *all)
{
    bool table = false;
    for (int i = 0; i < all->n && !table; i++) table = was_run(arena, file_join(arena, folder, all->at[i]));
    return table && has(arena, folder, "config.json");
}

/* *marker: the folder has one, whose first line is one of ours; one that was never filled is of a run killed at its
 * very beginning.  *row: it is of a row of a table. */
static Status read_marker(Arena *arena, const char *folder, bool *marker, bool *row)
{
    unsigned char *text;
    size_t bytes;
    const char *path = file_join(arena, folder, RUN_MARKER);
    *marker = *row = false;
    struct stat st;
    if (lstat(path, &st) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return STATUS_OK;
        return status_fail(STATUS_IO, "%s: cannot look at: %s", path, strerror(errno));
    }
    TRY(file_read(arena, path, 1 << 20, &text, &bytes));
    *row = strncmp((char *)text, RUN_MARKER_ROW, strlen(RUN_MARKER_ROW)) == 0;
    *marker = *row || bytes == 0 || strncmp((char *)text, RUN_MARKER_RUN, strlen(RUN_MARKER_RUN)) == 0 ||
              strncmp((char *)text, RUN_MARKER_FROM, strlen(RUN_MARKER_FROM)) == 0;
    return STATUS_OK;
}

Status run_files_row(Arena *arena, const char *folder, bool *row)
{
    bool marker;
    return read_marker(arena, folder, &marker, row);
}

bool run_files_known(Arena *arena, const char *folder)
{
    bool marker, row;
    FolderNames all;
    if (read_marker(arena, folder, &marker, &row) == STATUS_OK && marker) return true;
    return folder_names(arena, folder, &all) == STATUS_OK &&
           (all.n == 0 || was_run(arena, folder) || was_table(arena, folder, &all));
}

static Status drop(const char *path)
{
    if (unlink(path) == 0 || errno == ENOENT) return STATUS_OK;
    return status_fail(STATUS_IO, "%s: cannot remove: %s", path, strerror(errno));
}

Status run_files_unmark(Arena *arena, const char *folder) { return drop(file_join(arena, folder, RUN_MARKER)); }

static Status clear_temporaries(Arena *arena, const char *folder)
{
    FolderNames all;
    TRY(folder_names(arena, folder, &all));
    for (int k = 0; k < all.n; k++)
        for (int i = 0; names[i] != NULL; i++)
            if (is_temporary_of(all.at[k], names[i])) TRY(drop(file_join(arena, folder, all.at[k])));
    return STATUS_OK;
}

Status run_files_clear(Arena *arena, const char *folder, bool half_written)
{
    for (int i = 0; names[i] != NULL && !half_written; i++)
        if (strcmp(names[i], "model.json") != 0 || is_ours(arena, folder, names[i]))
            TRY(drop(file_join(arena, folder, names[i])));
    return clear_temporaries(arena, folder);
}
