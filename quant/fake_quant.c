#include "quant/fake_quant.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "quant/epilogue.h"

void activation_clamp(const QuantParams *qp, Activation a, int *lo, int *hi)
{
    *lo = qp->qmin;
    *hi = qp->qmax;
    if (a.relu && qp->zero_point > *lo) *lo = qp->zero_point;
    if (a.limit < INFINITY) {
        const float top = rintf(a.limit / qp->scale[0]) + (float)qp->zero_point;
        if (top < (float)*hi) *hi = (int)top < *lo ? *lo : (int)top;
    }
}

Gate gate_of(const QuantParams *qp, Activation a)
{
    Gate p = {.lo = (float)(qp->qmin - qp->zero_point), .hi = (float)(qp->qmax - qp->zero_point)};
    p.above = p.hi;
    if (a.relu && p.lo < 0.0f) p.lo = 0.0f;
    const float limit = a.limit / qp->scale[0];
    if (limit < p.hi) p.hi = limit, p.above = rintf(limit) - limit;
    return p;
}

QuantParams *grid_copy(Tape *t, const Quantizer *q)
{
    QuantParams *qp = arena_alloc(t->arena, sizeof *qp);
    *qp = q->qp;
    qp->scale = arena_alloc(t->arena, sizeof(float) * (size_t)qp->n);
    memcpy(qp->scale, q->qp.scale, sizeof(float) * (size_t)qp->n);
    return qp;
}

QuantParams *grid_of_step(Tape *t, Quantizer *q)
{
    q->type->prepare(q, NULL);
    return grid_copy(t, q);
}

bool grid_ready(Tape *t, const Quantizer *q)
{
    if (!tape_failed(t) && !q->ready)
        tape_fail(t, status_fail(STATUS_STATE, "%s: its range was never observed; calibrate first", q->name));
    return !tape_failed(t);
}

Tensor *learned_leaf(Tape *t, const Quantizer *q)
{
    const Param *p = q->params == 0 ? NULL : q->param[0];
    return p == NULL ? NULL : tape_leaf(t, p->name, p->shape, p->x, p->dx);
}

