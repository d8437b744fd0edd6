/* Hostile files: one target for each reader of files that users get from others.
 *
 * A target is tests/fuzz/fuzz_NAME.c, which defines fuzz_NAME, a line in targets.def and its seeds in seeds/NAME/.
 * `make fuzz` runs each under libFuzzer (tests/fuzz/main.c), tests/test_fuzz_corpus.c on its seeds, on what was found
 * (found/NAME/) and on some mutants.
 */
#ifndef BITFOLD_TESTS_FUZZ_FUZZ_H
#define BITFOLD_TESTS_FUZZ_FUZZ_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/rng.h"
#include "graph/graph.h"

/* Changes bytes at random within `room`; returns how many there are now.  libFuzzer's own, or the test's. */
typedef size_t FuzzBytes(uint8_t *data, size_t bytes, size_t room);

typedef struct {
    const char *name;
    /* While an input of n bytes is run, no more than FUZZ_FREE_BYTES + n * per_byte bytes may be held. */
    size_t per_byte;
    void (*run)(const uint8_t *data, size_t bytes);
    /* Changes a file so that some of the results still pass the first checks; NULL: only bytes are changed. */
    size_t (*mutate)(uint8_t *data, size_t bytes, size_t room, Rng *rng, FuzzBytes *change);
} FuzzTarget;
enum { FUZZ_FREE_BYTES = 16 << 20, FUZZ_MOST_BYTES = 64 << 10 };

#define FUZZ(name) extern const FuzzTarget fuzz_##name;
#include "tests/fuzz/targets.def"
#undef FUZZ
extern const FuzzTarget *const fuzz_targets[]; /* NULL-ended */

/* A path that reads these bytes until the next call. */
const char *fuzz_path(const void *data, size_t bytes);

/* A folder for what a target writes: TMPDIR, or one in memory. */
const char *fuzz_folder(void);

/* What a reader accepted must be safe to use: it passes graph_check; if it is small, both engines agree on an image;
 * one of the exporters writes it or refuses; what is written as safetensors reads back and is written as the same
 * bytes. */
void fuzz_use_graph(Arena *arena, const Graph *g);

/* One random change somewhere in the tree: a number, a string, an item deleted, doubled, moved or of another type. */
void fuzz_edit_json(cJSON *root, Rng *rng);

/* Safetensors files: the right CRC-32 put in place, where there is one; and changes of header (of JSON inside its
 * metadata, too) and data whose offsets still cover the data.  Tensors get the shapes that an int8 graph in the
 * metadata wants, mostly. */
void fuzz_right_crc(uint8_t *file, size_t bytes);
size_t fuzz_mutate_safe(uint8_t *data, size_t bytes, size_t room, Rng *rng, FuzzBytes *change);

/* ONNX files whose fields hold odd values, raw data fitting its shape mostly, nodes that were put between others, and
 * tensors whose data are in the file FUZZ_ONNX_FILE beside the model. */
#define FUZZ_ONNX_FILE "m.onnx"
size_t fuzz_mutate_onnx(uint8_t *data, size_t bytes, size_t room, Rng *rng, FuzzBytes *change);

#endif
