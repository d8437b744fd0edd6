/* A model exported to ONNX into a folder of its own, and read again. */
#ifndef BITFOLD_TESTS_ONNX_CASE_H
#define BITFOLD_TESTS_ONNX_CASE_H

#include "deploy/exporter.h"
#include "deploy/onnx_tensor.h"

typedef struct {
    Arena *arena;
    const char *folder, *path; /* where the file goes */
} OnnxCase;
OnnxCase onnx_case_begin(Arena *arena);
void onnx_case_end(const OnnxCase *t);

/* options: JSON. */
Status onnx_case_export(const OnnxCase *t, const QGraph *g, const char *options);
Status onnx_case_export_float(const OnnxCase *t, Model *m, const char *options);
/* What is in the file; both must succeed. */
const Onnx__ModelProto *onnx_case_read(const OnnxCase *t);
const Onnx__ModelProto *onnx_case_exported(const OnnxCase *t, const QGraph *g, const char *options);

/* NULL if there is none. */
const Onnx__TensorProto *onnx_case_constant(const Onnx__ModelProto *m, const char *name);
/* The node that makes a value, or NULL; the node of a name, which must exist; how many there are of an operation. */
const Onnx__NodeProto *onnx_case_maker(const Onnx__ModelProto *m, const char *value);
const Onnx__NodeProto *onnx_case_node(const Onnx__ModelProto *m, const char *name);
int onnx_case_count(const Onnx__ModelProto *m, const char *op);

#endif
