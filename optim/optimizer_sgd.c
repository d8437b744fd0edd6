/* Stochastic gradient descent with momentum, in the form of Sutskever et al. 2013 that the common frameworks use:
 *     g = dx + decay * x,   m = momentum * m + g,   x -= lr * (nesterov ? g + momentum * m : m)
 * m starts at 0, so the first step's m is g. */
#include "optim/optimizer.h"

static void update(const OptimizerConfig *cfg, float lr, float decay, float scale, long t, long n, float *restrict x,
                   const float *restrict dx, float *const slot[])
{
    (void)t;
    float *restrict m = slot[0];
    const float momentum = (float)cfg->momentum;
    /* Both forms are a * g + b * m, with factors of 0 and 1 where a term is absent or bare. */
    const float a = cfg->nesterov ? 1.0f : 0.0f, b = cfg->nesterov ? momentum : 1.0f;
#pragma omp simd
    for (long i = 0; i < n; i++) {
        const float g = scale * dx[i] + decay * x[i];
        m[i] = momentum * m[i] + g;
        x[i] -= lr * (a * g + b * m[i]);
    }
}

static const char *const slot_names[] = {"momentum"};
const OptimizerType optimizer_sgd = {
    .name = "sgd",
    .doc = "stochastic gradient descent with momentum, plain or Nesterov; weight decay is added to the gradient",
    .slots = 1,
    .slot_names = slot_names,
    .update = update,
};
