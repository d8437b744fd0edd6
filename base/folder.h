/* What is in a folder. */
#ifndef BITFOLD_BASE_FOLDER_H
#define BITFOLD_BASE_FOLDER_H

#include "base/arena.h"
#include "base/status.h"

typedef struct {
    char **at; /* [n] */
    int n;
} FolderNames;

/* The names in `folder`, hidden ones too, without "." and "..", in the order of their bytes; the arena owns them.
 * STATUS_IO "FOLDER: cannot read the folder: REASON" when it cannot be opened or not be read to its end. */
Status folder_names(Arena *arena, const char *folder, FolderNames *names);

#endif
