#include "layers/layer_wide.h"

#include <string.h>

#include "base/align.h"
#include "base/parallel.h"
#include "graph/node.h"
#include "quant/wide_ops.h"

/* The nodes of one layer; tensors 0 to inputs - 1 are what it reads. */
typedef struct {
    const Graph *g;
    EngineNode *node;
    Tensor *const *x;
    int inputs;
    int8_t *y;             /* the bytes of its codes */
    unsigned char *memory; /* for each thread: scratch, then the tensors between nodes */
    size_t scratch_bytes, thread_bytes;
    size_t *offset; /* [tensors] of these; the last tensor is y */
} Run;

static Status lower_alone(Layer *l, const ForwardMode *mode, Arena *arena, Tape *tape, Tensor *const *x, Graph *g)
{
    *g = (Graph){.rounding = mode->rounding};
    Lowering w = {.arena = arena, .tape = tape, .graph = g};
    int most = 0;
    for (int k = 0; k < l->inputs; k++) most = l->input[k] + 1 > most ? l->input[k] + 1 : most;
    w.tensor_of = ARENA_ARRAY(arena, int, most + 1);
    for (int k = 0; k < l->inputs; k++) {
        const QuantParams *qp = x[k]->qp;
        const GraphTensor input = {.name = "input",
                                   .h = l->in[k].h,
                                   .w = l->in[k].w,
                                   .c = l->in[k].c,
                                   .scale = qp->scale[0],
                                   .zero_point = qp->zero_point,
                                   .bits = qp->bits,
                                   .qmin = qp->qmin,
                                   .qmax = qp->qmax,
                                   .format = x[k]->wide != NULL ? FORMAT_INT16 : FORMAT_INT8};
        w.tensor_of[l->input[k] + 1] = lowering_add_tensor(&w, &input);
    }
    if (l->out_q != NULL) l->out_q->type->prepare(l->out_q, NULL);
    return l->type->lower(l, &w);
}

static Status prepare(Run *r, Arena *arena)
{
    const Graph *g = r->g;
    r->node = ARENA_ARRAY(arena, EngineNode, g->nodes);
    r->offset = ARENA_ARRAY(arena, size_t, g->tensors);
    for (int i = 0; i < g->nodes; i++) {
        TRY(engine_node_prepare(arena, g, &g->node[i], &r->node[i]));
        if (r->node[i].scratch_bytes > r->scratch_bytes) r->scratch_bytes = r->node[i].scratch_bytes;
    }
    r->thread_bytes = align_up(r->scratch_bytes);
    for (int i = r->inputs; i < g->tensors - 1; i++) {
        r->offset[i] = r->thread_bytes;
        r->thread_bytes += align_up(graph_tensor_bytes(&g->tensor[i]));
    }
    r->memory = arena_try_alloc(arena, r->thread_bytes * (size_t)parallel_threads());
    return r->memory != NULL ? STATUS_OK : STATUS_NOMEM;
}

static int8_t *tensor_at(const Run *r, int tensor, long image, unsigned char *memory)
{
    const size_t at = (size_t)image * graph_tensor_bytes(&r->g->tensor[tensor]);
    if (tensor < r->inputs) {
        const Tensor *x = r->x[tensor];
        return (x->wide != NULL ? (int8_t *)(void *)x->wide : x->codes) + at;
    }
    return tensor == r->g->tensors - 1 ? r->y + at : (void *)(memory + r->offset[tensor]);
}

static void run_images(void *context, const ParallelRows *rows)
{
    const Run *r = context;
    unsigned char *memory = r->memory + (size_t)rows->thread * r->thread_bytes;
    for (long image = rows->first; image < rows->last; image++)
        for (int i = 0; i < r->g->nodes; i++) {
            const Node *n = &r->g->node[i];
            const int8_t *in[NODE_MAX_INPUTS];
            for (int k = 0; k < n->inputs; k++) in[k] = tensor_at(r, n->input[k], image, memory);
            r->node[i].run(&r->node[i], in, tensor_at(r, n->output, image, memory), memory);
        }
}

/* A tensor for the output, on the layer's grid, or on that of its input. */
static Tensor *output(Layer *l, Tape *t, Tensor *const *x)
{
    const Shape shape = shape_4(x[0]->shape.dim[0], l->out.h, l->out.w, l->out.c);
    if (l->out_q == NULL) return tape_wide(t, l->name, shape, x[0]->qp);
    return grid_ready(t, l->out_q) ? tape_wide(t, l->out_q->name, shape, grid_of_step(t, l->out_q)) : NULL;
}

/* Into y->wide or y->sums, and y->x. */
static Tensor *run_into(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x, Tensor *y)
{
    Arena *arena = arena_create(), *step = arena_create();
    Graph g;
    Run r = {.g = &g, .x = x, .inputs = l->inputs};
    r.y = y->sums != NULL ? (void *)y->sums : y->wide;
    Status status = lower_alone(l, mode, arena, tape_create(arena, step), x, &g);
    if (status == STATUS_OK) status = prepare(&r, arena);
    if (status == STATUS_OK) {
        const long n = x[0]->shape.dim[0];
        parallel_rows(n, parallel_chunks(n), run_images, &r);
        graph_tensor_reals(&g.tensor[g.tensors - 1], r.y, (size_t)tensor_elements(y), y->x);
    } else {
        tape_fail(t, status);
    }
    arena_destroy(step);
    arena_destroy(arena);
    return status == STATUS_OK ? y : NULL;
}

Tensor *layer_run_wide(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x, Tensor *y)
{
    if (y == NULL) y = output(l, t, x);
    return y == NULL ? NULL : run_into(l, mode, t, x, y);
}

Tensor *layer_run_sums(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x, Tensor *y)
{
    if (y == NULL) y = tape_tensor(t, l->name, shape_4(x[0]->shape.dim[0], l->out.h, l->out.w, l->out.c));
    y->sums = tape_buffer(t, sizeof *y->sums * (size_t)tensor_elements(y));
    return run_into(l, mode, t, x, y);
}
