/* Runs an ONNX graph, node by node, in double precision: what its text means, without anybody's runtime. */
#ifndef BITFOLD_TESTS_SUPPORT_ONNX_RUN_H
#define BITFOLD_TESTS_SUPPORT_ONNX_RUN_H

#include "deploy/onnx/onnx_tensor.h"

typedef struct {
    int rank;
    int64_t dim[ONNX_MAX_RANK];
    int64_t count;
    double *x; /* codes, too */
} OnnxArray;

/* The value `output` of the graph for this input (codes or values, in the order of the input's own shape).  Knows the
 * operations that bitfold writes; anything else fails the test. */
OnnxArray onnx_run(Arena *arena, const Onnx__ModelProto *model, int n, const double *input, const char *output);

#endif
