/* y = a + b. */
#include "autograd/ops.h"

#include "base/parallel.h"

typedef struct {
    const float *a, *b;
    float *y;
    long n;
} Add;

static void forward_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    const Add *d = context;
    long first, last;
    parallel_range(d->n, PARALLEL_CHUNKS, chunk, &first, &last);
    const float *a = d->a, *b = d->b;
    float *y = d->y;
#pragma omp simd
    for (long i = first; i < last; i++) y[i] = a[i] + b[i];
}

void add_gradient(Tape *t, Tensor *x, const float *dy)
{
    float *dx = tensor_grad(t, x);
    if (dx == NULL) return;
    Add d = {dx, dy, dx, tensor_elements(x)};
    parallel_for(PARALLEL_CHUNKS, forward_chunk, &d);
}

static void add_backward(Tape *t, Node *node)
{
    add_gradient(t, node->in[0], node->out->dx);
    add_gradient(t, node->in[1], node->out->dx);
}

static const OpType add_type = {"add", "a[N,H,W,C] b[N,H,W,C] -> y[N,H,W,C]", add_backward};

Tensor *op_add(Tape *t, Tensor *a, Tensor *b)
{
    Tensor *in[] = {a, b};
    if (!tape_contract(t, &add_type, 2, in)) return NULL;
    Tensor *y = tape_tensor(t, "add", a->shape);
    Add d = {tensor_values(t, a), tensor_values(t, b), y->x, tensor_elements(y)};
    parallel_for(PARALLEL_CHUNKS, forward_chunk, &d);
    tape_record(t, &add_type, 2, in, y);
    return y;
}
