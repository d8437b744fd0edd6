/* A tensor brought to another grid in integer simulation; straight through inside that grid. */
#include "quant/int_ops.h"

#include "base/parallel.h"
#include "base/rounding.h"

bool rescale_codes(Tape *t, const char *name, const QuantParams *x, const QuantParams *y, Rounding rounding, int lo,
                   int hi, int8_t table[256])
{
    if (rescale_table(rounding, x->scale[0], x->zero_point, y->scale[0], y->zero_point, lo, hi, table)) return true;
    tape_fail(t, status_fail(STATUS_NUMERIC, "%s: rescales %g to %g; %s needs %s", name, (double)x->scale[0],
                             (double)y->scale[0], rounding_names[rounding], rounding_requant_needs(rounding)));
    return false;
}

bool grid_table(Tape *t, const char *name, const QuantParams *x, const QuantParams *y, Rounding rounding,
                int8_t table[256])
{
    const bool same =
        x->scale[0] == y->scale[0] && x->zero_point == y->zero_point && x->qmin >= y->qmin && x->qmax <= y->qmax;
    for (int i = 0; same && i < 256; i++) table[i] = (int8_t)(i - 128);
    return same || rescale_codes(t, name, x, y, rounding, y->qmin, y->qmax, table);
}

void sign_table(const QuantParams *x, int8_t table[256])
{
    for (int i = 0; i < 256; i++) table[i] = i - 128 < x->zero_point ? -1 : 1;
}

typedef struct {
    const Tensor *x;
    Tensor *y;
    int8_t table[256];
    GridBackward grid;
} RequantNode;

static void forward_chunk(void *context, const ParallelRows *rows)
{
    const RequantNode *d = context;
    const QuantParams *qx = d->x->qp, *qy = d->y->qp;
    const int8_t *x = d->x->codes;
    const long last = rows->last; /* the codes are bytes, and could lie there */
    for (long i = rows->first; i < last; i++) d->y->codes[i] = d->table[x[i] + 128];
    if (!grid_kept(&d->grid)) return;
    const float ratio = qx->scale[0] / qy->scale[0];
    for (long at = rows->first; at < rows->last; at += GRID_BLOCK) {
        const long n = rows->last - at < GRID_BLOCK ? rows->last - at : GRID_BLOCK;
        float v[GRID_BLOCK];
        for (long i = 0; i < n; i++) v[i] = ratio * (float)(x[at + i] - qx->zero_point);
        grid_mark(&d->grid, at, n, v);
    }
}

static void requant_int_backward(Tape *t, TapeNode *node)
{
    RequantNode *d = node->saved;
    grid_gate_all(&d->grid, tensor_grad(t, node->out));
    tensor_grad_pass(t, node->in[0], node->out);
}

static const OpType requant_int_type = {"requant_int", "x[...] learned[A]? -> y[...]", requant_int_backward};

Tensor *op_requant_int(Tape *t, Tensor *x, Quantizer *q, Activation act, Rounding rounding)
{
    if (!grid_ready(t, q)) return NULL;
    Tensor *in[] = {x, learned_leaf(t, q)};
    if (!tape_contract(t, &requant_int_type, 2, in)) return NULL;
    ASSERT(x->codes != NULL);
    RequantNode *d = arena_zalloc(t->arena, sizeof *d);
    d->x = x;
    d->y = tape_codes(t, q->name, x->shape, grid_of_step(t, q));
    const QuantParams *qy = d->y->qp;
    int lo, hi;
    activation_clamp(qy, act, &lo, &hi);
    if (grid_is_signs(qy))
        sign_table(x->qp, d->table);
    else if (!rescale_codes(t, q->name, x->qp, qy, rounding, lo, hi, d->table))
        return NULL;
    grid_make(t, &d->grid, q, d->y, gate_of(qy, act));
    parallel_rows(d->grid.n, PARALLEL_CHUNKS, forward_chunk, d);
    TapeNode *node = tape_record(t, &requant_int_type, 2, in, d->y);
    grid_keep(t, &d->grid, node);
    if (node != NULL) node->saved = d;
    return d->y;
}
