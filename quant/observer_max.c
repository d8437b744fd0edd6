#include "quant/observer.h"

static void range(const Observer *o, const ObserverGoal *goal, float *lo, float *hi)
{
    const float T = observer_max_magnitude(o);
    *lo = goal->is_signed ? -T : 0.0f;
    *hi = T;
}

const ObserverType observer_max = {
    .name = "max",
    .doc = "the largest |x| seen; nothing is clipped, one outlier sets the scale",
    .range = range,
};
