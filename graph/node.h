/* A node type: all that the check, the engine, the memory planner and the model file know of one kind of node.  It is
 * one file, graph/node_NAME.c, which defines node_NAME, and a line in graph/nodes.def.  Exporters have tables by
 * NodeKind. */
#ifndef BITFOLD_GRAPH_NODE_H
#define BITFOLD_GRAPH_NODE_H

#include "base/arena.h"
#include "base/field.h"
#include "base/safetensors.h"
#include "base/status.h"
#include "graph/graph.h"
#include "kernels/requant.h"
#include "quant/channel_sums.h"

typedef struct NodeText NodeText; /* graph/node_text.h: the JSON of a node */

/* A tensor of the model file that belongs to a node: "NODE.suffix". */
typedef struct {
    const char *suffix; /* NULL ends a list */
    SafeType type;
    int (*shape)(const Node *n, int64_t dim[4]); /* gives the rank, 1 to 4 */
    size_t member;                               /* offset in Node of the pointer to its data */
} NodeBinary;

/* How weights lie in memory. */
typedef struct {
    int (*shape)(const Node *n, int64_t dim[4]); /* gives the rank: 4 or 2 */
    bool outputs_last;                           /* outputs are the last axis; else they are the first */
} NodeWeights;

/* What the codes that a node computes are clamped to. */
typedef enum {
    CLAMP_NONE,  /* nothing: they are codes of its inputs or of its table, and the output has them all */
    CLAMP_CODES, /* Node.lo to Node.hi */
    CLAMP_MEAN, /* the same; but a bound at or beyond the input's codes needs no work, since a mean lies between them */
} NodeClamp;

/* Whether a node may write its output to the bytes of an input that nobody reads afterwards. */
typedef enum {
    OVERWRITES_NOT,
    OVERWRITES_COPIED, /* only by code that copies what it still has to read before it overwrites it */
    OVERWRITES,        /* element by element: what is overwritten has been read */
} NodeOverwrites;

/* A scale that a node's arithmetic needs to be larger. */
typedef struct {
    int tensor;     /* index in the graph */
    double least;   /* the least scale that will do; 0: this tensor's may stay as it is */
    double instead; /* a scale that will do as well if all the tensor's values are zero; 0: there is none */
} ScaleFloor;
enum { NODE_MAX_FLOORS = 3, NODE_GIVEN_BYTES = 160 };

/* A node made ready to run. */
typedef struct EngineNode {
    const Graph *g;
    const Node *node;
    /* NodeType.run or NodeFloat.run. */
    void (*run)(const struct EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch);
    void *state;          /* what `prepare` made for `run` */
    size_t scratch_bytes; /* working memory that `run` is to be given */
} EngineNode;

/* A node type in floats: what differs.  Its inputs, output and bias are float32, of whatever formats its tensors are,
 * its weights what Node.weight_format says.  In a run in[k] and out are the floats' bytes, aligned for them. */
typedef struct {
    const Field *fields;                            /* of the JSON, with "activation" in place of the clamp */
    Status (*prepare)(Arena *arena, EngineNode *e); /* NULL: nothing to prepare */
    void (*run)(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch);
} NodeFloat;

/* A node type on int16 codes: what differs.  Its inputs, its output or both are int16 codes, weights int8, the bias
 * wide_bias.  NodeType.check holds for them, too.  In a run in[k] and out are the codes' bytes, aligned for them. */
typedef struct {
    const NodeBinary *binary;                       /* NULL: as NodeType.binary */
    Status (*prepare)(Arena *arena, EngineNode *e); /* NULL: nothing to prepare */
    void (*run)(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch);
} NodeWide;

/* A kind of node: constants.
 *
 * No callback changes the graph, keeps a pointer to what it is given (`prepare` apart: an engine keeps graph and node,
 * which outlive it), or is called for a node of another type.  A NULL callback stands for what its comment says.
 * Order of the calls for a node that is read from a file: the shapes of its binary tensors and `geometry`, which may
 * rely on the fields' own ranges, on n->inputs and on tensors that exist; then `check`; then all others, which may rely
 * on what graph_check proves.  `floors` alone may come before a check.  Only `run` is called from inside a parallel
 * region. */
