/* Which weights share a scale; see quantizer_type.h. */
#include <math.h>

#include "quant/quantizer_type.h"

long weight_scale_at(const QuantParams *qp, const ChannelView *by, long i)
{
    if (qp->n == 1) return 0;
    const long c = channel_at(by, i);
    return qp->group == 0 ? c : c * qp->groups + i % by->run / qp->group;
}

size_t weight_gather(const WeightView *v, const QuantParams *qp, long scale, float *values)
{
    size_t count = 0;
    for (long i = 0; i < v->by.n; i++)
        if (weight_scale_at(qp, &v->by, i) == scale) values[count++] = v->w[i];
    return count;
}

void weight_largest(const WeightView *v, int scales, float *largest)
{
    for (int c = 0; c < scales; c++) largest[c] = 0.0f;
    if (scales == 1 || v->by.outermost) {
        const long run = v->by.n / scales;
        for (int c = 0; c < scales; c++) {
            const float *x = v->w + c * run;
            float most = 0.0f;
#pragma omp simd reduction(max : most)
            for (long i = 0; i < run; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
            largest[c] = most;
        }
    } else {
        for (const float *x = v->w; x < v->w + v->by.n; x += v->by.channels)
#pragma omp simd
            for (int c = 0; c < v->by.channels; c++) largest[c] = fabsf(x[c]) > largest[c] ? fabsf(x[c]) : largest[c];
    }
}
