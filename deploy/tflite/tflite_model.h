/* A .tflite file's content: one graph of operators on tensors.  The exporter makes it, tflite_write turns it into bytes,
 * tflite_check reads bytes back.  Vectors are pointers into whatever made it; nothing is owned.
 *
 *     real = scale * (q - zero_point), along `axis` where there is more than one scale
 */
#ifndef BITFOLD_DEPLOY_TFLITE_TFLITE_MODEL_H
#define BITFOLD_DEPLOY_TFLITE_TFLITE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

enum { TFLITE_VERSION = 3, TFLITE_MAX_RANK = 8, TFLITE_MAX_OPTIONS = 7, TFLITE_BUFFER_ALIGN = 16 };
#define TFLITE_IDENTIFIER "TFL3"

/* The format's own numbers. */
typedef enum {
    TFLITE_FLOAT32 = 0,
    TFLITE_FLOAT16 = 1,
    TFLITE_INT32 = 2,
    TFLITE_UINT8 = 3,
    TFLITE_INT64 = 4,
    TFLITE_BOOL = 6,
    TFLITE_INT16 = 7,
    TFLITE_INT8 = 9,
    TFLITE_INT4 = 17, /* two to a byte, the first in the lower half */
} TfliteType;
enum { TFLITE_CONV_GROUPED_VERSION = 6, TFLITE_ADD_INT32_VERSION = 1 };
/* Of operators on floats; a depthwise one that is dilated. */
enum { TFLITE_FLOAT_VERSION = 1, TFLITE_DILATED_FLOAT_VERSION = 2 };
/* Of operators on floats whose weights are int8 with a scale for each channel. */
enum { TFLITE_HYBRID_CONV_VERSION = 5, TFLITE_HYBRID_DEPTHWISE_VERSION = 6, TFLITE_HYBRID_DENSE_VERSION = 12 };
/* Of a DEQUANTIZE of float16, of int8 with a scale for each channel, of int4. */
enum { TFLITE_FROM_FLOAT16_VERSION = 3, TFLITE_PER_CHANNEL_VERSION = 5, TFLITE_FROM_INT4_VERSION = 6 };
enum { TFLITE_SAME = 0, TFLITE_VALID = 1 };
enum { TFLITE_NO_ACTIVATION = 0, TFLITE_RELU = 1, TFLITE_RELU6 = 3 };

/* Field ids of the option tables, and so indices of TfliteOperator.option. */
enum { CONV_PADDING, CONV_STRIDE_W, CONV_STRIDE_H, CONV_ACTIVATION, CONV_DILATION_W, CONV_DILATION_H };
enum { DW_PADDING, DW_STRIDE_W, DW_STRIDE_H, DW_MULTIPLIER, DW_ACTIVATION, DW_DILATION_W, DW_DILATION_H };
enum { POOL_PADDING, POOL_STRIDE_W, POOL_STRIDE_H, POOL_WIDTH, POOL_HEIGHT, POOL_ACTIVATION };
enum { CONCAT_AXIS, CONCAT_ACTIVATION };
enum { FC_ACTIVATION, FC_WEIGHTS_FORMAT, FC_KEEP_DIMS, FC_ASYMMETRIC_INPUTS };
enum { ADD_ACTIVATION, ADD_POT_SCALE_INT16 };
enum { MUL_ACTIVATION };
enum { CAST_FROM, CAST_TO };

typedef struct {
    int bytes;      /* 1 or 4; 0: no such field, or one that is no scalar */
    int32_t absent; /* its value where it is not written; a float as its bits */
} TfliteOption;

