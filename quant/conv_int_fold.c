#include "quant/int_ops.h"

#include <math.h>
#include <string.h>

#include "quant/channel_sums.h"

/* Sums of each channel's codes. */
static void sum_channels(const Tensor *w, const ChannelView *v, ChannelWeights *out)
{
    memset(out, 0, sizeof *out * (size_t)v->channels);
    for (long i = 0, run = v->outermost ? v->run : 1; i < v->n; i += run) {
        int magnitude = 0, total = 0; /* of at most 2^24 codes of 128 */
        for (long k = i; k < i + run; k++) {
            magnitude += w->codes[k] < 0 ? -w->codes[k] : w->codes[k];
            total += w->codes[k];
        }
        ChannelWeights *channel = &out[channel_at(v, i)];
        channel->magnitude += magnitude;
        channel->total += total;
    }
}

/* How large the bias of a channel may be, in addition to the products of its stored weights. */
static int32_t room_for_bias(const QuantParams *x, ChannelWeights stored)
{
    const int64_t products = channel_products(stored, x->zero_point, x->qmin, x->qmax);
    return products < INT32_MAX ? (int32_t)(INT32_MAX - products) : 0;
}

/* Of int16 codes, whose sums are int64. */
static Status fold_wide_bias(const char *name, int channel, float bias, double step, int64_t *out)
{
    const double q = rint((double)bias / step);
    if (!(fabs(q) < 0x1p46))
        return status_fail(STATUS_NUMERIC, "%s: channel %d: bias %g on a grid of %g; must be less than 2^46 steps",
                           name, channel, (double)bias, step);
    *out = (int64_t)q;
    return STATUS_OK;
}

static bool is_power_of_2(float x)
{
    int exponent;
    return frexpf(x, &exponent) == 0.5f;
}

/* The least that is not below x > 0. */
static float power_of_2_from(float x)
{
    int exponent;
    const bool is_one = frexpf(x, &exponent) == 0.5f;
    return ldexpf(1.0f, is_one ? exponent - 1 : exponent);
}

/* A channel whose outputs are signs. */
static void fold_sign(const QuantParams *x, const QuantParams *y, float bias, ChannelWeights stored, int channel,
                      ConvInt *out)
{
    const double most = (double)channel_products(stored, x->zero_point, x->qmin, x->qmax);
    const double halves = floor((double)bias / (2.0 * (double)x->scale[0] * (double)out->real_scale[channel]));
    const int64_t end = (int64_t)(fmin(most, 0x1p31 - 4.0) / 2.0) + 1;
    const int64_t pairs = halves < (double)-end ? -end : halves > (double)end ? end : (int64_t)halves;
    out->bias[channel] = (int32_t)(2 * pairs + 1);
    out->weight_scale[channel] = y->scale[0] / x->scale[0];
}

Status conv_int_fold(Arena *arena, const char *name, const QuantParams *x, const Tensor *w, const float *bn_scale,
                     const float *b, const QuantParams *y, Activation act, Rounding rounding, bool strict, ConvInt *out)
{
    const ChannelView v = channel_view(w->shape, w->qp->axis == 0);
    const int O = v.channels;
    const bool signs = y != NULL && grid_is_signs(y);
    const float s_x = x->scale[0], s_y = y == NULL ? 1.0f : y->scale[0];
    *out = (ConvInt){.weights = arena_alloc(arena, (size_t)v.n),
                     .weight_scale = ARENA_ARRAY(arena, float, O),
                     .real_scale = ARENA_ARRAY(arena, float, O),
                     .multiplier = ARENA_ARRAY(arena, Multiplier, O),
                     .shift = w->qp->bits < 7 ? 7 - w->qp->bits : signs};
    if (x->bits == QUANT_WIDE_BITS)
        out->wide_bias = ARENA_ARRAY(arena, int64_t, O);
    else
        out->bias = ARENA_ARRAY(arena, int32_t, O);
    out->lo = -INT32_MAX, out->hi = INT32_MAX;
    if (y != NULL) activation_clamp(y, act, &out->lo, &out->hi);
    const int max_magnitude =
        x->qmax - x->zero_point > x->zero_point - x->qmin ? x->qmax - x->zero_point : x->zero_point - x->qmin;
    ChannelWeights *sums = ARENA_ARRAY(arena, ChannelWeights, O);
    bool *dead = ARENA_ARRAY(arena, bool, O);
    sum_channels(w, &v, sums);
    for (int o = 0; o < O; o++) {
        const float s_w = w->qp->scale[w->qp->n == 1 ? 0 : o] * (bn_scale == NULL ? 1.0f : fabsf(bn_scale[o]));
        const float bias = b == NULL ? 0.0f : b[o];
        if (!isfinite(s_w) || !isfinite(bias) || !isfinite(s_x) || !isfinite(s_y))
            return status_fail(STATUS_NUMERIC,
                               "%s: channel %d: weight scale %g, bias %g, input scale %g, output scale "
                               "%g; all must be finite",
                               name, o, (double)s_w, (double)bias, (double)s_x, (double)s_y);
        out->weight_scale[o] = out->real_scale[o] = s_w / (float)(1 << out->shift);
        if (signs) {
            const int64_t unit = (int64_t)1 << out->shift;
            fold_sign(x, y, bias, (ChannelWeights){sums[o].magnitude * unit, sums[o].total * unit}, o, out);
            out->multiplier[o] = multiplier_make(rounding, s_x, out->weight_scale[o], s_y);
            continue;
        }
        dead[o] =
            y != NULL && (double)(sums[o].magnitude * max_magnitude) * (double)s_x * (double)s_w < 0.25 * (double)s_y;
        if (dead[o]) {
            /* The smallest scale on which the bias takes 20 bits, and not so small that a multiplier vanishes. */
            const float need = fabsf(bias) / (s_x * 0x1p20f), least = s_y / s_x * 0x1p-24f;
            const float scale = need > least ? need : least;
            const bool shifts = is_power_of_2(s_x) && is_power_of_2(s_y) && is_power_of_2(s_w);
            out->weight_scale[o] = out->real_scale[o] = shifts ? power_of_2_from(scale) : scale;
        }
        if (out->wide_bias != NULL) {
            TRY(fold_wide_bias(name, o, bias, (double)s_x * (double)out->weight_scale[o], &out->wide_bias[o]));
            continue;
        }
        const int64_t unit = dead[o] ? 0 : (int64_t)1 << out->shift;
        const int32_t most = room_for_bias(x, (ChannelWeights){sums[o].magnitude * unit, sums[o].total * unit});
        if (!quantize_bias(bias, s_x, out->weight_scale[o], most, &out->bias[o])) {
            if (strict)
                return status_fail(STATUS_NUMERIC,
                                   "%s: channel %d: bias %g on a grid of %g; must be at most %d steps, so that no sum "
                                   "reaches 2^31",
                                   name, o, (double)bias, (double)(s_x * out->weight_scale[o]), most);
            out->bias[o] = bias < 0.0f ? -most : most;
        }
        if (y != NULL) out->multiplier[o] = multiplier_make(rounding, s_x, out->weight_scale[o], s_y);
    }
    for (long r = 0, at = 0; r < v.runs; r++)
        for (long i = 0; i < v.run; i++, at++)
            out->weights[at] = dead[v.outermost ? r : i] ? 0 : (int8_t)(w->codes[at] * (1 << out->shift));
    return STATUS_OK;
}
