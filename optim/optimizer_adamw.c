/* Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1) with decoupled weight decay (Loshchilov and Hutter 2019,
 * arXiv 1711.05101, algorithm 2, the decay scaled by lr):
 *     x -= lr * decay * x
 *     m = beta1 * m + (1 - beta1) * dx,   v = beta2 * v + (1 - beta2) * dx^2
 *     x -= lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon) */
#include <math.h>

#include "optim/optimizer.h"

static void update(const OptimizerConfig *cfg, float lr, float decay, float scale, long t, long n, float *restrict x,
                   const float *restrict dx, float *const slot[])
{
    float *restrict m = slot[0];
    float *restrict v = slot[1];
    /* In double: 1 - beta2 and the bias corrections are small differences of numbers near 1. */
    const float keep = (float)(1.0 - (double)lr * (double)decay);
    const float beta1 = (float)cfg->beta1, new1 = (float)(1.0 - cfg->beta1);
    const float beta2 = (float)cfg->beta2, new2 = (float)(1.0 - cfg->beta2);
    const float rate = (float)((double)lr / (1.0 - pow(cfg->beta1, (double)t)));
    const float root = (float)(1.0 / sqrt(1.0 - pow(cfg->beta2, (double)t)));
    const float epsilon = (float)cfg->epsilon;
#pragma omp simd
    for (long i = 0; i < n; i++) {
        const float g = scale * dx[i];
        m[i] = beta1 * m[i] + new1 * g;
        v[i] = beta2 * v[i] + new2 * (g * g);
        x[i] = keep * x[i] - rate * m[i] / (sqrtf(v[i]) * root + epsilon);
    }
}

static const char *const slot_names[] = {"m", "v"};
const OptimizerType optimizer_adamw = {
    .name = "adamw",
    .doc = "Adam with bias correction; weight decay shrinks the weights directly, apart from the gradient",
    .slots = 2,
    .slot_names = slot_names,
    .update = update,
};
