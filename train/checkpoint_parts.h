/* What writing and reading checkpoints share. */
#ifndef BITFOLD_TRAIN_CHECKPOINT_PARTS_H
#define BITFOLD_TRAIN_CHECKPOINT_PARTS_H

#include "train/checkpoint.h"

enum { CHECKPOINT_SUMS = 7 }; /* epoch, window and best of a TrainState, in this order */

/* What of a quantizer is state; the rest follows from the config. */
typedef struct {
    float extremes[2];
    uint64_t
        seen[2]; /* batches observed; 1: ready, 3: weights' codes were chosen on this grid (Quantizer.fixed), too */
    int32_t zero_point;
} QuantizerState;

/* How many weights q quantizes; 0: it is of an output. */
static inline long checkpoint_weights(const Model *m, const Quantizer *q)
{
    for (int i = 0; i < m->layers; i++)
        if (m->layer[i].weight_q == q) return m->layer[i].weight->count;
    return 0;
}

#endif
