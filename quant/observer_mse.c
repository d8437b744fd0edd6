#include "quant/observer.h"

static void range(const Observer *o, const ObserverGoal *goal, float *lo, float *hi)
{
    const bool found = o->hist.width > 0.0; /* false: nothing but zeros, or no batch seen whole */
    const double T = found ? histogram_mse(&o->hist, observer_levels(goal)) : (double)observer_max_magnitude(o);
    observer_clip(o, goal, T, lo, hi);
}

const ObserverType observer_mse = {
    .name = "mse",
    .doc = "clips where the squared error of the quantized values is least",
    .uses_histogram = true,
    .range = range,
};
