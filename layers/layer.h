/* Layers: the deployable units.  A conv2d layer is convolution, optional batch norm, activation and output quantizer
 * in one, because that is one integer op; so there are no graph-rewrite passes.
 *
 * Adding a layer = one file + one line in layers.def.  Outputs are [N,H,W,C] for every layer (a dense layer:
 * [N,1,1,C]).
 */
#ifndef BITFOLD_LAYERS_LAYER_H
#define BITFOLD_LAYERS_LAYER_H

#include "autograd/ops.h"
#include "autograd/param.h"
#include "base/field.h"
#include "quant/fused_ops.h"
#include "graph/graph.h"
#include "quant/quant_config.h"

typedef struct {
    int h, w, c;
} Extent; /* of one image's activations */

/* How a forward pass computes. */
typedef enum {
    ARITHMETIC_FLOAT, /* no grids; quantizers observe if the pass says so (calibration) */
    ARITHMETIC_FAKE,  /* on grids, batch norm apart: QAT before batch norm is frozen */
    ARITHMETIC_INT,   /* the deployment arithmetic: QAT afterwards, and every evaluation of it */
} Arithmetic;

typedef struct {
    Arithmetic arithmetic;
    bool batch_statistics; /* batch norm uses and updates this batch's statistics */
    bool observe;          /* quantizers learn their range from this pass */
    bool keep_outputs;     /* all of Model.out can be read after the pass, not the logits alone (model_forward) */
    Rounding rounding;
} ForwardMode;

struct LayerType;

/* The first members of every layer's config. */
typedef struct {
    const char *type, *name;
    StringList inputs; /* empty: the layer before */
} LayerCommon;

enum { LAYER_MAX_INPUTS = TAPE_NODE_MAX_INPUTS - 1 };

typedef struct Layer {
    const struct LayerType *type;
    const char *name;
    void *config;                        /* begins with LayerCommon */
    int inputs, input[LAYER_MAX_INPUTS]; /* indices of layers; -1: the image */
    Extent in[LAYER_MAX_INPUTS], out;
    Param *weight, *bias, *gamma, *beta; /* NULL where the layer has none */
    BatchNormState *norm;
    Quantizer *weight_q, *out_q; /* NULL in a float model */
    bool frozen;                 /* its parameters stay, and batch norm uses its running statistics (model_freeze) */
    bool norm_deferred;          /* it is read once, by a layer that applies_norm */
    const ConvGeom *geom;        /* on which its kernel depends; NULL: on none */
} Layer;

/* What a layer may use while it is built. */
typedef struct {
    Arena *arena;
    ParamSet *params;
    const QuantConfig *quant; /* NULL: a float model */
    QuantPlace place;
} LayerBuilder;

/* What a layer may use while it is lowered: the graph so far; tensor_of[i + 1] is layer i's output, [0] the image. */
typedef struct {
    Arena *arena;
    Tape *tape; /* does not record; for the ops that quantize weights */
    Graph *graph;
    int tensor_room, node_room; /* elements of the graph's arrays, which grow as they are needed */
    const int *tensor_of;
} Lowering;

/* What a layer computes in real numbers: y = act(norm(op(x))), with the weights, bias and batch norm of the layer. */
typedef struct {
    NodeKind op; /* NODE_REQUANT: nothing but the activation */
    ConvGeom geom;
    Activation act;
} FloatOp;

