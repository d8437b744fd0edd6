/* What the last layer of a network is, as far as the width of its output depends on it. */
#ifndef BITFOLD_LAYERS_MODEL_OUTPUT_H
#define BITFOLD_LAYERS_MODEL_OUTPUT_H

#include "layers/model.h"

/* Whether the output of a network that is not built yet can be 16 bits for the time of one layer: the last layer, but for
 * a flatten, is no pool, has no curve, which is a table of 256 codes, and a quantizer of its output that is observed, not
 * learned.  False of a list that is none of layers. */
bool model_output_may_be_wide(const ModelConfig *model, const QuantConfig *quant);

#endif
