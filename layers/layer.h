/* Layers: the units that are deployed.  A conv2d layer is convolution, optional batch norm, activation and output
 * quantizer in one, because that is one integer operation; so nothing has to search a graph and rewrite it.
 *
 * A new layer is one file, layers/layer_<name>.c, and one line in layers.def (docs/architecture.md has one in full).
 * Outputs are [N,H,W,C] for every layer (a dense layer's: [N,1,1,C]).
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
    ARITHMETIC_FLOAT, /* floats, no grids; observers see the outputs where ForwardMode.observe is set (calibration) */
    ARITHMETIC_FAKE,  /* outputs on their grids, batch norm computed apart: QAT before batch norm is frozen */
    ARITHMETIC_INT,   /* integer simulation, as the model is deployed: QAT afterwards, and every evaluation of it */
} Arithmetic;

typedef struct {
    Arithmetic arithmetic;
    bool batch_statistics; /* batch norm uses and updates this batch's statistics */
    bool observe;          /* observers see this pass, and ranges that are observed follow */
    bool keep_outputs;     /* all of Model.out can be read after the pass, not the logits alone (model_forward) */
    Rounding rounding;     /* ARITHMETIC_INT, and average pools on codes: whose integers are computed */
    /* ARITHMETIC_FLOAT, of a layer in floats in a pass whose arithmetic is another (Layer.in_floats): its values are
     * rounded to its formats.  deployed: batch norm is folded into weights and bias as in the deployed model. */
    bool in_floats, deployed;
    bool linear; /* ARITHMETIC_FLOAT, of a layer with weights: its activation is left out */
} ForwardMode;

struct LayerType;

/* The first members of every layer's config. */
typedef struct {
    const char *type, *name;
    StringList inputs; /* empty: the layer that is listed before this one, or the image */
} LayerCommon;

enum { LAYER_MAX_INPUTS = TAPE_NODE_MAX_INPUTS - 1 };

typedef struct Layer {
    const struct LayerType *type;
    const char *name;
    const char *curve_of;                /* the name of the layer whose activation it is; NULL: it stands for itself */
    void *config;                        /* begins with LayerCommon */
    int inputs, input[LAYER_MAX_INPUTS]; /* indices of layers; -1: the image */
    Extent in[LAYER_MAX_INPUTS], out;
    Param *weight, *bias, *gamma, *beta; /* NULL where the layer has none */
    BatchNormState *norm;
    Quantizer *weight_q, *out_q; /* NULL in a float model */
    Quantizer *other_q;          /* of the output in codes of the other width (feeds_other); NULL: nobody reads them */
    bool frozen;                 /* its parameters stay, and batch norm uses its running statistics (model_freeze) */
    bool norm_deferred;          /* it is read once, by a layer that applies_norm */
    /* What a quantized model's layer has; of a float model all are int8 and false.  A layer in floats computes in float32 on
     * dequantized inputs and rounds its result to out_format; codes are made of it by out_q where out_format is int8, or
     * where a layer in integers reads it.  A layer whose output is int16 reads int16 codes, unless it is in floats. */
    Format weight_format, out_format;
    bool in_floats; /* not all of its output and weights are codes */
    bool
        input_dynamic; /* in floats, its weights in codes: of its input codes are made on a grid found for each image */
    bool feeds_codes;  /* in floats, and a layer in integers reads it */
    bool feeds_other;  /* of int16 codes, and a layer on int8 codes reads it; in floats, and a layer on int16 does */
    bool out_signed;   /* its output may be below 0 */
    const ConvGeom *geom; /* on which its kernel depends; NULL: on none */
} Layer;

/* How a layer in integers reads its inputs: as int16 codes, else as int8 codes. */
static inline bool layer_is_wide(const Layer *l) { return l->out_format == FORMAT_INT16 && !l->in_floats; }

/* Its output is the sums of its weights themselves, in int32, or shows those of another: it has no quantizer.  Floats
 * until they are computed in integers. */
static inline bool layer_gives_sums(const Layer *l) { return l->out_format == FORMAT_INT32; }

/* Its name in the config: of a curve that is another layer's activation, that layer's. */
static inline const char *layer_given_name(const Layer *l) { return l->curve_of != NULL ? l->curve_of : l->name; }

/* What a layer may use while it is built. */
typedef struct {
    Arena *arena; /* lives as long as the model */
    ParamSet *params;
    const QuantConfig *quant; /* NULL: a float model */
    QuantPlace place;         /* where in the network the layer stands, by which bits and quantizers are chosen */
} LayerBuilder;

/* What a layer may use while it is lowered: the graph so far; tensor_of[i + 1] is layer i's output, [0] the image;
 * of the inputs of the layer that is being lowered, in the form that it reads: int8 codes, int16 codes, or floats if it
 * is in floats. */
