/* Layers that find the grid of their input at run time, as ONNX operators:
 *
 *     DynamicQuantizeLinear -> ConvInteger or MatMulInteger -> Cast -> Mul by s_x * s_w[o] -> Add of the bias
 *
 * Weights are uint8, codes and zero point + 128, the same numbers: ONNX Runtime has ConvInteger for these alone, and no CPU
 * saturates products of uint8 by uint8.  DynamicQuantizeLinear finds one grid for all it is given, so a model with such
 * layers takes one image at a time. */
#ifndef BITFOLD_DEPLOY_ONNX_ONNX_DYNAMIC_H
#define BITFOLD_DEPLOY_ONNX_ONNX_DYNAMIC_H

#include "deploy/onnx/onnx_ops.h"

/* The first node of that kind; NULL: there is none. */
const Node *onnx_first_dynamic(const Graph *g);

/* Its operators; `output` is before the activation. */
OnnxResult onnx_dynamic(OnnxNet *net, const OnnxOp *op, const Node *n, const char *output);

#endif
