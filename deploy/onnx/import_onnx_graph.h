/* Inside the ONNX importer: the graph as it is walked.  deploy/onnx/import_onnx.h says what comes out. */
#ifndef BITFOLD_DEPLOY_ONNX_IMPORT_ONNX_GRAPH_H
#define BITFOLD_DEPLOY_ONNX_IMPORT_ONNX_GRAPH_H

#include <sys/types.h>

#include "deploy/onnx/import_onnx.h"
#include "deploy/onnx/onnx_tensor.h"
#include "graph/node.h"
#include "layers/layer.h"

/* ---- values ------------------------------------------------------------------------------------------------------ */

typedef enum { AXIS_N, AXIS_H, AXIS_W, AXIS_C, AXES } Axis;

/* An ONNX dimension runs along these axes of a layer's output, the outermost first; none: its length is 1. */
typedef struct {
    int n;
    Axis axis[AXES];
} ViewDim;

typedef struct {
    int rank;
    ViewDim dim[ONNX_MAX_RANK]; /* each axis of a length above 1 stands in exactly one of them, N alone in the first */
} View;

/* Where codes stand for numbers, in int8; what was uint8 has been shifted by 128. */
typedef struct {
    float scale;
    int zero_point, qmin, qmax;
} ImportGrid;

enum { THE_IMAGE = -1 };

/* Channels seen as `count` groups of as many, in two dimensions where the view has one; swapped: what is in the groups
 * comes first.  count 0: they are not. */
typedef struct {
    int count, at; /* the view's dimension */
    bool swapped;
} ChannelGroups;

/* An activation: what layer `source` gives, seen through a view, with cells of zero still to be put around it. */
typedef struct {
    int source; /* a layer, or THE_IMAGE */
    View view;
    Extent size;         /* with the padding */
    int pad[4];          /* top, bottom, left, right: rows and columns of zeros */
    bool exclusive;      /* nobody else reads the source */
    bool on_grid;        /* quantized model: its numbers are codes of the source's grid */
    bool codes;          /* it is the codes themselves: after QuantizeLinear ... */
    bool unsigned_codes; /* ... as uint8 */
    bool indices;        /* the codes as int32, with `shift` added: what a Gather chooses from a table with */
    int shift;
    bool probabilities; /* the logits, after a softmax that was left out */
    float raise;  /* still to be added, the 3 of which a Clip makes a hard_sigmoid (import_onnx_hard.c); 0: none */
    float factor; /* still to be multiplied with; 0: none */
    ChannelGroups groups;
} Activated;

/* A constant: an initializer, or computed from some.  Integers with scales stand for real numbers. */
typedef struct {
    OnnxTensor tensor;
    int scales; /* 0: the tensor is the value; 1; or the length of `axis` */
    const float *scale;
    const int32_t *zero_point; /* [scales] */
    int axis;
} Constant;

typedef enum { VALUE_NOT_YET, VALUE_CONSTANT, VALUE_ACTIVATION } ValueKind;

typedef struct {
    const char *name;
    int maker;   /* node of the file; -1: an initializer or the input */
    int readers; /* nodes that the output depends on and the output itself */
    ValueKind kind;
    const Onnx__TensorProto *proto; /* of an initializer that was not read yet */
    Constant *constant;
    Activated *activated;
} Value;

/* ---- layers ------------------------------------------------------------------------------------------------------ */

#define IMPORTED(ID, layer, op) IMPORT_##ID,
typedef enum {
#include "deploy/import_layers.def"
} ImportKind;
#undef IMPORTED

typedef struct {
    const char *name;
    const char *node; /* for messages: node "x" (op Conv) */
    ImportKind kind;
    int inputs, input[LAYER_MAX_INPUTS]; /* layers or THE_IMAGE */
    Extent in, out;
    ConvGeom geom;     /* convolutions and pools; the sizes are filled */
    int activation;    /* index of activation_names */
    float least, most; /* quantized: numbers are clamped to these before they are rounded */
    /* weights in the layout of kernels.h; as floats, or as codes with scales */
    float *weights;
    const int8_t *codes;
    float *weight_scale;                   /* [O] */
    float *bias;                           /* NULL: none */
    const int64_t *bias_codes;             /* on the grid of the sums; NULL: none, or in `bias` */
    float *gamma, *beta, *mean, *variance; /* batch norm, or NULL */
    float epsilon, momentum;
    bool has_grid; /* the output's; pools have their input's until another is asked for */
    ImportGrid grid;
    const int8_t *table; /* [256] by code + 128: quantized, it is one; NULL: it is none */
} ImportLayer;

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

typedef struct {
    const Onnx__NodeProto *proto;
    int inputs, outputs;
    int *input, *output; /* values; -1: left out */
} ImportNode;

