/* The grid of a layer's weights, in the units of the weights themselves: what a code stands for before batch norm. */
#ifndef BITFOLD_COMPRESS_WEIGHT_GRID_H
#define BITFOLD_COMPRESS_WEIGHT_GRID_H

#include "layers/model.h"

typedef struct {
    ChannelView by;
    QuantParams qp; /* as it was then */
    float *
        factor; /* [channels] what weights are multiplied by before they are quantized: weight = scale / factor * code */
} WeightGrid;

/* Of weight i: the step, and the codes that it can have, less its zero point. */
float weight_grid_step(const WeightGrid *g, long i);
float weight_grid_lowest(const WeightGrid *g, long i);
float weight_grid_highest(const WeightGrid *g, long i);

/* Of a layer with a weight quantizer, which finds its scales from the weights if it has none yet.  In the arena. */
WeightGrid weight_grid(Arena *arena, Layer *l);

/* q[weights]: the layer's weights, each as what its nearest code stands for. */
void weight_grid_nearest(const WeightGrid *g, const Layer *l, float *q);

#endif
