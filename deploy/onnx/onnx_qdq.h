/* The integer graph in ONNX's QDQ form: float operations between DequantizeLinear and QuantizeLinear, which a runtime
 * fuses into integer ones.
 *
 *     weights  int8 or uint8 -> DequantizeLinear, a scale per output channel (axis 0)
 *     bias     int32 -> DequantizeLinear, scale s_x * s_w[o] in float32
 *     tensor   QuantizeLinear -> DequantizeLinear, scale and zero point scalars, after every operation
 *
 * Every clamp but int8's own ends is a node of its own, so that the operation before it can be fused and saturates as
 * deployed: Clip between QuantizeLinear and DequantizeLinear (CLIP_CODES), or Relu or Clip on the dequantized values
 * and a second pair on the same grid, which gives the codes back as they are (CLIP_VALUES).  CLIP_AUTO: codes, but
 * values for the lower end of a ReLU in int8: ONNX Runtime for x86 turns int8 pairs into uint8 ones before it fuses,
 * and leaves those around a Clip alone.
 *
 * An output of int16 codes is the same in operator set 21: its layer reads the int8 codes that were widened for it, a
 * bias is added in floats, clamps are of values.
 *
 * Weights as uint8 are codes and zero points + 128, the same numbers.  ONNX Runtime for x86 CPUs without VNNI
 * multiplies uint8 by int8 with saturation (node_products_saturate), and uint8 by uint8 without.  WEIGHTS_AUTO: uint8
 * for the layers of which that is true, if the activations are uint8; runtimes fuse int8 activations with int8 weights
 * only.
 */
#ifndef BITFOLD_DEPLOY_ONNX_ONNX_QDQ_H
#define BITFOLD_DEPLOY_ONNX_ONNX_QDQ_H

#include "deploy/onnx/onnx_ops.h"

typedef enum { CLIP_AUTO, CLIP_CODES, CLIP_VALUES } OnnxClip;
typedef enum { WEIGHTS_AUTO, WEIGHTS_INT8, WEIGHTS_UINT8 } OnnxWeights;

typedef struct {
    bool input_codes; /* the graph's input is codes, not values */
    bool nhwc;        /* and it is [N,H,W,C] */
    bool uint8;       /* activations are uint8: codes and zero points + 128 */
    OnnxClip clip;
    OnnxWeights weights;
} OnnxForm;

/* Whether this layer's weights are uint8. */
bool onnx_weights_uint8(const OnnxForm *form, const Graph *g, const Node *n);

/* Adds nodes, constants, input and output of g (which has passed graph_check) to the builder.  STATUS_UNSUPPORTED names
 * the layer of a table (lut) and one whose bias has no scale in float32. */
Status onnx_qdq(OnnxBuilder *b, const Graph *g, const OnnxForm *form);

#endif
