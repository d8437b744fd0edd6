/* The import of ONNX files, float and integer, to the model folder and on to a forward pass. */
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/fuzz/fuzz.h"
#include "train/import.h"

static const double SMALL_WORK = 1 << 20;

static void run_model(Arena *arena, Model *m)
{
    double work = (double)m->input.h * m->input.w * m->input.c;
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        work += (double)layer_macs(l) + (double)l->out.h * l->out.w * l->out.c;
    }
    if (work > SMALL_WORK) return;
    const size_t count = (size_t)m->input.h * (size_t)m->input.w * (size_t)m->input.c;
    uint8_t *pixels = arena_alloc(arena, count);
    for (size_t i = 0; i < count; i++) pixels[i] = (uint8_t)(97 * i);
    Arena *step = arena_create();
    Tape *t = tape_create(arena, step);
    tape_reset(t, false);
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    ASSERT(model_forward(m, t, &mode, pixels, 1) != NULL);
    arena_destroy(step);
}

/* In a folder of its own, as external data lie beside the model: the file itself is the one there is (FUZZ_ONNX_FILE). */
static const char *put_model(Arena *arena, const uint8_t *data, size_t bytes)
{
    const char *folder = arena_printf(arena, "%s/onnx_%d", fuzz_folder(), (int)getpid());
    ASSERT(file_make_dir(folder) == STATUS_OK);
    const char *path = file_join(arena, folder, FUZZ_ONNX_FILE);
    FILE *f = fopen(path, "wb");
    ASSERT(f != NULL && fwrite(data, 1, bytes, f) == bytes && fclose(f) == 0);
    return path;
}

static void run(const uint8_t *data, size_t bytes)
{
    static char *const command[] = {"import", NULL};
    Arena *arena = arena_create();
    const ImportRequest request = {.path = put_model(arena, data, bytes),
                                   .out = arena_printf(arena, "%s/imported_%d", fuzz_folder(), (int)getpid()),
                                   .overwrite = true,
                                   .argc = 1,
                                   .argv = command};
    ImportOutcome out;
    const Status status = run_import(arena, &request, &out);
    if (status == STATUS_OK && out.model != NULL) run_model(arena, out.model);
    if (status == STATUS_OK && out.imported.graph != NULL) fuzz_use_graph(arena, out.imported.graph);
    if (status != STATUS_OK) ASSERT(status_message()[0] != '\0');
    arena_destroy(arena);
}

const FuzzTarget fuzz_onnx = {.name = "onnx", .per_byte = 64, .run = run, .mutate = fuzz_mutate_onnx};
