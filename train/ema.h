/* The exponential moving average of a network in training, which is what is evaluated and saved in its place.
 *
 *     e <- d e + (1 - d) x after every step,  d = min(decay, (1 + t) / (10 + t)) in step t = 1, 2, ...
 *
 * of every parameter and of batch norm's running statistics; the smaller d of the first steps lets the start be forgotten.
 *
 * Source: Polyak and Juditsky 1992; the rising d is that of TensorFlow's ExponentialMovingAverage (num_updates). */
#ifndef BITFOLD_TRAIN_EMA_H
#define BITFOLD_TRAIN_EMA_H

#include "layers/model.h"

typedef struct {
    Model *model;
    double decay;
    float *x;            /* [model->params.count] the averages, or, while those are in the model, what is trained */
    float **mean, **var; /* [layers][channels] the same of batch norm; NULL: the layer has none */
} Ema;

/* Begins with the values that the model has now.  In the arena. */
Ema *ema_make(Arena *arena, Model *model, double decay);

/* After step t. */
void ema_update(Ema *ema, long t);

/* Exchanges the model's values and the averages. */
void ema_swap(Ema *ema);

#endif
