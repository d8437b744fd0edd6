#include "quant/observer.h"

static float towards(float v, float batch, double momentum)
{
    return (float)((double)v + momentum * ((double)batch - (double)v));
}

static void update(Observer *o, float min, float max)
{
    o->min = towards(o->min, min, o->momentum);
    o->max = towards(o->max, max, o->momentum);
}

const ObserverType observer_ema_minmax = {
    .name = "ema_minmax",
    .doc = "moving averages of each batch's smallest and largest value; follows a range that drifts in training",
    .update = update,
    .range = observer_extremes,
};
