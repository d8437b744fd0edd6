/* A folder for one test's files, in memory where the system has such a place: atomic writes wait for the disk. */
#ifndef BITFOLD_TESTS_SUPPORT_SCRATCH_H
#define BITFOLD_TESTS_SUPPORT_SCRATCH_H

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"

static inline const char *scratch_folder(Arena *a)
{
    char *path = arena_printf(a, "%s/bitfold_XXXXXX", access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
    return path;
}

#endif
