#include "compress/soft_rounding.h"

#include <math.h>

#include "base/parallel.h"

static const float STRETCH = 1.2f, BELOW = 0.1f; /* zeta - gamma and -gamma of the paper */

SoftRounding *soft_rounding_make(Arena *arena, ParamSet *set, Layer *l)
{
    SoftRounding *r = ARENA_ARRAY(arena, SoftRounding, 1);
    const long n = l->weight->count;
    *r = (SoftRounding){.l = l, .arena = arena};
    r->v = param_add(set, arena, arena_printf(arena, "%s.rounding", l->name), PARAM_WEIGHT, l->weight->shape);
    if (r->v == NULL) return NULL;
    r->lower = ARENA_ARRAY(arena, float, n);
    r->nearest = ARENA_ARRAY(arena, float, n);
    r->h = ARENA_ARRAY(arena, float, n);
    r->slope = ARENA_ARRAY(arena, float, n);
    return r;
}

void soft_rounding_start(SoftRounding *r)
{
    r->grid = weight_grid(r->arena, r->l);
    for (long i = 0; i < r->grid.by.n; i++) {
        const float code = r->l->weight->x[i] / weight_grid_step(&r->grid, i);
        r->lower[i] = floorf(code), r->nearest[i] = rintf(code);
        r->v->x[i] = -logf(STRETCH / (code - r->lower[i] + BELOW) - 1.0f);
    }
}

static void put_rows(void *context, const ParallelRows *rows)
{
    SoftRounding *r = context;
    for (long i = rows->first; i < rows->last; i++) {
        const float sigmoid = 1.0f / (1.0f + expf(-r->v->x[i])), h = STRETCH * sigmoid - BELOW;
        r->h[i] = fminf(fmaxf(h, 0.0f), 1.0f);
        const float code = r->lower[i] + r->h[i];
        const float lo = weight_grid_lowest(&r->grid, i), hi = weight_grid_highest(&r->grid, i);
        const bool moves = h > 0.0f && h < 1.0f && code > lo && code < hi;
        r->slope[i] = STRETCH * sigmoid * (1.0f - sigmoid);
        r->l->weight->x[i] = weight_grid_step(&r->grid, i) * fminf(fmaxf(code, lo), hi);
        if (!moves) r->slope[i] = h > 0.0f && h < 1.0f ? -r->slope[i] : 0.0f; /* negative: the penalty moves it alone */
    }
}

void soft_rounding_put(SoftRounding *r) { parallel_rows(r->grid.by.n, PARALLEL_CHUNKS, put_rows, r); }

typedef struct {
    SoftRounding *r;
    float scale, lambda, beta;
} Gradient;

static void gradient_rows(void *context, const ParallelRows *rows)
{
    const Gradient *g = context;
    const SoftRounding *r = g->r;
    const float *dw = r->l->weight->dx;
    for (long i = rows->first; i < rows->last; i++) {
        const float slope = fabsf(r->slope[i]), centred = 2.0f * r->h[i] - 1.0f;
        float d = r->slope[i] > 0.0f ? g->scale * dw[i] * weight_grid_step(&r->grid, i) : 0.0f;
        if (g->lambda > 0.0f)
            d -= g->lambda * 2.0f * g->beta * copysignf(powf(fabsf(centred), g->beta - 1.0f), centred);
        r->v->dx[i] += d * slope;
    }
}

void soft_rounding_gradient(SoftRounding *r, float scale, float lambda, float beta)
{
    Gradient g = {r, scale, lambda, beta};
    parallel_rows(r->grid.by.n, PARALLEL_CHUNKS, gradient_rows, &g);
}

long soft_rounding_finish(SoftRounding *r)
{
    Quantizer *q = r->l->weight_q;
    long moved = 0;
    for (long i = 0; i < r->grid.by.n; i++) {
        const float lo = weight_grid_lowest(&r->grid, i), hi = weight_grid_highest(&r->grid, i);
        const float frac = STRETCH / (1.0f + expf(-r->v->x[i])) - BELOW;
        const float code = fminf(fmaxf(r->lower[i] + (frac >= 0.5f ? 1.0f : 0.0f), lo), hi);
        moved += code != fminf(fmaxf(r->nearest[i], lo), hi);
        r->l->weight->x[i] = weight_grid_step(&r->grid, i) * code;
    }
    q->fixed = true;
    return moved;
}
