/* Learned step size quantization (Esser 2020, 1902.08153): the scale is a parameter trained with the weights.
 *   v = x / s;  xq = s * rne(clip(v, n, p));  d xq / d s = rne(v) - v inside, n or p outside. */
#include <math.h>

#include "kernels/kernels.h"
#include "quant/fake_quant.h"

static const float SMALLEST_STEP = 1e-8f;

static void lsq_start(Quantizer *q, float lo, float hi)
{
    if (q->ready) return; /* from here on the step is the optimizer's */
    grid_symmetric(lo, hi, &q->qp, 0);
    q->step->x[0] = q->qp.scale[0];
    q->ready = true;
}

static void lsq_start_weights(Quantizer *q, const WeightView *w)
{
    Arena *arena = arena_create();
    float *values = arena_alloc(arena, sizeof(float) * (size_t)w->n);
    for (int c = 0; c < q->qp.n; c++)
        q->step->x[c] = lsq_initial_step(values, weight_gather(w, q->qp.n, c, values), q->qp.qmax);
    arena_destroy(arena);
    q->ready = true;
}

static void lsq_refresh(Quantizer *q, const WeightView *w)
{
    (void)w;
    for (int c = 0; c < q->qp.n; c++) q->qp.scale[c] = fmaxf(q->step->x[c], SMALLEST_STEP);
}

static double lsq_gradient(size_t n, const float *z, const float *dy, float step, Gate p)
{
    const StepGate pass = {.step = step, .lo = p.lo, .hi = p.hi, .above = p.above};
    return kernels()->step_gradient(n, z, dy, &pass);
}

const QuantizerType quantizer_lsq = {
    .name = "lsq",
    .doc = "learned step size (Esser 2020): the scale is trained with the weights; 2 bits need it",
    .learns = true,
    .start = lsq_start,
    .start_weights = lsq_start_weights,
    .refresh = lsq_refresh,
    .step_gradient = lsq_gradient,
};
