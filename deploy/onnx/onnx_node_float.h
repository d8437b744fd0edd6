/* A node of the graph that computes in floats, as ONNX nodes. */
#ifndef BITFOLD_DEPLOY_ONNX_ONNX_NODE_FLOAT_H
#define BITFOLD_DEPLOY_ONNX_ONNX_NODE_FLOAT_H

#include "deploy/onnx/onnx_ops.h"

/* The operation, Relu or Clip for its activation, and for an output in float16 or bfloat16 a Cast there and back.
 * Weights in float16 are that type with a Cast, codes int8 with DequantizeLinear, others float32.  Sets the value of
 * the output.  STATUS_UNSUPPORTED names the layer of a format that this operator set does not know. */
Status onnx_node_float(OnnxNet *net, const Graph *g, const Node *n);

#endif
