#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

const FuzzTarget *const fuzz_targets[] = {
#define FUZZ(name) &fuzz_##name,
#include "tests/fuzz/targets.def"
#undef FUZZ
    NULL};

const char *fuzz_path(const void *data, size_t bytes)
{
    static char path[64];
    static int file = -1;
    if (file < 0) {
        file = memfd_create("input", 0);
        ASSERT(file >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    ASSERT(ftruncate(file, 0) == 0);
    ASSERT(pwrite(file, data, bytes, 0) == (ssize_t)bytes);
    return path;
}

const char *fuzz_folder(void)
{
    const char *folder = getenv("TMPDIR");
    if (folder != NULL) return folder;
    return access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
}
