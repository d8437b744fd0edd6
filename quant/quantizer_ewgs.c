/* Element-wise gradient scaling (Lee 2021, 2104.00903): where the rounding moved a value against the way in which its
 * gradient would move it, the gradient is larger, and smaller where it moved it along.
 *   v = x / s;  y = s rne(clip(v, n, p));  dx = dy (1 + delta sign(dy) (v - rne(v))) where n <= v <= p, else 0
 * The step is a parameter, with LSQ's gradient. */
#include <math.h>

#include "quant/learned_step.h"

typedef struct {
    double delta;
} EwgsKeys;

const Field quantizer_ewgs_fields[] = {
    {"delta", FIELD_FLOAT, offsetof(EwgsKeys, delta), .min = 0, .max = 1, .def = "0.01",
     .doc = "how much of the distance to the code, in steps, the gradient is scaled by; 0: LSQ. The paper's delta is "
            "of "
            "grids from 0 to 1: this one times the largest less the smallest code"},
    FIELD_END};

static void ewgs_backward(const Quantizer *q, const QuantizerRun *run, size_t n, const float *x, const float *dy,
                          float *dx)
{
    const float delta = (float)((const EwgsKeys *)q->keys)->delta, lo = run->gate.lo, hi = run->gate.hi;
    const float scale = run->scale;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        const float v = x[i] / scale, d = dy[i], low = v < lo ? lo : v, inside = low > hi ? hi : low;
        const float off = delta * (inside - (float)round_small(inside));
        dx[i] = v == inside ? d + fabsf(d) * off : 0.0f;
    }
}

/* Around its place x moves faster or slower than it does. */
static double ewgs_surrogate(const Quantizer *q, const QuantizerRun *run, const double *param, double residual,
                             double x)
{
    const EwgsKeys *keys = q->keys;
    return learned_step_surrogate(q, run, param, residual, x) -
           keys->delta * run->dy_sign * residual * (x - run->place);
}

const QuantizerType quantizer_ewgs = {
    .name = "ewgs",
    .doc = "element-wise gradient scaling (Lee 2021) by the distance to the code, with a learned step",
    .uses = QUANTIZES_ALL,
    .learns = true,
    .centred = true,
    .fields = quantizer_ewgs_fields,
    .config_bytes = sizeof(EwgsKeys),
    .create = learned_step_create,
    .start = learned_step_start,
    .prepare = learned_step_prepare,
    .adopt = learned_step_adopt,
    .backward = ewgs_backward,
    .backward_params = learned_step_backward_params,
    .backward_scale = learned_step_backward_scale,
    .finish = learned_step_finish,
    .surrogate = ewgs_surrogate,
    .gradient_scale = learned_step_gradient_scale,
};
