#include "quant/fake_quant.h"

#include <float.h>
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
        q->type->start(q, lo, hi);
}

void quantizer_step_gradient(Quantizer *q, double sum, long per_image)
{
    if (q->step == NULL) return;
    const double largest = (double)(q->qp.qmax - q->qp.zero_point);
    q->step->dx[0] += (float)(sum / sqrt((double)per_image * largest));
}

typedef struct {
    const float *x, *dy;
    float *dx;
    Epilogue *epilogue;
    long n;
} FakeQuant;

static void forward_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    const FakeQuant *f = context;
    long first, last;
    parallel_range(f->n, PARALLEL_CHUNKS, chunk, &first, &last);
    epilogue_values(f->epilogue, chunk, (size_t)first, (size_t)(last - first), f->x + first);
}

static void backward_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    const FakeQuant *f = context;
    long first, last;
    parallel_range(f->n, PARALLEL_CHUNKS, chunk, &first, &last);
    for (long at = first; at < last; at += EPILOGUE_BLOCK) {
        const size_t n = (size_t)(last - at < EPILOGUE_BLOCK ? last - at : EPILOGUE_BLOCK);
        if (epilogue_learns(f->epilogue)) epilogue_step_add(f->epilogue, chunk, n, f->x + at, f->dy + at);
        if (f->dx != NULL) epilogue_gate(f->epilogue, n, f->x + at, f->dy + at, f->dx + at);
    }
}

static void fake_quant_backward(Tape *t, TapeNode *node)
{
    FakeQuant *f = node->saved;
    bool fresh;
    float *dx = tensor_grad_fresh(t, node->in[0], &fresh);
    f->dy = node->out->dx;
    f->dx = dx == NULL || fresh ? dx : tape_buffer(t, sizeof(float) * (size_t)f->n);
    parallel_for(PARALLEL_CHUNKS, backward_chunk, f);
    if (epilogue_learns(f->epilogue)) epilogue_step_end(f->epilogue);
    if (dx == NULL || fresh) return;
    add_gradient(t, node->in[0], f->dx);
    tape_release(t, f->dx);
}

static const OpType fake_quant_type = {"fake_quant", "x[...] step[A]? -> y[...]", fake_quant_backward};

Tensor *op_fake_quant(Tape *t, Tensor *x, Quantizer *q, Activation a, bool learn)
{
    Tensor *in[] = {x, step_leaf(t, q)};
    if (!tape_contract(t, &fake_quant_type, 2, in)) return NULL;
    if (!grid_ready(t, q)) return NULL;
    FakeQuant *f = arena_zalloc(t->arena, sizeof *f);
    *f = (FakeQuant){.x = tensor_values(t, x),
                     .epilogue =
                         epilogue_make(t, q->name, x->shape, &(EpilogueConfig){.act = a, .q = q, .learn = learn}),
                     .n = tensor_elements(x)};
    parallel_for(PARALLEL_CHUNKS, forward_chunk, f);
    if (!epilogue_done(t, f->epilogue)) return NULL;
    TapeNode *node = tape_record(t, &fake_quant_type, 2, in, f->epilogue->y);
    tensor_values_keep(t, node, x, f->x);
    if (node != NULL) node->saved = f;
    return f->epilogue->y;
}

/* ---- the gate of the integer ops --------------------------------------------------------------------------------- */

void grid_make(Tape *t, GridBackward *g, Quantizer *q, const Tensor *y, Gate pass)
{
    *g = (GridBackward){.q = q, .n = tensor_elements(y), .pass = pass};
    g->per_image = g->n / y->shape.dim[0];
    if (!t->grad) return;
    if (q->type->learns)
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
    const Gate p = g->pass;
    if (g->v != NULL) {
        memcpy(g->v + at, v, sizeof *v * (size_t)n);
        return;
    }
    kernels()->inside((size_t)n, p.lo, p.hi, v, g->inside + at);
}

void grid_gate(GridBackward *g, int chunk, long at, long n, const float *dy, float *dz)
{
    if (g->v != NULL) {
        g->step_sum[chunk] += g->q->type->step_gradient((size_t)n, g->v + at, dy, 1.0f, g->pass);
        kernels()->gate((size_t)n, g->pass.lo, g->pass.hi, g->v + at, dy, dz);
        return;
    }
    kernels()->select_inside((size_t)n, g->inside + at, dy, dz);
}

void grid_gate_end(GridBackward *g)
{
    if (g->v == NULL) return;
    double sum = 0;
    for (int k = 0; k < PARALLEL_CHUNKS; k++) sum += g->step_sum[k];
    quantizer_step_gradient(g->q, sum, g->per_image);
}