typedef struct NodeType {
    const char *name;           /* "op" of the model file */
    const char *doc;            /* one sentence, no final period */
    int min_inputs, max_inputs; /* 1 to NODE_MAX_INPUTS */
    /* The node in the model file (docs/format.md): its JSON, of a NodeText, beginning with NODE_FIELDS; what is binary
     * (NULL: nothing).  Where `fields` has no clamp, lo and hi are the output's codes. */
    const Field *fields;
    const NodeBinary *binary;
    /* Node.geom of what the file says, input [0] and output.  NULL: the node has none, all 0. */
    ConvGeom (*geometry)(const NodeText *text, const GraphTensor *x, const GraphTensor *y);
    const NodeWeights *weights; /* NULL: it has none; else n->weights, bias and weight_scale are there */
    NodeClamp clamp;
    bool keeps_grid; /* the output lies on the grid of the inputs, all of them */

    /* Proves that the node can run: first shapes and geometry, then the arithmetic, which may rely on them: that every
     * table, multiplier and sum exists in g->rounding and stays in its integers; of a node in floats, that its weights
     * and bias are there and finite.  When it is called the tensors are sound, the inputs are written before, their
     * number is right and the clamp lies in the output's codes.  Fails by NODE_RULE (graph/node_check.h), which names
     * the node: STATUS_UNSUPPORTED.  Never NULL. */
    Status (*check)(const Graph *g, const Node *n);
    /* The largest |acc + bias| that any input of the node's codes can bring about, over all outputs.  NULL: 0, it sums
     * no products. */
    int64_t (*largest_sum)(const Graph *g, const Node *n);
    /* The ratios of scales that it multiplies by, where XNNPACK can represent only some.  `exceeds`: whether one of them
     * is outside ratio_limits; `given` then says which, "output 3: multiplier 1e-12".  NULL, both: it multiplies by
     * none. */
    const RatioLimits *ratio_limits;
    bool (*exceeds)(const Graph *g, const Node *n, char given[NODE_GIVEN_BYTES]);
    /* For a graph whose grids are being found: writes the scales that must be raised before this node's arithmetic
     * exists (with `runtime`, before it is within ratio_limits, too), in the order in which they are to be raised, and
     * returns how many they are; 0: it exists.  NULL: it always does. */
    int (*floors)(const Graph *g, const Node *n, bool runtime, ScaleFloor floor[NODE_MAX_FLOORS]);
    long (*macs)(const Graph *g, const Node *n); /* multiplications of one image; NULL: 0 */
    size_t (*flash_bytes)(const Node *n);        /* of its constants, weights packed to their bits; NULL: 0 */

    /* Once for each node of an engine: what a run would otherwise compute again.  e->g and e->node are set; fills
     * e->state, in the arena (big buffers by arena_try_alloc: STATUS_NOMEM, naming the node), and e->scratch_bytes.
     * NULL: nothing to prepare, state NULL, no scratch. */
    Status (*prepare)(Arena *arena, EngineNode *e);
    /* Runs the node on one image.  in[k] are the codes of input k, out those of the output to be written, both [H,W,C]
     * of their tensors; scratch has e->scratch_bytes bytes that nothing else uses meanwhile, aligned for any type, with
     * any content.  out overlaps no input, but for a type that shows its input, where out may be in[0]; inputs may be
     * the same memory.  Called by several threads at a time with the same e: it writes to out and scratch alone.  It
     * allocates nothing and cannot fail.  Never NULL. */
    void (*run)(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch);

    const NodeFloat *in_float; /* NULL: it computes in integers only */
    const NodeWide *in_wide;   /* NULL: it computes on int8 codes only */
    bool converts;             /* from codes to floats or back; any other type has all codes or all floats */
    bool changes_width;        /* from int8 to int16 codes or back; any other type has all int8 or all int16 */

    /* For the memory planners. */
    bool shows_input; /* the output has the bytes of input 0: nothing needs to be done if they share them */
    bool gives_rows;  /* a row of the output can be computed without the others */
    bool takes_rows;  /* row y of the output needs row y of the inputs alone, both of the output's shape */
    /* Whether the output may take the memory of input k.  NULL: OVERWRITES_NOT, of any input. */
    NodeOverwrites (*overwrites)(const Graph *g, const Node *n, int k);
} NodeType;

