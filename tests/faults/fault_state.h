/* What a folder holds, in a form in which two runs that did the same are equal. */
#ifndef BITFOLD_TESTS_FAULTS_FAULT_STATE_H
#define BITFOLD_TESTS_FAULTS_FAULT_STATE_H

#include <stdbool.h>

#include "base/arena.h"

/* Every file below the folder, a line each with size and CRC; of those that tell times and processes only the name; the
 * letters that make a temporary file's name unique are left out.  "" without a folder. */
char *state_text(Arena *arena, const char *folder);

/* The first file below the folder that is not whole: neither a line of one of the texts nor, by what it says of itself,
 * complete.  NULL: all are.  Temporary files are passed over. */
const char *state_broken(Arena *arena, const char *folder, const char *const *texts);

/* The lines that only one of the two has, + and -. */
char *state_difference(Arena *arena, const char *text, const char *wanted);

/* The text less the lines of temporary files. */
char *state_without_temporaries(Arena *arena, const char *text);

/* The line of a file in a text; NULL: it is not there. */
const char *state_line(Arena *arena, const char *text, const char *name);

void state_copy(const char *from, const char *to); /* replaces `to`; nothing to copy: `to` is gone */

#endif
