/* The float network, as it computes in evaluation, in ONNX. */
#ifndef BITFOLD_DEPLOY_ONNX_ONNX_FLOAT_H
#define BITFOLD_DEPLOY_ONNX_ONNX_FLOAT_H

#include "deploy/onnx/onnx_build.h"
#include "layers/model.h"

/* Adds nodes, constants, input and output to the builder.  nhwc: the input is [N,H,W,C].  keep_norm: BatchNormalization
 * nodes; else batch norm is folded into weights and biases, in double:
 *     w' = w u, b' = beta - mean u,  u = gamma / sqrt(var + epsilon)
 * STATUS_UNSUPPORTED names a layer that has no such form, STATUS_NUMERIC a parameter that is not finite. */
Status onnx_float_net(OnnxBuilder *b, const Model *m, bool nhwc, bool keep_norm);

#endif
