/* The scale follows an observer: activations' from what passed by, weights' from the weights themselves. */
#include "quant/quantizer_type.h"

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
        const size_t count = weight_gather(w, q->qp.n, c, values);
        Observer observer = observer_make(q->observer.type, arena, 1.0);
        float lo = 0.0f, hi = 0.0f;
        if (observer_update(&observer, values, count) == STATUS_OK)
            (void)observer_range(&observer, &q->goal, &lo, &hi); /* cannot fail after one update */
        grid_symmetric(lo, hi, &q->qp, c);
        arena_destroy(arena);
    }
}

static void observed_start(Quantizer *q, const QuantizerStart *from)
{
    if (from->weights != NULL && q->observer.type->uses_histogram)
        search_thresholds(q, from->weights);
    else if (from->weights != NULL)
        follow_largest(q, from->weights);
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
    if (w != NULL && !q->observer.type->uses_histogram && !q->fixed) follow_largest(q, w);
}

static double observed_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                                 double x)
{
    (void)param;
    const double lo = q->qp.qmin - q->qp.zero_point, hi = q->qp.qmax - q->qp.zero_point, s = (double)run->scale;
    return s * (fmin(fmax(x / s, lo), hi) + residual);
}

const QuantizerType quantizer_observed = {
    .name = "observed",
    .doc =
        "the scale follows an observer: running extremes or a calibrated threshold; weights: their largest magnitude",
    .uses = QUANTIZES_ALL,
    .start = observed_start,
    .prepare = observed_prepare,
    .surrogate = observed_surrogate,
};
