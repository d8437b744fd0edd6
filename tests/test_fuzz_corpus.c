/* Hostile files that were found, the seeds, and a fixed set of mutants of both, through every target of `make fuzz`.
 * A target asserts what must hold of whatever its reader accepts; under the sanitizers the rest shows. */
#include <dirent.h>
#include <string.h>

#include "base/file.h"
#include "base/parallel.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/data_files.h"
#include "tests/support/scratch.h"
#include "tests/support/suite.h"

enum { MUTANTS = 60 };

static Rng bytes_rng;

/* A few bytes changed, the file cut or lengthened at times. */
static size_t change(uint8_t *data, size_t bytes, size_t room)
{
    if (bytes < room && rng_below(&bytes_rng, 4) == 0) data[bytes++] = (uint8_t)rng_u32(&bytes_rng);
    if (bytes > 1 && rng_below(&bytes_rng, 8) == 0) bytes -= rng_below(&bytes_rng, (uint32_t)bytes);
    for (uint32_t i = 0, n = 1 + rng_below(&bytes_rng, 4); i < n && bytes > 0; i++)
        data[rng_below(&bytes_rng, (uint32_t)bytes)] = (uint8_t)rng_u32(&bytes_rng);
    return bytes;
}

static void run_mutants(const FuzzTarget *target, const uint8_t *data, size_t bytes, uint64_t seed)
{
    uint8_t *mutant = malloc(FUZZ_MOST_BYTES);
    ck_assert_ptr_nonnull(mutant);
    for (int i = 0; i < MUTANTS; i++) {
        Rng rng = rng_make(seed, RNG_TEST, (uint64_t)i);
        bytes_rng = rng_make(seed, RNG_TEST, 1000 + (uint64_t)i);
        memcpy(mutant, data, bytes);
        const size_t now = target->mutate == NULL ? change(mutant, bytes, FUZZ_MOST_BYTES)
                                                  : target->mutate(mutant, bytes, FUZZ_MOST_BYTES, &rng, change);
        ck_assert_uint_le(now, FUZZ_MOST_BYTES);
        target->run(mutant, now);
    }
    free(mutant);
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static int run_folder(Arena *arena, const FuzzTarget *target, const char *folder)
{
    struct dirent **entry;
    const int n = scandir(folder, &entry, NULL, by_name);
    int files = 0;
    for (int i = 0; i < n; i++) {
        unsigned char *data;
        size_t bytes;
        const char *path = file_join(arena, folder, entry[i]->d_name);
        const bool hidden = entry[i]->d_name[0] == '.';
        free(entry[i]);
        if (hidden) continue;
        ck_assert_msg(file_read(arena, path, FUZZ_MOST_BYTES, &data, &bytes) == STATUS_OK, "%s", status_message());
        target->run(data, bytes);
        run_mutants(target, data, bytes, (uint64_t)files++);
    }
    if (n >= 0) free(entry);
    return files;
}

START_TEST(every_target_survives_its_files)
{
    parallel_set_threads(1);
    Arena *own = arena_create();
    const char *folder = scratch_folder(own);
    ck_assert_int_eq(setenv("TMPDIR", folder, 1), 0);
    for (int i = 0; fuzz_targets[i] != NULL; i++) {
        Arena *arena = arena_create();
        const char *name = fuzz_targets[i]->name;
        ck_assert_int_gt(run_folder(arena, fuzz_targets[i], file_join(arena, "tests/fuzz/seeds", name)), 2);
        run_folder(arena, fuzz_targets[i], file_join(arena, "tests/fuzz/found", name));
        run_folder(arena, fuzz_targets[i], file_join(arena, "tests", name)); /* tests/onnx: models that others wrote */
        arena_destroy(arena);
    }
    folder_remove(folder);
    arena_destroy(own);
}
END_TEST

TEST_MAIN("fuzz_corpus", every_target_survives_its_files)
