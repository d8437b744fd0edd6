/* y = min(max(x, 0), limit). */
#include "autograd/ops.h"

#include "base/parallel.h"

typedef struct {
    const float *x, *dy;
    float *y, *dx;
    long n;
    float limit;
} Relu;

static void forward_chunk(void *context, const ParallelRows *rows)
{
    const Relu *r = context;
    kernels()->relu_f32((size_t)rows->n, r->limit, r->x + rows->first, r->y + rows->first);
}

static void backward_chunk(void *context, const ParallelRows *rows)
{
    const Relu *r = context;
    const float *x = r->x, *dy = r->dy;
    const float limit = r->limit;
    float *dx = r->dx;
#pragma omp simd
    for (long i = rows->first; i < rows->last; i++) dx[i] += (float)((x[i] > 0.0f) & (x[i] < limit)) * dy[i];
}

static void relu_backward(Tape *t, TapeNode *node)
{
    Relu *r = node->saved;
    r->dy = node->out->dx;
    r->dx = tensor_grad(t, node->in[0]);
    parallel_rows(r->n, PARALLEL_CHUNKS, backward_chunk, r);
}

static const OpType relu_type = {"relu", "x[...] -> y[...]", relu_backward};

Tensor *op_relu(Tape *t, Tensor *x, float limit)
{
    if (!tape_contract(t, &relu_type, 1, &x)) return NULL;
    Tensor *y = tape_tensor(t, "relu", x->shape);
    Relu *r = arena_zalloc(t->arena, sizeof *r);
    *r = (Relu){.x = tensor_values(t, x), .y = y->x, .n = tensor_elements(x), .limit = limit};
    parallel_rows(r->n, PARALLEL_CHUNKS, forward_chunk, r);
    TapeNode *node = tape_record(t, &relu_type, 1, &x, y);
    tensor_values_keep(t, node, x, r->x);
    if (node != NULL) node->saved = r;
    return y;
}
