#include "search/hessian.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "base/rng.h"

static const double STEP = 1e-3;

/* x = at + step v, in floats. */
static void move(const LossSurface *loss, const float *at, const double *v, double step)
{
    for (long i = 0; i < loss->n; i++)
        if (v[i] != 0.0) loss->x[i] = (float)((double)at[i] + step * v[i]);
}

/* Sums of squares of v, and of x where v moves it; a point at the origin is looked at as if its length were 1. */
static double step_of(const LossSurface *loss, const double *v)
{
    double moved = 0.0, length = 0.0;
    for (long i = 0; i < loss->n; i++) {
        if (v[i] == 0.0) continue;
        moved += v[i] * v[i];
        length += (double)loss->x[i] * (double)loss->x[i];
    }
    ASSERT(moved > 0.0);
    return STEP * (length > 0.0 ? sqrt(length) : 1.0) / sqrt(moved);
}

Status hessian_product(const LossSurface *loss, const double *v, double *product)
{
    Arena *own = arena_create();
    float *at = ARENA_ARRAY(own, float, loss->n);
    double *below = ARENA_ARRAY(own, double, loss->n);
    memcpy(at, loss->x, sizeof *at * (size_t)loss->n);
    const double step = step_of(loss, v);
    move(loss, at, v, -step);
    Status status = loss->gradient(loss->context, below);
    if (status == STATUS_OK) {
        move(loss, at, v, step);
        status = loss->gradient(loss->context, product);
    }
    memcpy(loss->x, at, sizeof *at * (size_t)loss->n);
    for (long i = 0; status == STATUS_OK && i < loss->n; i++) product[i] = (product[i] - below[i]) / (2.0 * step);
    arena_destroy(own);
    return status;
}

static double dot(const double *a, const double *b, ParamBlock block)
{
    double sum = 0.0;
    for (long i = block.first; i < block.first + block.count; i++) sum += a[i] * b[i];
    return sum;
}

Status hessian_form(const LossSurface *loss, const double *v, double *form)
{
    *form = 0.0;
    if (dot(v, v, (ParamBlock){0, loss->n}) == 0.0) return STATUS_OK;
    static const double step[] = {0.0, 1.0, -1.0};
    Arena *own = arena_create();
    float *at = ARENA_ARRAY(own, float, loss->n);
    memcpy(at, loss->x, sizeof *at * (size_t)loss->n);
    double value[3] = {0};
    Status status = STATUS_OK;
    for (int k = 0; k < 3 && status == STATUS_OK; k++) {
        move(loss, at, v, step[k]);
        status = loss->value(loss->context, &value[k]);
    }
    memcpy(loss->x, at, sizeof *at * (size_t)loss->n);
    if (status == STATUS_OK) *form = (value[1] - value[0]) + (value[2] - value[0]);
    arena_destroy(own);
    return status;
}

/* ---- traces ------------------------------------------------------------------------------------------------------- */

/* Welford's running mean and sum of squared deviations. */
typedef struct {
    double mean, squares;
} Running;

static bool settled(const Running *running, int blocks, int draws, double tolerance)
{
    double largest = 0.0, worst = 0.0;
    for (int b = 0; b < blocks; b++) {
        largest = fmax(largest, fabs(running[b].mean));
        worst = fmax(worst, running[b].squares / (draws - 1.0) / draws);
    }
    return sqrt(worst) < tolerance * largest;
}

Status hessian_traces(const LossSurface *loss, const ParamBlock *block, int blocks, uint64_t seed, int least, int most,
                      double tolerance, TraceEstimate *trace)
{
    ASSERT(least >= 2 && most >= least);
    Arena *own = arena_create();
    double *v = ARENA_ARRAY(own, double, loss->n), *product = ARENA_ARRAY(own, double, loss->n);
    Running *running = ARENA_ARRAY(own, Running, blocks);
    Status status = STATUS_OK;
    int draws = 0;
    while (status == STATUS_OK && draws < most && (draws < least || !settled(running, blocks, draws, tolerance))) {
        Rng rng = rng_make(seed, RNG_HESSIAN, (uint64_t)draws);
        for (int b = 0; b < blocks; b++)
            for (long i = 0; i < block[b].count; i++) v[block[b].first + i] = (rng_u32(&rng) & 1U) != 0 ? 1.0 : -1.0;
        status = hessian_product(loss, v, product);
        draws++;
        for (int b = 0; status == STATUS_OK && b < blocks; b++) {
            const double value = dot(v, product, block[b]), off = value - running[b].mean;
            running[b].mean += off / draws;
            running[b].squares += off * (value - running[b].mean);
        }
    }
    for (int b = 0; status == STATUS_OK && b < blocks; b++)
        trace[b] = (TraceEstimate){running[b].mean, sqrt(running[b].squares / (draws - 1.0) / draws), draws};
    arena_destroy(own);
    return status;
}

/* ---- the largest eigenvalue ---------------------------------------------------------------------------------------- */

Status hessian_eigenvalue(const LossSurface *loss, ParamBlock block, uint64_t seed, int most, double tolerance,
                          EigenEstimate *largest)
{
    ASSERT(block.count > 0 && most >= 1);
    *largest = (EigenEstimate){0};
    Arena *own = arena_create();
    double *v = ARENA_ARRAY(own, double, loss->n), *product = ARENA_ARRAY(own, double, loss->n);
    Rng rng = rng_make(seed, RNG_HESSIAN, (uint64_t)block.first);
    for (long i = block.first; i < block.first + block.count; i++) v[i] = (double)rng_normal(&rng);
    Status status = STATUS_OK;
    while (status == STATUS_OK && largest->iterations < most && !largest->converged) {
        const double length = sqrt(dot(v, v, block));
        if (length == 0.0) { /* H v was 0: so is the eigenvalue */
            largest->value = 0.0;
            largest->converged = true;
            break;
        }
        for (long i = block.first; i < block.first + block.count; i++) v[i] /= length;
        status = hessian_product(loss, v, product);
        if (status != STATUS_OK) break;
        const double value = dot(v, product, block);
        largest->converged = largest->iterations > 0 && fabs(value - largest->value) <= tolerance * fabs(value);
        largest->value = value;
        largest->iterations++;
        memcpy(v + block.first, product + block.first, sizeof *v * (size_t)block.count);
    }
    arena_destroy(own);
    return status;
}
