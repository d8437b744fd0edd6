#include <string.h>
#include <unistd.h>

#include "deploy/safetensors/export_safetensors.h"
#include "base/file.h"
#include "deploy/exporter.h"
#include "graph/plan.h"
#include "graph/engine.h"
#include "graph/graph_check.h"
#include "graph/graph_read.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/random_graph.h"

enum { IMAGES = 2 };
static const double SMALL_WORK = 1 << 20;

/* Cells visited for one image, at most. */
static double work_of(const Graph *g)
{
    double work = 0;
    for (int i = 0; i < g->tensors; i++) work += (double)graph_tensor_elements(&g->tensor[i]);
    for (int i = 0; i < g->nodes; i++) {
        const ConvGeom *k = &g->node[i].geom;
        const double window = (double)k->kh * k->kw * k->oh * k->ow * k->o;
        work += g->node[i].op == NODE_CONV2D || g->node[i].op == NODE_DENSE ? window * (k->c / k->groups) : window;
    }
    return work;
}

static void run_engines(Arena *arena, const Graph *g)
{
    Engine *kept, *planned;
    if (engine_create(arena, g, IMAGES, &kept) != STATUS_OK) return;
    if (engine_create_planned(arena, g, &planned) != STATUS_OK) return;
    const int8_t *images = random_images(arena, g, 1, IMAGES);
    const GraphTensor *y = &g->tensor[g->output];
    const size_t count = graph_tensor_bytes(y) * IMAGES;
    int8_t *a = arena_alloc(arena, count), *b = arena_alloc(arena, count);
    engine_run(kept, images, IMAGES, a);
    engine_run(planned, images, IMAGES, b);
    ASSERT(memcmp(a, b, count) == 0);
    for (size_t i = 0; i < count && !graph_tensor_is_float(y); i++) ASSERT(a[i] >= y->qmin && a[i] <= y->qmax);
}

static void read_again(Arena *arena, const char *path)
{
    uint8_t *first, *second;
    size_t bytes, again;
    Graph *g;
    ASSERT(file_read(arena, path, SIZE_MAX, &first, &bytes) == STATUS_OK);
    ASSERT(graph_read(arena, path, &g) == STATUS_OK);
    ASSERT(export_safetensors(arena, g, path) == STATUS_OK);
    ASSERT(file_read(arena, path, SIZE_MAX, &second, &again) == STATUS_OK);
    ASSERT(again == bytes && memcmp(first, second, bytes) == 0);
}

static void export_one(Arena *arena, const Graph *g, const ExporterType *type)
{
    const char *path = arena_printf(arena, "%s/fuzz_%d%s", fuzz_folder(), (int)getpid(), type->extension);
    const Status status = exporter_write(type, arena, g, path, NULL);
    if (status == STATUS_OK && type == &exporter_safetensors) read_again(arena, path);
    if (status != STATUS_OK) ASSERT(status_message()[0] != '\0');
    unlink(path);
    const char *beside = exporter_companion(type, arena, path);
    if (beside != NULL) unlink(beside);
}

void fuzz_use_graph(Arena *arena, const Graph *g)
{
    ASSERT(graph_check(g) == STATUS_OK);
    const size_t arena_bytes = graph_arena_bytes(g);
    ASSERT(arena_bytes >= (size_t)graph_tensor_elements(&g->tensor[g->output]));
    ASSERT(graph_flash_bytes(g) < SIZE_MAX / 2);
    if (work_of(g) > SMALL_WORK) return;
    run_engines(arena, g);
    int exporter = 0;
    while (exporters[exporter] != NULL) exporter++;
    /* One of them is enough for one file, and always the same one. */
    export_one(arena, g, exporters[(arena_bytes / PLAN_ALIGN_BYTES + (size_t)g->nodes) % (size_t)exporter]);
}
