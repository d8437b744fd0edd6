/* auto: ranges, and those cheap cures whose cause is there and that help: what each is worth is measured on training images
 * that no step has seen.
 *
 *   cause                                            cure
 *   channels of very different range in one layer    equalize, equalize with absorb_bias
 *   channels whose mean is off                       bias_correct
 */
#include <math.h>
#include <stdlib.h>

#include "compress/layer_means.h"
#include "compress/ptq_measure.h"
#include "compress/weight_channels.h"

typedef struct {
    int held_out;
    double range_ratio, bias;
} AutoKeys;

const Field ptq_step_auto_fields[] = {
    {"held_out", FIELD_INT, offsetof(AutoKeys, held_out), .min = 1, .max = 10000000, .def = "512", .unit = "images",
     .doc = "training images after the first ptq.images, on which the loss decides"},
    {"range_ratio", FIELD_FLOAT, offsetof(AutoKeys, range_ratio), .min = 1, .max = 1e30, .def = "4",
     .doc = "equalization is tried where a layer's weights have a channel of more than this many times the median "
            "channel's range"},
    {"bias", FIELD_FLOAT, offsetof(AutoKeys, bias), .min = 0, .max = 1e30, .def = "0.05",
     .doc = "bias correction is tried where a channel's mean is off by more than this share of its deviation"},
    FIELD_END};

typedef struct {
    Arena *arena;
    Model *m;
    const PtqContext *context;
    const AutoKeys *keys;
    PtqImages held_out;
    const float *outputs; /* of the float network, on the held-out images */
    PtqMeasure best;
} Auto;

/* All that steps change. */
typedef struct {
    RealNetwork *values;
    QuantizerStates quantizers;
} State;

static State state_take(const Auto *a)
{
    return (State){real_network_take(a->arena, a->m), quantizer_states_take(a->arena, a->m)};
}

static void state_put(const Auto *a, const State *s)
{
    real_network_put(s->values, a->m);
    quantizer_states_put(&s->quantizers, a->m);
}

/* ---- causes ------------------------------------------------------------------------------------------------------ */

static double range_ratio(Auto *a, const char **where)
{
    double worst = 0.0;
    for (int i = 0; i < a->m->layers; i++) {
        Layer *l = &a->m->layer[i];
        if (l->weight_q == NULL || !layer_multiplies(l)) continue;
        const double ratio = weight_range_ratio(a->arena, l);
        if (ratio > worst) worst = ratio, *where = l->name;
    }
    return worst;
}

static Status worst_bias(Auto *a, double *worst, const char **where)
{
    Model *m = a->m;
    PtqImages images;
    const PtqContext *c = a->context;
    TRY(ptq_images_pick(a->arena, c->train, c->seed, 0, c->images, &images));
    LayerMeans *real = ARENA_ARRAY(a->arena, LayerMeans, m->layers),
               *now = ARENA_ARRAY(a->arena, LayerMeans, m->layers);
    TRY(layer_means(a->arena, m, &images, false, -1, real));
    TRY(layer_means(a->arena, m, &images, true, -1, now));
    *worst = 0.0;
    for (int i = 0; i < m->layers; i++)
        for (int o = 0; m->layer[i].weight_q != NULL && layer_multiplies(&m->layer[i]) && o < m->layer[i].out.c; o++) {
            const double share = layer_mean_error(&now[i], &real[i], o);
            if (share > *worst) *worst = share, *where = m->layer[i].name;
        }
    return STATUS_OK;
}

/* ---- cures ------------------------------------------------------------------------------------------------------- */

static Status take(Auto *a, const PtqStep *step)
{
    PtqContext c = *a->context;
    c.keys = NULL, c.told = NULL, c.real = NULL;
    TRY(step->run(a->m, &c));
    if (step->moves_weights) ptq_restart_weights(a->m);
    return STATUS_OK;
}

/* The steps from `before` on; kept if the loss falls, else `kept` is gone back to. */
static Status try_steps(Auto *a, const char *name, const State *before, const PtqStep *const *steps, const State *kept)
{
    PtqMeasure now;
    state_put(a, before);
    for (int i = 0; steps[i] != NULL; i++) TRY(take(a, steps[i]));
    TRY(ptq_measure(a->m, a->context, &a->held_out, a->outputs, &now));
    const bool better = now.loss < a->best.loss;
    ptq_tell(a->context, "%s: loss %.4f -> %.4f, SQNR %.2f -> %.2f dB on %d held-out images, %s", name, a->best.loss,
             now.loss, a->best.sqnr, now.sqnr, a->held_out.n, better ? "kept" : "not kept");
    if (better)
        a->best = now;
    else
        state_put(a, kept);
    return STATUS_OK;
}

static Status cure_ranges(Auto *a, const State *start)
{
    static const PtqStep *const equalize[] = {&ptq_step_equalize, &ptq_step_calibrate, NULL};
    static const PtqStep *const absorb[] = {&ptq_step_equalize, &ptq_step_absorb_bias, &ptq_step_calibrate, NULL};
    const char *where = "";
    const State now = state_take(a);
    state_put(a, start);
    const double ratio = range_ratio(a, &where);
    state_put(a, &now);
    const bool found = ratio > a->keys->range_ratio;
    ptq_tell(a->context, "channel ranges: the largest of \"%s\" is %.1f times the median%s", where, ratio,
             found ? "" : ", which needs no cure");
    if (!found) return STATUS_OK;
    TRY(try_steps(a, "equalize", start, equalize, &now));
    const State best = state_take(a);
    return try_steps(a, "equalize, absorb_bias", start, absorb, &best);
}

static Status cure_bias(Auto *a)
{
    static const PtqStep *const correct[] = {&ptq_step_bias_correct, NULL};
    const char *where = "";
    double worst;
    TRY(worst_bias(a, &worst, &where));
    const bool found = worst > a->keys->bias;
    ptq_tell(a->context, "means: a channel of \"%s\" is off by %.3f of its deviation%s", where, worst,
             found ? "" : ", which needs no cure");
    if (!found) return STATUS_OK;
    const State now = state_take(a);
    return try_steps(a, "bias_correct", &now, correct, &now);
}

static Status choose(Auto *a)
{
    const PtqContext *c = a->context;
    TRY(ptq_images_pick(a->arena, c->train, c->seed, c->images, a->keys->held_out, &a->held_out));
    if (a->held_out.n == 0)
        return status_fail(STATUS_CONFIG,
                           "ptq.steps: \"auto\" needs training images that calibration does not see: there are %d, and "
                           "ptq.images is %d",
                           c->train->n, c->images);
    TRY(ptq_real_outputs(a->arena, a->m, &a->held_out, &a->outputs));
    const State start = state_take(a);
    TRY(take(a, &ptq_step_calibrate));
    TRY(ptq_measure(a->m, c, &a->held_out, a->outputs, &a->best));
    TRY(cure_ranges(a, &start));
    return cure_bias(a);
}

static Status run(Model *m, const PtqContext *c)
{
    Arena *arena = arena_create();
    Auto a = {.arena = arena, .m = m, .context = c, .keys = ptq_keys(arena, &ptq_step_auto, c)};
    const Status status = choose(&a);
    arena_destroy(arena);
    return status;
}

const PtqStep ptq_step_auto = {.name = "auto",
                               .doc =
                                   "calibrates, and tries equalize, absorb_bias and bias_correct where their cause is "
                                   "found; keeps what lowers the loss on training images that were held out",
                               .finds_ranges = true,
                               .alone = true,
                               .fields = ptq_step_auto_fields,
                               .config_bytes = sizeof(AutoKeys),
                               .run = run};
