#include "graph/engine.h"

#include <string.h>

#include "base/parallel.h"
#include "base/timing.h"
#include "graph/node.h"
#include "graph/plan.h"

enum { MAX_BATCH = 1 << 20, RUN_CHUNKS = 64 };

struct Engine {
    const Graph *g;
    int batch;           /* 0: tensors are not kept                                         */
    int slots;           /* threads there is working memory for                             */
    EngineNode *node;    /* [nodes]                                                         */
    void **scratch;      /* [slots]                                                        */
    size_t *step;        /* [tensors] bytes from an image's tensor to the next image's; 0 where planned */
    int8_t **base;       /* [slots][tensors]; kept tensors: every slot sees the same block   */
    const int8_t *input; /* of the run in progress                                          */
    int8_t *logits;      /* the bytes of codes or floats */
    int n;
};

static Status alloc_scratch(Arena *arena, Engine *e)
{
    size_t bytes = 0;
    for (int i = 0; i < e->g->nodes; i++)
        if (e->node[i].scratch_bytes > bytes) bytes = e->node[i].scratch_bytes;
    e->scratch = ARENA_ARRAY(arena, void *, e->slots);
    for (int s = 0; s < e->slots; s++) {
        e->scratch[s] = arena_try_alloc(arena, bytes);
        if (e->scratch[s] == NULL) return STATUS_NOMEM;
    }
    return STATUS_OK;
}

/* Every tensor for the whole batch, but for one that shows its input's bytes. */
static Status alloc_kept(Arena *arena, Engine *e)
{
    for (int i = -1; i < e->g->nodes; i++) {
        const Node *n = i < 0 ? NULL : &e->g->node[i];
        const int t = n == NULL ? 0 : n->output;
        e->step[t] = graph_tensor_bytes(&e->g->tensor[t]);
        e->base[t] = n != NULL && node_type(n)->shows_input ? e->base[n->input[0]]
                                                            : arena_try_alloc(arena, e->step[t] * (size_t)e->batch);
        if (e->base[t] == NULL) return STATUS_NOMEM;
    }
    for (int s = 1; s < e->slots; s++)
        memcpy(e->base + s * e->g->tensors, e->base, sizeof *e->base * (size_t)e->g->tensors);
    return STATUS_OK;
}

static Status alloc_planned(Arena *arena, Engine *e)
{
    const Plan plan = plan_make(arena, e->g, &plan_of_engine);
    for (int s = 0; s < e->slots; s++) {
        int8_t *bytes = arena_try_alloc(arena, plan.bytes);
        if (bytes == NULL) return STATUS_NOMEM;
        for (int t = 0; t < e->g->tensors; t++) e->base[s * e->g->tensors + t] = bytes + plan.tensor[t].offset;
    }
    return STATUS_OK;
}

static Status create(Arena *arena, const Graph *g, int batch, Engine **engine)
{
    Engine *e = arena_zalloc(arena, sizeof *e);
    *e = (Engine){.g = g, .batch = batch, .slots = parallel_threads()};
    e->node = ARENA_ARRAY(arena, EngineNode, g->nodes);
    e->step = ARENA_ARRAY(arena, size_t, g->tensors);
    e->base = ARENA_ARRAY(arena, int8_t *, e->slots * g->tensors);
    for (int i = 0; i < g->nodes; i++) TRY(engine_node_prepare(arena, g, &g->node[i], &e->node[i]));
    TRY(alloc_scratch(arena, e));
    TRY(batch > 0 ? alloc_kept(arena, e) : alloc_planned(arena, e));
    *engine = e;
    return STATUS_OK;
}

Status engine_create(Arena *arena, const Graph *g, int batch, Engine **engine)
{
    if (batch < 1 || batch > MAX_BATCH)
        return status_fail(STATUS_INVALID, "engine: batch %d; must be 1 to %d", batch, MAX_BATCH);
    return create(arena, g, batch, engine);
}

Status engine_create_planned(Arena *arena, const Graph *g, Engine **engine) { return create(arena, g, 0, engine); }

static inline void run_node(const Engine *e, int i, int8_t *const *base, long image, int slot)
{
    const Node *n = &e->g->node[i];
    const int8_t *in[NODE_MAX_INPUTS];
    for (int k = 0; k < n->inputs; k++) in[k] = base[n->input[k]] + (size_t)image * e->step[n->input[k]];
    e->node[i].run(&e->node[i], in, base[n->output] + (size_t)image * e->step[n->output], e->scratch[slot]);
}

static void run_image(const Engine *e, long image, int slot)
{
    const Graph *g = e->g;
    int8_t *const *base = e->base + slot * g->tensors;
    const size_t pixels = graph_tensor_bytes(&g->tensor[0]), logits = graph_tensor_bytes(&g->tensor[g->output]);
    memcpy(base[0] + (size_t)image * e->step[0], e->input + (size_t)image * pixels, pixels);
    for (int i = 0; i < g->nodes; i++) run_node(e, i, base, image, slot);
    memcpy(e->logits + (size_t)image * logits, base[g->output] + (size_t)image * e->step[g->output], logits);
}

static void run_images(void *context, const ParallelRows *images)
{
    for (long i = images->first; i < images->last; i++) run_image(context, i, images->thread);
}

void engine_run(Engine *e, const int8_t *input, int n, void *logits)
{
    ASSERT(n >= 0 && (e->batch == 0 || n <= e->batch));
    e->input = input, e->logits = logits, e->n = n;
    int chunks = n < RUN_CHUNKS ? n : RUN_CHUNKS;
    /* No more workers than chunks: threads added since engine_create find no working memory and are not used. */
    if (parallel_threads() > e->slots && chunks > e->slots) chunks = e->slots;
    parallel_rows(n, chunks, run_images, e);
}

void engine_run_timed(Engine *e, const int8_t *input, void *logits, double *seconds)
{
    const Graph *g = e->g;
    memcpy(e->base[0], input, graph_tensor_bytes(&g->tensor[0]));
    double before = timing_seconds();
    for (int i = 0; i < g->nodes; i++) {
        run_node(e, i, e->base, 0, 0);
        const double now = timing_seconds();
        seconds[i] = now - before;
        before = now;
    }
    memcpy(logits, e->base[g->output], graph_tensor_bytes(&g->tensor[g->output]));
}

void engine_run_pixels(Engine *e, Arena *scratch, const uint8_t *pixels, int n, float *reals)
{
    const GraphTensor *y = &e->g->tensor[e->g->output];
    int8_t *codes = arena_alloc(scratch, (size_t)n * (size_t)graph_tensor_elements(&e->g->tensor[0]));
    void *out = arena_alloc(scratch, (size_t)n * graph_tensor_bytes(y));
    graph_quantize_pixels(e->g, pixels, n, codes);
    engine_run(e, codes, n, out);
    graph_tensor_reals(y, out, (size_t)n * (size_t)graph_tensor_elements(y), reals);
}

const int8_t *engine_tensor(const Engine *e, int tensor)
{
    ASSERT(e->batch > 0 && tensor >= 0 && tensor < e->g->tensors);
    return e->base[tensor];
}
