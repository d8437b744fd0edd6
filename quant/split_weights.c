#include "quant/split_weights.h"

#include <float.h>
#include <math.h>

int split_most_multiple(const QuantParams *qp)
{
    const int below = -qp->qmin, above = qp->qmax;
    if (qp->zero != NULL && qp->group == 0) return qp->bits < 8 ? 1 << (7 - qp->bits) : 0;
    return 127 / (qp->zero != NULL ? above + below : above > below ? above : below);
}

static Status check_integers(const Quantizer *q)
{
    const QuantParams *qp = &q->qp;
    if (split_most_multiple(qp) >= (qp->group > 0 ? 2 : 1)) return STATUS_OK;
    const bool both = qp->group > 0 && qp->zero != NULL;
    const int most = both || (qp->group > 0 && qp->qmin == -qp->qmax - 1) ? 6 : 7;
    return status_fail(
        STATUS_CONFIG,
        "%d-bit weights %s%s%s; in a layer that computes in integers they need 2 to %d bits (in one whose "
        "output is in floats they may have 8)",
        qp->bits, qp->group > 0 ? "with a scale for each group" : "", both ? " and " : "",
        qp->zero != NULL ? "with zero points" : "", most);
}

static Status refuse_affine(const QuantizerType *type)
{
    return status_fail(STATUS_CONFIG,
                       "quantizer \"%s\" for weights with zero points (\"affine\"); \"observed\" is for them",
                       type->name);
}

Status split_grid_make(Arena *arena, Quantizer *q, const QuantizerSpec *spec, QuantizedTensor tensor)
{
    QuantParams *qp = &q->qp;
    const QuantizerType *type = q->type;
    const bool grouped = spec->group > 0 && tensor.axis == 0 && grid_groups(spec->group, tensor.inputs) > 1;
    if (spec->affine && !type->affine) return refuse_affine(type);
    if (spec->group > 0 && !type->groups)
        return status_fail(
            STATUS_CONFIG,
            "quantizer \"%s\" for weights with a scale for each group; \"observed\" and \"lsq\" are for them",
            type->name);
    if (grouped) {
        qp->group = spec->group;
        qp->groups = grid_groups(spec->group, tensor.inputs);
        qp->n = tensor.channels * qp->groups;
        qp->scale = ARENA_ARRAY(arena, float, qp->n);
        for (int i = 0; i < qp->n; i++) qp->scale[i] = 1.0f;
    }
    if (spec->affine) qp->zero = ARENA_ARRAY(arena, int8_t, qp->n);
    if (!grid_is_split(qp) || tensor.in_floats) return STATUS_OK;
    TRY(check_integers(q));
    qp->multiple = ARENA_ARRAY(arena, uint8_t, qp->n);
    for (int i = 0; i < qp->n; i++) qp->multiple[i] = 1;
    return STATUS_OK;
}

Status quantizer_make_affine(Arena *arena, Quantizer *q)
{
    const QuantParams before = q->qp;
    QuantParams *qp = &q->qp;
    if (!q->type->affine) return refuse_affine(q->type);
    grid_range(qp->bits, true, false, &qp->qmin, &qp->qmax);
    qp->zero = ARENA_ARRAY(arena, int8_t, qp->n);
    const Status status = q->in_floats ? STATUS_OK : check_integers(q);
    if (status != STATUS_OK) {
        q->qp = before;
        return status;
    }
    if (!q->in_floats && qp->multiple == NULL) qp->multiple = ARENA_ARRAY(arena, uint8_t, qp->n);
    q->symmetric = q->goal.symmetric = false;
    q->ready = false;
    return q->type->create == NULL || q->type->create(q, NULL, arena) ? STATUS_OK : STATUS_CONFIG;
}

/* ---- scales ------------------------------------------------------------------------------------------------------ */

static float largest(const float *scale, int n)
{
    float most = 0.0f;
    for (int i = 0; i < n; i++) most = fmaxf(most, scale[i]);
    return most;
}

