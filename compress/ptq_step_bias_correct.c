/* bias_correct: the mean error that quantized weights and inputs bring to each channel is taken from its bias (Nagel 2019,
 * 1906.04721, section 4.2).
 *   empirical   E[y_q] - E[y] over images, layer by layer, each on the inputs that the layers corrected before it give
 *   analytic    sum_k (W_q - W)_k E[x_k], x a clipped normal distribution as batch norm before it says: no images
 */
#include <math.h>

#include "compress/layer_means.h"
#include "compress/ptq_step.h"
#include "compress/weight_channels.h"
#include "compress/weight_grid.h"

typedef enum { EMPIRICAL, ANALYTIC } Method;
static const char *const methods[] = {"empirical", "analytic", NULL};

typedef struct {
    int method;
} BiasKeys;

const Field ptq_step_bias_correct_fields[] = {
    {"method", FIELD_ENUM, offsetof(BiasKeys, method), .names = methods, .def = "\"empirical\"",
     .doc = "empirical: means over ptq.images of the quantized and the float network; analytic: from the quantized "
            "weights and the statistics of the batch norm before them"},
    FIELD_END};

/* The parameter that shifts what it gives; NULL: none. */
static Param *shift_of(const Layer *l) { return l->norm != NULL ? l->beta : l->bias; }

/* ---- empirical --------------------------------------------------------------------------------------------------- */

/* A channel hardly moves whose deviation is less than this share of its layer's largest: a share of it says nothing. */
static const double STILL = 0.01;

static double largest_deviation(const LayerMeans *means, int channels)
{
    double largest = 0.0;
    for (int o = 0; o < channels; o++) largest = fmax(largest, means->deviation[o]);
    return largest;
}

static Status empirical(Arena *arena, Model *m, const PtqContext *c)
{
    PtqImages images;
    TRY(ptq_images_pick(arena, c->train, c->seed, 0, c->images, &images));
    LayerMeans *real = ARENA_ARRAY(arena, LayerMeans, m->layers), *now = ARENA_ARRAY(arena, LayerMeans, m->layers);
    const RealNetwork *mine = real_network_take(arena, m);
    if (c->real != NULL) real_network_put(c->real, m);
    TRY(layer_means(arena, m, &images, false, -1, real));
    real_network_put(mine, m);
    double worst = 0.0;
    const char *where = "";
    int still = 0;
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        Param *shift = shift_of(l);
        if (!layer_multiplies(l) || l->weight_q == NULL) continue;
        if (shift == NULL) {
            ptq_tell(c, "\"%s\" is left: it has neither bias nor batch norm", l->name);
            continue;
        }
        TRY(layer_means(arena, m, &images, true, i, now));
        const double least = STILL * largest_deviation(&real[i], l->out.c);
        for (int o = 0; o < l->out.c; o++) {
            const double share = layer_mean_error(&now[i], &real[i], o);
            shift->x[o] -= (float)(now[i].mean[o] - real[i].mean[o]);
            still += real[i].deviation[o] < least;
            if (share > worst && real[i].deviation[o] >= least) worst = share, where = l->name;
        }
    }
    const char *apart = still == 0 ? ""
                                   : arena_printf(arena, ", %d channel%s that hardly move%s apart", still,
                                                  still == 1 ? "" : "s", still == 1 ? "s" : "");
    if (worst > 0.0)
        ptq_tell(c, "means were off by at most %.3f of a channel's deviation, in \"%s\"%s", worst, where, apart);
    return STATUS_OK;
}

/* ---- analytic ---------------------------------------------------------------------------------------------------- */

static double density(double x) { return 0.3989422804014327 * exp(-0.5 * x * x); }
static double below(double x) { return 0.5 * erfc(-x * 0.7071067811865476); }

/* The mean of a normal variable after the activation. */
static double clipped_mean(double mean, double deviation, Activation a)
{
    if (!a.relu) return mean;
    if (deviation <= 0.0) return fmin(fmax(mean, 0.0), (double)a.limit);
    const double lo = -mean / deviation;
    if (a.limit == INFINITY) return deviation * density(lo) + mean * (1.0 - below(lo));
    const double hi = ((double)a.limit - mean) / deviation;
    return deviation * (density(lo) - density(hi)) + mean * (below(hi) - below(lo)) +
           (double)a.limit * (1.0 - below(hi));
}

/* The layer whose output, through pools that keep means and flatten, layer i reads; NULL: one without statistics. */
static const Layer *known_source(const Model *m, const Layer *l)
{
    int source = l->input[0];
    while (source >= 0 && m->layer[source].type->keeps_grid) {
        const NodeKind op = m->layer[source].type->real(&m->layer[source]).op;
        if (op == NODE_MAXPOOL) return NULL;
        source = m->layer[source].input[0];
    }
    return source < 0 || m->layer[source].norm == NULL ? NULL : &m->layer[source];
}

static void correct_analytic(Arena *arena, const PtqContext *c, Layer *l, const Layer *from)
{
    const WeightChannels w = weight_channels(arena, l, from->out.c);
    const WeightGrid grid = weight_grid(arena, l);
    float *q = arena_alloc(arena, sizeof(float) * (size_t)w.by.n);
    weight_grid_nearest(&grid, l, q);
    const float *real = c->real == NULL ? l->weight->x : c->real->params + l->weight->offset;
    const Activation act = from->type->real(from).act;
    double *mean = ARENA_ARRAY(arena, double, w.inputs), *off = ARENA_ARRAY(arena, double, w.by.channels);
    for (int k = 0; k < w.inputs; k++)
        mean[k] = clipped_mean((double)from->beta->x[k], fabs((double)from->gamma->x[k]), act);
    for (long i = 0; i < w.by.n; i++)
        off[weight_output(&w, i)] += ((double)q[i] - (double)real[i]) * mean[weight_input(&w, i)];
    for (int o = 0; o < w.by.channels; o++) shift_of(l)->x[o] -= (float)(off[o] * (double)w.factor[o]);
}

static void analytic(Arena *arena, Model *m, const PtqContext *c)
{
    for (int i = 0; i < m->layers; i++) {
        Layer *l = &m->layer[i];
        if (!layer_multiplies(l) || l->weight_q == NULL) continue;
        const Layer *from = known_source(m, l);
        const bool levels = l->weight_q->qp.levels > 0;
        if (from == NULL || shift_of(l) == NULL || levels)
            ptq_tell(c, "\"%s\" is left: %s", l->name,
                     levels ? "its weights are on a set of levels; the empirical method has no need of their grid"
                     : from == NULL ? "what it reads is no batch norm's output"
                                    : "it has neither bias nor batch norm");
        else
            correct_analytic(arena, c, l, from);
    }
}

static Status run(Model *m, const PtqContext *c)
{
    Arena *arena = arena_create();
    const BiasKeys *keys = ptq_keys(arena, &ptq_step_bias_correct, c);
    Status status = STATUS_OK;
    if (keys->method == ANALYTIC)
        analytic(arena, m, c);
    else
        status = empirical(arena, m, c);
    arena_destroy(arena);
    return status;
}

const PtqStep ptq_step_bias_correct = {.name = "bias_correct",
                                       .doc = "takes from each bias what quantization adds to the mean of its channel",
                                       .needs_ranges = true,
                                       .fields = ptq_step_bias_correct_fields,
                                       .config_bytes = sizeof(BiasKeys),
                                       .run = run};
