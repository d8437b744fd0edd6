/* What of a folder is a run's: known by name, and where a name could be anybody's, by content. */
#ifndef BITFOLD_TRAIN_RUN_FILES_H
#define BITFOLD_TRAIN_RUN_FILES_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/status.h"

#define RUN_MARKER ".bitfold"
#define RUN_MARKER_RUN "bitfold run directory\n"
#define RUN_MARKER_FROM "bitfold run directory of a run from a model\n"
#define RUN_MARKER_ROW "bitfold row of a table\n"

/* A folder that a run was begun in: it has the marker, or is empty (the marker is the first file), or an earlier
 * version left a model or metrics there. */
bool run_files_known(Arena *arena, const char *folder);

/* The file that a run directory stands for: best.safetensors, else last.safetensors, else model.safetensors.  NULL: the
 * folder has no finished model and no checkpoint to go on from. */
const char *run_files_model(Arena *arena, const char *folder);
/* Whether the folder has something that a run can go on from: a model, or measured rows. */
bool run_files_kept(Arena *arena, const char *folder);

/* *only: the folder has nothing but a run's files. */
Status run_files_only(Arena *arena, const char *folder, bool *only);

/* Removes the marker, after everything else. */
Status run_files_unmark(Arena *arena, const char *folder);

/* Removes a run's files, config.json first, so that no model is left next to a config that is not its own; the marker
 * stays.  half_written: only what a killed run had not finished writing. */
Status run_files_clear(Arena *arena, const char *folder, bool half_written);

/* Whether the folder is that of a row of a table. */
Status run_files_row(Arena *arena, const char *folder, bool *row);

#endif
