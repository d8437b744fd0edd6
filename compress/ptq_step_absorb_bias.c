/* absorb_bias: high biases go to the layers that read them (Nagel 2019, 1906.04721, section 4.1.3).
 *   relu(x - c) = relu(x) - c  where x >= c, so c = max(0, beta - 3 |gamma|) can be taken from the shift of a layer, and W c
 * added to those after it: x is below c in one of 740 cases, as batch norm's beta and gamma are its mean and deviation.
 * Without an activation c = beta, exactly.  At the border of a padded layer c is missing, so such readers are left unless
 * asked for.
 */
#include <math.h>

#include "compress/ptq_step.h"
#include "compress/weight_channels.h"

typedef struct {
    double deviations;
    bool borders;
} AbsorbKeys;

const Field ptq_step_absorb_bias_fields[] = {
    {"deviations", FIELD_FLOAT, offsetof(AbsorbKeys, deviations), .min = 0, .max = 100, .def = "3",
     .doc = "how many deviations below its mean a channel still counts as never clipped by its ReLU"},
    {"borders", FIELD_BOOL, offsetof(AbsorbKeys, borders), .def = "false",
     .doc = "also into layers with padding, whose borders are then off"},
    FIELD_END};

enum { READERS = 8 };

/* Why what layer l reads cannot be shifted; NULL: it can. */
static const char *refusal(const Layer *l, const FloatOp *op, bool borders)
{
    const ConvGeom *g = &op->geom;
    if (l->norm == NULL && l->bias == NULL) return "has neither bias nor batch norm";
    const bool padded = op->op != NODE_DENSE && (g->pt > 0 || g->pb > 0 || g->pl > 0 || g->pr > 0);
    return padded && !borders ? "has padding, at which the border would be off" : NULL;
}

/* What it reads is less by amount[inputs]. */
static void take_up(Arena *arena, const WeightChannels *w, const float *amount)
{
    double *sum = ARENA_ARRAY(arena, double, w->by.channels);
    for (long i = 0; i < w->by.n; i++)
        sum[weight_output(w, i)] += (double)w->l->weight->x[i] * (double)amount[weight_input(w, i)];
    for (int o = 0; o < w->by.channels; o++) {
        if (w->l->norm != NULL)
            w->l->norm->mean[o] -= (float)sum[o];
        else
            w->l->bias->x[o] += (float)sum[o];
    }
}

/* Pools of zeros beside the image would be off, too. */
static bool pools_padded(const Model *m, int from, int reader)
{
    for (int i = m->layer[reader].input[0]; i > from; i = m->layer[i].input[0]) {
        const FloatOp op = m->layer[i].type->real(&m->layer[i]);
        if (op.op != NODE_RESHAPE && (op.geom.pt > 0 || op.geom.pb > 0 || op.geom.pl > 0 || op.geom.pr > 0))
            return true;
    }
    return false;
}

static void absorb(Arena *arena, Model *m, int i, const AbsorbKeys *keys, const PtqContext *c)
{
    Layer *l = &m->layer[i];
    int reader[READERS];
    const char *why;
    const int readers = weight_readers(arena, m, i, READERS, reader, &why);
    for (int k = 0; k < readers && why == NULL; k++) {
        const Layer *r = &m->layer[reader[k]];
        const FloatOp op = r->type->real(r);
        const char *cannot = refusal(r, &op, keys->borders);
        if (cannot == NULL && pools_padded(m, i, reader[k]) && !keys->borders)
            cannot = "reads it through a padded pool";
        if (cannot != NULL) why = arena_printf(arena, "is read by \"%s\", which %s", r->name, cannot);
    }
    if (why != NULL) {
        ptq_tell(c, "\"%s\" is left: it %s", l->name, why);
        return;
    }
    const bool relu = l->type->real(l).act.relu;
    float *amount = ARENA_ARRAY(arena, float, l->out.c);
    int moved = 0;
    for (int o = 0; o < l->out.c; o++) {
        const float beta = l->beta->x[o], least = beta - (float)keys->deviations * fabsf(l->gamma->x[o]);
        amount[o] = relu ? fmaxf(least, 0.0f) : beta;
        moved += amount[o] != 0.0f;
        l->beta->x[o] -= amount[o];
    }
    for (int k = 0; k < readers && moved > 0; k++) {
        const WeightChannels w = weight_channels(arena, &m->layer[reader[k]], l->out.c);
        take_up(arena, &w, amount);
    }
    if (moved > 0) ptq_tell(c, "\"%s\": the biases of %d of %d channels", l->name, moved, l->out.c);
}

static Status run(Model *m, const PtqContext *c)
{
    Arena *arena = arena_create();
    const AbsorbKeys *keys = ptq_keys(arena, &ptq_step_absorb_bias, c);
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (!layer_multiplies(l)) continue;
        if (l->norm == NULL)
            ptq_tell(c, "\"%s\" is left: without batch norm nothing tells how its outputs are spread", l->name);
        else if (l->type->real(l).act.limit < INFINITY)
            ptq_tell(c, "\"%s\" is left: it has a ReLU6, whose limit would move", l->name);
        else
            absorb(arena, m, i, keys, c);
    }
    arena_destroy(arena);
    return STATUS_OK;
}

const PtqStep ptq_step_absorb_bias = {.name = "absorb_bias",
                                      .doc =
                                          "moves what of a layer's biases is never clipped by its ReLU to the layers "
                                          "that read it, so that its outputs span less",
                                      .moves_weights = true,
                                      .keeps_function = true,
                                      .fields = ptq_step_absorb_bias_fields,
                                      .config_bytes = sizeof(AbsorbKeys),
                                      .run = run};