typedef struct {
    Arena *arena;
    Tape *tape; /* does not record; for the ops that quantize weights */
    Graph *graph;
    int tensor_room, node_room; /* elements of the graph's arrays, which grow as they are needed */
    int *tensor_of;
} Lowering;

/* What a layer computes in real numbers: y = act(norm(op(x))), with the weights, bias and batch norm of the layer. */
typedef struct {
    NodeKind op; /* NODE_REQUANT: nothing but the activation; NODE_LUT: the curve */
    ConvGeom geom;
    Activation act;
    const CurveType *curve;
} FloatOp;

/* How the channels of a layer's output follow from those of its inputs: what must go with a channel that is removed
 * (compress/channel_groups.h). */
typedef enum {
    CHANNELS_UNKNOWN, /* not told: neither its channels nor those it reads are removed */
    CHANNELS_OWN,     /* each is a row of the weight [O,...,C], which reads all channels of the input */
    CHANNELS_EACH,    /* the weight is [1,KH,KW,O], and channel k is made of the input's channel k / (O / C) */
    CHANNELS_SAME,    /* channel k is made of channel k of every input */
    CHANNELS_JOINED,  /* those of the inputs, one input after the other */
    CHANNELS_FLAT,    /* element i is one of the input's channel i % C */
} ChannelRule;

/* A kind of layer: constants, which the program never changes.
 *
 * Order of the calls for one layer: shape and build once, while the model is built, each after those of its inputs; init
 * before a training from scratch (a checkpoint or another model may give the values instead); then forward, once in
 * every pass, in the order of the layers; lower whenever a graph of the model is made.  Calls for one model come from one
 * thread at a time, and none from inside a parallel region.  A failure returns a Status with a sentence that names no
 * layer: the caller adds it.  Memory comes from the arena that the callback is handed (forward: the tape's); no callback
 * keeps a pointer to LayerBuilder, ForwardMode, Lowering or an array of inputs. */
typedef struct LayerType {
    const char *name, *doc;     /* "type" in the JSON; one sentence, no final period */
    const Field *fields;        /* the layer's JSON, beginning with LAYER_FIELDS */
    size_t config_bytes;        /* of the struct that the fields fill, which begins with LayerCommon: Layer.config */
    int min_inputs, max_inputs; /* 1 to LAYER_MAX_INPUTS */
    bool has_weights;           /* it has Layer.weight; first and last layer of the network are counted among these */
    const char *kernels;        /* family of those that compute it, "gemm" or "dwconv"; NULL: it has none of its own */
    bool applies_norm;          /* forward accepts inputs that are still to be normalized (Tensor.deferred_norm) */
    bool averages;              /* means of codes stay on the input's grid, which should be fine (avgpool_input_bits) */
    bool keeps_grid;            /* the output stays on the first input's grid (pools, flatten): it makes no out_q */
    bool gives_signs;           /* its outputs can be -1 and 1 (grid_is_signs) */
    bool looks_up;        /* its weights are a table whose entries are its outputs: they multiply nothing, its grid is
                                 * theirs and it has no out_q; in a quantized model its output is always int8 codes */
    ChannelRule channels; /* what becomes of channels */
    const char *channels_key; /* CHANNELS_OWN: the field of the JSON that says how many there are */
    bool shows_input;         /* it has keeps_grid, and the output is the input's elements in another shape */

    /* l->config, l->inputs and l->in[] are known: checks the inputs against the config, sets l->out, each length at
     * least 1, and may note in the config what follows from them.  STATUS_SHAPE, STATUS_CONFIG.  Never NULL. */
    Status (*shape)(Layer *l);

    /* Declares the parameters (param_add, named "LAYER.suffix"; their values do not exist yet), batch norm statistics
     * and, unless b->quant is NULL, the quantizers; sets the members of Layer that hold them.  All of it lives in
     * b->arena.  STATUS_CONFIG.  NULL: there is nothing to declare. */
    Status (*build)(Layer *l, LayerBuilder *b);

    /* Sets the first values of all parameters, by random numbers that depend on the seed and the parameter's name alone
     * (param_init).  NULL: it has no parameters. */
    void (*init)(Layer *l, uint64_t seed);

    /* The layer's output for a batch, [N, l->out.h, l->out.w, l->out.c], made of operations of the tape, which bring
     * their own backward.  x[l->inputs]: the inputs' outputs, never NULL; floats in a float pass, in the others codes
     * and no floats (autograd/tensor.h).  In a float pass the result holds floats and, with mode->observe, has been seen
     * by l->out_q's observer (layer_observe); in the others it holds codes of l->out_q's grid, or with keeps_grid of the
     * first input's.  It is a tensor of its own, never x[k] itself (op_reshape passes one on).  A layer with
     * l->norm_deferred may leave its batch norm to its reader.  Failures go to the tape, which has none when forward is
     * called; the result is then NULL.  Never NULL. */
    Tensor *(*forward)(Layer *l, const ForwardMode *mode, Tape *t, Tensor *const *x);

    /* What the layer computes in real numbers, for exports of float models; its weights, bias and batch norm are the
     * layer's own.  NULL: it is no FloatOp, and such exports refuse the layer by name. */
    FloatOp (*real)(const Layer *l);

    /* Adds nodes to w->graph, at least one and as many as it takes, with lower_node or lowering_add_node.  The last one
     * and its output have the layer's name, and its output is the layer's; every other node and its output have a name
     * of their own, "LAYER.something".  The quantizers are ready and l->out_q is prepared.  Constants lie in w->arena;
     * w->tape does not record, and its tensors are gone after the call.  The graph is checked afterwards (graph_check),
     * so only what cannot be written down must be refused here.  Must give the codes that forward gives in
     * ARITHMETIC_INT; `bitfold verify` compares them.  NULL: models with such a layer cannot be lowered. */
    Status (*lower)(Layer *l, Lowering *w);

    const char *const
        *examples; /* JSON of layers that the conformance tests build, on inputs of 8x8x4 (docs/architecture.md);
                                    NULL-ended */
} LayerType;

