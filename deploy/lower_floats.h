/* Inside lowering: layers in floats, and the nodes where formats meet. */
#ifndef BITFOLD_DEPLOY_LOWER_FLOATS_H
#define BITFOLD_DEPLOY_LOWER_FLOATS_H

#include "layers/model.h"

/* The output of layer `source` (-1: the image), lowered to tensor `natural`, in another form, int8 codes, int16 codes or
 * float32, behind a requant, quantize or dequantize node: the index of that tensor. */
int lower_converted(Lowering *w, const Model *m, int source, int natural, Format reads);

/* A layer in floats.  STATUS_UNSUPPORTED, naming it, where it has no float form. */
Status lower_floats(Layer *l, Lowering *w);

#endif
