/* Half a cosine (Loshchilov and Hutter 2017, arXiv 1608.03983, eq. 5, one cycle) over the steps after warm-up:
 *     f + (1 - f) * (1 + cos(pi * i / n)) / 2,   i = 0 .. n-1 of n steps, f = final_scale
 * f itself would be step n: the last step still moves when f is 0. */
#include <math.h>

#include "optim/optimizer.h"

static double factor(const ScheduleConfig *config, long step, long warmup_steps, long steps)
{
    const double done = (double)(step - warmup_steps) / (double)(steps - warmup_steps);
    const double f = config->final_scale;
    return f + (1.0 - f) * 0.5 * (1.0 + cos(3.141592653589793 * done));
}

const ScheduleType schedule_cosine = {
    .name = "cosine",
    .doc = "the learning rate falls along half a cosine to final_scale times its value",
    .factor = factor,
};