/* It has weights that are factors of products. */
static inline bool layer_multiplies(const Layer *l) { return l->weight != NULL && !l->type->looks_up; }

extern const LayerType *const layer_types[];   /* NULL-ended, from layers.def */
extern const char *const layer_type_names[];   /* in the same order */
const LayerType *layer_type(const char *name); /* NULL: there is none of that name */

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

/* none, relu, relu6, then the curves (autograd/curves.def).  The activation of a choice; of a curve none, since it is a
 * layer of its own after the one that names it (layers/model.h). */
enum { ACTIVATION_FIRST_CURVE = 3 };
extern const char *const activation_names[];
Activation activation_from(int choice);
const CurveType *activation_curve(int choice); /* NULL: it is no curve */

/* Gives the layer its output quantizer, "<name>.out", as the config asks for this place; nothing in a float model, or where
 * its output is in floats and nobody reads it in integers. */
Status layer_output_quantizer(Layer *l, LayerBuilder *b, bool is_signed);
/* Whether it makes one whose codes are -1 and 1. */
bool layer_output_signs(const Layer *l, const LayerBuilder *b, bool is_signed);
/* The quantizer of Layer.other_q, "<name>.other". */
Status layer_other_quantizer(Layer *l, LayerBuilder *b);
/* The same as layer_output_quantizer for what a curve gives. */
Status layer_curve_quantizer(Layer *l, LayerBuilder *b, const CurveType *curve);

/* The end of a forward pass that is no integer simulation: y with the activation, seen by the observer in a float pass,
 * on the output quantizer's grid in a fake one.  NULL after a failure of the tape, as all that takes a tape. */
Tensor *layer_finish(Layer *l, const ForwardMode *mode, Tape *t, Tensor *y, Activation a);
/* The same for a fused operation: the epilogue to give to it in a float or fake pass, and the observation of its result
 * by the quantizers of all its forms, which does nothing but in a float pass. */
EpilogueConfig layer_epilogue(const Layer *l, const ForwardMode *mode, Activation a);
Tensor *layer_observe(Layer *l, const ForwardMode *mode, Tape *t, Tensor *y);
/* Appends a copy to the graph; returns the index of the tensor, or the node.  A pointer to a node or tensor is good until the next one is added. */
int lowering_add_tensor(Lowering *w, const GraphTensor *tensor);
Node *lowering_add_node(Lowering *w, const Node *node);
/* The output tensor of a lowered layer, on out_q's grid or on that of tensor `same_grid` when it is >= 0; its index. */
int lower_tensor(Lowering *w, const Layer *l, int same_grid);
/* The same on the grid of q. */
int lower_tensor_on(Lowering *w, const Layer *l, const Quantizer *q);
/* The same in int32, its scale still to be set. */
int lower_tensor_of_sums(Lowering *w, const Layer *l);
/* A node with the layer's inputs and output. */
Node *lower_node(Lowering *w, const Layer *l, NodeKind op, int output);
/* A node whose inputs lie on the grid of its output, as a type that keeps the grid demands: an input on another gets a
 * requant node of its own, "<layer>.input<i>". */
Node *lower_node_of_one_grid(Lowering *w, const Layer *l, NodeKind op);
/* Of a node of two inputs: what is read again at every cell of the other comes second. */
void lower_larger_first(const Lowering *w, Node *n);
/* The grid of a lowered tensor as QuantParams, in the arena. */
QuantParams *lower_grid(Lowering *w, int tensor);

#endif
