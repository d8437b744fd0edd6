/* The closed integer IR: what a trained model is once it is frozen, and what every engine and exporter reads.
 *
 * Tensors are int8, NHWC without the batch dimension.  Nodes are in execution order.  A node's output tensor carries
 * the quantization; the requantization multipliers follow from the scales by the rounding's rule (kernels/requant.h),
 * they are not stored.  Weights keep the layouts of kernels.h.
 */
#ifndef BITFOLD_GRAPH_GRAPH_H
#define BITFOLD_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/qparams.h"
#include "base/status.h"
#include "kernels/kernels.h"
#include "quant/channel_sums.h"

#define NODE(ID, name) NODE_##ID,
typedef enum {
#include "graph/nodes.def"
} NodeType;
#undef NODE
#define NODE(ID, name) +1
enum {
    NODE_TYPES =
#include "graph/nodes.def"
};
#undef NODE
extern const char
    *const node_type_names[]; /* "conv2d", "depthwise_conv2d", "dense", "add", ... in NodeType order, NULL-ended */
/* Limits that keep every size and sum far from overflow. */
enum {
    GRAPH_MAX_NODES = 4096,
    NODE_MAX_INPUTS = 128,
    NODE_MAX_EXTENT = 4096, /* kernel, stride, dilation, padding */
    GRAPH_TENSOR_MAX_DIM = 65536,
    GRAPH_TENSOR_MAX_ELEMENTS = 1 << 26,
    GRAPH_TENSOR_MAX_NAME_BYTES = 255
};

typedef struct {
    const char *name; /* the layer's name; unique; "input" is the image */
    int h, w, c;
    float scale;
    int zero_point;
    int bits, qmin, qmax; /* the codes this tensor can take */
} GraphTensor;

typedef struct {
    NodeType op;
    const char *name;                   /* = its output tensor's name */
    int inputs, input[NODE_MAX_INPUTS]; /* tensor indices */
    int output;
    ConvGeom geom;    /* conv, dwconv, pools: n is 1; dense: h = w = 1, c = I, o = O */
    int weight_bits;  /* of the logical code; conv, dwconv, dense */
    int weight_shift; /* stored weight = logical code << shift (docs/quantization.md: finer bias grid below 8 bits) */
    int lo, hi;       /* output clamp: fused activation and code range; maxpool, concat, lut and reshape have none */
    const int8_t *weights;
    const int32_t *bias;
    const float *weight_scale; /* [O]: real weight = weight_scale[o] * stored weight */
    const int8_t *table;       /* NODE_LUT: 256 */
} Node;

typedef struct {
    Rounding rounding;
    int tensors, nodes;
    GraphTensor *tensor; /* tensor[0] is the input image: code = pixel - 128 when scale is 1/(255 std) */
    Node *node;
    int output; /* tensor index of the logits */
    int classes;
    const char **class_names;
    int channels;            /* of the image */
    const float *mean, *std; /* [channels], in units of 0..1: how a pixel becomes a real number: (p/255 - mean)/std */
    const char *model_name;
} Graph;

bool node_type_has_weights(NodeType op); /* conv2d, depthwise_conv2d, dense */

/* Element counts; weights' count of a node (0 if it has none). */
long graph_tensor_elements(const GraphTensor *t);
long node_weights(const Node *n);
long node_macs(const Graph *g, const Node *n);
/* Shape of the weights as they are stored: [O,KH,KW,C/groups], [1,KH,KW,C*M] or [O,I].  Returns the rank, 4 or 2. */
int node_weight_shape(const Node *n, int64_t dim[4]);

/* The most |q - zero_point| can be. */
int graph_tensor_max_magnitude(const GraphTensor *t);
/* The sums of the stored weights of one output of a node that has weights. */
ChannelWeights node_channel_weights(const Node *n, int output);
/* The most |acc + bias| can be: sum of |w| * reach + |bias|, of one output, or the largest of all outputs.  0 for a node
 * without weights. */
int64_t node_output_sum(const Graph *g, const Node *n, int output);
int64_t node_largest_sum(const Graph *g, const Node *n);

/* What the codes that the node's operation gives must be clamped to beyond int8's own ends: none of a max pool and a
 * concat, whose codes are the input's, nor beyond the input's codes of a mean, which lies between them. */
void node_clamp(const Graph *g, const Node *n, int *lo, int *hi);

/* Every rule a graph must obey: shapes agree, scales finite and > 0, zero points and clamps inside int8, pools and
 * concat keep the grid, no partial sum can reach 2^31 and, rescaled, none reaches 2^30 (channel_sums_check), the
 * rounding can represent every add and requant.  tensor[0] is "input"; each other tensor is written by exactly one node,
 * before it is read.  Names the node: `node "conv1": ...`. */
Status graph_check(const Graph *g);

/* ---- integer engine (graph/engine.c) ---------------------------------------------------------------------------- */
typedef struct Engine Engine;
/* Packs the weights and makes the multipliers; keeps a reference to g, which has passed graph_check.  Everything a run
 * needs is allocated here, for the number of threads set at this time.  engine_create keeps every tensor of a batch;
 * engine_create_planned keeps none: each thread has one arena laid out by plan_make (faster, and memory does not grow
 * with the batch).  STATUS_NOMEM when the buffers do not fit. */
Status engine_create(Arena *arena, const Graph *g, int batch, Engine **engine);
Status engine_create_planned(Arena *arena, const Graph *g, Engine **engine);
/* input: n images of tensor[0] (n <= batch where tensors are kept), codes within its qmin..qmax.  logits: int8 [n,
 * classes]. Threads over images; nothing allocates; the integers do not depend on the threads. */
void engine_run(Engine *engine, const int8_t *input, int n, int8_t *logits);
/* The codes of a tensor for all n images of the last run, [n,H,W,C].  Only of an engine_create. */
const int8_t *engine_tensor(const Engine *engine, int tensor);
/* Bytes of the smallest arena that holds every activation while it is alive, one image (int8 deployment). */
size_t graph_arena_bytes(const Graph *g);
/* Flash: packed weights (ceil(n * bits / 8)), 4 per bias and 4 per weight scale, 256 per lut. */
size_t graph_flash_bytes(const Graph *g);

/* Pixels [n,H,W,C] to the codes of tensor[0]: p - 128, clamped, when the grid is the pixels' (one mean and std, 255
 * mean an integer to 1e-3, zero point = 255 mean - 128, scale = 1/(255 std) to 1e-6), else quantize_value((p/255 -
 * mean[c])/std[c]), each operation in float32. */
void graph_quantize_pixels(const Graph *g, const uint8_t *pixels, int n, int8_t *codes);

/* ---- the exported file (docs/format.md) -------------------------------------------------------------------------- */
/* Reads and checks (safe_read, shapes, graph_check).  STATUS_FORMAT names the file and the node. */
Status graph_read(Arena *arena, const char *path, Graph **g);

#endif
