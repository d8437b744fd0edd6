/* What the files of the ONNX interpreter share. */
#ifndef BITFOLD_TESTS_SUPPORT_ONNX_CALL_H
#define BITFOLD_TESTS_SUPPORT_ONNX_CALL_H

#include "tests/support/onnx_run.h"

enum { ONNX_CALL_MAX_INPUTS = 128, ONNX_CALL_MORE = 2 };

typedef struct {
    Arena *arena;
    const Onnx__NodeProto *node;
    int inputs;
    const OnnxArray *in[ONNX_CALL_MAX_INPUTS];
    OnnxDataType type[ONNX_CALL_MAX_INPUTS]; /* of constants */
    OnnxArray *more;                         /* [ONNX_CALL_MORE] outputs after the first */
} OnnxCall;

OnnxArray onnx_call_array(Arena *a, int rank, const int64_t *dim);
void onnx_call_ints(const OnnxCall *c, const char *name, int n, int *out);

/* tests/support/onnx_products.c: the operations of that name. */
OnnxArray onnx_call_conv(const OnnxCall *c);
OnnxArray onnx_call_gemm(const OnnxCall *c);
OnnxArray onnx_call_max_pool(const OnnxCall *c);
OnnxArray onnx_call_average_pool(const OnnxCall *c);
OnnxArray onnx_call_global_average(const OnnxCall *c);
OnnxArray onnx_call_dynamic_quantize(const OnnxCall *c);
OnnxArray onnx_call_conv_integer(const OnnxCall *c);
OnnxArray onnx_call_matmul_integer(const OnnxCall *c);

#endif
