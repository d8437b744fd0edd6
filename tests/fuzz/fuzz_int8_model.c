/* The int8 model: what `bitfold export --to safetensors` wrote and `bitfold export` and the library read. */
#include <string.h>
#include <unistd.h>

#include "deploy/safetensors/export_safetensors.h"
#include "base/file.h"
#include "deploy/exporter.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/random_graph.h"
#include "graph/graph_read.h"

static void run(const uint8_t *data, size_t bytes)
{
    Arena *arena = arena_create();
    uint8_t *file = arena_alloc(arena, bytes);
    memcpy(file, data, bytes);
    fuzz_right_crc(file, bytes);
    Graph *g;
    if (graph_read(arena, fuzz_path(file, bytes), &g) == STATUS_OK) fuzz_use_graph(arena, g);
    arena_destroy(arena);
}

/* A whole new model, valid. */
static size_t generate(uint8_t *data, size_t room, Rng *rng)
{
    Arena *arena = arena_create();
    const Graph *g = random_graph(arena, rng_u32(rng), 1 + (int)rng_below(rng, 6), (Rounding)rng_below(rng, 3));
    const char *path = arena_printf(arena, "%s/seed_%d.safetensors", fuzz_folder(), (int)getpid());
    uint8_t *file;
    size_t bytes = 0;
    if (export_safetensors(arena, g, path) == STATUS_OK && file_read(arena, path, room, &file, &bytes) == STATUS_OK)
        memcpy(data, file, bytes);
    else
        bytes = 0;
    unlink(path);
    unlink(exporter_companion(&exporter_safetensors, arena, path));
    arena_destroy(arena);
    return bytes;
}

static size_t mutate(uint8_t *data, size_t bytes, size_t room, Rng *rng, FuzzBytes *change)
{
    if (rng_below(rng, 64) == 0) {
        const size_t made = generate(data, room, rng);
        if (made > 0) return made;
    }
    return fuzz_mutate_safe(data, bytes, room, rng, change);
}

const FuzzTarget fuzz_int8_model = {.name = "int8_model", .per_byte = 64, .run = run, .mutate = mutate};
