/* Files: whole reads, and writes that appear under their final name complete or not at all. */
#ifndef BITFOLD_BASE_FILE_H
#define BITFOLD_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/status.h"

/* Every descriptor that the program opens goes through this function: one of 0 to 2, which open() gives when a standard
 * stream is closed, is replaced by a higher one, so that what is meant for a terminal never ends in a file.  -1 stays
 * -1, and errno stays as it is. */
int file_descriptor(int fd);

/* STATUS_IO, "PATH: cannot VERB: the reason in errno". */
Status file_fail(const char *path, const char *verb);

/* Opens a regular file for reading; *fd is the caller's to close.  Anything else is refused, and a FIFO without waiting
 * for its writer.  STATUS_IO names path and reason. */
Status file_open_fd(const char *path, int *fd, size_t *bytes);

/* The same for a file below `folder`: `name` is relative, has no part "..", and no symbolic link on the way leads out.
 * STATUS_FORMAT otherwise. */
Status file_open_below(const char *folder, const char *name, int *fd, size_t *bytes);

/* file_open_fd of a file of at most max_bytes, as a stream.  file_next reads that many bytes more, and a NUL after
 * them. */
Status file_open(const char *path, size_t max_bytes, FILE **file, size_t *bytes);
Status file_next(Arena *arena, FILE *file, const char *path, size_t bytes, unsigned char **data);

/* Reads a regular file of at most max_bytes; *data gets a NUL after the last byte. */
Status file_read(Arena *arena, const char *path, size_t max_bytes, unsigned char **data, size_t *bytes);

/* Exactly `bytes` from byte `offset` of a regular file on. */
Status file_read_at(const char *path, uint64_t offset, void *to, size_t bytes);

/* A stream that appends to a file, and one on a file without a name, gone when it is closed; both are the caller's. */
Status file_append(const char *path, FILE **stream);
Status file_nameless(FILE **stream);

/* A file that is written under a temporary name in the same folder (base/temporary.h) and renamed into place by
 * file_commit. */
typedef struct {
    FILE *stream; /* can be read back, too; holds the lock on the temporary file until that has its name */
    char *path, *temporary;
    bool finished;
} FileWriter;
/* STATUS_STATE when another process is writing the same path. */
Status file_begin(Arena *arena, const char *path, FileWriter *writer);
/* flush, fsync; no writing after it.  Of files that belong together all are finished before the first is committed:
 * then a full disk leaves every earlier one in place. */
Status file_finish(FileWriter *writer);
Status file_commit(FileWriter *writer); /* file_finish, rename, fsync of the folder; on failure nothing is left */
void file_abort(FileWriter *writer);    /* drops what was written; safe after a failed begin or commit */

/* file_begin, one write, file_commit. */
Status file_write(Arena *arena, const char *path, const void *data, size_t bytes);

bool file_exists(const char *path); /* anything of that name */
bool file_is_dir(const char *path);
Status file_make_dir(const char *path);            /* with its parents; an existing folder is no error */
bool file_ends(const char *path, const char *end); /* whether it ends so, with something before the end */
char *file_join(Arena *arena, const char *folder, const char *name); /* an absolute `name` stands alone */
char *file_dirname(Arena *arena, const char *path);                  /* "." when there is no slash */
char *file_stem(Arena *arena, const char *path);                     /* "configs/a.json" -> "a" */

#endif
