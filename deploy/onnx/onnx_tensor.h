/* The values of an ONNX tensor, checked: shape, type and the bytes that are there must agree, wherever they are: in the
 * message as raw little-endian bytes or in a typed list, or in a file next to the model.
 */
#ifndef BITFOLD_DEPLOY_ONNX_ONNX_TENSOR_H
#define BITFOLD_DEPLOY_ONNX_ONNX_TENSOR_H

#include "deploy/onnx/onnx_file.h"

enum { ONNX_MAX_RANK = 8, ONNX_MAX_ELEMENTS = 1 << 28 };

typedef struct {
    const char *name; /* "" if it has none */
    OnnxDataType type;
    int rank;
    int64_t dim[ONNX_MAX_RANK]; /* >= 0 */
    int64_t count;              /* their product, 1 of rank 0; at most ONNX_MAX_ELEMENTS */
    const void *data;           /* in the arena, native byte order; ONNX_FLOAT16: its bits as uint16_t */
} OnnxTensor;

/* Product of the dims.  STATUS_FORMAT, naming the tensor: a negative dim, rank above ONNX_MAX_RANK, too many
 * elements. */
Status onnx_tensor_count(const Onnx__TensorProto *t, int64_t *count);

/* Bytes of one element; 0 for a type that is not in OnnxDataType. */
size_t onnx_type_bytes(int32_t data_type);

/* Reads the tensor.  folder: of the model file, where external data must lie ("a/b.bin": below it, no "..", not
 * absolute).  STATUS_FORMAT: sizes that disagree, values outside their type, a bad location.  STATUS_UNSUPPORTED: a
 * type not in OnnxDataType.  STATUS_IO: the external file. */
Status onnx_tensor_read(Arena *arena, const Onnx__TensorProto *t, const char *folder, OnnxTensor *out);

/* Values as float, or as int64, in the arena.  Floats: of every type (integers beyond 2^24 rounded).  Integers: of the
 * integer types only, STATUS_FORMAT otherwise. */
Status onnx_tensor_floats(Arena *arena, const OnnxTensor *t, const float **values);
Status onnx_tensor_ints(Arena *arena, const OnnxTensor *t, const int64_t **values);

#endif
