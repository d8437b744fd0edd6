#include "kernels/requant_dynamic.h"

#include <math.h>

#include "kernels/requant.h"

QuantizeGrid dynamic_grid(float lo, float hi)
{
    const float least = lo < 0.0f ? lo : 0.0f, most = hi > 0.0f ? hi : 0.0f;
    float scale = (most - least) / 255.0f;
    if (!isfinite(most - least)) return (QuantizeGrid){INFINITY, INT8_MIN, INT8_MIN, INT8_MAX};
    if (scale == 0.0f) scale = 1.0f;
    const float zero = 0.0f - least / scale;
    return (QuantizeGrid){scale, round_small(zero < 255.0f ? zero : 255.0f) + INT8_MIN, INT8_MIN, INT8_MAX};
}

QuantizeGrid dynamic_quantize(size_t n, const float *x, int8_t *codes)
{
    Extremes range = {INFINITY, -INFINITY, false}, again = range;
    kernels()->extremes(n, x, &range);
    const QuantizeGrid grid = range.not_finite ? dynamic_grid(-INFINITY, INFINITY) : dynamic_grid(range.min, range.max);
    kernels()->quantize(n, x, &grid, codes, &again);
    return grid;
}
