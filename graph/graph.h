/* The closed IR: what a trained model is once it is frozen, and what every engine and exporter reads.
 *
 * Tensors are NHWC without the batch dimension.  Each has a format: int8 codes of a grid, which is the rule, int16 codes
 * of a grid with zero point 0, floats or, of the output alone, int32 codes: the sums of the last node with weights.
 * Nodes are in execution order.  A node whose tensors and weights are all codes computes in integers: its output tensor
 * carries the quantization, and the requantization multipliers follow from the scales by the rounding's rule
 * (kernels/requant.h), they are not stored.  Any other computes in float32 and rounds its result to the output's format.
 * `quantize` and `dequantize` nodes stand where codes and floats meet, `requant` nodes where int8 and int16 do.  Weights keep the layouts of kernels.h.
 */
#ifndef BITFOLD_GRAPH_GRAPH_H
#define BITFOLD_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "autograd/curve.h"
#include "base/arena.h"
#include "base/format.h"
#include "base/qparams.h"
#include "base/status.h"
#include "kernels/kernels.h"

/* The kinds of nodes, as tables by kind count them; what a kind is stands in graph/node.h. */
#define NODE(ID, name) NODE_##ID,
typedef enum {
#include "graph/nodes.def"
} NodeKind;
#undef NODE
#define NODE(ID, name) +1
enum {
    NODE_KINDS =
#include "graph/nodes.def"
};
#undef NODE

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
    float scale; /* of codes, as what follows; floats have no grid: all 0 */
    int zero_point;
    int bits, qmin, qmax; /* the codes this tensor can take; 1 bit of -1 to 1: graph_tensor_is_signs */
    Format format;
} GraphTensor;

typedef struct {
    NodeKind op;
    const char *name;                   /* = its output tensor's name */
    int inputs, input[NODE_MAX_INPUTS]; /* tensor indices */
    int output;
    ConvGeom geom;   /* of a node with a window or weights: n is 1; dense: h = w = 1, c = I, o = O */
    int weight_bits; /* of the logical code */
    int levels;      /* how many of those codes occur, level[levels], ascending; 0: any */
    const int8_t *level;
    int weight_shift; /* stored weight = logical code << shift (docs/quantization.md: finer bias grid below 8 bits) */
    int lo, hi;       /* output clamp: fused activation and code range; see NodeType.clamp */
    const int8_t *weights;
    const int32_t *bias;
    const int64_t *wide_bias;        /* in place of bias, of a node on int16 codes */
    const float *weight_scale;       /* [O]: real weight = weight_scale[o] * stored weight; see graph/node_groups.h */
    int weight_group;                /* how many consecutive weights of an output have one scale; 0: all of it */
    bool weight_affine;              /* its weights have zero points: */
    const int8_t *weight_zero_point; /* [O, groups]; else NULL */
    const uint8_t *weight_multiple;  /* [O, groups], of a node in integers that has groups */
    const int8_t *table;             /* [256] by code + 128 */
    /* What follows: of a node that computes in floats.  Its weights are codes, as above, or floats. */
    int activation;         /* of node_activation_names */
    const CurveType *curve; /* of a lut; NULL: none */
    Format weight_format;   /* FORMAT_INT8: codes */
    int input_bits; /* of the codes that are made of its input on a grid found for each image, for integer products with
                     * codes as weights (quant/dynamic_conv.h): DYNAMIC_BITS; 0: it reads floats */
    const float *float_weights; /* values of weight_format, in the layout of weights */
    const float *float_bias;    /* [O] */
} Node;

/* Output k stands for mean[k] + std[k] * y[k]; both NULL: for y[k] itself. */
typedef struct {
    const float *mean, *std; /* one for each output */
} TargetScale;

typedef struct {
    Rounding rounding;
    int tensors, nodes;
    GraphTensor *tensor; /* tensor[0] is the input image: code = pixel - 128 when scale is 1/(255 std) */
    Node *node;
    int output; /* tensor index of the logits */
    int classes;
    const char **class_names;
    const char *task; /* a name of tasks/tasks.def; NULL: classification */
    TargetScale scale;
    int channels;            /* of the image */
    const float *mean, *std; /* [channels], in units of 0..1: how a pixel becomes a real number: (p/255 - mean)/std */
    const char *model_name;
} Graph;

long graph_tensor_elements(const GraphTensor *t);
/* The tensor, or the node, of that name; -1: there is none. */
int graph_tensor_named(const Graph *g, const char *name);
int graph_node_named(const Graph *g, const char *name);
/* Memory of one image: a byte for each code, two for each int16 code, four for each int32 code; 4 for each float,
 * whatever its format (base/format.h). */
size_t graph_tensor_bytes(const GraphTensor *t);
static inline bool graph_tensor_is_wide(const GraphTensor *t) { return t->format == FORMAT_INT16; }
/* Exact sums: of the network's output alone. */
static inline bool graph_tensor_is_sums(const GraphTensor *t) { return t->format == FORMAT_INT32; }
/* Codes -1 and 1, of which 0 is none: every node that gives them is proved to (node_check). */
static inline bool graph_tensor_is_signs(const GraphTensor *t) { return t->bits == 1 && t->qmin == -1 && t->qmax == 1; }
static inline bool graph_tensor_is_float(const GraphTensor *t) { return format_is_float(t->format); }
/* All tensors and weights are codes. */
bool graph_is_integer(const Graph *g);
/* The least version of the model file (docs/format.md) that can say it: 1 of int8 codes alone, 2 of other formats,
 * of weights that are levels and of signs, 3 of weights with zero points or groups. */
enum { GRAPH_LAST_VERSION = 3 };
int graph_version(const Graph *g);
/* count values of a tensor, as they lie in memory, as reals. */
void graph_tensor_reals(const GraphTensor *t, const void *values, size_t count, float *reals);
/* The most |q - zero_point| can be. */
int graph_tensor_max_magnitude(const GraphTensor *t);
/* Flash: of every node its weights and tables (NodeType.flash_bytes). */
size_t graph_flash_bytes(const Graph *g);

/* Pixels [n,H,W,C] to the codes of tensor[0]: p - 128, clamped, when the grid is the pixels' (one mean and std, 255
 * mean an integer to 1e-3, zero point = 255 mean - 128, scale = 1/(255 std) to 1e-6), else quantize_value((p/255 -
 * mean[c])/std[c]), each operation in float32. */
void graph_quantize_pixels(const Graph *g, const uint8_t *pixels, int n, int8_t *codes);

/* That n means are finite, and deviations above 0: else STATUS_FORMAT, which names the file. */
Status target_scale_check(const char *path, const TargetScale *scale, int n);

#endif
