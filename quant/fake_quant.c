#include "quant/fake_quant.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/parallel.h"

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

GridPass grid_pass(const QuantParams *qp, Activation a)
{
    GridPass p = {.lo = (float)(qp->qmin - qp->zero_point), .hi = (float)(qp->qmax - qp->zero_point)};
    p.above = p.hi;
    if (a.relu && p.lo < 0.0f) p.lo = 0.0f;
    const float limit = a.limit / qp->scale[0];
    if (limit < p.hi) p.hi = limit, p.above = rintf(limit) - limit;
    return p;
}

static QuantParams *grid_copy(Tape *t, const Quantizer *q)
{
    QuantParams *qp = arena_alloc(t->arena, sizeof *qp);
    *qp = q->qp;
    qp->scale = arena_alloc(t->arena, sizeof(float) * (size_t)qp->n);
    memcpy(qp->scale, q->qp.scale, sizeof(float) * (size_t)qp->n);
    return qp;
}

QuantParams *grid_of_step(Tape *t, Quantizer *q)
{
    q->type->refresh(q, NULL);
    return grid_copy(t, q);
}

bool grid_ready(Tape *t, const Quantizer *q)
{
    if (!tape_failed(t) && !q->ready)
        tape_fail(t, status_fail(STATUS_STATE, "%s: its range was never observed; calibrate first", q->name));
    return !tape_failed(t);
}

Tensor *step_leaf(Tape *t, const Quantizer *q)
{
    return q->step == NULL ? NULL : tape_leaf(t, q->step->name, q->step->shape, q->step->x, q->step->dx);
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

typedef struct {
    const float *x;
    int8_t *codes;
    QuantParams qp;
    int lo, hi;
    GridPass pass;
    float min[PARALLEL_CHUNKS], max[PARALLEL_CHUNKS];
    bool finite[PARALLEL_CHUNKS];
    bool learn;
    const QuantizerType *type;
    GridBackward grid;
} FakeQuant;

/* NaN would become a code like any other and hide. */
static bool all_finite(const float *w, long n)
{
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (long i = 0; i < n; i++) sum += 0.0f * w[i];
    return sum == 0.0f;
}

static void forward_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    FakeQuant *f = context;
    long first, last;
    parallel_range(f->grid.n, PARALLEL_CHUNKS, chunk, &first, &last);
    const float *x = f->x;
    quantize_tensor(x + first, (size_t)(last - first), f->qp.scale[0], f->qp.zero_point, f->lo, f->hi, f->codes + first,
                    NULL);
    f->finite[chunk] = all_finite(x + first, last - first);
    if (!f->learn || first == last) return;
    float min = x[first], max = x[first];
#pragma omp simd reduction(min : min) reduction(max : max)
    for (long i = first; i < last; i++) {
        min = x[i] < min ? x[i] : min;
        max = x[i] > max ? x[i] : max;
    }
    f->min[chunk] = min;
    f->max[chunk] = max;
}

static void fake_quant_backward(Tape *t, Node *node);
static const OpType fake_quant_type = {"fake_quant", "x[...] step[A]? -> y[...]", fake_quant_backward};

/* What passed by, after the activation: max(x, 0) and min(x, limit) are monotone, so they act on the extremes. */
static void learn_extremes(Tape *t, Quantizer *q, float min, float max, Activation a)
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
        q->type->start(q, lo, hi);
}