typedef struct LayerType {
    const char *name, *doc;
    const Field *fields;
    size_t config_bytes;
    int min_inputs, max_inputs;
    bool has_weights;
    const char *kernels; /* family of those that compute it, "gemm" or "dwconv"; NULL: it has none of its own */
    bool applies_norm;   /* its inputs may be left unnormalized (Tensor.deferred_norm) */
    bool averages;       /* means of codes stay on the input's grid, which should be fine (avgpool_input_bits) */
    bool keeps_grid;     /* the output stays on the first input's grid (pools, flatten) */
    /* in[] is known: checks it against the config and sets l->out.  Failures need no place; the caller adds it. */
    Status (*shape)(Layer *l);
    /* Declares parameters and quantizers; NULL: none. */
    Status (*build)(Layer *l, LayerBuilder *b);
    /* First values of the parameters; NULL: none. */
    void (*init)(Layer *l, uint64_t seed);
    Tensor *(*forward)(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x);
    /* For who writes the float network down; NULL: it is no FloatOp, and such exports refuse the layer by name. */
    FloatOp (*real)(const Layer *l);
    /* Adds nodes to the graph, at least one and as many as it takes, with lower_node or lowering_add_node.  The last one
     * and its output have the layer's name, and its output is the layer's; every other node and its output have a name
     * of their own, "LAYER.something". */
    Status (*lower)(Layer *l, Lowering *w);
    const char *const *examples; /* JSON of layers that the conformance test builds on an 8x8x4 input; NULL-ended */
} LayerType;

extern const LayerType *const layer_types[]; /* NULL-ended, from layers.def */
extern const char *const layer_type_names[]; /* in the same order */
const LayerType *layer_type(const char *name);

#define LAYER_FIELDS                                                                                                   \
    {.name = "type",                                                                                                   \
     .type = FIELD_STRING,                                                                                             \
     .offset = offsetof(LayerCommon, type),                                                                            \
     .required = true,                                                                                                 \
     .doc = "the kind of layer"},                                                                                      \
        {.name = "name",                                                                                               \
         .type = FIELD_STRING,                                                                                         \
         .offset = offsetof(LayerCommon, name),                                                                        \
         .max = 100,                                                                                                   \
         .doc = "unique in the model; default: its type and position"},                                                \
    {                                                                                                                  \
        .name = "inputs", .type = FIELD_STRINGS, .offset = offsetof(LayerCommon, inputs), .scalar_ok = true,           \
        .max_count = LAYER_MAX_INPUTS,                                                                                 \
        .doc = "names of the layers it reads, \"input\" is the image; default: the "                                   \
               "layer before"                                                                                          \
    }

/* The parameters that the layer has, weight, bias, gamma and beta in this order; how many. */
enum { LAYER_PARAMS = 4 };
int layer_params(const Layer *l, Param *params[LAYER_PARAMS]);

/* Name of the kernel that computes the layer on this CPU, in floats or on codes: "gemm_f32__avx512".  Backward passes
 * are always in floats.  NULL: the layer has none of its own. */
const char *layer_kernel(Arena *arena, const Layer *l, bool codes);

extern const char *const activation_names[]; /* none, relu, relu6 */
Activation activation_from(int choice);

/* Gives the layer its output quantizer, "<name>.out", as the config asks for this place; nothing in a float model. */
Status layer_output_quantizer(Layer *l, LayerBuilder *b, bool is_signed);

/* Observation in a float pass, and the output quantizer in a fake one. */
Tensor *layer_finish(Layer *l, const ForwardMode *mode, Tape *t, Tensor *y, Activation a);
/* The same for a fused op: how it ends in a float or fake pass, and the observation in a float pass. */
EpilogueConfig layer_epilogue(const Layer *l, const ForwardMode *mode, Activation a);
Tensor *layer_observe(Layer *l, const ForwardMode *mode, Tape *t, Tensor *y);
/* Appends to the graph; the index of the tensor.  A pointer to a node or tensor is good until the next one is added. */
int lowering_add_tensor(Lowering *w, const GraphTensor *tensor);
Node *lowering_add_node(Lowering *w, const Node *node);
/* The output tensor of a lowered layer, on out_q's grid or on that of tensor `same_grid` when it is >= 0; its index. */
int lower_tensor(Lowering *w, const Layer *l, int same_grid);
/* A node with the layer's inputs and output. */
Node *lower_node(Lowering *w, const Layer *l, NodeKind op, int output);
/* The grid of a lowered tensor as QuantParams, in the arena. */
QuantParams *lower_grid(Lowering *w, int tensor);

#endif
