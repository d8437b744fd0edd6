#include "train/run_files.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/temporary.h"
#include "deploy/exporter.h"

static const char *const models[] = {"last.safetensors", "best.safetensors", "model.safetensors", NULL};

/* config.json is removed first: without it no model is read. */
static const char *const names[] = {
    "config.json",       "run.json",    "metrics.jsonl", "last.safetensors", "best.safetensors",
    "model.safetensors", "compare.csv", "report.html",   "model.json",       NULL};

static bool is_temporary_of(const char *name, const char *file)
{
    const size_t n = strlen(file);
    return temporary_is(name) && strncmp(name + 1, file, n) == 0 && name + 1 + n == strrchr(name, '.');
}

/* model.json is a name that anybody could give: ours is the page beside an int8 model. */
static bool is_ours(Arena *arena, const char *folder, const char *file)
{
    const char *path = file_join(arena, folder, file);
    if (!file_exists(path)) return false;
    const ExporterType *type = exporter_find("safetensors");
    return strcmp(file, "model.json") != 0 || exporter_made_beside(type, path);
}

static bool is_run_file(Arena *arena, const char *folder, const char *name)
{
    if (strcmp(name, RUN_MARKER) == 0) return true;
    for (int i = 0; names[i] != NULL; i++)
        if (is_temporary_of(name, names[i]) || (strcmp(name, names[i]) == 0 && is_ours(arena, folder, name)))
            return true;
    return false;
}

bool run_files_have_model(Arena *arena, const char *folder)
{
    for (int i = 0; models[i] != NULL; i++)
        if (file_exists(file_join(arena, folder, models[i]))) return true;
    return false;
}

/* Calls `visit` for each name in the folder until it answers false; whether all answered true.  false: no such folder. */
static bool for_all(Arena *arena, const char *folder, bool (*visit)(Arena *arena, const char *folder, const char *name))
{
    DIR *dir = opendir(folder);
    bool all = dir != NULL;
    for (struct dirent *e = all ? readdir(dir) : NULL; e != NULL && all; e = readdir(dir))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) all = visit(arena, folder, e->d_name);
    if (dir != NULL) closedir(dir);
    return all;
}

bool run_files_only(Arena *arena, const char *folder) { return for_all(arena, folder, is_run_file); }

static bool refuse(Arena *arena, const char *folder, const char *name)
{
    (void)arena, (void)folder, (void)name;
    return false;
}

static bool has(Arena *arena, const char *folder, const char *name)
{
    return file_exists(file_join(arena, folder, name));
}

/* Of versions without a marker: a model or metrics beside a config. */
static bool was_run(Arena *arena, const char *folder)
{
    return has(arena, folder, "config.json") &&
           (run_files_have_model(arena, folder) || has(arena, folder, "metrics.jsonl"));
}

static bool is_no_run(Arena *arena, const char *folder, const char *name)
{
    return !was_run(arena, file_join(arena, folder, name));
}

/* The same: its runs are in folders of their own. */
static bool was_table(Arena *arena, const char *folder)
{
    return has(arena, folder, "config.json") && !for_all(arena, folder, is_no_run);
}

/* *marker: the folder has one, whose first line is one of ours; one that was never filled is of a run killed at its very
 * beginning.  *row: it is of a row of a table. */
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
    *marker = *row || bytes == 0 || strncmp((char *)text, RUN_MARKER_RUN, strlen(RUN_MARKER_RUN)) == 0;
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
    return (read_marker(arena, folder, &marker, &row) == STATUS_OK && marker) || for_all(arena, folder, refuse) ||
           was_run(arena, folder) || was_table(arena, folder);
}

static Status drop(const char *path)
{
    if (unlink(path) == 0 || errno == ENOENT) return STATUS_OK;
    return status_fail(STATUS_IO, "%s: cannot remove: %s", path, strerror(errno));
}

static Status clear_temporaries(Arena *arena, const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) return status_fail(STATUS_IO, "%s: cannot read the folder: %s", folder, strerror(errno));
    Status status = STATUS_OK;
    for (struct dirent *e = readdir(dir); e != NULL && status == STATUS_OK; e = readdir(dir))
        for (int i = 0; names[i] != NULL && status == STATUS_OK; i++)
            if (is_temporary_of(e->d_name, names[i])) status = drop(file_join(arena, folder, e->d_name));
    closedir(dir);
    return status;
}

Status run_files_clear(Arena *arena, const char *folder, bool half_written)
{
    for (int i = 0; names[i] != NULL && !half_written; i++)
        if (strcmp(names[i], "model.json") != 0 || is_ours(arena, folder, names[i]))
            TRY(drop(file_join(arena, folder, names[i])));
    return clear_temporaries(arena, folder);
}