Status quantizer_calibrated(Quantizer *q)
{
    float lo, hi;
    const Status status = observer_range(&q->observer, &q->goal, &lo, &hi);
    if (status != STATUS_OK) return status_prefix(status, "%s", q->name);
    quantizer_start(q, lo, hi);
    return STATUS_OK;
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

/* What passed by, after the activation: max(x, 0) and min(x, limit) are monotone, so they act on the extremes. */
void quantizer_learn_extremes(Tape *t, Quantizer *q, float min, float max, Activation a)
{
    if (a.relu) min = fmaxf(min, 0.0f), max = fmaxf(max, 0.0f);
    min = fminf(min, a.limit), max = fminf(max, a.limit);
    if (q->observer.type->uses_histogram) return; /* its threshold is calibration's */
    observer_update_extremes(&q->observer, min, max);
    float lo, hi;
    const Status status = observer_range(&q->observer, &q->goal, &lo, &hi);
    if (status != STATUS_OK)
        tape_fail(t, status);
    else
        quantizer_start(q, lo, hi);
}

void quantizer_finish(Quantizer *q, const QuantizerRun *run, const QuantizerSums sums)
{
    double all[QUANTIZER_SUMS] = {0};
    for (int k = 0; k < PARALLEL_CHUNKS; k++)
        for (int i = 0; i < QUANTIZER_SUMS; i++) all[i] += sums[k][i];
    q->type->finish(q, run, all);
}

typedef struct {
    const float *x, *dy;
    float *dx;
    Epilogue *epilogue;
    long n;
} FakeQuant;

static void forward_chunk(void *context, const ParallelRows *rows)
{
    const FakeQuant *f = context;
    epilogue_values(f->epilogue, rows->chunk, (size_t)rows->first, (size_t)rows->n, f->x + rows->first);
}

static void backward_chunk(void *context, const ParallelRows *rows)
{
    const FakeQuant *f = context;
    for (long at = rows->first; at < rows->last; at += EPILOGUE_BLOCK) {
        const size_t n = (size_t)(rows->last - at < EPILOGUE_BLOCK ? rows->last - at : EPILOGUE_BLOCK);
        if (epilogue_learns(f->epilogue)) epilogue_params_add(f->epilogue, rows->chunk, n, f->x + at, f->dy + at);
        if (f->dx != NULL) epilogue_backward(f->epilogue, n, f->x + at, f->dy + at, f->dx + at);
    }
}

static void fake_quant_backward(Tape *t, TapeNode *node)
{
    FakeQuant *f = node->saved;
    bool fresh;
    float *dx = tensor_grad_fresh(t, node->in[0], &fresh);
    f->dy = node->out->dx;
    f->dx = dx == NULL || fresh ? dx : tape_buffer(t, sizeof(float) * (size_t)f->n);
    parallel_rows(f->n, PARALLEL_CHUNKS, backward_chunk, f);
    if (epilogue_learns(f->epilogue)) epilogue_params_end(f->epilogue);
    if (dx == NULL || fresh) return;
    add_gradient(t, node->in[0], f->dx);
    tape_release(t, f->dx);
}

static const OpType fake_quant_type = {"fake_quant", "x[...] learned[A]? -> y[...]", fake_quant_backward};

Tensor *op_fake_quant(Tape *t, Tensor *x, Quantizer *q, Activation a, bool learn)
{
    Tensor *in[] = {x, learned_leaf(t, q)};
    if (!tape_contract(t, &fake_quant_type, 2, in)) return NULL;
    if (!grid_ready(t, q)) return NULL;
    FakeQuant *f = arena_zalloc(t->arena, sizeof *f);
    *f = (FakeQuant){.x = tensor_values(t, x),
                     .epilogue =
                         epilogue_make(t, q->name, x->shape, &(EpilogueConfig){.act = a, .q = q, .learn = learn}),
                     .n = tensor_elements(x)};
    parallel_rows(f->n, PARALLEL_CHUNKS, forward_chunk, f);
    if (!epilogue_done(t, f->epilogue)) return NULL;
    TapeNode *node = tape_record(t, &fake_quant_type, 2, in, f->epilogue->y);
    tensor_values_keep(t, node, x, f->x);
    if (node != NULL) node->saved = f;
    return f->epilogue->y;
}

/* ---- the gate of the integer ops --------------------------------------------------------------------------------- */

void grid_make(Tape *t, GridBackward *g, Quantizer *q, const Tensor *y, Gate gate)
{
    const long n = tensor_elements(y);
    *g = (GridBackward){.q = q, .n = n, .run = {.scale = 1.0f, .gate = gate, .count = n / y->shape.dim[0]}};
    if (!t->grad) return;
    if (q->params > 0 || !quantizer_is_fused(q))
        g->v = tape_buffer(t, sizeof(float) * (size_t)g->n);
    else
        g->inside = tape_buffer(t, (size_t)g->n);
}

void grid_keep(Tape *t, const GridBackward *g, TapeNode *node)
{
    node_keep(t, node, g->v);
    node_keep(t, node, g->inside);
}

void grid_mark(const GridBackward *g, long at, long n, const float *v)
{
    const Gate p = g->run.gate;
    if (g->v != NULL) {
        memcpy(g->v + at, v, sizeof *v * (size_t)n);
        return;
    }
    kernels()->inside((size_t)n, p.lo, p.hi, v, g->inside + at);
}

void grid_gate(GridBackward *g, int chunk, long at, long n, const float *dy, float *dz)
{
    const QuantizerType *type = g->q->type;
    if (g->v == NULL) {
        kernels()->select_inside((size_t)n, g->inside + at, dy, dz);
        return;
    }
    if (type->backward_params != NULL) type->backward_params(g->q, &g->run, (size_t)n, g->v + at, dy, g->sums[chunk]);
    if (type->backward != NULL)
        type->backward(g->q, &g->run, (size_t)n, g->v + at, dy, dz);
    else
        kernels()->gate((size_t)n, g->run.gate.lo, g->run.gate.hi, g->v + at, dy, dz);
}

void grid_gate_end(GridBackward *g)
{
    if (g->q->params > 0) quantizer_finish(g->q, &g->run, (const double(*)[QUANTIZER_SUMS])g->sums);
}

typedef struct {
    GridBackward *g;
    float *dy;
} GateAll;

static void gate_chunk(void *context, const ParallelRows *rows)
{
    const GateAll *a = context;
    grid_gate(a->g, rows->chunk, rows->first, rows->n, a->dy + rows->first, a->dy + rows->first);
}

void grid_gate_all(GridBackward *g, float *dy)
{
    GateAll all = {g, dy};
    parallel_rows(g->n, PARALLEL_CHUNKS, gate_chunk, &all);
    grid_gate_end(g);
}
