#include "quant/grid.h"

#include <math.h>
#include <string.h>

#include "base/batch_share.h"

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
    if (qp->levels > 0) qp->level = memcpy(arena_alloc(t->arena, (size_t)qp->levels), q->qp.level, (size_t)qp->levels);
    if (qp->zero != NULL) qp->zero = memcpy(arena_alloc(t->arena, (size_t)qp->n), q->qp.zero, (size_t)qp->n);
    if (qp->multiple != NULL)
        qp->multiple = memcpy(arena_alloc(t->arena, (size_t)qp->n), q->qp.multiple, (size_t)qp->n);
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

void quantizer_finish(Quantizer *q, const QuantizerRun *run, QuantizerSums sums)
{
    batch_sum_f64(PARALLEL_CHUNKS, QUANTIZER_SUMS, sums[0]);
    q->type->finish(q, run, sums[0]);
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
    if (g->q->params > 0) quantizer_finish(g->q, &g->run, g->sums);
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
    parallel_images(g->n / g->run.count, g->run.count, gate_chunk, &all);
    grid_gate_end(g);
}
