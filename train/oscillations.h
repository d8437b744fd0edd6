/* Oscillating weights of a model in training (quant/oscillation.h). */
#ifndef BITFOLD_TRAIN_OSCILLATIONS_H
#define BITFOLD_TRAIN_OSCILLATIONS_H

#include "layers/model.h"
#include "quant/oscillation.h"

/* Has the weights of all layers on grids watched, as the config asks.  STATUS_CONFIG, naming `where` and the layer. */
Status oscillations_watch(const OscillationConfig *config, Model *m, const char *where);

/* Before and after step `step` of `steps`, counted from 0. */
void oscillations_before_step(const OscillationConfig *config, Model *m, long step, long steps);
void oscillations_after_step(const OscillationConfig *config, Model *m, long step, long steps);

/* All weights watched together; none where `weights` is 0. */
OscillationCount oscillations_count(const Model *m);

#endif