static int clamp_multiple(float m, int most) { return m >= (float)most ? most : m > 1.0f ? (int)m : 1; }

/* Of the n scales of an output, in integers. */
static void settle_output(const QuantParams *qp, float *scale, uint8_t *multiple, int n, bool up)
{
    const int most = split_most_multiple(qp);
    const float top = largest(scale, n), step = top > 0.0f ? fmaxf(top / (float)most, FLT_MIN) : 1.0f / (float)most;
    for (int i = 0; i < n; i++) {
        multiple[i] = (uint8_t)clamp_multiple(up ? ceilf(scale[i] / step) : rintf(scale[i] / step), most);
        scale[i] = step * (float)multiple[i];
    }
}

void split_scales_settle(QuantParams *qp, bool up)
{
    if (qp->multiple == NULL || qp->group == 0) {
        for (int i = 0; i < qp->n; i++)
            qp->scale[i] = qp->scale[i] > 0.0f ? fmaxf(qp->scale[i], FLT_MIN * 128.0f) : 1.0f;
        split_multiples(qp);
        return;
    }
    for (int at = 0; at < qp->n; at += qp->groups) settle_output(qp, qp->scale + at, qp->multiple + at, qp->groups, up);
}

void split_multiples(QuantParams *qp)
{
    if (qp->multiple == NULL) return;
    const int most = split_most_multiple(qp);
    for (int at = 0; at < qp->n; at += qp->groups) {
        const float step = largest(qp->scale + at, qp->groups) / (float)most;
        for (int i = at; i < at + qp->groups; i++)
            qp->multiple[i] = (uint8_t)clamp_multiple(rintf(qp->scale[i] / step), most);
    }
}

QuantParams *split_grid_of_integers(Arena *arena, const QuantParams *qp)
{
    QuantParams *v = ARENA_ARRAY(arena, QuantParams, 1);
    const int outputs = qp->n / qp->groups, most = split_most_multiple(qp);
    *v = (QuantParams){.bits = 8,
                       .is_signed = true,
                       .qmin = -127,
                       .qmax = 127,
                       .axis = qp->axis,
                       .groups = 1,
                       .n = outputs,
                       .scale = ARENA_ARRAY(arena, float, outputs)};
    for (int o = 0; o < outputs; o++) v->scale[o] = largest(qp->scale + o * qp->groups, qp->groups) / (float)most;
    return v;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

static float sign_of(const float *sign, long channel) { return sign == NULL ? 1.0f : sign[channel]; }

void split_quantize(const QuantParams *qp, const WeightView *w, const float *sign, int8_t *codes, float *x)
{
    for (long i = 0; i < w->by.n; i++) {
        const long s = weight_scale_at(qp, &w->by, i), c = channel_at(&w->by, i);
        const float own = sign_of(sign, c) < 0.0f ? -qp->scale[s] : qp->scale[s]; /* -w / s == w / -s, exactly */
        const int z = grid_zero(qp, s), code = quantize_value(w->w[i], own, z, qp->qmin, qp->qmax);
        codes[i] = (int8_t)(qp->multiple == NULL ? code : qp->multiple[s] * (code - z));
        x[i] = own * (float)(code - z);
    }
}

/* The largest weight of an observed range is its bound, and its quotient may round past it. */
static const float PAST_BOUND = 1.0f + 4.0f * FLT_EPSILON;

void split_inside(const QuantParams *qp, const WeightView *w, const float *sign, const float *dy, float *dw)
{
    for (long i = 0; i < w->by.n; i++) {
        const long s = weight_scale_at(qp, &w->by, i);
        const float v = sign_of(sign, channel_at(&w->by, i)) * w->w[i] / qp->scale[s];
        const int z = grid_zero(qp, s);
        dw[i] += v >= (float)(qp->qmin - z) * PAST_BOUND && v <= (float)(qp->qmax - z) * PAST_BOUND ? dy[i] : 0.0f;
    }
}