Tensor *op_fake_quant(Tape *t, Tensor *x, Quantizer *q, Activation a, bool learn)
{
    Tensor *step = step_leaf(t, q);
    Tensor *in[] = {x, step};
    if (!tape_contract(t, &fake_quant_type, 2, in)) return NULL;
    if (!grid_ready(t, q)) return NULL;
    FakeQuant *f = arena_zalloc(t->arena, sizeof *f);
    QuantParams *qp = grid_of_step(t, q);
    Tensor *y = tape_codes(t, q->name, x->shape, qp);
    const long n = tensor_elements(x);
    *f = (FakeQuant){.x = tensor_values(t, x),
                     .codes = y->codes,
                     .qp = *qp,
                     .pass = grid_pass(qp, a),
                     .learn = learn && !q->type->learns,
                     .type = q->type,
                     .grid = {.q = q, .n = n, .per_image = n / x->shape.dim[0]}};
    activation_clamp(qp, a, &f->lo, &f->hi);
    parallel_for(PARALLEL_CHUNKS, forward_chunk, f);
    for (int k = 0; k < PARALLEL_CHUNKS; k++)
        if (!f->finite[k]) {
            tape_fail(
                t, status_fail(STATUS_NUMERIC, "%s: a value is not finite; finite activations are required", q->name));
            return NULL;
        }
    if (f->learn) {
        float min = f->min[0], max = f->max[0];
        for (int k = 1; k < PARALLEL_CHUNKS && k < n; k++) min = fminf(min, f->min[k]), max = fmaxf(max, f->max[k]);
        learn_extremes(t, q, min, max, a);
    }
    Node *node = tape_record(t, &fake_quant_type, 2, in, y);
    if (node != NULL) node->saved = f;
    return y;
}

/* The mask and the residual are recomputed from x, which is alive anyway. */
static void residual_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    FakeQuant *f = context;
    long first, last;
    parallel_range(f->grid.n, PARALLEL_CHUNKS, chunk, &first, &last);
    const float scale = f->qp.scale[0];
    for (long at = first; at < last; at += GRID_BLOCK) {
        const long n = last - at < GRID_BLOCK ? last - at : GRID_BLOCK;
        float v[GRID_BLOCK];
#pragma omp simd
        for (long i = 0; i < n; i++) v[i] = f->x[at + i] / scale;
        grid_mark(&f->grid, f->pass, at, n, v);
    }
}

static void fake_quant_backward(Tape *t, Node *node)
{
    FakeQuant *f = node->saved;
    f->grid.inside = arena_alloc(t->arena, (size_t)f->grid.n);
    if (f->type->learns) f->grid.residual = arena_alloc(t->arena, sizeof(float) * (size_t)f->grid.n);
    parallel_for(PARALLEL_CHUNKS, residual_chunk, f);
    float *dx = tensor_grad(t, node->in[0]);
    grid_backward(&f->grid, node->out->dx, dx);
}

typedef struct {
    const GridBackward *g;
    const float *dy;
    float *dx;
    double sum[PARALLEL_CHUNKS];
} Masked;

static void masked_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    Masked *m = context;
    long first, last;
    parallel_range(m->g->n, PARALLEL_CHUNKS, chunk, &first, &last);
    const uint8_t *inside = m->g->inside;
    const float *dy = m->dy, *residual = m->g->residual;
    float *dx = m->dx;
    if (dx != NULL) {
#pragma omp simd
        for (long i = first; i < last; i++) dx[i] += (float)inside[i] * dy[i];
    }
    if (residual == NULL) return;
    double sum = 0;
    for (long at = first; at < last; at += GRID_BLOCK) {
        const long end = at + GRID_BLOCK < last ? at + GRID_BLOCK : last;
        float block = 0.0f;
#pragma omp simd reduction(+ : block)
        for (long i = at; i < end; i++) block += dy[i] * residual[i];
        sum += (double)block;
    }
    m->sum[chunk] = sum;
}

GridBackward grid_make(Tape *t, Quantizer *q, const Tensor *y)
{
    const long n = tensor_elements(y);
    GridBackward g = {.q = q, .n = n, .per_image = n / y->shape.dim[0]};
    if (!t->grad) return g;
    g.inside = arena_alloc(t->arena, (size_t)n);
    if (q->type->learns) g.residual = arena_alloc(t->arena, sizeof(float) * (size_t)n);
    return g;
}

void grid_mark(const GridBackward *g, GridPass p, long at, long n, const float *v)
{
    uint8_t *inside = g->inside + at;
#pragma omp simd
    /* cppcheck-suppress uninitvar ; callers fill v in a loop over the same n */
    for (long i = 0; i < n; i++) inside[i] = (v[i] >= p.lo) & (v[i] <= p.hi);
    if (g->residual == NULL) return;
    memcpy(g->residual + at, v, sizeof *v * (size_t)n);
    g->q->type->step_gradients(n, g->residual + at, p);
}

