/* A small builder of ONNX models: nodes, constants, inputs and outputs, in the order they are added.  All memory in the
 * arena; names are kept, not copied.
 */
#ifndef BITFOLD_DEPLOY_ONNX_ONNX_BUILD_H
#define BITFOLD_DEPLOY_ONNX_ONNX_BUILD_H

#include "deploy/onnx/onnx_file.h"

/* What is written: the oldest operator set with per-channel QuantizeLinear, and its IR version; the oldest ones with
 * QuantizeLinear to int16. */
enum {
    ONNX_BUILD_IR = 7,
    ONNX_BUILD_OPSET = 13,
    ONNX_INT16_IR = 10,
    ONNX_INT16_OPSET = 21, /* and with scales of blocks */
    ONNX_NODE_MAX_INPUTS = 128
};

typedef struct OnnxBuilder OnnxBuilder;
/* An empty model whose graph has this name. */
OnnxBuilder *onnx_builder(Arena *arena, const char *graph_name);
Arena *onnx_arena(const OnnxBuilder *b);
/* The model needs the operator set in which QuantizeLinear knows int16. */
void onnx_needs_int16(OnnxBuilder *b);
/* The model needs the one in which DequantizeLinear knows blocks, which is the same. */
static inline void onnx_needs_blocks(OnnxBuilder *b) { onnx_needs_int16(b); }

/* Input and output are of a batch of one image. */
void onnx_single_image(OnnxBuilder *b);

/* A node with one output, named as it is told; gives `output` back. */
const char *onnx_node(OnnxBuilder *b, const char *op, const char *name, int inputs, const char *const *input,
                      const char *output);
/* More outputs of the node added last, after its first. */
void onnx_outputs(OnnxBuilder *b, int n, const char *const *output);
/* Attributes of the node added last. */
void onnx_int(OnnxBuilder *b, const char *name, int64_t value);
void onnx_ints(OnnxBuilder *b, const char *name, int n, const int *values);
void onnx_float(OnnxBuilder *b, const char *name, float value);

/* An initializer whose bytes stay where they are; rank 0: a scalar.  Gives `name` back. */
const char *onnx_constant(OnnxBuilder *b, const char *name, OnnxDataType type, int rank, const int64_t *dim,
                          const void *data);
const char *onnx_scalar(OnnxBuilder *b, const char *name, OnnxDataType type, const void *value);

/* The graph's input and output; the first of `rank` dims is the batch, symbolic "N" or, of a
 * single image, 1, whatever dim[0] says. */
void onnx_input(OnnxBuilder *b, const char *name, OnnxDataType type, int rank, const int *dim);
void onnx_output(OnnxBuilder *b, const char *name, OnnxDataType type, int rank, const int *dim);

/* An entry of the model's metadata_props. */
void onnx_property(OnnxBuilder *b, const char *key, const char *value);

/* The model.  STATUS_UNSUPPORTED when two values or two nodes bear one name. */
Status onnx_finish(OnnxBuilder *b, const Onnx__ModelProto **model);

#endif
