/* What a few layers in a row read and give, on the images of post-training quantization: the inputs in the float network
 * and in the quantized one, and the output that the float network gives. */
#ifndef BITFOLD_COMPRESS_UNIT_DATA_H
#define BITFOLD_COMPRESS_UNIT_DATA_H

#include "compress/ptq_images.h"
#include "compress/real_network.h"
#include "layers/model.h"

enum { UNIT_INPUTS = 16 };

/* Layers first .. last, of which all but the last are read within the unit alone. */
typedef struct {
    int first, last;
    int inputs, input[UNIT_INPUTS]; /* the layers outside that they read; -1: the image */
} Unit;

/* The unit of these layers.  False: they read too much. */
bool unit_of(const Model *m, int first, int last, Unit *unit);

/* The end of the shortest unit from layer `first` on whose output is all that later layers read of it: a residual block, or
 * one layer. */
int unit_block_end(const Model *m, int first);

typedef struct {
    int n;                                             /* images */
    size_t in[UNIT_INPUTS], out;                       /* values of one image */
    float *real[UNIT_INPUTS], *quantized[UNIT_INPUTS]; /* [n,in]; real NULL: not wanted */
    float *target;                                     /* [n,out] of the float network */
} UnitData;

/* Runs both networks over the images.  The model is the quantized one, with ranges; the float network's values are those
 * of `real`.  STATUS_NOMEM. */
Status unit_data_collect(Arena *arena, Model *m, const RealNetwork *real, const Unit *unit, const PtqImages *images,
                         bool real_inputs, UnitData *data);

#endif
