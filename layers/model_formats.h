/* Inside the model: layers in floats among layers in integers. */
#ifndef BITFOLD_LAYERS_MODEL_FORMATS_H
#define BITFOLD_LAYERS_MODEL_FORMATS_H

#include "layers/model.h"

/* Gives every layer its formats, of a model whose graph and shapes are known; place[i]: of layer i.
 * STATUS_CONFIG, after `where`, of a curve in floats: it is a table of codes. */
Status model_set_formats(Model *m, const QuantConfig *quant, const QuantPlace *place, const char *where);

/* After layer l was built, in the same order: the quantizers that it needs where a layer reads its output in another
 * form, int8 or int16 codes.  STATUS_CONFIG, without the layer's name, of a quantizer that 16 bits cannot have. */
Status model_other_quantizers(Layer *l, LayerBuilder *b, const Model *m);

/* The output of layer `source` (-1: the image) in the form that l reads, once for all that read it so.  Not of a pass in
 * ARITHMETIC_FLOAT, where all are floats. */
Tensor *model_input(Model *m, Tape *t, const ForwardMode *mode, const Layer *l, int source);

/* Layer l on its inputs, in its own arithmetic. */
Tensor *model_run_layer(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x);

#endif
