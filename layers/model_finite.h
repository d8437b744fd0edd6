/* Where numbers stop being numbers: NaN and infinity in a model, named by layer. */
#ifndef BITFOLD_LAYERS_MODEL_FINITE_H
#define BITFOLD_LAYERS_MODEL_FINITE_H

#include "layers/model.h"

/* The first layer of which a parameter, a batch norm statistic or, with `outputs`, its output in the last forward pass
 * (of floats, kept) is not finite; false: there is none.  *what: the name of the values, or "its output". */
bool model_first_not_finite(const Model *m, bool outputs, const char **layer, const char **what);

/* STATUS_NUMERIC, naming layer and values, unless all parameters and statistics are finite. */
Status model_check_finite(const Model *m);

/* The same for the logits of a float forward pass on these pixels.  Where one is not finite the tape is reset, which
 * takes `logits` away, and runs the pass once more to name the first layer at fault. */
Status model_check_logits(Model *m, Tape *t, const uint8_t *pixels, int n, const Tensor *logits);

#endif
