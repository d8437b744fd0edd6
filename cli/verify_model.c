#include "cli/verify_model.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/temporary.h"
#include "datasets/batch_reader.h"
#include "deploy/safetensors/export_safetensors.h"
#include "graph/engine.h"
#include "graph/graph_read.h"

static Status verify_file(Arena *arena, Model *m, const Dataset *images, const char *path, VerifyResult *result)
{
    Graph *graph;
    TRY(graph_read(arena, path, &graph));
    enum { BATCH = 64 };
    Engine *engine;
    TRY(engine_create(arena, graph, BATCH, &engine));
    Arena *step = arena_create();
    Tape *t = tape_create(arena, step);
    DatasetBatches b = dataset_batches(arena, images, BATCH);
    Status status = STATUS_OK;
    while (dataset_next(&b, &status)) status = verify_batch(m, t, engine, graph, b.pixels, b.n, result);
    arena_destroy(step);
    return status;
}

Status verify_model(Arena *arena, Model *m, const Graph *graph, const Dataset *images, VerifyResult *result)
{
    const char *base = getenv("TMPDIR");
    TemporaryFolder folder;
    TRY(temporary_folder(arena, base == NULL || base[0] == '\0' ? "/tmp" : base, "verify", &folder));
    const char *path = file_join(arena, folder.path, "model.safetensors");
    *result = (VerifyResult){0};
    Status status = export_safetensors(arena, graph, path);
    if (status == STATUS_OK) status = verify_file(arena, m, images, path, result);
    temporary_folder_end(&folder);
    return status;
}