/* A file of external data; its bytes are read twice at most, whatever tensors name it by. */
typedef struct {
    dev_t device;
    ino_t number;
    int64_t left_bytes;
} ImportFile;
enum { IMPORT_MAX_FILES = 4096 };

typedef struct {
    Arena *arena;
    const char *path, *folder;
    int files;
    ImportFile *file; /* [IMPORT_MAX_FILES]; NULL: none yet */
    const Onnx__GraphProto *graph;
    int64_t opset;
    size_t allowance_bytes; /* what constants and weights may still take */
    int values;
    Value *value; /* in the order of their names */
    int nodes;
    ImportNode *node;  /* those that the output depends on */
    int input, output; /* values */
    int layers;
    ImportLayer *layer;
    Extent image;
    bool image_bound; /* which of the input's dimensions are rows, columns and channels is settled */
    bool image_has_grid;
    ImportGrid image_grid;
    bool image_is_codes;     /* the input of the file is int8 or uint8 ... */
    OnnxDataType image_type; /* ... this one */
    bool quantized;
    bool moves_channels; /* said in a note, once */
    int notes;
    const char **note; /* with room for one more than IMPORT_MAX_LAYERS */
} Import;

enum { IMPORT_MAX_NODES = 1 << 14, IMPORT_MAX_VALUES = 1 << 18 };

/* Tables of the graph: names resolved, order checked, readers counted; the image's shape and type. */
Status import_graph(Import *im, const Onnx__ModelProto *model);

