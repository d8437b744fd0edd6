/* The float network that a quantized model is to be like: values of parameters and batch norm statistics, kept apart
 * while steps of post-training quantization change the model's own. */
#ifndef BITFOLD_COMPRESS_REAL_NETWORK_H
#define BITFOLD_COMPRESS_REAL_NETWORK_H

#include "layers/model.h"

typedef struct {
    float *params; /* [m->params.count] */
    float *norm;   /* mean and variance of every batch norm, in the order of the layers */
    size_t norms;  /* floats of it */
} RealNetwork;

/* A copy of what the model has now, in the arena. */
RealNetwork *real_network_take(Arena *arena, const Model *m);
void real_network_update(RealNetwork *real, const Model *m); /* taken again */
void real_network_put(const RealNetwork *real, Model *m);    /* into the model */

#endif
