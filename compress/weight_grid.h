/* The grid of a layer's weights, in the units of the weights themselves: what a code stands for before batch norm. */
#ifndef BITFOLD_COMPRESS_WEIGHT_GRID_H
#define BITFOLD_COMPRESS_WEIGHT_GRID_H

#include "layers/model.h"

typedef struct {
    ChannelView by;
    float *step; /* [channels] weight = step * code */
    float lo, hi;
} WeightGrid;

/* Of a layer with a weight quantizer, which finds its scales from the weights if it has none yet.  In the arena. */
WeightGrid weight_grid(Arena *arena, Layer *l);

/* q[weights]: the layer's weights, each as what its nearest code stands for. */
void weight_grid_nearest(const WeightGrid *g, const Layer *l, float *q);

#endif