/* An operator we know.  Files name them by code. */
typedef struct {
    const char *name;
    int code, options_type;
    int version; /* for int8 */
    int min_inputs, max_inputs;
    TfliteOption option[TFLITE_MAX_OPTIONS];
} TfliteOp;
typedef enum {
    TFLITE_ADD,
    TFLITE_AVERAGE_POOL_2D,
    TFLITE_CAST,
    TFLITE_CONCATENATION,
    TFLITE_CONV_2D,
    TFLITE_DEPTHWISE_CONV_2D,
    TFLITE_DEQUANTIZE,
    TFLITE_FULLY_CONNECTED,
    TFLITE_GATHER,
    TFLITE_HARD_SWISH,
    TFLITE_LOGISTIC,
    TFLITE_MAX_POOL_2D,
    TFLITE_MUL,
    TFLITE_RELU_OP,
    TFLITE_RELU6_OP,
    TFLITE_RESHAPE,
    TFLITE_SOFTMAX,
    TFLITE_PAD,
    TFLITE_TANH,
    TFLITE_TRANSPOSE,
    TFLITE_MEAN,
    TFLITE_MAXIMUM,
    TFLITE_MINIMUM,
    TFLITE_PADV2,
    TFLITE_QUANTIZE,
    TFLITE_OPS
} TfliteOpIndex;
extern const TfliteOp tflite_ops[TFLITE_OPS];

typedef struct {
    const char *name;
    TfliteType type;
    int rank;
    const int32_t *shape;
    int signature_rank; /* 0: none; else the shape with -1 for what is not fixed */
    const int32_t *signature;
    int scales, zero_points; /* 0: not quantized; 0 zero points: all are 0 */
    const float *scale;
    const int64_t *zero_point;
    int axis;
    const void *data; /* of a constant */
    size_t data_bytes;
} TfliteTensor;

typedef struct {
    const TfliteOp *op;
    int version;
    int inputs, outputs;
    const int32_t *input, *output; /* tensors; an input may be -1: left out */
    int32_t option[TFLITE_MAX_OPTIONS];
} TfliteOperator;

typedef struct {
    const char *name;
    int32_t tensor;
} TfliteName;

typedef struct {
    const char *description;
    int tensors, operators;
    TfliteTensor *tensor;
    TfliteOperator *node; /* in execution order */
    int inputs, outputs;
    const int32_t *input, *output;
    /* The first signature: its key (NULL: none) and the public names. */
    const char *signature_key;
    int input_names, output_names;
    TfliteName *input_name, *output_name;
    /* The first metadata entry (NULL: none). */
    const char *metadata_name;
    const void *metadata;
    size_t metadata_bytes;
} TfliteModel;

/* Of a value: 0 for a type that is not known; of an int4, which has half of one, 1.  Of n values. */
size_t tflite_type_bytes(TfliteType type);
size_t tflite_bytes(TfliteType type, size_t n);

/* The file; its size goes to *bytes.  Equal models give equal bytes. */
unsigned char *tflite_write(Arena *arena, const TfliteModel *m, size_t *bytes);

/* Reads a file that may be hostile.  What is checked: every table, vtable, vector, string and reference against the
 * file's size and alignment; one subgraph, version 3; tensors' types and shapes, the bytes of constants, scales (finite,
 * above 0, one or one for each index of the axis) and zero points; operators' codes, option tables, numbers of inputs
 * and outputs; tensor indices; that each tensor is written once and before it is read; names of a signature.
 *
 * The model and the copy of the file it points into live in `arena`: at most TFLITE_READ_RATIO times the file's size and
 * TFLITE_READ_SLACK bytes.  STATUS_FORMAT, STATUS_UNSUPPORTED for an operator or type we do not know, STATUS_NOMEM;
 * the sentence begins with `name`. */
enum { TFLITE_READ_RATIO = 96, TFLITE_READ_SLACK = 1 << 16 };
Status tflite_check(Arena *arena, const void *bytes, size_t size, const char *name, TfliteModel **model);

/* True when both say the same, constants and metadata byte by byte; else *what names the first difference. */
bool tflite_same(const TfliteModel *a, const TfliteModel *b, const char **what);

#endif
