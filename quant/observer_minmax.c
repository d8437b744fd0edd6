#include "quant/observer.h"

const ObserverType observer_minmax = {
    .name = "minmax",
    .doc = "the smallest and largest value seen",
    .range = observer_extremes,
};
