#include "quant/epilogue.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/batch_share.h"

/* Floats in their order as integers. */
static int32_t ordered(float x)
{
    int32_t i;
    memcpy(&i, &x, sizeof i);
    return i < 0 ? INT32_MIN - i : i;
}

static float from_ordered(int32_t i)
{
    float x;
    if (i < 0) i = INT32_MIN - i;
    memcpy(&x, &i, sizeof x);
    return x;
}

/* The largest finite z with z / scale <= bound, by bisection: the quotient is monotone in z. */
static float largest_below(float bound, float scale)
{
    int64_t lo = ordered(-FLT_MAX), hi = (int64_t)ordered(FLT_MAX) + 1;
    while (hi - lo > 1) {
        const int64_t middle = lo + (hi - lo) / 2;
        if (from_ordered((int32_t)middle) / scale <= bound)
            lo = middle;
        else
            hi = middle;
    }
    return from_ordered((int32_t)lo);
}

/* The same interval as Gate's, on z instead of z / scale: no division in the backward pass. */
static void gate_bounds(Epilogue *epilogue)
{
    if (epilogue->q != NULL) {
        epilogue->lo = -largest_below(-epilogue->run.gate.lo, epilogue->grid.scale);
        epilogue->hi = largest_below(epilogue->run.gate.hi, epilogue->grid.scale);
    } else if (epilogue->act.relu) { /* 1 strictly inside */
        epilogue->lo = nextafterf(0.0f, 1.0f);
        epilogue->hi = epilogue->act.limit < INFINITY ? nextafterf(epilogue->act.limit, 0.0f) : INFINITY;
    } else {
        epilogue->lo = -INFINITY;
        epilogue->hi = INFINITY;
    }
}

Epilogue *epilogue_make(Tape *t, const char *name, Shape shape, const EpilogueConfig *config)
{
    Epilogue *epilogue = arena_zalloc(t->arena, sizeof *epilogue);
    *epilogue = (Epilogue){.act = config->act, .q = config->q};
    if (config->q == NULL) {
        epilogue->y = tape_tensor(t, name, shape);
    } else {
        QuantParams *qp = grid_of_step(t, config->q);
        epilogue->y = tape_codes(t, config->q->name, shape, qp);
        epilogue->learn = config->learn && !config->q->type->learns;
        epilogue->grid = (QuantizeGrid){.scale = qp->scale[0], .zero_point = qp->zero_point};
        epilogue->run = (QuantizerRun){
            .scale = qp->scale[0], .gate = gate_of(qp, config->act), .count = shape_elements(shape) / shape.dim[0]};
        activation_clamp(qp, config->act, &epilogue->grid.lo, &epilogue->grid.hi);
    }
    gate_bounds(epilogue);
    for (int k = 0; k < PARALLEL_CHUNKS; k++) epilogue->seen[k] = (Extremes){.min = INFINITY, .max = -INFINITY};
    return epilogue;
}

/* 1 where z >= 0, else -1. */
static void sign_values(size_t n, const float *z, int8_t *codes, Extremes *seen)
{
    float min = INFINITY, max = -INFINITY;
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        codes[i] = z[i] < 0.0f ? -1 : 1;
        min = fminf(min, z[i]), max = fmaxf(max, z[i]);
        finite = finite && isfinite(z[i]);
    }
    seen->min = fminf(seen->min, min), seen->max = fmaxf(seen->max, max);
    seen->not_finite |= !finite;
}

void epilogue_values(Epilogue *epilogue, int chunk, size_t at, size_t n, const float *z)
{
    if (epilogue->q != NULL && grid_is_signs(epilogue->y->qp))
        sign_values(n, z, epilogue->y->codes + at, &epilogue->seen[chunk]);
    else if (epilogue->q != NULL)
        kernels()->quantize(n, z, &epilogue->grid, epilogue->y->codes + at, &epilogue->seen[chunk]);
    else if (epilogue->act.relu)
        kernels()->relu_f32(n, epilogue->act.limit, z, epilogue->y->x + at);
    else if (z != epilogue->y->x + at)
        memcpy(epilogue->y->x + at, z, sizeof *z * n);
}

bool epilogue_done(Tape *t, Epilogue *epilogue)
{
    if (epilogue->q == NULL) return true;
    Extremes all = epilogue->seen[0];
    for (int k = 1; k < PARALLEL_CHUNKS; k++) {
        all.min = fminf(all.min, epilogue->seen[k].min), all.max = fmaxf(all.max, epilogue->seen[k].max);
        all.not_finite |= epilogue->seen[k].not_finite;
    }
    for (int step = 1; step < batch_ranks(); step *= 2) {
        Extremes other;
        const bool lower = batch_exchange(step, &all, &other, sizeof all);
        all.min = lower ? fminf(all.min, other.min) : fminf(other.min, all.min);
        all.max = lower ? fmaxf(all.max, other.max) : fmaxf(other.max, all.max);
        all.not_finite |= other.not_finite;
    }
    if (all.not_finite) {
        tape_fail(t, status_fail(STATUS_NUMERIC, "%s: a value is not finite; finite activations are required",
                                 epilogue->q->name));
        return false;
    }
    if (epilogue->learn) quantizer_learn_extremes(t, epilogue->q, all.min, all.max, epilogue->act);
    return !tape_failed(t);
}

void epilogue_backward(const Epilogue *epilogue, size_t n, const float *z, const float *dy, float *dz)
{
    const Quantizer *q = epilogue->q;
    if (q->type->backward != NULL)
        q->type->backward(q, &epilogue->run, n, z, dy, dz);
    else
        epilogue_gate(epilogue, n, z, dy, dz);
}

void epilogue_params_add(Epilogue *epilogue, int chunk, size_t n, const float *z, const float *dy)
{
    const Quantizer *q = epilogue->q;
    q->type->backward_params(q, &epilogue->run, n, z, dy, epilogue->sums[chunk]);
}

void epilogue_params_end(Epilogue *epilogue) { quantizer_finish(epilogue->q, &epilogue->run, epilogue->sums); }
