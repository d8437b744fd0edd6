#include "quant/tail.h"

#include <float.h>
#include <math.h>
#include <string.h>

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

/* The same interval as GridPass's, on z instead of z / scale: no division in the backward pass. */
static void gate_bounds(Tail *tail)
{
    if (tail->q != NULL) {
        tail->lo = -largest_below(-tail->pass.lo, tail->grid.scale);
        tail->hi = largest_below(tail->pass.hi, tail->grid.scale);
    } else if (tail->act.relu) { /* 1 strictly inside */
        tail->lo = nextafterf(0.0f, 1.0f);
        tail->hi = tail->act.limit < INFINITY ? nextafterf(tail->act.limit, 0.0f) : INFINITY;
    } else {
        tail->lo = -INFINITY;
        tail->hi = INFINITY;
    }
}

Tail *tail_make(Tape *t, const char *name, Shape shape, const TailConfig *config)
{
    Tail *tail = arena_zalloc(t->arena, sizeof *tail);
    *tail = (Tail){.act = config->act, .q = config->q};
    if (config->q == NULL) {
        tail->y = tape_tensor(t, name, shape);
    } else {
        QuantParams *qp = grid_of_step(t, config->q);
        tail->y = tape_codes(t, config->q->name, shape, qp);
        tail->learn = config->learn && !config->q->type->learns;
        tail->grid = (PassQuantize){.scale = qp->scale[0], .zero_point = qp->zero_point};
        tail->pass = grid_pass(qp, config->act);
        activation_clamp(qp, config->act, &tail->grid.lo, &tail->grid.hi);
    }
    gate_bounds(tail);
    for (int k = 0; k < PARALLEL_CHUNKS; k++) tail->seen[k] = (PassExtremes){.min = INFINITY, .max = -INFINITY};
    return tail;
}

void tail_values(Tail *tail, int chunk, size_t at, size_t n, const float *z)
{
    if (tail->q != NULL)
        kernels()->pass_quantize(n, z, &tail->grid, tail->y->codes + at, &tail->seen[chunk]);
    else if (tail->act.relu)
        kernels()->pass_relu(n, tail->act.limit, z, tail->y->x + at);
    else if (z != tail->y->x + at)
        memcpy(tail->y->x + at, z, sizeof *z * n);
}

bool tail_done(Tape *t, Tail *tail)
{
    if (tail->q == NULL) return true;
    PassExtremes all = tail->seen[0];
    for (int k = 1; k < PARALLEL_CHUNKS; k++) {
        all.min = fminf(all.min, tail->seen[k].min), all.max = fmaxf(all.max, tail->seen[k].max);
        all.not_finite |= tail->seen[k].not_finite;
    }
    if (all.not_finite) {
        tape_fail(t, status_fail(STATUS_NUMERIC, "%s: a value is not finite; finite activations are required",
                                 tail->q->name));
        return false;
    }
    if (tail->learn) quantizer_learn_extremes(t, tail->q, all.min, all.max, tail->act);
    return !tape_failed(t);
}

void tail_step_add(Tail *tail, int chunk, size_t n, const float *z, const float *dy)
{
    tail->step_sum[chunk] += tail->q->type->step_gradient(n, z, dy, tail->grid.scale, tail->pass);
}

void tail_step_end(Tail *tail)
{
    double sum = 0;
    for (int k = 0; k < PARALLEL_CHUNKS; k++) sum += tail->step_sum[k];
    const long n = tensor_elements(tail->y), per_image = n / tail->y->shape.dim[0];
    quantizer_step_gradient(tail->q, sum, per_image);
}
