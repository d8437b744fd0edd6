/* How good a quantized network is on training images, while it is being made. */
#ifndef BITFOLD_COMPRESS_PTQ_MEASURE_H
#define BITFOLD_COMPRESS_PTQ_MEASURE_H

#include "compress/ptq_step.h"

typedef struct {
    double loss; /* the task's, mean over images */
    double sqnr; /* dB: of the network's outputs to their difference from the float network's; INFINITY: none */
} PtqMeasure;

/* The outputs of the float network, [n,classes], in the arena. */
Status ptq_real_outputs(Arena *arena, Model *m, const PtqImages *images, const float **outputs);

/* On weights and activations on their grids, batch norm in floats (ARITHMETIC_FAKE).  Where activations have no ranges
 * yet they get some for the measurement, from the images of the context.  Leaves the model as it was.  real: the float
 * network's outputs. */
Status ptq_measure(Model *m, const PtqContext *context, const PtqImages *images, const float *real,
                   PtqMeasure *measure);

/* All that is known of the quantizers, to go back to.  Observers that have seen nothing must have so at both times. */
typedef struct {
    Quantizer *state; /* [m->quantizers] */
    float **scale;
} QuantizerStates;
QuantizerStates quantizer_states_take(Arena *arena, const Model *m);
void quantizer_states_put(const QuantizerStates *states, Model *m);

/* Weights have changed: their ranges are found again when they are quantized next, unless their codes were chosen. */
void ptq_restart_weights(Model *m);
/* Every activation quantizer has a range. */
bool ptq_has_ranges(const Model *m);

#endif
