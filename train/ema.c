#include "train/ema.h"

#include <math.h>
#include <string.h>

Ema *ema_make(Arena *arena, Model *m, double decay)
{
    Ema *e = ARENA_ARRAY(arena, Ema, 1);
    *e = (Ema){.model = m,
               .decay = decay,
               .x = ARENA_ARRAY(arena, float, m->params.count),
               .mean = ARENA_ARRAY(arena, float *, m->layers),
               .var = ARENA_ARRAY(arena, float *, m->layers)};
    memcpy(e->x, m->params.x, sizeof *e->x * m->params.count);
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (l->norm == NULL) continue;
        const size_t bytes = sizeof(float) * (size_t)l->gamma->count;
        e->mean[i] = memcpy(arena_alloc(arena, bytes), l->norm->mean, bytes);
        e->var[i] = memcpy(arena_alloc(arena, bytes), l->norm->var, bytes);
    }
    return e;
}

/* For each block of values and of their averages. */
static void each(Ema *e, float keep, void (*visit)(float keep, size_t n, float *average, float *x))
{
    Model *m = e->model;
    visit(keep, m->params.count, e->x, m->params.x);
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (l->norm == NULL) continue;
        visit(keep, (size_t)l->gamma->count, e->mean[i], l->norm->mean);
        visit(keep, (size_t)l->gamma->count, e->var[i], l->norm->var);
    }
}

static void average(float keep, size_t n, float *restrict e, float *restrict x)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) e[i] = x[i] + keep * (e[i] - x[i]); /* equal values stay */
}

void ema_update(Ema *e, long t) { each(e, (float)fmin(e->decay, (1.0 + (double)t) / (10.0 + (double)t)), average); }

static void exchange(float keep, size_t n, float *restrict e, float *restrict x)
{
    (void)keep;
    for (size_t i = 0; i < n; i++) {
        const float was = e[i];
        e[i] = x[i];
        x[i] = was;
    }
}

void ema_swap(Ema *e) { each(e, 0.0f, exchange); }
