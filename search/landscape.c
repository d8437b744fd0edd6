#include "search/landscape.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "compress/weight_grid.h"

/* ---- directions -------------------------------------------------------------------------------------------------- */

static ChannelView filters_of(const Layer *l)
{
    const Shape s = l->weight->shape;
    const bool innermost = s.rank == 4 && s.dim[0] == 1 && s.dim[3] == l->out.c && l->out.c > 1;
    return channel_view(s, !innermost);
}

/* d = numbers of the layer's own stream, each filter as long as the filter of w. */
static void fill_direction(Arena *arena, const Layer *l, uint64_t seed, uint64_t stream, float *d)
{
    const ChannelView by = filters_of(l);
    const float *w = l->weight->x;
    double *length = arena_zalloc(arena, sizeof *length * 2 * (size_t)by.channels), *random = length + by.channels;
    Rng rng = rng_make(seed, RNG_LANDSCAPE, stream);
    for (long i = 0; i < by.n; i++) {
        const long c = channel_at(&by, i);
        d[i] = rng_normal(&rng);
        length[c] += (double)w[i] * (double)w[i];
        random[c] += (double)d[i] * (double)d[i];
    }
    for (long i = 0; i < by.n; i++) {
        const long c = channel_at(&by, i);
        d[i] = random[c] > 0 ? (float)((double)d[i] * sqrt(length[c] / random[c])) : 0.0f;
    }
}

/* [params]: of the whole model; number: 0 or 1. */
static float *make_direction(Arena *arena, const Model *m, uint64_t seed, int number)
{
    float *d = arena_zalloc(arena, sizeof *d * m->params.count);
    for (int i = 0; i < m->layers; i++)
        if (m->layer[i].weight != NULL)
            fill_direction(arena, &m->layer[i], seed, 2 * (uint64_t)i + (uint64_t)number,
                           d + m->layer[i].weight->offset);
    return d;
}

/* Q(w) - w of weights that have codes. */
static float *make_rounding(Arena *arena, const Model *m)
{
    float *d = arena_zalloc(arena, sizeof *d * m->params.count);
    for (int i = 0; i < m->layers; i++) {
        Layer *l = &m->layer[i];
        if (l->weight_q == NULL) continue;
        const WeightGrid grid = weight_grid(arena, l);
        float *to = d + l->weight->offset;
        weight_grid_nearest(&grid, l, to);
        for (long k = 0; k < grid.by.n; k++) to[k] -= l->weight->x[k];
    }
    return d;
}

/* ---- points ------------------------------------------------------------------------------------------------------ */

typedef struct {
    const LandscapeJob *job;
    ModelLoss loss;
    float *w; /* the weights themselves */
    int done, points;
} Walk;

static Status loss_at(Walk *walk, double a, const float *d, double b, const float *e, double *loss)
{
    const LossSurface *surface = &walk->loss.surface;
    for (long i = 0; i < surface->n; i++)
        surface->x[i] = (float)((double)walk->w[i] + a * (double)d[i] + b * (double)e[i]);
    const Status status = surface->value(surface->context, loss);
    memcpy(surface->x, walk->w, sizeof(float) * (size_t)surface->n);
    walk->done++;
    if (walk->job->progress != NULL) walk->job->progress(walk->job->context, walk->done, walk->points);
    if (status == STATUS_NUMERIC) {
        *loss = (double)INFINITY;
        return STATUS_OK;
    }
    if (status == STATUS_OK && isnan(*loss)) *loss = (double)INFINITY;
    return status;
}

static Status walk_all(Arena *arena, Walk *walk, const Landscape *l, LandscapeModel *m)
{
    const LandscapeJob *job = walk->job;
    const float *none = arena_zalloc(arena, sizeof(float) * job->model->params.count);
    TRY(loss_at(walk, 0, none, 0, none, &m->loss));
    if (m->quantized) {
        const float *rounding = make_rounding(arena, job->model);
        m->line = ARENA_ARRAY(arena, double, LANDSCAPE_LINE);
        for (int i = 0; i < LANDSCAPE_LINE; i++) TRY(loss_at(walk, landscape_t(i), rounding, 0, none, &m->line[i]));
    }
    const float *d = make_direction(arena, job->model, job->seed, 0),
                *e = make_direction(arena, job->model, job->seed, 1);
    m->plane = ARENA_ARRAY(arena, double, l->points * l->points);
    for (int i = 0; i < l->points; i++)
        for (int k = 0; k < l->points; k++)
            TRY(loss_at(walk, landscape_at(l, k), d, landscape_at(l, i), e, &m->plane[i * l->points + k]));
    return STATUS_OK;
}

Status landscape_make(Arena *arena, const LandscapeJob *job, const Landscape *l, LandscapeModel *m)
{
    const size_t bytes = sizeof(float) * job->model->params.count;
    Walk walk = {.job = job, .points = 1 + (m->quantized ? LANDSCAPE_LINE : 0) + l->points * l->points};
    walk.w = memcpy(arena_alloc(arena, bytes), job->model->params.x, bytes);
    model_loss_begin(&walk.loss, job->model, job->task, job->sample, job->stop);
    const Status status = walk_all(arena, &walk, l, m);
    model_loss_end(&walk.loss);
    return status;
}

/* ---- what is told of it ------------------------------------------------------------------------------------------ */

double landscape_rise(const Landscape *l, const LandscapeModel *m, double radius)
{
    const double step = 2.0 * l->radius / (l->points - 1);
    double sum = 0;
    int n = 0;
    for (int i = 0; i < l->points; i++)
        for (int k = 0; k < l->points; k++) {
            const double away = hypot(landscape_at(l, i), landscape_at(l, k));
            if (fabs(away - radius) > 0.5 * step) continue;
            sum += m->plane[i * l->points + k] - m->loss;
            n++;
        }
    return n > 0 ? sum / n : (double)NAN;
}
