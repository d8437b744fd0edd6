/* Names of anything made into names of files and of C: a tensor of somebody else's file may be called "../x", "a b" or
 * "int". */
#ifndef BITFOLD_BASE_NAMES_H
#define BITFOLD_BASE_NAMES_H

#include "base/arena.h"

/* A file name for each of n names that differ from each other; in the arena.
 *
 * Each is 1 to NAME_MOST_BYTES bytes of [A-Za-z0-9_.-], does not begin with '.' or '-', and no two are equal.  A name
 * that is so already stays.  In others every other character becomes '_' and what is too long is cut; one that would
 * then be there twice ends in "-I", I its index.  In the 255 bytes of a file system room is left for an extension. */
enum { NAME_MOST_BYTES = 160 };
char **names_of_files(Arena *arena, int n, const char *const *names);

/* The same as identifiers of C: [A-Za-z0-9_], none begins with a digit or is a keyword. */
char **names_in_c(Arena *arena, int n, const char *const *names);

#endif
