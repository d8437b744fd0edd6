/* The product of two tensors in integer simulation; straight through inside the output's grid. */
#include "quant/int_ops.h"

#include "base/parallel.h"
#include "kernels/requant_multiply.h"

typedef struct {
    const Tensor *a, *b;
    Tensor *y;
    long each, factors; /* values of an image of a, and of b */
    MultiplyParams params;
    GridBackward grid;
} MultiplyNode;

/* v = y / s_y before rounding. */
static void keep_gates(const MultiplyNode *d, long at, const int8_t *a, const int8_t *b)
{
    const QuantParams *qa = d->a->qp, *qb = d->b->qp;
    const float ratio = qa->scale[0] * qb->scale[0] / d->y->qp->scale[0];
    for (long from = 0; from < d->factors; from += GRID_BLOCK) {
        const long n = d->factors - from < GRID_BLOCK ? d->factors - from : GRID_BLOCK;
        float v[GRID_BLOCK];
        for (long i = 0; i < n; i++)
            v[i] = ratio * (float)((a[from + i] - qa->zero_point) * (b[from + i] - qb->zero_point));
        grid_mark(&d->grid, at + from, n, v);
    }
}

/* A row: as many values as b has of an image. */
static void multiply_chunk(void *context, const ParallelRows *rows)
{
    const MultiplyNode *d = context;
    for (long k = rows->first; k < rows->last; k++) {
        const long at = k * d->factors, image = at / d->each;
        const int8_t *a = d->a->codes + at, *b = d->b->codes + image * d->factors;
        requant_multiply_rows(&d->params, (size_t)d->factors, a, b, d->y->codes + at);
        if (grid_kept(&d->grid)) keep_gates(d, at, a, b);
    }
}

static void multiply_int_backward(Tape *t, TapeNode *node)
{
    MultiplyNode *d = node->saved;
    grid_gate_all(&d->grid, tensor_grad(t, node->out)); /* nobody reads the output's gradient after this */
    multiply_gradients(t, node->in[0], node->in[1], node->out);
}

static const OpType multiply_int_type = {"multiply_int", "a[N,H,W,C] b[N,K,L,C] learned[A]? -> y[N,H,W,C]",
                                         multiply_int_backward};

Tensor *op_multiply_int(Tape *t, Tensor *a, Tensor *b, Quantizer *q, Activation act, Rounding rounding)
{
    if (!grid_ready(t, q) || !multiply_fits(t, a, b)) return NULL;
    Tensor *in[] = {a, b, learned_leaf(t, q)};
    ASSERT(a->codes != NULL && b->codes != NULL);
    MultiplyNode *d = arena_zalloc(t->arena, sizeof *d);
    const int images = a->shape.dim[0];
    d->a = a, d->b = b, d->each = tensor_elements(a) / images, d->factors = tensor_elements(b) / images;
    d->y = tape_codes(t, q->name, a->shape, grid_of_step(t, q));
    const QuantParams *qa = a->qp, *qb = b->qp, *qy = d->y->qp;
    int lo, hi;
    activation_clamp(qy, act, &lo, &hi);
    if (!multiply_params_make(rounding, qa->scale[0], qa->zero_point, qb->scale[0], qb->zero_point, qy->scale[0],
                              qy->zero_point, lo, hi, &d->params)) {
        tape_fail(t, status_fail(STATUS_NUMERIC, "%s: multiplies scales %g and %g to %g; %s needs %s", q->name,
                                 (double)qa->scale[0], (double)qb->scale[0], (double)qy->scale[0],
                                 rounding_names[rounding], rounding_multiply_needs(rounding)));
        return NULL;
    }
    grid_make(t, &d->grid, q, d->y, gate_of(qy, act));
    parallel_rows(d->grid.n / d->factors, PARALLEL_CHUNKS, multiply_chunk, d);
    TapeNode *node = tape_record(t, &multiply_int_type, 3, in, d->y);
    grid_keep(t, &d->grid, node);
    if (node != NULL) node->saved = d;
    return d->y;
}
