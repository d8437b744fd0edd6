/* The closed integer IR: what a trained model is once it is frozen, and what every engine and exporter reads.
 *
 * Tensors are int8, NHWC without the batch dimension.  Nodes are in execution order.  A node's output tensor carries
 * the quantization; the requantization multipliers follow from the scales by the dialect's rule (kernels/requant.h),
 * they are not stored.  Weights keep the layouts of kernels.h.
 */
#ifndef BITFOLD_QUANT_QGRAPH_H
#define BITFOLD_QUANT_QGRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/qparams.h"
#include "base/status.h"
#include "kernels/kernels.h"
#include "quant/channel_sums.h"

#define QOP(ID, name) QOP_##ID,
typedef enum {
#include "quant/qops.def"
} QOp;
#undef QOP
#define QOP(ID, name) +1
enum {
    QOPS =
#include "quant/qops.def"
};
#undef QOP
extern const char *const qop_names[]; /* "conv2d", "depthwise_conv2d", "dense", "add", ... in QOp order, NULL-ended */
extern const char *const qgraph_dialect_names[]; /* "xnnpack", "tflite-single", ...: Dialect order, NULL-ended */
/* Limits that keep every size and sum far from overflow. */
enum {
    QGRAPH_MAX_NODES = 4096,
    QNODE_MAX_INPUTS = 128,
    QNODE_MAX_EXTENT = 4096, /* kernel, stride, dilation, padding */
    QTENSOR_MAX_DIM = 65536,
    QTENSOR_MAX_ELEMENTS = 1 << 26,
    QTENSOR_MAX_NAME_BYTES = 255
};

typedef struct {
    const char *name; /* the layer's name; unique; "input" is the image */
    int h, w, c;
    float scale;
    int zero_point;
    int bits, qmin, qmax; /* the codes this tensor can take */
} QTensor;

typedef struct {
    QOp op;
    const char *name;                    /* = its output tensor's name */
    int inputs, input[QNODE_MAX_INPUTS]; /* tensor indices */
    int output;
    ConvGeom geom;    /* conv, dwconv, pools: n is 1; dense: h = w = 1, c = I, o = O */
    int weight_bits;  /* of the logical code; conv, dwconv, dense */
    int weight_shift; /* stored weight = logical code << shift (docs/quantization.md: finer bias grid below 8 bits) */
    int lo, hi;       /* output clamp: fused activation and code range; maxpool, concat, lut and reshape have none */
    const int8_t *weights;
    const int32_t *bias;
    const float *weight_scale; /* [O]: real weight = weight_scale[o] * stored weight */
    const int8_t *table;       /* QOP_LUT: 256 */
} QNode;

typedef struct {
    Dialect dialect;
    int tensors, nodes;
    QTensor *tensor; /* tensor[0] is the input image: code = pixel - 128 when scale is 1/(255 std) */
    QNode *node;
    int output; /* tensor index of the logits */
    int classes;
    const char **class_names;
    int channels;            /* of the image */
    const float *mean, *std; /* [channels], in units of 0..1: how a pixel becomes a real number: (p/255 - mean)/std */
    const char *model_name;
} QGraph;

/* What the dialect needs of the ratios s_i / s_y of an add, and of s_x / s_y of a requant: "ratios in ..." */
const char *qgraph_add_needs(Dialect dialect);
const char *qgraph_requant_needs(Dialect dialect);

bool qop_has_weights(QOp op); /* conv2d, depthwise_conv2d, dense */

/* Element counts; weights' count of a node (0 if it has none). */
long qtensor_elements(const QTensor *t);
long qnode_weights(const QNode *n);
long qnode_macs(const QGraph *g, const QNode *n);
/* Shape of the weights as they are stored: [O,KH,KW,C/groups], [1,KH,KW,C*M] or [O,I].  Returns the rank, 4 or 2. */
int qnode_weight_shape(const QNode *n, int64_t dim[4]);

/* The most |q - zero_point| can be. */
int qtensor_reach(const QTensor *t);
/* The sums of the stored weights of one output of a node that has weights. */
ChannelWeights qnode_channel_weights(const QNode *n, int output);
/* The most |acc + bias| can be: sum of |w| * reach + |bias|, of one output, or the largest of all outputs.  0 for a node
 * without weights. */
int64_t qnode_output_sum(const QGraph *g, const QNode *n, int output);
int64_t qnode_largest_sum(const QGraph *g, const QNode *n);

/* What the codes that the node's operation gives must be clamped to beyond int8's own ends: none of a max pool and a
 * concat, whose codes are the input's, nor beyond the input's codes of a mean, which lies between them. */
void qnode_clamp(const QGraph *g, const QNode *n, int *lo, int *hi);

/* Every rule a graph must obey: shapes agree, scales finite and > 0, zero points and clamps inside int8, pools and
 * concat keep the grid, no partial sum can reach 2^31 and, rescaled, none reaches 2^30 (channel_sums_check), the
 * dialect can represent every add and requant.  tensor[0] is "input"; each other tensor is written by exactly one node,
 * before it is read.  Names the node: `node "conv1": ...`. */
Status qgraph_check(const QGraph *g);

/* ---- integer engine (deploy/engine.c) ---------------------------------------------------------------------------- */
typedef struct Engine Engine;
/* Packs the weights and makes the multipliers; keeps a reference to g, which has passed qgraph_check.  Everything a run
 * needs is allocated here, for the number of threads set at this time.  engine_create keeps every tensor of a batch;
 * engine_create_planned keeps none: each thread has one arena laid out by plan_make (faster, and memory does not grow
 * with the batch).  STATUS_NOMEM when the buffers do not fit. */
Status engine_create(Arena *arena, const QGraph *g, int batch, Engine **engine);
Status engine_create_planned(Arena *arena, const QGraph *g, Engine **engine);
/* input: n images of tensor[0] (n <= batch where tensors are kept), codes within its qmin..qmax.  logits: int8 [n,
 * classes]. Threads over images; nothing allocates; the integers do not depend on the threads. */
void engine_run(Engine *engine, const int8_t *input, int n, int8_t *logits);
/* The codes of a tensor for all n images of the last run, [n,H,W,C].  Only of an engine_create. */
const int8_t *engine_tensor(const Engine *engine, int tensor);
/* Bytes of the smallest arena that holds every activation while it is alive, one image (int8 deployment). */
size_t qgraph_arena_bytes(const QGraph *g);
/* Flash: packed weights (ceil(n * bits / 8)), 4 per bias and 4 per weight scale, 256 per lut. */
size_t qgraph_flash_bytes(const QGraph *g);

/* Pixels [n,H,W,C] to the codes of tensor[0]: p - 128, clamped, when the grid is the pixels' (one mean and std, 255
 * mean an integer to 1e-3, zero point = 255 mean - 128, scale = 1/(255 std) to 1e-6), else quantize_value((p/255 -
 * mean[c])/std[c]), each operation in float32. */
void qgraph_quantize_pixels(const QGraph *g, const uint8_t *pixels, int n, int8_t *codes);

/* ---- the exported file (docs/format.md) -------------------------------------------------------------------------- */
/* path: NAME.safetensors; a readable NAME.json manifest is written beside it.  Both atomic, reproducible byte for byte.
 * Refuses a graph that qgraph_check refuses. */
Status qgraph_write(Arena *arena, const QGraph *g, const char *path);
/* Reads and checks (safe_read, shapes, qgraph_check).  STATUS_FORMAT names the file and the node. */
Status qgraph_read(Arena *arena, const char *path, QGraph **g);

#endif
