/* A curve as its table of codes, which is what is deployed; straight through inside the output's grid. */
#include "quant/int_ops.h"

#include <math.h>

#include "base/batch_share.h"
#include "base/parallel.h"

typedef struct {
    const Tensor *x;
    Tensor *y;
    int8_t table[256];
    CurveValues values;
    GridBackward grid;
    bool learns;                       /* the observer sees what y spans */
    bool occurs[PARALLEL_CHUNKS][256]; /* learns: which codes x has */
    float *dx;
    const float *dy;
} CurveNode;

static void forward_chunk(void *context, const ParallelRows *rows)
{
    CurveNode *d = context;
    const int8_t *x = d->x->codes;
    int8_t *y = d->y->codes; /* bytes, which could lie anywhere: what the loops need is read before */
    const long first = rows->first, last = rows->last;
    for (long i = first; i < last; i++) y[i] = d->table[x[i] + 128];
    bool *occurs = d->occurs[rows->chunk];
    for (long i = first; d->learns && i < last; i++) occurs[x[i] + 128] = true;
    if (!grid_kept(&d->grid)) return;
    for (long at = first; at < last; at += GRID_BLOCK) {
        const long n = last - at < GRID_BLOCK ? last - at : GRID_BLOCK;
        float v[GRID_BLOCK];
        for (long i = 0; i < n; i++) v[i] = d->values.v[x[at + i] + 128];
        grid_mark(&d->grid, at, n, v);
    }
}

static void backward_chunk(void *context, const ParallelRows *rows)
{
    const CurveNode *d = context;
    const int8_t *x = d->x->codes;
    for (long i = rows->first; i < rows->last; i++) d->dx[i] += d->dy[i] * d->values.slope[x[i] + 128];
}

static void curve_int_backward(Tape *t, TapeNode *node)
{
    CurveNode *d = node->saved;
    grid_gate_all(&d->grid, tensor_grad(t, node->out)); /* nobody reads the output's gradient after this */
    d->dy = node->out->dx;
    d->dx = tensor_grad(t, node->in[0]);
    if (d->dx != NULL) parallel_rows(d->grid.n, PARALLEL_CHUNKS, backward_chunk, d);
}

static const OpType curve_int_type = {"curve_int", "x[...] learned[A]? -> y[...]", curve_int_backward};

/* The extremes of the curve on the codes that occur. */
static void learn(Tape *t, const CurveNode *d, Quantizer *q)
{
    bool occurs[256] = {false}, other[256];
    float min = INFINITY, max = -INFINITY;
    for (int k = 0; k < PARALLEL_CHUNKS; k++)
        for (int i = 0; i < 256; i++) occurs[i] |= d->occurs[k][i];
    for (int step = 1; step < batch_ranks(); step *= 2) {
        batch_exchange(step, occurs, other, sizeof occurs);
        for (int i = 0; i < 256; i++) occurs[i] |= other[i];
    }
    for (int i = 0; i < 256; i++) {
        if (!occurs[i]) continue;
        const float y = d->values.v[i] * d->y->qp->scale[0];
        min = fminf(min, y), max = fmaxf(max, y);
    }
    quantizer_learn_extremes(t, q, min, max, (Activation){.limit = INFINITY});
}

Tensor *op_curve_int(Tape *t, Tensor *x, const CurveType *curve, Quantizer *q, bool observe)
{
    if (!grid_ready(t, q)) return NULL;
    Tensor *in[] = {x, learned_leaf(t, q)};
    if (!tape_contract(t, &curve_int_type, 2, in)) return NULL;
    ASSERT(x->codes != NULL);
    CurveNode *d = arena_zalloc(t->arena, sizeof *d);
    d->x = x;
    d->y = tape_codes(t, q->name, x->shape, grid_of_step(t, q));
    curve_table(curve, x->qp, d->y->qp, d->table);
    d->learns = observe && !q->type->learns;
    if (d->learns || t->grad) curve_values(curve, x->qp, d->y->qp, &d->values);
    grid_make(t, &d->grid, q, d->y, gate_of(d->y->qp, (Activation){.limit = INFINITY}));
    parallel_rows(d->grid.n, PARALLEL_CHUNKS, forward_chunk, d);
    if (d->learns) learn(t, d, q);
    if (tape_failed(t)) return NULL;
    TapeNode *node = tape_record(t, &curve_int_type, 2, in, d->y);
    grid_keep(t, &d->grid, node);
    if (node != NULL) node->saved = d;
    return d->y;
}
