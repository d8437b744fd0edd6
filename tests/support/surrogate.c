#include "tests/support/surrogate.h"

#include <math.h>
#include <string.h>

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
