/* One target under libFuzzer, chosen by the program's name.  Every byte that malloc hands out during a run is counted:
 * more than the target's bound, or bytes left behind, are a crash like any other. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t room, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t room);

/* Of the sanitizers' runtime; its header does not come with every compiler. */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *block);

static const FuzzTarget *target;
static size_t held, bound;
static bool counting;

static void broken(const char *what)
{
    counting = false;
    fprintf(stderr, "fuzz: %s: %zu bytes held; at most %zu are allowed\n", what, held, bound);
    abort();
}

static void on_malloc(const volatile void *block, size_t bytes)
{
    (void)block;
    if (!counting) return;
    held += bytes;
    if (held > bound) broken("memory");
}

static void on_free(const volatile void *block)
{
    if (counting && block != NULL) held -= __sanitizer_get_allocated_size(block);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    const char *slash = strrchr((*argv)[0], '/'), *name = slash == NULL ? (*argv)[0] : slash + 1;
    for (int i = 0; fuzz_targets[i] != NULL; i++)
        if (strcmp(fuzz_targets[i]->name, name) == 0) target = fuzz_targets[i];
    if (target == NULL) {
        fprintf(stderr, "%s: no such target; must be a name of tests/fuzz/targets.def\n", name);
        exit(2);
    }
    parallel_set_threads(1);
    return __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0 ? 0 : -1;
}

/* The bytes that stay behind. */
static size_t run(const uint8_t *data, size_t bytes)
{
    held = 0;
    bound = FUZZ_FREE_BYTES + target->per_byte * bytes;
    counting = true;
    target->run(data, bytes);
    counting = false;
    return held;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes > FUZZ_MOST_BYTES) return -1;
    /* What a library keeps from its first use on is no leak; what it keeps from each is. */
    bound = 0;
    if (run(data, bytes) > 0 && run(data, bytes) > 0 && run(data, bytes) > 0) broken("leak");
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t room, unsigned seed)
{
    Rng rng = rng_make(seed, RNG_TEST, 0);
    if (target->mutate == NULL) return LLVMFuzzerMutate(data, bytes, room);
    return target->mutate(data, bytes, room, &rng, LLVMFuzzerMutate);
}
