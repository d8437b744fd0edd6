/* What layers with weights give on average before their activations, channel by channel. */
#ifndef BITFOLD_COMPRESS_LAYER_MEANS_H
#define BITFOLD_COMPRESS_LAYER_MEANS_H

#include <math.h>

#include "compress/ptq_images.h"
#include "layers/model.h"

typedef struct {
    double *mean, *deviation; /* [channels]; NULL: the layer has no weights, or was not asked for */
} LayerMeans;

/* How far channel c's mean is from what it is to be, as a share of the deviation there; 0 where that is 0. */
static inline double layer_mean_error(const LayerMeans *now, const LayerMeans *wanted, int c)
{
    const double deviation = wanted->deviation[c];
    return deviation > 0.0 ? fabs(now->mean[c] - wanted->mean[c]) / fmax(deviation, 1e-12) : 0.0;
}

/* Over the images, rows and columns, of layer `only` (-1: of all with weights); means[layers], in the arena.  quantized: on the
 * grids of weights and of what the layer reads, else of the float network. */
Status layer_means(Arena *arena, Model *m, const PtqImages *images, bool quantized, int only, LayerMeans *means);

#endif
