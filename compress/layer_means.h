/* What layers with weights give on average before their activations, channel by channel. */
#ifndef BITFOLD_COMPRESS_LAYER_MEANS_H
#define BITFOLD_COMPRESS_LAYER_MEANS_H

#include "compress/ptq_images.h"
#include "layers/model.h"

typedef struct {
    double *mean, *deviation; /* [channels]; NULL: the layer has no weights, or was not asked for */
} LayerMeans;

/* Over the images, rows and columns, of layer `only` (-1: of all with weights); means[layers], in the arena.  quantized: on the
 * grids of weights and of what the layer reads, else of the float network. */
Status layer_means(Arena *arena, Model *m, const PtqImages *images, bool quantized, int only, LayerMeans *means);

#endif