void grid_backward(const GridBackward *g, const float *dy, float *dx)
{
    Masked m = {.g = g, .dy = dy, .dx = dx};
    parallel_for(PARALLEL_CHUNKS, masked_chunk, &m);
    if (g->residual == NULL || g->q->step == NULL) return;
    double sum = 0;
    for (int k = 0; k < PARALLEL_CHUNKS; k++) sum += m.sum[k];
    const double largest = (double)(g->q->qp.qmax - g->q->qp.zero_point);
    g->q->step->dx[0] += (float)(sum / sqrt((double)g->per_image * largest));
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

typedef struct {
    QuantParams qp;
    const float *sign;
    WeightView view;
} WeightQuant;

/* The largest weight of an observed range is its bound, and its quotient may round past it. */
static const float PAST_BOUND = 1.0f + 4.0f * FLT_EPSILON;

static void weights_backward(Tape *t, Node *node)
{
    const WeightQuant *f = node->saved;
    const Tensor *w = node->in[0];
    float *dw = tensor_grad(t, node->in[0]);
    float *ds = tensor_grad(t, node->in[1]);
    const float *dy = node->out->dx;
    const float lo = (float)f->qp.qmin, hi = (float)f->qp.qmax;
    const long n = f->view.n, per_step = f->qp.n == 1 ? n : f->view.per_channel;
    const float gradient_scale = 1.0f / sqrtf((float)per_step * hi);
    for (long i = 0; i < n; i++) {
        const long c = weight_channel(&f->view, i);
        const float sign = f->sign == NULL ? 1.0f : f->sign[c], scale = f->qp.scale[f->qp.n == 1 ? 0 : c];
        const float v = sign * w->x[i] / scale;
        if (dw != NULL && v >= lo * PAST_BOUND && v <= hi * PAST_BOUND) dw[i] += dy[i];
        if (ds != NULL) ds[f->qp.n == 1 ? 0 : c] += gradient_scale * dy[i] * sign * lsq_step_gradient(v, lo, hi);
    }
}

static const OpType weights_type = {"fake_quant_weights", "w[...] step[A]? -> y[...]", weights_backward};

Tensor *op_fake_quant_weights(Tape *t, Tensor *w, Quantizer *q, const float *sign)
{
    Tensor *step = step_leaf(t, q);
    Tensor *in[] = {w, step};
    if (!tape_contract(t, &weights_type, 2, in)) return NULL;
    const long n = tensor_elements(w);
    if (!all_finite(w->x, n)) {
        tape_fail(t, status_fail(STATUS_NUMERIC, "%s: a weight is not finite; finite weights are required", q->name));
        return NULL;
    }
    WeightQuant *f = arena_zalloc(t->arena, sizeof *f);
    const bool outermost = q->qp.axis == 0;
    const int channels = w->shape.dim[outermost ? 0 : w->shape.rank - 1];
    f->view = (WeightView){w->x, n, n / channels, channels, outermost};
    f->sign = sign;
    if (!q->ready) q->type->start_weights(q, &f->view);
    q->type->refresh(q, &f->view);
    QuantParams *qp = grid_copy(t, q);
    f->qp = *qp;
    Tensor *y = tape_codes(t, q->name, w->shape, qp);
    y->x = tape_buffer(t, sizeof(float) * (size_t)n);
    y->sign = sign;
    quantize_weights(w->x, channels, (size_t)f->view.per_channel, qp, sign, y->codes);
    for (long i = 0; i < n; i++) {
        const long c = weight_channel(&f->view, i);
        y->x[i] = (sign == NULL ? 1.0f : sign[c]) * qp->scale[qp->n == 1 ? 0 : c] * (float)y->codes[i];
    }
    Node *node = tape_record(t, &weights_type, 2, in, y);
    if (node != NULL) node->saved = f;
    return y;
}
