#include "deploy/tflite/tflite_model.h"

#define BYTE(v)                                                                                                        \
    {                                                                                                                  \
        1, v                                                                                                           \
    }
#define WORD(v)                                                                                                        \
    {                                                                                                                  \
        4, v                                                                                                           \
    }
enum { MANY = 1 << 16 };

const TfliteOp tflite_ops[TFLITE_OPS] = {
    [TFLITE_ADD] = {"ADD", 0, 11, 2, 2, 2, {BYTE(0), BYTE(1)}},
    [TFLITE_AVERAGE_POOL_2D] =
        {"AVERAGE_POOL_2D", 1, 5, 2, 1, 1, {BYTE(0), WORD(0), WORD(0), WORD(0), WORD(0), BYTE(0)}},
    [TFLITE_CAST] = {"CAST", 53, 37, 1, 1, 1, {BYTE(0), BYTE(0)}},
    [TFLITE_CONCATENATION] = {"CONCATENATION", 2, 10, 2, 1, MANY, {WORD(0), BYTE(0)}},
    [TFLITE_CONV_2D] = {"CONV_2D", 3, 1, 3, 2, 3, {BYTE(0), WORD(0), WORD(0), BYTE(0), WORD(1), WORD(1), BYTE(0)}},
    [TFLITE_DEPTHWISE_CONV_2D] =
        {"DEPTHWISE_CONV_2D", 4, 2, 3, 2, 3, {BYTE(0), WORD(0), WORD(0), WORD(0), BYTE(0), WORD(1), WORD(1)}},
    [TFLITE_DEQUANTIZE] = {"DEQUANTIZE", 6, 38, 2, 1, 1, {{0, 0}}},
    [TFLITE_FULLY_CONNECTED] = {"FULLY_CONNECTED", 9, 8, 4, 2, 3, {BYTE(0), BYTE(0), BYTE(0), BYTE(0), BYTE(0)}},
    [TFLITE_GATHER] = {"GATHER", 36, 23, 2, 2, 2, {WORD(0), WORD(0)}},
    [TFLITE_HARD_SWISH] = {"HARD_SWISH", 117, 91, 1, 1, 1, {{0, 0}}},
    [TFLITE_LOGISTIC] = {"LOGISTIC", 14, 0, 2, 1, 1, {{0, 0}}},
    [TFLITE_MAX_POOL_2D] = {"MAX_POOL_2D", 17, 5, 2, 1, 1, {BYTE(0), WORD(0), WORD(0), WORD(0), WORD(0), BYTE(0)}},
    [TFLITE_RELU_OP] = {"RELU", 19, 0, 2, 1, 1, {{0, 0}}},
    [TFLITE_RELU6_OP] = {"RELU6", 21, 0, 2, 1, 1, {{0, 0}}},
    [TFLITE_RESHAPE] = {"RESHAPE", 22, 17, 1, 1, 2, {{0, 0}}},
    [TFLITE_MUL] = {"MUL", 18, 21, 2, 2, 2, {BYTE(0)}},
    [TFLITE_SOFTMAX] = {"SOFTMAX", 25, 9, 2, 1, 1, {WORD(0)}},
    [TFLITE_PAD] = {"PAD", 34, 22, 2, 2, 2, {{0, 0}}},
    [TFLITE_TANH] = {"TANH", 28, 0, 2, 1, 1, {{0, 0}}},
    [TFLITE_TRANSPOSE] = {"TRANSPOSE", 39, 26, 2, 2, 2, {{0, 0}}},
    [TFLITE_MEAN] = {"MEAN", 40, 27, 2, 2, 2, {BYTE(0)}},
    [TFLITE_MAXIMUM] = {"MAXIMUM", 55, 39, 2, 2, 2, {{0, 0}}},
    [TFLITE_MINIMUM] = {"MINIMUM", 57, 39, 2, 2, 2, {{0, 0}}},
    [TFLITE_PADV2] = {"PADV2", 60, 43, 2, 3, 3, {{0, 0}}},
    [TFLITE_QUANTIZE] = {"QUANTIZE", 114, 89, 1, 1, 1, {{0, 0}}},
};

size_t tflite_type_bytes(TfliteType type)
{
    switch (type) {
    case TFLITE_FLOAT32:
    case TFLITE_INT32:
        return 4;
    case TFLITE_INT64:
        return 8;
    case TFLITE_INT16:
    case TFLITE_FLOAT16:
        return 2;
    case TFLITE_UINT8:
    case TFLITE_BOOL:
    case TFLITE_INT8:
    case TFLITE_INT4:
        return 1;
    }
    return 0;
}

size_t tflite_bytes(TfliteType type, size_t n)
{
    return type == TFLITE_INT4 ? (n + 1) / 2 : n * tflite_type_bytes(type);
}
