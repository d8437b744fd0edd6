/* Gets a public data set onto this machine, whole and verified. */
#ifndef BITFOLD_CLI_FETCH_H
#define BITFOLD_CLI_FETCH_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/status.h"

/* The files of `name` (mnist, fashion-mnist, cifar10) in `dir` (NULL: "data/<name>"), which is created.
 *
 * Files that are there with the right MD5 stay; when all are, nothing is done.  Otherwise each source is tried in turn:
 * public mirrors by curl, then what the package managers of a Debian machine fetch without root.  A file enters `dir`
 * under its name only after its MD5 agreed.  Progress goes to stderr unless `quiet`.
 * STATUS_INVALID: unknown name; STATUS_IO: dir cannot be written, or no source had it: says all that was tried and why
 * it failed; STATUS_INTERRUPTED: SIGINT, SIGTERM or SIGHUP came; what was unfinished is removed, and the signal
 * delivered. */
Status fetch_run(Arena *arena, const char *name, const char *dir, bool quiet);

#endif
