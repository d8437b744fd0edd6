/* Weights onto their grid; see fake_quant.h. */
#include "quant/fake_quant.h"
#include "quant/split_weights.h"

#include <float.h>
#include <string.h>

#include "quant/oscillation.h"

typedef struct {
    Quantizer *q;
    QuantParams qp; /* of this step */
    WeightView view;
    const float *sign; /* NULL: all positive */
    float *scale;      /* [channels] with the channel's sign */
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
    const ChannelView *v = &f->view.by;
    for (long r = 0; r < v->runs; r++, codes += v->run, x += v->run) {
        const float *scale = f->scale, own = f->scale[v->outermost ? r : 0];
        if (v->outermost) {
#pragma omp simd
            for (long i = 0; i < v->run; i++) x[i] = own * (float)codes[i];
        } else {
#pragma omp simd
            for (long i = 0; i < v->run; i++) x[i] = scale[i] * (float)codes[i];
        }
    }
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

/* ---- run by run -------------------------------------------------------------------------------------------------- */

/* The elements that share a scale: `count` from `first` on, `stride` apart. */
typedef struct {
    long first, stride, count;
} Places;

static Places places_of(const WeightQuant *f, int scale)
{
    const ChannelView *v = &f->view.by;
    if (f->qp.n == 1) return (Places){0, 1, v->n};
    if (f->qp.group > 0) {
        const long at = scale % f->qp.groups * (long)f->qp.group, left = v->run - at;
        return (Places){scale / f->qp.groups * v->run + at, 1, left < f->qp.group ? left : f->qp.group};
    }
    return v->outermost ? (Places){scale * v->run, 1, v->run} : (Places){scale, v->run, v->runs};
}

static QuantizerRun run_of(const WeightQuant *f, int scale, long count)
{
    const int zero = grid_zero(&f->qp, scale);
    const float hi = (float)(f->qp.qmax - zero);
    return (QuantizerRun){.scale = f->qp.scale[scale],
                          .channel = scale,
                          .gate = {.lo = (float)(f->qp.qmin - zero), .hi = hi, .above = hi},
                          .count = count};
}

static float sign_at(const WeightQuant *f, long i)
{
    return f->sign == NULL || f->sign[channel_at(&f->view.by, i)] >= 0.0f ? 1.0f : -1.0f;
}

/* from[] times the channel's sign, one after the other: `from` itself where it lies so. */
static const float *gather(const WeightQuant *f, Places p, const float *from, float *to)
{
    if (p.stride == 1 && f->sign == NULL) return from + p.first;
    for (long i = 0, at = p.first; i < p.count; i++, at += p.stride) to[i] = sign_at(f, at) * from[at];
    return to;
}

static void quantize_runs(Tape *t, const WeightQuant *f, int8_t *codes)
{
    float *room = tape_buffer(t, sizeof(float) * (size_t)f->view.by.n);
    int8_t *run_codes = tape_buffer(t, (size_t)f->view.by.n);
    for (int s = 0; s < f->qp.n; s++) {
        const Places p = places_of(f, s);
        const QuantizerRun run = run_of(f, s, p.count);
        f->q->type->quantize(f->q, &run, (size_t)p.count, gather(f, p, f->view.w, room), run_codes);
        for (long i = 0, at = p.first; i < p.count; i++, at += p.stride) codes[at] = run_codes[i];
    }
    tape_release(t, run_codes);
    tape_release(t, room);
}

/* What the codes that stay add to the gradient of the scale that these weights share. */
static double frozen_scale_gradient(const WeightQuant *f, Places p, const float *dy)
{
    const int8_t *frozen = f->q->frozen_codes;
    double sum = 0.0;
    for (long i = 0, at = p.first; i < p.count; i++, at += p.stride)
        if (frozen[at] != OSCILLATION_FREE) sum += (double)dy[at] * frozen[at];
    return sum;
}

/* dy: of weights that can move, 0 elsewhere; all: of every weight.  dw NULL: not wanted, or done. */
static void backward_runs(Tape *t, const WeightQuant *f, const float *dy, const float *all, float *dw)
{
    const QuantizerType *type = f->q->type;
    const size_t bytes = sizeof(float) * (size_t)f->view.by.n;
    float *x_room = tape_buffer(t, bytes), *dy_room = tape_buffer(t, bytes);
    float *dx = dw == NULL ? NULL : tape_buffer(t, bytes);
    for (int s = 0; s < f->qp.n; s++) {
        const Places p = places_of(f, s);
        const QuantizerRun run = run_of(f, s, p.count);
        const float *x = gather(f, p, f->view.w, x_room), *g = gather(f, p, dy, dy_room);
        if (f->q->params > 0) {
            double sum[QUANTIZER_SUMS] = {0};
            type->backward_params(f->q, &run, (size_t)p.count, x, g, sum);
            if (dy != all && type->backward_scale != NULL)
                type->backward_scale(f->q, &run, frozen_scale_gradient(f, p, all), sum);
            type->finish(f->q, &run, sum);
        }
        if (dw == NULL) continue;
        type->backward(f->q, &run, (size_t)p.count, x, g, dx);
        for (long i = 0, at = p.first; i < p.count; i++, at += p.stride) dw[at] += sign_at(f, at) * dx[i];
    }
    tape_release(t, dx);
    tape_release(t, dy_room);
    tape_release(t, x_room);
}

/* ---- codes that oscillate ---------------------------------------------------------------------------------------- */

/* Frozen weights have their code whatever they are; training looks at what the others have. */
static void watch_codes(const WeightQuant *f, bool training, int8_t *codes)
{
    const int8_t *frozen = f->q->frozen_codes;
    struct Oscillation *o = training ? f->q->oscillation : NULL;
    for (long i = 0; i < f->view.by.n; i++) {
        const int way = sign_at(f, i) < 0.0f ? -1 : 1;
        if (frozen != NULL && frozen[i] != OSCILLATION_FREE) {
            const int code = way * frozen[i];
            codes[i] = (int8_t)(code < f->qp.qmin ? f->qp.qmin : code > f->qp.qmax ? f->qp.qmax : code);
        }
        if (o != NULL) o->now[i] = (int8_t)(way * codes[i]);
    }
}

/* The gradient of weights that can move: dy itself where none can be frozen. */
static const float *without_frozen(Tape *t, const WeightQuant *f, const float *dy)
{
    const int8_t *frozen = f->q->frozen_codes;
    const long n = f->view.by.n;
    if (frozen == NULL) return dy;
    float *moving = tape_buffer(t, sizeof *moving * (size_t)n);
    for (long i = 0; i < n; i++) moving[i] = frozen[i] != OSCILLATION_FREE ? 0.0f : dy[i];
    return moving;
}

/* dw += 2 lambda (w - w^) inside the grid, of weights that can move. */
static void dampen(const WeightQuant *f, const float *w, const float *quantized, float *dw)
{
    struct Oscillation *o = f->q->oscillation;
    const int8_t *frozen = f->q->frozen_codes;
    const float factor = (float)(2.0 * o->lambda);
    o->squares = 0.0;
    for (long i = 0; i < f->view.by.n; i++) {
        const float v = w[i] / f->scale[channel_at(&f->view.by, i)], off = w[i] - quantized[i];
        const bool within = v >= (float)f->qp.qmin && v <= (float)f->qp.qmax;
        if (!within || (frozen != NULL && frozen[i] != OSCILLATION_FREE)) continue;
        dw[i] += factor * off;
        o->squares += (double)off * (double)off;
    }
}

/* ---- the op ------------------------------------------------------------------------------------------------------ */

static void weights_backward(Tape *t, TapeNode *node)
{
    const WeightQuant *f = node->saved;
    const ChannelView *v = &f->view.by;
    const float *w = node->in[0]->x, *all = node->out->dx, *dy = without_frozen(t, f, all);
    float *dw = tensor_grad(t, node->in[0]);
    const bool gated = quantizer_is_fused(f->q), split = grid_is_split(&f->qp);
    if (gated && dw != NULL && split) split_inside(&f->qp, &(WeightView){.w = w, .by = *v}, f->sign, dy, dw);
    for (long r = 0, at = 0; gated && dw != NULL && !split && r < v->runs; r++, at += v->run)
        inside(f, v->run, w + at, v->outermost ? f->scale + r : f->scale, v->outermost ? 0 : 1, dy + at, dw + at);
    if (f->q->params > 0 || !gated) backward_runs(t, f, dy, all, gated ? NULL : dw);
    if (dw != NULL && f->q->oscillation != NULL && f->q->oscillation->lambda > 0.0) dampen(f, w, node->out->x, dw);
    if (dy != all) tape_release(t, (float *)dy);
}

static const OpType weights_type = {"fake_quant_weights", "w[...] learned[A]? -> y[...]", weights_backward};

Tensor *op_fake_quant_weights(Tape *t, Tensor *w, Quantizer *q, const float *sign)
{
    Tensor *in[] = {w, learned_leaf(t, q)};
    if (!tape_contract(t, &weights_type, 2, in)) return NULL;
    const long n = tensor_elements(w);
    if (!all_finite(w->x, n)) {
        tape_fail(t, status_fail(STATUS_NUMERIC, "%s: a weight is not finite; finite weights are required", q->name));
        return NULL;
    }
    WeightQuant *f = arena_zalloc(t->arena, sizeof *f);
    *f = (WeightQuant){.q = q, .view = {w->x, channel_view(w->shape, q->qp.axis == 0), sign}, .sign = sign};
    const int channels = f->view.by.channels;
    if (!q->ready) q->type->start(q, &(QuantizerStart){.weights = &f->view});
    q->type->prepare(q, &f->view);
    split_multiples(&q->qp);
    QuantParams *qp = grid_copy(t, q);
    f->qp = *qp;
    if (qp->multiple != NULL) qp = split_grid_of_integers(t->arena, qp);
    Tensor *y = tape_codes(t, q->name, w->shape, qp);
    y->x = tape_buffer(t, sizeof(float) * (size_t)n);
    y->sign = sign;
    if (grid_is_split(&f->qp))
        split_quantize(&f->qp, &f->view, sign, y->codes, y->x);
    else if (q->type->quantize != NULL)
        quantize_runs(t, f, y->codes);
    else
        quantize_weights(w->x, channels, (size_t)channel_elements(&f->view.by), qp, sign, y->codes);
    if (q->frozen_codes != NULL || q->oscillation != NULL) watch_codes(f, t->grad, y->codes);
    f->scale = arena_alloc(t->arena, sizeof(float) * (size_t)channels);
    for (int c = 0; c < channels && !grid_is_split(&f->qp); c++)
        f->scale[c] = (sign == NULL ? 1.0f : sign[c]) * qp->scale[qp->n == 1 ? 0 : c]; /* -w / s == w / -s, exactly */
    if (!grid_is_split(&f->qp)) dequantize_weights(f, y->codes, y->x);
    TapeNode *node = tape_record(t, &weights_type, 2, in, y);
    if (node != NULL) node->saved = f;
    return y;
}
