/* A model exported to ONNX into the folder of the fixture, and read again. */
#ifndef BITFOLD_TESTS_SUPPORT_ONNX_EXPORTED_H
#define BITFOLD_TESTS_SUPPORT_ONNX_EXPORTED_H

#include "deploy/exporter.h"
#include "deploy/onnx/onnx_tensor.h"
#include "tests/support/fixture.h"

/* The fixture's begin; and its end, when the folder may hold nothing but the file. */
extern const char *onnx_path; /* where the file goes */
void onnx_exported_begin(void);
void onnx_exported_end(void);

/* options: JSON. */
Status onnx_exported_export(const Graph *g, const char *options);
Status onnx_exported_export_float(Model *m, const char *options);
/* What is in the file; both must succeed. */
const Onnx__ModelProto *onnx_exported_read(void);
const Onnx__ModelProto *onnx_exported_read_back(const Graph *g, const char *options);

/* What a file whose input is codes is given for n images of the engine's, codes[N,H,W,C]: uint8, [N,C,H,W]. */
const double *onnx_exported_input(const Graph *g, const int8_t *codes, int n);

/* NULL if there is none. */
const Onnx__TensorProto *onnx_exported_constant(const Onnx__ModelProto *m, const char *name);
/* The node that makes a value, or NULL; the node of a name, which must exist; how many there are of an operation. */
const Onnx__NodeProto *onnx_exported_maker(const Onnx__ModelProto *m, const char *value);
const Onnx__NodeProto *onnx_exported_node(const Onnx__ModelProto *m, const char *name);
int onnx_exported_count(const Onnx__ModelProto *m, const char *op);

#endif
