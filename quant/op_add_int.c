/* Residual add and concat in integer simulation; straight through inside the output's grid. */
#include "quant/int_ops.h"

#include <math.h>

#include "base/parallel.h"
#include "base/rounding.h"

typedef struct {
    const Tensor *a, *b;
    Tensor *y;
    AddParams add;
    GridBackward grid;
} AddNode;

static void add_chunk(void *context, const ParallelRows *rows)
{
    const AddNode *d = context;
    const int8_t *a = d->a->codes, *b = d->b->codes;
    kernels()->requant_add_rows(&d->add, (size_t)rows->n, a + rows->first, b + rows->first, d->y->codes + rows->first);
    if (!grid_kept(&d->grid)) return;
    const QuantParams *qa = d->a->qp, *qb = d->b->qp, *qy = d->y->qp;
    const float ra = qa->scale[0] / qy->scale[0], rb = qb->scale[0] / qy->scale[0];
    for (long at = rows->first; at < rows->last; at += GRID_BLOCK) {
        const long n = rows->last - at < GRID_BLOCK ? rows->last - at : GRID_BLOCK;
        float v[GRID_BLOCK];
        for (long i = 0; i < n; i++)
            v[i] = ra * (float)(a[at + i] - qa->zero_point) + rb * (float)(b[at + i] - qb->zero_point);
        grid_mark(&d->grid, at, n, v);
    }
}

static void add_int_backward(Tape *t, TapeNode *node)
{
    AddNode *d = node->saved;
    grid_gate_all(&d->grid, tensor_grad(t, node->out)); /* nobody reads the output's gradient after this */
    tensor_grad_pass(t, node->in[0], node->out);
    tensor_grad_pass(t, node->in[1], node->out);
}

static const OpType add_int_type = {"add_int", "a[N,H,W,C] b[N,H,W,C] learned[A]? -> y[N,H,W,C]", add_int_backward};

Tensor *op_add_int(Tape *t, Tensor *a, Tensor *b, Quantizer *q, Activation act, Rounding rounding)
{
    if (!grid_ready(t, q)) return NULL;
    Tensor *step = learned_leaf(t, q);
    Tensor *in[] = {a, b, step};
    if (!tape_contract(t, &add_int_type, 3, in)) return NULL;
    ASSERT(a->codes != NULL && b->codes != NULL);
    AddNode *d = arena_zalloc(t->arena, sizeof *d);
    d->a = a, d->b = b;
    d->y = tape_codes(t, q->name, a->shape, grid_of_step(t, q));
    const QuantParams *qy = d->y->qp;
    int lo, hi;
    activation_clamp(qy, act, &lo, &hi);
    if (!add_params_make(rounding, a->qp->scale[0], a->qp->zero_point, b->qp->scale[0], b->qp->zero_point, qy->scale[0],
                         qy->zero_point, lo, hi, &d->add)) {
        tape_fail(t, status_fail(STATUS_NUMERIC, "%s: adds scales %g and %g to %g; %s needs %s", q->name,
                                 (double)a->qp->scale[0], (double)b->qp->scale[0], (double)qy->scale[0],
                                 rounding_names[rounding], rounding_add_needs(rounding)));
        return NULL;
    }
    grid_make(t, &d->grid, q, d->y, gate_of(qy, act));
    parallel_rows(d->grid.n, PARALLEL_CHUNKS, add_chunk, d);
    TapeNode *node = tape_record(t, &add_int_type, 3, in, d->y);
    grid_keep(t, &d->grid, node);
    if (node != NULL) node->saved = d;
    return d->y;
}

/* ---- concat ------------------------------------------------------------------------------------------------------ */

static void concat_int_backward(Tape *t, TapeNode *node)
{
    GridBackward *grid = node->saved;
    grid_gate_all(grid, tensor_grad(t, node->out));
    concat_gradients(t, node->inputs - 1, node->in, node->out);
}

static const OpType concat_int_type = {"concat_int", "x*[N,H,W,...] learned[A]? -> y[N,H,W,C]", concat_int_backward};

Tensor *op_concat_int(Tape *t, int inputs, Tensor *const *x, Quantizer *q, Rounding rounding)
{
    if (!grid_ready(t, q) || !concat_fits(t, inputs, x)) return NULL;
    ASSERT(inputs < TAPE_NODE_MAX_INPUTS);
    for (int i = 0; i < inputs; i++) ASSERT(x[i]->codes != NULL);
    Shape shape = x[0]->shape;
    shape.dim[3] = 0;
    for (int i = 0; i < inputs; i++) shape.dim[3] += x[i]->shape.dim[3];
    Tensor *y = tape_codes(t, q->name, shape, grid_of_step(t, q));
    GridBackward *grid = arena_zalloc(t->arena, sizeof *grid);
    const QuantParams *qy = y->qp;
    grid_make(t, grid, q, y, gate_of(qy, (Activation){.limit = INFINITY}));
    const long rows = tensor_elements(y) / shape.dim[3];
    int at = 0;
    for (int i = 0; i < inputs; i++) {
        const QuantParams *qx = x[i]->qp;
        int8_t table[256];
        const float ratio = qx->scale[0] / qy->scale[0];
        const int c = x[i]->shape.dim[3];
        if (!grid_table(t, q->name, qx, qy, rounding, table)) return NULL;
        for (long r = 0; r < rows; r++)
            for (int k = 0; k < c; k++) {
                const int q_x = x[i]->codes[r * c + k];
                const float v = ratio * (float)(q_x - qx->zero_point);
                const long j = r * shape.dim[3] + at + k;
                y->codes[j] = table[q_x + 128];
                if (grid_kept(grid)) grid_mark(grid, j, 1, &v);
            }
        at += c;
    }
    Tensor *in[TAPE_NODE_MAX_INPUTS];
    for (int i = 0; i < inputs; i++) in[i] = x[i];
    in[inputs] = learned_leaf(t, q);
    TapeNode *node = tape_record(t, &concat_int_type, inputs + 1, in, y);
    grid_keep(t, grid, node);
    if (node != NULL) node->saved = grid;
    return y;
}
