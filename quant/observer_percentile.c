#include "quant/observer.h"

static void range(const Observer *o, const ObserverGoal *goal, float *lo, float *hi)
{
    const bool found = o->hist.width > 0.0; /* false: nothing but zeros, or no batch seen whole */
    const double T = found ? histogram_percentile(&o->hist, goal->percentile) : (double)observer_max_magnitude(o);
    observer_clip(o, goal, T, lo, hi);
}

const ObserverType observer_percentile = {
    .name = "percentile",
    .doc = "clips so that a given share of |x| (percentile, in percent) stays inside",
    .uses_histogram = true,
    .range = range,
};
