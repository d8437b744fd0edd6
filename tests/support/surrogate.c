#include "tests/support/surrogate.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "quant/split_weights.h"

QuantizerRun surrogate_run(const Quantizer *q, int channel, float scale, long count)
{
    const float lo = (float)(q->qp.qmin - q->qp.zero_point), hi = (float)(q->qp.qmax - q->qp.zero_point);
    return (QuantizerRun){.scale = scale, .channel = channel, .gate = {lo, hi, hi}, .count = count};
}

static long place(const Quantizer *q, const QuantizerRun *run, int k)
{
    return q->param[k]->count > 1 ? run->channel : 0;
}

double surrogate_value(const Quantizer *q, const QuantizerRun *run, float *const *param, double residual, double x)
{
    double of_run[QUANTIZER_PARAMS];
    for (int k = 0; k < q->params; k++) of_run[k] = (double)param[k][place(q, run, k)];
    return q->type->surrogate(q, run, of_run, residual, x);
}

double surrogate_slope(const Quantizer *q, const QuantizerRun *run, float *const *param, int k, float relative,
                       double residual, double x)
{
    float *at = &param[k][place(q, run, k)];
    const float here = *at, h = relative * fmaxf(fabsf(here), run->scale);
    *at = here + h;
    const double up = surrogate_value(q, run, param, residual, x), right = (double)*at;
    *at = here - h;
    const double down = surrogate_value(q, run, param, residual, x), left = (double)*at;
    *at = here;
    return (up - down) / (right - left);
}

double surrogate_scale(const Quantizer *q, const QuantizerRun *run, int k)
{
    return q->type->gradient_scale == NULL ? 1.0 : q->type->gradient_scale(q, run, k);
}

float **surrogate_params(Arena *arena, const Quantizer *q)
{
    float **param = ARENA_ARRAY(arena, float *, QUANTIZER_PARAMS);
    for (int k = 0; k < q->params; k++) {
        const size_t bytes = sizeof(float) * (size_t)q->param[k]->count;
        param[k] = memcpy(arena_alloc(arena, bytes), q->param[k]->x, bytes);
    }
    return param;
}

long surrogate_sharing(const Quantizer *q, const ChannelView *by, long scale)
{
    if (q->qp.group == 0) return by->n / q->qp.n;
    const long left = channel_elements(by) - scale % q->qp.groups * q->qp.group;
    return left < q->qp.group ? left : q->qp.group;
}

int surrogate_code(const Quantizer *q, const ChannelView *by, const Tensor *y, long i)
{
    const QuantParams *qp = &q->qp;
    const long s = weight_scale_at(qp, by, i);
    if (qp->multiple == NULL) return y->codes[i] - grid_zero(qp, s);
    ck_assert_int_eq(y->codes[i] % qp->multiple[s], 0);
    return y->codes[i] / qp->multiple[s];
}

int16_t *surrogate_codes(Arena *arena, const Quantizer *q, const Tensor *y)
{
    const ChannelView by = channel_view(y->shape, q->qp.axis == 0);
    int16_t *codes = ARENA_ARRAY(arena, int16_t, by.n);
    for (long i = 0; i < by.n; i++) codes[i] = (int16_t)surrogate_code(q, &by, y, i);
    return codes;
}

float *surrogate_gradient(Arena *arena, const Quantizer *q, Shape weights, int k)
{
    const ChannelView by = channel_view(weights, q->qp.axis == 0);
    const Param *p = q->param[k];
    float *dx = ARENA_ARRAY(arena, float, p->count);
    const QuantizerRun first = surrogate_run(q, 0, 1.0f, surrogate_sharing(q, &by, 0));
    for (long s = 0; s < p->count; s++) {
        const QuantizerRun own = surrogate_run(q, (int)s, 1.0f, surrogate_sharing(q, &by, q->qp.group > 0 ? s : 0));
        dx[s] = p->dx[s] * (float)(surrogate_scale(q, &first, k) / surrogate_scale(q, &own, k));
    }
    return dx;
}
