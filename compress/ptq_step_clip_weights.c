/* clip_weights: a few large weights no longer stretch the grid of all others. */
#include <math.h>

#include "compress/ptq_step.h"
#include "compress/weight_channels.h"

typedef struct {
    double limit, deviations;
} ClipKeys;

const Field ptq_step_clip_weights_fields[] = {
    {"limit", FIELD_FLOAT, offsetof(ClipKeys, limit), .min = 0, .max = 1e30, .def = "15",
     .doc = "largest magnitude of a weight as it is deployed, batch norm folded in; 0: any"},
    {"deviations", FIELD_FLOAT, offsetof(ClipKeys, deviations), .min = 0, .max = 1000, .def = "0",
     .doc = "the same in standard deviations of the weights that share a scale; 0: any"},
    FIELD_END};

/* The root mean square of the deployed weights that share scale s; of all scales of the layer. */
static double *deviations_of(Arena *arena, const WeightChannels *w, int scales)
{
    double *square = ARENA_ARRAY(arena, double, scales);
    for (long i = 0; i < w->by.n; i++) {
        const int o = weight_output(w, i);
        const double v = (double)w->l->weight->x[i] * (double)w->factor[o];
        square[scales == 1 ? 0 : o] += v * v;
    }
    for (int s = 0; s < scales; s++) square[s] = sqrt(square[s] / ((double)w->by.n / scales));
    return square;
}

static void clip_layer(Arena *arena, Layer *l, const ClipKeys *keys, const PtqContext *c)
{
    const WeightChannels w = weight_channels(arena, l, l->in[0].c);
    const int scales = l->weight_q != NULL && l->weight_q->qp.n == 1 ? 1 : w.by.channels;
    const double *deviation = deviations_of(arena, &w, scales);
    long clipped = 0;
    for (long i = 0; i < w.by.n; i++) {
        const int o = weight_output(&w, i);
        double most = keys->limit > 0.0 ? keys->limit : (double)INFINITY;
        if (keys->deviations > 0.0) most = fmin(most, keys->deviations * deviation[scales == 1 ? 0 : o]);
        const float bound = (float)(most / fabs((double)w.factor[o]));
        float *v = &l->weight->x[i];
        if (fabsf(*v) <= bound) continue;
        *v = copysignf(bound, *v);
        clipped++;
    }
    if (clipped > 0) ptq_tell(c, "\"%s\": %ld of %ld weights clipped", l->name, clipped, w.by.n);
}

static Status run(Model *m, const PtqContext *c)
{
    Arena *arena = arena_create();
    const ClipKeys *keys = ptq_keys(arena, &ptq_step_clip_weights, c);
    for (int i = 0; i < m->layers; i++)
        if (layer_multiplies(&m->layer[i])) clip_layer(arena, &m->layer[i], keys, c);
    arena_destroy(arena);
    return STATUS_OK;
}

const PtqStep ptq_step_clip_weights = {.name = "clip_weights",
                                       .doc = "clips weights that stand far out",
                                       .moves_weights = true,
                                       .fields = ptq_step_clip_weights_fields,
                                       .config_bytes = sizeof(ClipKeys),
                                       .run = run};
