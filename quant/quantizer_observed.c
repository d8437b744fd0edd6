/* The scale follows an observer: activations' from what passed by, weights' from the weights themselves. */
#include <math.h>

#include "quant/split_weights.h"

static void follow_largest(Quantizer *q, const WeightView *w)
{
    float *largest = q->qp.scale; /* becomes the scale below */
    weight_largest(w, q->qp.n, largest);
    for (int c = 0; c < q->qp.n; c++) grid_symmetric(-largest[c], largest[c], &q->qp, c);
}

/* Histogram observers search each channel's threshold once; it then stays. */
static void search_thresholds(Quantizer *q, const WeightView *w)
{
    for (int c = 0; c < q->qp.n; c++) {
        Arena *arena = arena_create();
        float *values = arena_alloc(arena, sizeof(float) * (size_t)w->by.n);
        const size_t count = weight_gather(w, &q->qp, c, values);
        Observer observer = observer_make(q->observer.type, arena, 1.0);
        float lo = 0.0f, hi = 0.0f;
        if (observer_update(&observer, values, count) == STATUS_OK)
            (void)observer_range(&observer, &q->goal, &lo, &hi); /* cannot fail after one update */
        grid_symmetric(lo, hi, &q->qp, c);
        arena_destroy(arena);
    }
}

/* ---- weights with zero points or groups -------------------------------------------------------------------------- */

/* What the weights of each scale span, with 0. */
typedef struct {
    float *lo, *hi;
} Spans;

static bool observed_create(Quantizer *q, ParamSet *params, Arena *arena)
{
    (void)params;
    if (!grid_is_split(&q->qp)) return true;
    Spans *spans = ARENA_ARRAY(arena, Spans, 1);
    *spans = (Spans){ARENA_ARRAY(arena, float, q->qp.n), ARENA_ARRAY(arena, float, q->qp.n)};
    q->state = spans;
    return true;
}

static void follow_spans(const Quantizer *q, const WeightView *w)
{
    const Spans *spans = q->state;
    for (int s = 0; s < q->qp.n; s++) spans->lo[s] = spans->hi[s] = 0.0f;
    for (long i = 0; i < w->by.n; i++) {
        const long s = weight_scale_at(&q->qp, &w->by, i);
        const float v = weight_signed(w, i);
        spans->lo[s] = v < spans->lo[s] ? v : spans->lo[s];
        spans->hi[s] = v > spans->hi[s] ? v : spans->hi[s];
    }
}

/* The threshold is one of magnitudes: with zero points it clips either end. */
static void search_spans(const Quantizer *q, const WeightView *w)
{
    const Spans *spans = q->state;
    const long outputs = q->qp.n / q->qp.groups;
    for (int s = 0; s < q->qp.n; s++) {
        Arena *arena = arena_create();
        float *values = arena_alloc(arena, sizeof(float) * (size_t)w->by.n), lo = 0.0f, hi = 0.0f;
        const size_t count = weight_gather(w, &q->qp, s, values);
        const float *sign = outputs == 1 || w->sign == NULL ? NULL : w->sign + s / q->qp.groups;
        Observer observer = observer_make(q->observer.type, arena, 1.0);
        if (observer_update(&observer, values, count) == STATUS_OK)
            (void)observer_range(&observer, &q->goal, &lo, &hi); /* cannot fail after one update */
        const bool negated = sign != NULL && *sign < 0.0f;
        spans->lo[s] = negated ? -hi : lo, spans->hi[s] = negated ? -lo : hi;
        arena_destroy(arena);
    }
}

/* The scale spans the weights, rounded up where it is a multiple; the zero point then lies where the span begins. */
static void take_spans(Quantizer *q)
{
    const Spans *spans = q->state;
    QuantParams *qp = &q->qp;
    for (int s = 0; s < qp->n; s++)
        qp->scale[s] = qp->zero != NULL ? (spans->hi[s] - spans->lo[s]) / (float)(qp->qmax - qp->qmin)
                                        : fmaxf(-spans->lo[s], spans->hi[s]) / (float)qp->qmax;
    split_scales_settle(qp, true);
    for (int s = 0; s < qp->n && qp->zero != NULL; s++) {
        const float z = rintf((float)qp->qmin - spans->lo[s] / qp->scale[s]);
        qp->zero[s] = spans->hi[s] > spans->lo[s] ? (int8_t)fminf(fmaxf(z, (float)qp->qmin), (float)qp->qmax) : 0;
    }
}

/* ---- the callbacks ----------------------------------------------------------------------------------------------- */

static void start_weights(Quantizer *q, const WeightView *w)
{
    const bool split = grid_is_split(&q->qp), searches = q->observer.type->uses_histogram;
    if (split) {
        (searches ? search_spans : follow_spans)(q, w);
        take_spans(q);
    } else {
        (searches ? search_thresholds : follow_largest)(q, w);
    }
}

static void observed_start(Quantizer *q, const QuantizerStart *from)
{
    if (from->weights != NULL)
        start_weights(q, from->weights);
    else if (q->symmetric)
        grid_symmetric(from->lo, from->hi, &q->qp, 0);
    else
        grid_asymmetric(from->lo, from->hi, &q->qp);
    q->ready = true;
}

/* Weights move every step, so their range is taken anew from the weights of the step: known before the step's data
 * is. */
static void observed_prepare(Quantizer *q, const WeightView *w)
{
    if (w != NULL && !q->observer.type->uses_histogram && !q->fixed) start_weights(q, w);
}

static double observed_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                                 double x)
{
    (void)param;
    const int zero = grid_zero(&q->qp, run->channel);
    const double lo = q->qp.qmin - zero, hi = q->qp.qmax - zero, s = (double)run->scale;
    return s * (fmin(fmax(x / s, lo), hi) + residual);
}

const QuantizerType quantizer_observed = {
    .name = "observed",
    .doc =
        "the scale follows an observer: running extremes or a calibrated threshold; weights: their largest magnitude",
    .uses = QUANTIZES_ALL,
    .affine = true,
    .groups = true,
    .create = observed_create,
    .start = observed_start,
    .prepare = observed_prepare,
    .surrogate = observed_surrogate,
};
