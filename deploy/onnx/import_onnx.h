/* ONNX models as the layers of this program: a float network becomes the `model` part of a config and its parameters, a
 * quantized one (QuantizeLinear, DequantizeLinear) an integer graph with the scales it came with.
 *
 * The file is walked once, in its own order.  Every value is a constant, or the output of a layer seen through a view:
 * which of its rows, columns and channels each ONNX dimension runs along.  Transpose, Reshape and their like only
 * change the view, so NCHW and NHWC need no copies; a layer checks that the view is the one it computes in.
 */
#ifndef BITFOLD_DEPLOY_ONNX_IMPORT_ONNX_H
#define BITFOLD_DEPLOY_ONNX_IMPORT_ONNX_H

#include <cjson/cJSON.h>

#include "graph/graph.h"

enum { IMPORT_MAX_LAYERS = 512 };

/* Values a parameter or statistic of the float model has; named as a checkpoint names it: "conv1.bn.mean". */
typedef struct {
    const char *name;
    long count;
    const float *values;
} ImportedArray;

typedef struct {
    const char *name;      /* of the graph in the file; "" if it has none */
    int input[3], classes; /* [rows, columns, channels] of the image; logits */
    /* What an export of this program says in addition to its graph; NULL: nothing. */
    const float *mean, *std;  /* [input[2]] */
    const char **class_names; /* [classes] */
    const char *rounding, *title;
    int notes;
    const char **note; /* what a user should know: sentences */
    cJSON *model;      /* float: {"input", "layers"}, for a config; the caller frees it */
    int arrays;
    const ImportedArray *array;
    /* Quantized, else NULL: rounding 0, mean and std as above or such that the image's codes are its pixels; not yet
     * checked (graph_check, after the rounding has been chosen). */
    Graph *graph;
} ImportedModel;

/* Reads the model in `path`, or in `bytes` (then `path` names it in messages and gives the folder of external data).
 * All memory is in the arena: at most 64 times the bytes of the file and its external data, and 64 MiB.
 *
 * STATUS_FORMAT: not what ONNX promises (dangling or duplicate names, an order that is none, sizes that disagree).
 * STATUS_UNSUPPORTED: an operator, attribute or layout that no layer computes: path: node "n" (op O): what; must be ...
 */
Status import_onnx(Arena *arena, const char *path, ImportedModel *model);
Status import_onnx_bytes(Arena *arena, const void *bytes, size_t length, const char *path, ImportedModel *model);

#endif
