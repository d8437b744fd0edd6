#include "search/weight_mix.h"

#include <math.h>
#include <string.h>

#include "quant/format_ops.h"
#include "quant/int_ops.h"

/* ---- candidates ------------------------------------------------------------------------------------------------------ */

/* The network with all weights in a format, for its quantizers; the outputs are none of the mixture's. */
static Status add_format(Arena *arena, const Judge *judge, int f, WeightMix *mix)
{
    const SearchSpace *space = mix->space;
    const FormatGroups *g = &space->s->groups;
    const FormatChoice choice = format_choice(arena, g, space->formats.at[f], name_find(format_choices, "float32"));
    Config *config;
    TRY(format_choice_config(arena, judge->config, g, &choice, &config));
    config->quant = ptq_quant_config(arena, &config->quant);
    config->quant.weights.observer = name_find(observer_choices, "mse");
    Model *m;
    TRY(experiment_model(arena, config, &config->quant, judge->data, &m));
    for (int i = 0; i < g->layers; i++) {
        if (mix->of[i] == NULL || !isfinite(*space_loss(space, i, f))) continue;
        const Layer *as = &m->layer[g->layer[i].first];
        const size_t count = (size_t)as->weight->count;
        mix->as[i * mix->formats + f] = as;
        mix->change[i * mix->formats + f] = ARENA_ARRAY(arena, float, count);
        if (as->weight_q != NULL && as->weight_q->qp.bits < mix->narrowest_bits)
            mix->narrowest_bits = as->weight_q->qp.bits;
    }
    return STATUS_OK;
}

Status weight_mix_begin(Arena *arena, const Judge *judge, const SearchSpace *space, Model *model, WeightMix *mix)
{
    const FormatGroups *g = &space->s->groups;
    const int n = g->layers * space->formats.n;
    *mix = (WeightMix){.space = space,
                       .model = model,
                       .layers = g->layers,
                       .formats = space->formats.n,
                       .of = ARENA_ARRAY(arena, const Layer *, g->layers),
                       .as = ARENA_ARRAY(arena, const Layer *, n),
                       .change = ARENA_ARRAY(arena, float *, n),
                       .share = ARENA_ARRAY(arena, double, n),
                       .own = ARENA_ARRAY(arena, float, model->params.count),
                       .narrowest_bits = QUANT_MAX_BITS,
                       .step = arena_create()};
    mix->tape = tape_create(arena, mix->step);
    for (int i = 0; i < g->layers; i++)
        if (g->layer[i].has_weights) mix->of[i] = &model->layer[g->layer[i].first];
    for (int f = 0; f < space->formats.n; f++) TRY(add_format(arena, judge, f, mix));
    return STATUS_OK;
}

void weight_mix_end(WeightMix *mix)
{
    if (mix->step != NULL) arena_destroy(mix->step);
    mix->step = NULL;
}

void weight_mix_find_ranges(WeightMix *mix)
{
    for (int k = 0; k < mix->layers * mix->formats; k++)
        if (mix->as[k] != NULL && mix->as[k]->weight_q != NULL) mix->as[k]->weight_q->ready = false;
}

/* ---- mixtures -------------------------------------------------------------------------------------------------------- */

static const float *norm_signs(Tape *t, const Layer *l)
{
    float *sign = arena_alloc(t->arena, sizeof(float) * (size_t)l->gamma->count);
    for (long c = 0; c < l->gamma->count; c++) sign[c] = signbit(l->gamma->x[c]) ? -1.0f : 1.0f;
    return sign;
}

/* change = Q(w) - w. */
static Status find_change(Tape *t, const Layer *l, const Layer *as, float *change)
{
    tape_reset(t, false);
    Quantizer *q = as->weight_q;
    const Shape shape = l->weight->shape;
    const bool outermost = q != NULL ? q->qp.axis == 0 : l->norm == NULL || shape.dim[0] == l->gamma->count;
    const bool scaled = l->norm != NULL && (q == NULL || q->qp.n == 1);
    Tensor *w = tape_leaf(t, l->weight->name, shape, l->weight->x, NULL), *factor = NULL;
    if (scaled) {
        factor = op_norm_scale(t, tape_leaf(t, l->gamma->name, l->gamma->shape, l->gamma->x, NULL), l->norm);
        w = op_scale_weights(t, w, factor, outermost);
    }
    const float *sign = l->norm != NULL && !scaled ? norm_signs(t, l) : NULL;
    const Tensor *y = q != NULL ? op_fake_quant_weights(t, w, q, sign) : op_round(t, w, as->weight_format);
    if (tape_failed(t)) return status_fail(t->status, "%s", t->message);
    const ChannelView by = channel_view(shape, outermost);
    for (long i = 0; i < l->weight->count; i++) {
        const float one = factor == NULL ? 1.0f : factor->x[channel_at(&by, i)];
        change[i] = y->x[i] / one - l->weight->x[i];
    }
    return STATUS_OK;
}

static void mix_layer(const WeightMix *mix, int layer)
{
    const Param *w = mix->of[layer]->weight;
    const double *share = mix->share + layer * mix->formats;
    float *const *change = mix->change + layer * mix->formats;
    for (long i = 0; i < w->count; i++) {
        double d = 0.0;
        for (int f = 0; f < mix->formats; f++)
            if (change[f] != NULL) d += share[f] * (double)change[f][i];
        w->x[i] = (float)((double)w->x[i] + d);
    }
}

Status weight_mix_apply(WeightMix *mix)
{
    const ParamSet *p = &mix->model->params;
    memcpy(mix->own, p->x, sizeof *p->x * p->count);
    for (int i = 0; i < mix->layers; i++) {
        for (int f = 0; f < mix->formats && mix->of[i] != NULL; f++)
            if (weight_mix_has(mix, i, f))
                TRY(find_change(mix->tape, mix->of[i], mix->as[i * mix->formats + f],
                                mix->change[i * mix->formats + f]));
        if (mix->of[i] != NULL) mix_layer(mix, i);
    }
    return STATUS_OK;
}

void weight_mix_undo(WeightMix *mix)
{
    const ParamSet *p = &mix->model->params;
    memcpy(p->x, mix->own, sizeof *p->x * p->count);
}

double weight_mix_slope(const WeightMix *mix, int layer, int format)
{
    const Param *w = mix->of[layer]->weight;
    const float *change = mix->change[layer * mix->formats + format];
    double slope = 0.0;
    for (long i = 0; i < w->count; i++) slope += (double)w->dx[i] * (double)change[i];
    return slope;
}