typedef struct {
    GridBackward *g;
    float *dy;
} GateAll;

static void gate_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    const GateAll *a = context;
    long first, last;
    parallel_range(a->g->n, PARALLEL_CHUNKS, chunk, &first, &last);
    grid_gate(a->g, chunk, first, last - first, a->dy + first, a->dy + first);
}

void grid_gate_all(GridBackward *g, float *dy)
{
    GateAll all = {g, dy};
    parallel_for(PARALLEL_CHUNKS, gate_chunk, &all);
    grid_gate_end(g);
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

typedef struct {
    QuantParams qp;
    WeightView view;
    float *scale; /* [channels] with the channel's sign */
} WeightQuant;

/* NaN would become a code like any other and hide. */
static bool all_finite(const float *w, long n)
{
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (long i = 0; i < n; i++) sum += 0.0f * w[i];
    return sum == 0.0f;
}

static void dequantize_weights(const WeightQuant *f, const int8_t *codes, float *x)
{
    const WeightView *v = &f->view;
    if (v->outermost) {
        for (long c = 0; c < v->channels; c++, codes += v->per_channel, x += v->per_channel) {
            const float scale = f->scale[c];
#pragma omp simd
            for (long i = 0; i < v->per_channel; i++) x[i] = scale * (float)codes[i];
        }
        return;
    }
    for (long r = 0; r < v->per_channel; r++, codes += v->channels, x += v->channels)
#pragma omp simd
        for (long c = 0; c < v->channels; c++) x[c] = f->scale[c] * (float)codes[c];
}

/* The largest weight of an observed range is its bound, and its quotient may round past it. */
static const float PAST_BOUND = 1.0f + 4.0f * FLT_EPSILON;

/* dw += dy inside the grid, for n weights of scales[i * step]. */
static void inside(const WeightQuant *f, long n, const float *w, const float *scales, long step, const float *dy,
                   float *dw)
{
    const float lo = (float)f->qp.qmin * PAST_BOUND, hi = (float)f->qp.qmax * PAST_BOUND;
#pragma omp simd
    for (long i = 0; i < n; i++) {
        const float v = w[i] / scales[i * step], d = dy[i];
        dw[i] += ((v >= lo) & (v <= hi)) ? d : 0.0f;
    }
}

static void step_backward(const WeightQuant *f, const float *w, const float *dy, float *ds)
{
    const WeightView *v = &f->view;
    const float lo = (float)f->qp.qmin, hi = (float)f->qp.qmax;
    const bool one = f->qp.n == 1;
    const float gradient_scale = 1.0f / sqrtf((float)(one ? v->n : v->per_channel) * hi);
    for (long i = 0; i < v->n; i++) {
        const long c = weight_channel(v, i);
        const float sign = f->scale[c] < 0.0f ? -1.0f : 1.0f;
        ds[one ? 0 : c] += gradient_scale * dy[i] * sign * lsq_step_gradient(w[i] / f->scale[c], lo, hi);
    }
}

static void weights_backward(Tape *t, TapeNode *node)
{
    const WeightQuant *f = node->saved;
    const WeightView *v = &f->view;
    const float *w = node->in[0]->x, *dy = node->out->dx;
    float *dw = tensor_grad(t, node->in[0]), *ds = tensor_grad(t, node->in[1]);
    const long runs = v->outermost ? v->channels : v->per_channel, run = v->n / runs;
    for (long r = 0; dw != NULL && r < runs; r++)
        inside(f, run, w + r * run, v->outermost ? f->scale + r : f->scale, v->outermost ? 0 : 1, dy + r * run,
               dw + r * run);
    if (ds != NULL) step_backward(f, w, dy, ds);
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
    if (!q->ready) q->type->start_weights(q, &f->view);
    q->type->refresh(q, &f->view);
    QuantParams *qp = grid_copy(t, q);
    f->qp = *qp;
    Tensor *y = tape_codes(t, q->name, w->shape, qp);
    y->x = tape_buffer(t, sizeof(float) * (size_t)n);
    y->sign = sign;
    quantize_weights(w->x, channels, (size_t)f->view.per_channel, qp, sign, y->codes);
    f->scale = arena_alloc(t->arena, sizeof(float) * (size_t)channels);
    for (int c = 0; c < channels; c++)
        f->scale[c] = (sign == NULL ? 1.0f : sign[c]) * qp->scale[qp->n == 1 ? 0 : c]; /* -w / s == w / -s, exactly */
    dequantize_weights(f, y->codes, y->x);
    TapeNode *node = tape_record(t, &weights_type, 2, in, y);
    if (node != NULL) node->saved = f;
    return y;
}
