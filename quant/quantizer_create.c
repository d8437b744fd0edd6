#include <string.h>

#include "quant/fake_quant.h"

#define QUANTIZER(name) extern const QuantizerType quantizer_##name;
#include "quant/quantizers.def"
#undef QUANTIZER

#define QUANTIZER(name) &quantizer_##name,
const QuantizerType *const quantizer_types[] = {
#include "quant/quantizers.def"
    NULL};
#undef QUANTIZER

const QuantizerType *quantizer_type(const char *name)
{
    for (int i = 0; quantizer_types[i] != NULL; i++)
        if (strcmp(quantizer_types[i]->name, name) == 0) return quantizer_types[i];
    return NULL;
}

static Quantizer *create(Arena *arena, ParamSet *params, const char *name, const QuantizerSpec *spec, int scales)
{
    Quantizer *q = ARENA_ARRAY(arena, Quantizer, 1);
    q->name = arena_strdup(arena, name);
    q->type = spec->type;
    q->qp.bits = spec->bits;
    q->qp.n = scales;
    q->qp.scale = ARENA_ARRAY(arena, float, scales);
    for (int i = 0; i < scales; i++) q->qp.scale[i] = 1.0f;
    q->observer = observer_make(spec->observer, arena, spec->momentum);
    if (!spec->type->learns) return q;
    q->step = param_add(params, arena, arena_printf(arena, "%s.step", name), PARAM_STEP, shape_1(scales));
    return q->step != NULL ? q : NULL;
}

Quantizer *quantizer_create(Arena *arena, ParamSet *params, const char *name, const QuantizerSpec *spec, bool is_signed)
{
    Quantizer *q = create(arena, params, name, spec, 1);
    if (q == NULL) return NULL;
    q->qp.is_signed = is_signed;
    q->qp.axis = -1;
    /* A learned step has no offset of its own: its grid is symmetric. */
    q->symmetric = spec->symmetric || spec->type->learns;
    grid_range(spec->bits, is_signed, is_signed && q->symmetric && spec->narrow, &q->qp.qmin, &q->qp.qmax);
    q->qp.zero_point = is_signed ? 0 : q->qp.qmin;
    q->goal = (ObserverGoal){
        .bits = spec->bits, .is_signed = is_signed, .symmetric = q->symmetric, .percentile = spec->percentile};
    return q;
}

Quantizer *quantizer_create_weights(Arena *arena, ParamSet *params, const char *name, const QuantizerSpec *spec,
                                    int channels, int axis)
{
    Quantizer *q = create(arena, params, name, spec, spec->per_channel ? channels : 1);
    if (q == NULL) return NULL;
    q->is_weight = q->symmetric = q->qp.is_signed = true;
    q->qp.axis = axis;
    grid_range(spec->bits, true, spec->narrow, &q->qp.qmin, &q->qp.qmax);
    q->goal = (ObserverGoal){.bits = spec->bits, .is_signed = true, .symmetric = true, .percentile = spec->percentile};
    return q;
}

size_t weight_gather(const WeightView *v, int scales, long scale, float *values)
{
    size_t count = 0;
    for (long i = 0; i < v->n; i++)
        if (scales == 1 || weight_channel(v, i) == scale) values[count++] = v->w[i];
    return count;
}

Status quantizer_calibrated(Quantizer *q)
{
    float lo, hi;
    const Status status = observer_range(&q->observer, &q->goal, &lo, &hi);
    if (status != STATUS_OK) return status_prefix(status, "%s", q->name);
    q->type->start(q, lo, hi);
    return STATUS_OK;
}
