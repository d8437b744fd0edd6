/* What fetching is made of: programs run by argument vector (no shell reads a name given by the user), checksums,
 * archives. */
#ifndef BITFOLD_CLI_FETCH_TOOLS_H
#define BITFOLD_CLI_FETCH_TOOLS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/status.h"

/* Where a program runs: in folder `cwd` (NULL: here), with `input` as its standard input (NULL: nothing to read), and
 * no file it writes may become longer than file_most_bytes (0: any length). */
typedef struct {
    const char *cwd, *input;
    size_t file_most_bytes;
} ToolPlace;

/* Runs argv[0], found by PATH, and waits.  However this program ends, the one it started ends, too.  *output (may be
 * NULL) gets what it wrote, both streams, the first 64 KiB.  STATUS_IO: could not start, or did not end with 0, with
 * the first line it wrote; STATUS_INTERRUPTED: a signal of tool_signals came and the program was ended. */
Status tool_run(Arena *arena, const char *const argv[], const ToolPlace *place, char **output);

/* Holds back SIGINT, SIGTERM and SIGHUP, so that tool_run can end its program and the caller clean up; then lets them
 * through again. */
typedef struct {
    _Alignas(16) unsigned char saved[128];
} ToolSignals;
void tool_signals_hold(ToolSignals *signals);
void tool_signals_release(const ToolSignals *signals);
bool tool_signal_waits(void);

/* The MD5 of a file's bytes as 32 hex digits in the arena. */
Status tool_md5(Arena *arena, const char *path, const char **digest);

/* Unpacks a gzip file of at most that many bytes to `to`. */
Status tool_gunzip(Arena *arena, const char *from, const char *to, size_t most_bytes);

/* The one file of `folder` whose name ends in `suffix`. */
Status tool_find(Arena *arena, const char *folder, const char *suffix, char **path);

/* The CIFAR-10 batches of `folder` that are PNG files of 1024 x N pixels (a row is an image, a column the pixel 32 y +
 * x; data_batch_1..5.png, test_batch.png, labels as JSON arrays) into the official binary layout (.bin) in the same
 * folder. */
Status cifar10_from_png(Arena *arena, const char *folder);

#endif