#define NODE(ID, name) extern const NodeType node_##name;
#include "graph/nodes.def"
#undef NODE
extern const NodeType *const node_types[]; /* by NodeKind, NULL-ended */
static inline const NodeType *node_type(const Node *n) { return node_types[n->op]; }

/* ---- of any node ------------------------------------------------------------------------------------------------- */
/* Its first input, and its output. */
static inline const GraphTensor *node_x(const Graph *g, const Node *n) { return &g->tensor[n->input[0]]; }
static inline const GraphTensor *node_y(const Graph *g, const Node *n) { return &g->tensor[n->output]; }
/* Its input k's scale over its output's, in float32. */
static inline float node_scale_ratio(const Graph *g, const Node *n, int k)
{
    return g->tensor[n->input[k]].scale / node_y(g, n)->scale;
}
/* Of a node for which memory is missing; arena_try_alloc's sentence is there. */
static inline Status node_no_room(const EngineNode *e)
{
    return status_prefix(STATUS_NOMEM, "node \"%s\"", e->node->name);
}
/* Computes in floats; a node that converts does not. */
static inline bool node_is_float(const Graph *g, const Node *n)
{
    return graph_tensor_is_float(node_y(g, n)) && !node_type(n)->converts;
}
/* Has int16 codes and computes in integers. */
static inline bool node_is_wide(const Graph *g, const Node *n)
{
    return !node_type(n)->converts && (graph_tensor_is_wide(node_y(g, n)) || graph_tensor_is_wide(node_x(g, n)));
}
/* Of a node that has weights: its output is the sums themselves, in int32, on the grid s_x s_w. */
bool node_gives_sums(const Node *n);
/* It gives int8 codes as int16 codes, the same numbers. */
bool node_widens(const Graph *g, const Node *n);
/* Its output is the network's, or only shown there in another shape. */
bool node_gives_output(const Graph *g, const Node *n);
/* Its members in the model file; of a node in floats none but its weights, which are read and written apart. */
static inline const NodeBinary *node_binary(const Graph *g, const Node *n)
{
    if (node_is_float(g, n)) return NULL;
    const NodeType *type = node_type(n);
    return node_is_wide(g, n) && type->in_wide->binary != NULL ? type->in_wide->binary : type->binary;
}
static inline int64_t node_bias(const Node *n, int output)
{
    return n->wide_bias != NULL ? n->wide_bias[output] : n->bias[output];
}
/* Bytes of int16 codes as such. */
static inline const int16_t *node_wide(const int8_t *bytes) { return (const void *)bytes; }
static inline int16_t *node_wide_out(int8_t *bytes) { return (void *)bytes; }
static inline bool node_has_weights(const Node *n) { return node_type(n)->weights != NULL; }
long node_macs(const Graph *g, const Node *n);
int64_t node_largest_sum(const Graph *g, const Node *n);
/* Makes the node ready to run in its arithmetic: NodeType.prepare, NodeFloat's or NodeWide's. */
Status engine_node_prepare(Arena *arena, const Graph *g, const Node *n, EngineNode *e);
/* What the codes that the node's operation gives must be clamped to beyond the ends of int8, or int16 (NodeClamp). */
void node_clamp(const Graph *g, const Node *n, int *lo, int *hi);

/* ---- of a node that has weights ----------------------------------------------------------------------------------- */
/* How many; 0 of a node that has none. */
long node_weights(const Node *n);
/* Shape of the weights as they are stored: [O,KH,KW,C/groups], [1,KH,KW,C*M] or [O,I].  Returns the rank, 4 or 2. */
int node_weight_shape(const Node *n, int64_t dim[4]);
/* The sums of the stored weights of one output. */
ChannelWeights node_channel_weights(const Node *n, int output);
/* Of a node on int16 codes: its sums are rescaled as int32 (scale_s16_of_int32), as LiteRT does in dense layers, and so
 * that ONNX Runtime, which computes them in floats, has the same codes but for ties; those that int32 cannot hold are
 * not. */
bool node_rescales_int32(const Graph *g, const Node *n);
/* The most |acc + bias| can be of one output: sum of |w| * max |x - z| + |bias|. */
int64_t node_output_sum(const Graph *g, const Node *n, int output);

#endif
