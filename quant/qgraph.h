/* The closed integer IR: what a trained model is once it is frozen, and what every engine and exporter reads.
 *
 * Tensors are int8, NHWC without the batch dimension.  Nodes are in execution order.  A node's output tensor carries the
 * quantization; the requantization multipliers follow from the scales by the dialect's rule (kernels/requant.h), they are
 * not stored.  Weights keep the layouts of kernels.h.
 */
#ifndef BITFOLD_QUANT_QGRAPH_H
#define BITFOLD_QUANT_QGRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/qparams.h"
#include "base/status.h"
#include "kernels/kernels.h"

typedef enum {
    QOP_CONV2D,  /* weights [O,KH,KW,C/groups], bias [O]                           */
    QOP_DWCONV2D, /* weights [1,KH,KW,C*M], bias [C*M]                             */
    QOP_DENSE,   /* weights [O,I], bias [O]; input flattened in NHWC order         */
    QOP_ADD,     /* two inputs of one shape, each with its own scale               */
    QOP_CONCAT,  /* along channels; every input already has the output's grid      */
    QOP_MAXPOOL, /* grid of the input                                              */
    QOP_AVGPOOL, /* grid of the input; average_codes                               */
    QOP_REQUANT, /* the input on another grid, with clamp                          */
    QOP_LUT,     /* table[q + 128]                                                 */
    QOP_RESHAPE, /* same bytes, other shape                                        */
} QOp;
extern const char *const qop_names[]; /* "conv2d", "depthwise_conv2d", "dense", "add", ... in QOp order, NULL-ended */

typedef struct {
    const char *name; /* the layer's name; unique; "input" is the image */
    int h, w, c;
    float scale;
    int zero_point;
    int bits, qmin, qmax; /* the codes this tensor can take */
} QTensor;

typedef struct {
    QOp op;
    const char *name;      /* = its output tensor's name */
    int inputs, input[16]; /* tensor indices */
    int output;
    ConvGeom geom;         /* conv, dwconv, pools: n is 1; dense: h = w = 1, c = I, o = O */
    int weight_bits;       /* of the logical code; conv, dwconv, dense */
    int weight_shift;      /* stored weight = logical code << shift (docs/quantization.md: finer bias grid below 8 bits) */
    int lo, hi;            /* output clamp: fused activation and code range */
    const int8_t *weights;
    const int32_t *bias;
    const float *weight_scale; /* [O]: real weight = weight_scale[o] * stored weight */
    const int8_t *table;   /* QOP_LUT: 256 */
} QNode;

typedef struct {
    Dialect dialect;
    int tensors, nodes;
    QTensor *tensor; /* tensor[0] is the input image: code = pixel - 128 when scale is 1/(255 std) */
    QNode *node;
    int output;      /* tensor index of the logits */
    int classes;
    const char **class_names;
    int channels;              /* of the image */
    const float *mean, *std;   /* [channels], in units of 0..1: how a pixel becomes a real number: (p/255 - mean)/std */
    const char *model_name;
} QGraph;

/* Element counts; weights' count of a node (0 if it has none). */
long qtensor_elements(const QTensor *t);
long qnode_weights(const QNode *n);
long qnode_macs(const QGraph *g, const QNode *n);

/* Every rule a graph must obey: shapes agree, scales finite and > 0, zero points and clamps inside int8, pools and concat
 * keep the grid, no |acc| can reach 2^31 (sum |w| * max |x - z| + |bias|), the dialect can represent every add.
 * Names the node: `node "conv1": ...`. */
Status qgraph_check(const QGraph *g);

/* ---- integer engine (deploy/engine.c) ---------------------------------------------------------------------------------- */
typedef struct Engine Engine;
/* Packs the weights; keeps a reference to g. */
Status engine_create(Arena *arena, const QGraph *g, int batch, Engine **engine);
/* codes: n images of tensor[0] (n <= batch).  logits: int8 [n, classes].  Threads over images. */
void engine_run(Engine *engine, const int8_t *input, int n, int8_t *logits);
/* The codes of a tensor for all n images of the last run, [n,H,W,C]. */
const int8_t *engine_tensor(const Engine *engine, int tensor);
/* Bytes of the smallest arena that holds every activation while it is alive, one image (int8 deployment). */
size_t qgraph_arena_bytes(const QGraph *g);
/* Flash: packed weights (ceil(n * bits / 8)), 4 per bias and 4 per weight scale. */
size_t qgraph_flash_bytes(const QGraph *g);

/* Pixels to the codes of tensor[0]: p - 128 when the grid is the pixels', else quantize((p/255 - mean)/std). */
void qgraph_quantize_pixels(const QGraph *g, const uint8_t *pixels, int n, int8_t *codes);

/* ---- the exported file (deploy/export_safetensors.c) ---------------------------------------------------------------------- */
/* path: NAME.safetensors; a readable NAME.json manifest is written beside it.  Both atomic, reproducible byte for byte. */
Status qgraph_write(Arena *arena, const QGraph *g, const char *path);
/* Reads and checks (safe_read, shapes, qgraph_check). */
Status qgraph_read(Arena *arena, const char *path, QGraph **g);

#endif
