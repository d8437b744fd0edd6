/* Files and folders that live while something is made, in places that are known beforehand.
 *
 * A temporary is named ".NAME.bitfold-tmp" and locked (flock) by the process that works on it.  The system drops the
 * lock when the process ends, however it ends, so whoever comes next can tell the leftover of a dead process, which it
 * removes, from the work of a living one, which it leaves alone.
 */
#ifndef BITFOLD_BASE_TEMPORARY_H
#define BITFOLD_BASE_TEMPORARY_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/status.h"

/* Whether a name, without folder, is one of a temporary. */
bool temporary_is(const char *name);

/* Removes the leftovers of dead processes from a folder; one that cannot be read or changed stays as it is. */
void temporary_sweep(Arena *arena, const char *folder);

/* A new, empty, locked file, to become `path`; the folder is swept first.  Closing *fd drops the lock.  STATUS_STATE
 * when a living process is writing the same path. */
Status temporary_file(Arena *arena, const char *path, int *fd, char **temporary);

/* A new, empty, locked folder `parent`/.STEM.PID.N.bitfold-tmp; `parent` is swept first.  temporary_folder_end removes
 * it with all that is in it. */
typedef struct {
    char *path; /* NULL: none */
    int lock;
} TemporaryFolder;
Status temporary_folder(Arena *arena, const char *parent, const char *stem, TemporaryFolder *folder);
void temporary_folder_end(TemporaryFolder *folder);

#endif