/* "path: node "x" (op Conv): ..." ; code STATUS_UNSUPPORTED or STATUS_FORMAT. */
Status import_refuse(const Import *im, const ImportNode *n, Status code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define UNSUPPORTED(im, n, ...) import_refuse(im, n, STATUS_UNSUPPORTED, __VA_ARGS__)
#define MALFORMED(im, n, ...) import_refuse(im, n, STATUS_FORMAT, __VA_ARGS__)
/* Puts the node before a sentence that is there already. */
Status import_at(const Import *im, const ImportNode *n, Status status);
void import_note(Import *im, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- what is refused (import_onnx_refused.c) --------------------------------------------------------------------- */

enum { IMPORT_REFUSED_KINDS = 20, IMPORT_REFUSED_NAMES = 3 };

typedef struct {
    const char *text; /* "HardSigmoid", "Mul of two activations", "Gemm: transA: 1" */
    int nodes;
    const char *name[IMPORT_REFUSED_NAMES]; /* of the first of them, quoted */
} ImportRefusedKind;

typedef struct {
    int nodes, kinds;
    ImportRefusedKind kind[IMPORT_REFUSED_KINDS];
    Status code;
    const char *first; /* the first node's status, and the sentence on it */
} ImportRefusals;

/* Counts a node that was refused with `status`; status_message() says why.  kind NULL: made from that. */
void import_refusal_add(Import *im, ImportRefusals *r, const ImportNode *n, Status status, const char *kind);
/* The status of the first if there was any: the sentence on it, or of several how many of each kind and the first
 * names. */
Status import_refusal_end(const Import *im, const ImportRefusals *r);

/* What can be told of a node's attributes before it is known what it reads (an activation among it): their types, and
 * values that no layer has. */
Status import_attribute_values(Import *im, const ImportNode *n);

/* ---- constants and what a node has ------------------------------------------------------------------------------- */

/* onnx_tensor_read; counts what is read of external files, and allows memory for what is made of it. */
Status import_tensor(Import *im, const ImportNode *n, const Onnx__TensorProto *t, OnnxTensor *out);

/* Memory for constants and weights, counted against the allowance.  NULL and STATUS_NOMEM's sentence. */
void *import_alloc(Import *im, size_t bytes);

/* The node's i-th input or output; NULL when it is left out. */
Value *import_input(const Import *im, const ImportNode *n, int i);
Value *import_output(const Import *im, const ImportNode *n, int i);

/* STATUS_FORMAT unless each attribute of the node has the type that ONNX gives it. */
Status import_attribute_types(const Import *im, const ImportNode *n);

/* ---- constants (import_onnx_constant.c) -------------------------------------------------------------------------- */

/* In shape arithmetic: the number of images. */
#define IMPORT_BATCH (INT64_C(1) << 40)

Status import_fold_arith(Import *im, const ImportNode *n, Constant **out); /* import_onnx_fold_arith.c */
Status import_constant(Import *im, const ImportNode *n, int input, Constant **c);
/* One number; rank 0 or one element. */
Status import_scalar(Import *im, const ImportNode *n, int input, float *x);
/* All numbers as floats, scales applied; each must be finite. */
Status import_floats(Import *im, const ImportNode *n, const Constant *c, const float **x);
/* Computes a node whose inputs are constants, or the shape of an activation.  *done false: it is neither. */
Status import_fold(Import *im, const ImportNode *n, bool *done);
/* QuantizeLinear and DequantizeLinear of constants. */
Status import_fold_quantize(Import *im, const ImportNode *n);
Status import_fold_dequantize(Import *im, const ImportNode *n);
void import_set_constant(Value *v, Constant *c);
/* Integers of an attribute, or of input i where newer operator sets have it (i < 0: never).  *count is -1 when both are
 * missing. */
Status import_ints(Import *im, const ImportNode *n, const char *attribute, int input, int *count, const int64_t **ints);

/* ---- activations and views (import_onnx_view.c) ------------------------------------------------------------------ */

/* Input i, which must be an activation. */
Status import_activation(Import *im, const ImportNode *n, int i, Activated *a);
/* The same with what is still to be added to it or multiplied with, which a layer of its own does otherwise. */
Status import_unfinished(Import *im, const ImportNode *n, int i, Activated *a);
/* The same, with its padding in a layer of its own: then the image's axes are settled (Pad settles them). */
Status import_plain(Import *im, const ImportNode *n, int i, Activated *a);
/* The same, the image's axes settled: for what makes a layer of it. */
Status import_settled(Import *im, const ImportNode *n, int i, Activated *a);
/* Settles the image's axes, seen through v, by their order and lengths. */
void import_bind_image(Import *im, const View *v);
/* Settles them such that the view is [N, C, H, W]. */
void import_bind_image_as(Import *im, const View *v);
/* The same where the file says which dimension is which, as our own exports do. */
void import_bind_layout(Import *im, const Onnx__ModelProto *model);
void import_set_activation(const Import *im, const ImportNode *n, const Activated *a);
int axis_length(Extent e, Axis axis);               /* 1 of N */
long view_length(const View *v, Extent e, int dim); /* of dimension dim; 1 of N */
/* For each element along a dimension: its position in our order of the axes it runs along. */
Status view_order(Import *im, const ViewDim *d, Extent e, const int **order);
extern const ViewDim view_one;         /* of length 1 */
ViewDim view_dim(Extent e, Axis axis); /* along one axis */
View view_nchw(Extent e);
View view_row(Extent e); /* [N, C] */
bool view_equal(const View *a, const View *b);
/* Dimensions run along rows, columns, channels in this order, as memory does. */
bool view_in_order(const View *v);
/* Four dimensions, the images first, along at most one axis each; in the order N, C, H, W besides. */
bool view_has_axes(const View *v);
bool view_is_nchw(const View *v, Extent e);
const char *view_text(const Import *im, const View *v); /* "[N, H, W C]" */

/* ---- operators that move dimensions (import_onnx_order.c) -------------------------------------------------------- */

/* Checks that dimensions 1, 2, 3 are channels, rows, columns; settles the image's axes if they are open. */
Status import_nchw(Import *im, const ImportNode *n, int i, Activated *a);

/* ---- layers (import_onnx_layer.c) -------------------------------------------------------------------------------- */

/* The name, or with "_2", "_3", ... at its end: one that no layer has. */
const char *import_unique_name(const Import *im, const char *name);
/* A layer that reads `inputs` activations; *index of it. */
Status import_layer(Import *im, const ImportNode *n, ImportKind kind, int inputs, const Activated *a, int *index);
/* The activation a layer gives, read by the readers of output 0. */
Activated import_layer_output(const Import *im, const ImportNode *n, int layer, const View *view);
/* A depthwise 1 x 1 layer y = x * factor + shift per channel around padding; NULL: 1 and none. */
Status import_scale_layer(Import *im, const ImportNode *n, const Activated *a, const float *factor, const float *shift,
                          int *index);
/* A depthwise layer that gives each channel's mean of a window, cells of padding counted. */
Status import_mean_layer(Import *im, const ImportNode *n, ImportLayer *l);
/* The layer that what comes after it may still be fused into: nobody else reads it, nothing was put after it yet; or
 * NULL. */
ImportLayer *import_open_layer(const Import *im, const Activated *a);
const ImportGrid *import_grid_of(const Import *im, int source);
/* No number the source gives is below zero. */
bool import_not_negative(const Import *im, int source);
bool import_has_weights(const ImportLayer *l);
/* What it is in an integer graph, its activation included (import_onnx_integers.c). */
const NodeType *import_node_type(const ImportLayer *l);
/* Weights of an output. */
long import_inner(const ImportLayer *l);
/* The constant in this input, times factor, as the bias of a layer with weights that has none. */
Status import_bias(Import *im, const ImportNode *n, int input, float factor, ImportLayer *l);

/* Codes of input 0 again, from a layer that nobody else reads and that may clamp them. */
Status import_same_grid(Import *im, const ImportNode *n, Activated *a);

/* ---- channels (import_onnx_channels.c) --------------------------------------------------------------------------- */

/* Dims that split the channels in two and leave the rest: the first step of a shuffle; Transpose swaps the two, Reshape
 * joins them, which gives the layer. */
bool import_splits_channels(const Activated *a, int rank, const int64_t *to, ChannelGroups *groups);
Status import_swap_groups(Import *im, const ImportNode *n, Activated *a, int count, const int64_t *perm);
Status import_join_groups(Import *im, const ImportNode *n, Activated *a, int rank, const int64_t *to);

/* ---- curves (import_onnx_curve.c) -------------------------------------------------------------------------------- */

/* Whether a product is one of a value with its own gate: x sigmoid(x) is silu, x hard_sigmoid(x) hard_swish; it is then
 * the output of n. */
bool import_gated(Import *im, const ImportNode *n, const Activated a[2]);
/* Adds the constant to the indices, input i. */
Status import_shift_indices(Import *im, const ImportNode *n, int i);
/* When all layers of a float network are there: curves become the activations of the layers before them. */
void import_fuse_curves(Import *im);

/* ---- hard curves in pieces (import_onnx_hard.c) ------------------------------------------------------------------ */

/* Whether n, a sum with the constant in input `constant`, is the x + 3 before a Clip; its output then is unfinished. */
bool import_raises(Import *im, const ImportNode *n, int constant);
/* Whether n, a Clip to lo..hi of an unfinished x + 3, gives 6 hard_sigmoid(x), which it then does.  *taken false:
 * no. */
Status import_clip_raised(Import *im, const ImportNode *n, float lo, float hi, bool *taken);
/* Whether n, a product with or a division by a constant, takes away the 6 of an unfinished value. */
bool import_takes_factor(Import *im, const ImportNode *n, int constant);
/* Whether the only reader of n is a product or a division. */
bool import_before_product(const Import *im, const ImportNode *n);

/* ---- windows (import_onnx_window.c) ------------------------------------------------------------------------------ */

typedef struct {
    int kernel[2], stride[2], dilation[2]; /* rows, columns */
    int pad[4];                            /* top, bottom, left, right */
} ImportWindow;

/* kernel_shape, strides, dilations, pads and auto_pad of a convolution or pool over `size`.  kernel: that of the
 * weights, or NULL. */
Status import_window(Import *im, const ImportNode *n, Extent size, const int64_t *kernel, ImportWindow *w);
/* The same where size and weights are not known yet: what of the attributes themselves no layer has. */
Status import_window_values(Import *im, const ImportNode *n, ImportWindow *w);
/* Fills a layer's geometry; the padding of the activation is added to the window's.  Checks what a layer can have. */
Status import_geom(Import *im, const ImportNode *n, ImportLayer *l, const Activated *a, const ImportWindow *w,
                   int outputs, int groups);

/* ---- operators --------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *op;
    Status (*take)(Import *im, const ImportNode *n);
    int min_inputs, max_inputs;
    const char *attributes; /* those it knows, separated by blanks */
} ImportOp;

#define IMPORT_HANDLER(name) Status import_##name(Import *im, const ImportNode *n)
IMPORT_HANDLER(conv);
IMPORT_HANDLER(gemm);
IMPORT_HANDLER(matmul);
IMPORT_HANDLER(maxpool);
IMPORT_HANDLER(avgpool);
IMPORT_HANDLER(global_avgpool);
IMPORT_HANDLER(global_maxpool);
IMPORT_HANDLER(reduce_mean);
IMPORT_HANDLER(pad);
IMPORT_HANDLER(relu);
IMPORT_HANDLER(clip);
IMPORT_HANDLER(add);
IMPORT_HANDLER(cast);
IMPORT_HANDLER(gather);
IMPORT_HANDLER(curve);
IMPORT_HANDLER(hard_swish);
IMPORT_HANDLER(multiply);
IMPORT_HANDLER(scale);
IMPORT_HANDLER(concat);
IMPORT_HANDLER(slice);
IMPORT_HANDLER(split);
IMPORT_HANDLER(batch_norm);
IMPORT_HANDLER(softmax);
IMPORT_HANDLER(same);
IMPORT_HANDLER(transpose);
IMPORT_HANDLER(flatten);
IMPORT_HANDLER(reshape);
IMPORT_HANDLER(squeeze);
IMPORT_HANDLER(unsqueeze);
IMPORT_HANDLER(quantize);
IMPORT_HANDLER(dequantize);

/* ---- what comes out ---------------------------------------------------------------------------------------------- */

void import_about(Import *im, const Onnx__ModelProto *proto, ImportedModel *out); /* import_onnx_about.c */
Status import_to_config(Import *im, ImportedModel *out);                          /* import_onnx_config.c */
Status import_to_qgraph(Import *im, ImportedModel *out);                          /* import_onnx_qgraph.c */

#endif
