/* The operations of a network as ONNX nodes, whatever their values are: floats, or floats between DequantizeLinear and
 * QuantizeLinear.  Both kinds of export share what differs from ONNX here: tensors are NHWC and ONNX has NCHW, a dense
 * layer reads rows in [H,W,C] order and a Flatten gives [C,H,W].
 */
#ifndef BITFOLD_DEPLOY_ONNX_ONNX_OPS_H
#define BITFOLD_DEPLOY_ONNX_ONNX_OPS_H

#include "autograd/curve.h"
#include "deploy/onnx/onnx_build.h"
#include "graph/graph.h"
#include "quant/grid.h"

enum { ONNX_ROW = 2, ONNX_MAP = 4 }; /* ranks: [N,C] and [N,C,H,W] */

/* What a tensor of the network is in the file. */
typedef struct {
    const char *name;
    int h, w, c;
    int from;         /* the tensor whose elements these are: itself unless it was reshaped */
    const char *real; /* of `rank`; NULL for a reshaped one */
    int rank;
    const char *map, *row; /* made when they are asked for; row in [C,H,W] order of `from` */
} OnnxValue;

typedef struct OnnxNet {
    OnnxBuilder *b;
    int values;
    OnnxValue *value;
    /* Called with what only moves a tensor's elements (Reshape, Transpose, Flatten): gives the name to read instead. */
    const char *(*moved)(struct OnnxNet *net, int value, const char *place, const char *name);
    void *context;
} OnnxNet;

/* The graph's own input and output. */
extern const char onnx_input_name[], onnx_output_name[]; /* "input", "logits" */
/* Declares the input, of value 0's shape, [N,H,W,C] if nhwc; gives it as [N,C,H,W]. */
const char *onnx_image(OnnxNet *net, OnnxDataType type, bool nhwc);
/* Declares the output [N,classes]: the tensor as a row, which is named so already or gets an Identity. */
void onnx_logits(OnnxNet *net, int value, int classes);

/* "conv1/codes". */
const char *onnx_part(const OnnxNet *net, const char *name, const char *part);

/* A layer's name for its own tensor, which is not the graph's output: another one if the two were the same. */
const char *onnx_own_name(const OnnxNet *net, const char *name);

/* A node with one input. */
const char *onnx_unary(OnnxNet *net, const char *op, const char *name, const char *input, const char *output);
/* Relu, or Clip for one with a limit, at the end of a layer of this name; of a layer that is nothing else
 * (NODE_REQUANT) it is the node of that name. */
const char *onnx_activate(OnnxNet *net, NodeKind op, const char *layer, Activation act, const char *input,
                          const char *output);

/* Tensor `value` is `real`, an [N,C,H,W] or an [N,C]. */
void onnx_value_set(OnnxNet *net, int value, const char *real, int rank);
/* Tensor `value` has the elements of `from`, in [H,W,C] order, under its own shape. */
void onnx_value_reshape(OnnxNet *net, int value, int from);

/* One operation of the network. */
typedef struct {
    NodeKind op;
    const char *name;
    const ConvGeom *geom; /* convolutions, dense, pools */
    int inputs;
    const int *input;       /* indices of values */
    const CurveType *curve; /* of a lut that is to be computed in real numbers; NULL: a matter of codes */
} OnnxOp;

typedef struct {
    const char *result;
    int rank;
    bool is_input; /* nothing was computed: the rest is a matter of grids and activation */
} OnnxResult;

/* ONNX has something for an operation of this kind. */
bool onnx_carries(NodeKind kind);
/* A curve of real numbers is an operator there, or x times one; else STATUS_UNSUPPORTED, which names the
 * layer and what can be done instead. */
Status onnx_check_curve(const char *layer, const CurveType *curve, const char *instead);

/* Its node; weight and bias (may be NULL) are names of tensors in ONNX's layout.  Of a kind that ONNX carries, but not
 * one that shows its input, which is no node (onnx_value_reshape). */
OnnxResult onnx_op(OnnxNet *net, const OnnxOp *op, const char *weight, const char *bias, const char *output);

/* The first input as an operation with weights reads it: [N,C,H,W], or of a dense one [N,I].  Attributes of a convolution. */
const char *onnx_weights_input(OnnxNet *net, const OnnxOp *op);
void onnx_convolution(OnnxNet *net, const ConvGeom *g);

/* int8 codes as uint8, 128 added; zeros become zero points. */
const uint8_t *onnx_as_uint8(Arena *arena, const int8_t *codes, int64_t n);

/* Dequantizes a constant: a scale for each of n channels, or a scalar for one.  Its zero point is what stands for 0. */
const char *onnx_dequantized(OnnxNet *net, const char *name, const char *values, OnnxDataType type, const float *scale,
                             int n);
/* The same with int8 zero points, one for each scale (NULL: what stands for 0). */
const char *onnx_dequantized_from(OnnxNet *net, const char *name, const char *values, OnnxDataType type,
                                  const float *scale, const int8_t *zero_point, int n);

/* How many input channels a weight's cell has, in the order in which onnx_weights turns them. */
long onnx_weight_channels(const OnnxNet *net, const OnnxOp *op);
/* Weights (kernels.h) in ONNX's layout: [O,C/groups,KH,KW], or [O,I] with I in the order that onnx_op reads it.  In the
 * arena; dim gets the shape, the result is its rank. */
int onnx_weights(OnnxNet *net, const OnnxOp *op, const void *weights, size_t element_bytes, int64_t dim[4],
                 const void **out);

#endif
