/* y = curve(x). */
#include "autograd/ops.h"

#include "base/parallel.h"

typedef struct {
    const CurveType *curve;
    const float *x, *dy;
    float *y, *dx;
    long n;
} CurveNode;

static void forward_chunk(void *context, const ParallelRows *rows)
{
    const CurveNode *c = context;
    c->curve->values((size_t)(rows->last - rows->first), c->x + rows->first, c->y + rows->first);
}

static void backward_chunk(void *context, const ParallelRows *rows)
{
    const CurveNode *c = context;
    for (long i = rows->first; i < rows->last; i++) c->dx[i] += c->dy[i] * (float)c->curve->slope((double)c->x[i]);
}

static void curve_backward(Tape *t, TapeNode *node)
{
    CurveNode *c = node->saved;
    c->dy = node->out->dx;
    c->dx = tensor_grad(t, node->in[0]);
    parallel_rows(c->n, PARALLEL_CHUNKS, backward_chunk, c);
}

static const OpType curve_type = {"curve", "x[...] -> y[...]", curve_backward};

Tensor *op_curve(Tape *t, Tensor *x, const CurveType *curve)
{
    if (!tape_contract(t, &curve_type, 1, &x)) return NULL;
    Tensor *y = tape_tensor(t, curve->name, x->shape);
    CurveNode *c = arena_zalloc(t->arena, sizeof *c);
    *c = (CurveNode){.curve = curve, .x = tensor_values(t, x), .y = y->x, .n = tensor_elements(x)};
    parallel_rows(c->n, PARALLEL_CHUNKS, forward_chunk, c);
    TapeNode *node = tape_record(t, &curve_type, 1, &x, y);
    tensor_values_keep(t, node, x, c->x);
    if (node != NULL) node->saved = c;
    return y;
}
