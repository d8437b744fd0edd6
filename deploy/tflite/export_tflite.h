/* Inside the TFLite exporter: the integer graph as a TfliteModel. */
#ifndef BITFOLD_DEPLOY_TFLITE_EXPORT_TFLITE_H
#define BITFOLD_DEPLOY_TFLITE_EXPORT_TFLITE_H

#include "deploy/tflite/tflite_model.h"
#include "graph/graph.h"

/* The description begins with it and stands before all else. */
#define TFLITE_SIGNATURE "bitfold int8 model"

enum { TFLITE_IO_INT8, TFLITE_IO_FLOAT };
typedef struct {
    int io; /* TFLITE_IO_INT8: codes, TFLITE_IO_FLOAT */
} TfliteOptions;

/* A model under construction.  Tensors of one pixel exist in two forms of the same bytes: rank 4, [1,1,1,C], for what
 * works on images and rank 2, [1,C], for dense layers; a RESHAPE makes the one from the other where it is needed. */
typedef struct {
    Arena *arena;
    const Graph *g;
    TfliteModel *m;
    int (*form)[2]; /* [Graph tensor]: its tensor of rank 4 and of rank 2; -1: not there */
    int most;       /* tensors and operators there is room for */
} TfliteBuild;
enum { FORM_IMAGE, FORM_FLAT };

/* How TFLite clamps to lo..hi: by saturation and a fused activation; where these cannot, by a MAXIMUM with the lowest
 * code and a MINIMUM with the highest (INT8_MIN, INT8_MAX: none). */
typedef struct {
    int activation, lowest, highest;
} TfliteClamp;

TfliteClamp tflite_clamp(const Graph *g, const Node *n);

/* Where a window's padding comes from. */
typedef struct {
    int padding;                  /* TFLITE_SAME or TFLITE_VALID */
    int top, bottom, left, right; /* by a PAD before it: all 0 with SAME */
} TflitePadding;
TflitePadding tflite_padding(const ConvGeom *g);

/* n numbers, in the arena. */
int32_t *tflite_words(Arena *arena, int n, const int32_t *from);
/* A tensor on the grid of g->tensor[like], or of floats as that is. */
int tflite_add_activation(TfliteBuild *b, const char *name, int rank, const int32_t *shape, int like);
/* A tensor of the shape of the model's tensor `like`, on no grid. */
int tflite_add_plain(TfliteBuild *b, const char *name, TfliteType type, int like);
/* Floats of a shape that does not depend on the number of images, as weights are. */
int tflite_add_fixed(TfliteBuild *b, const char *name, int rank, const int32_t *shape);
/* A constant; its scales are added by the caller. */
TfliteTensor *tflite_add_constant(TfliteBuild *b, const char *name, TfliteType type, int rank, const int32_t *shape,
                                  const void *data);
/* An operator with default options, to be connected. */
TfliteOperator *tflite_add_operator(TfliteBuild *b, TfliteOpIndex op, int inputs, const int32_t *input, int output);
/* y = x in y's shape. */
void tflite_add_reshape(TfliteBuild *b, int x, int y);
/* Graph tensor t in this form, reshaped if need be. */
int tflite_form(TfliteBuild *b, int t, int form);

/* TFLite has operators for a node of this kind. */
bool tflite_carries(NodeKind kind);

/* Adds the operators of a node of a kind that it carries.  STATUS_UNSUPPORTED where they would compute other
 * integers. */
Status tflite_add_node(TfliteBuild *b, const Node *n);

/* ---- of nodes that compute in floats (deploy/tflite/export_tflite_float.c) --------------------------------------- */
extern const float tflite_lowest_float; /* the border of a max pool */
int tflite_float_activation(const Node *n);
/* STATUS_UNSUPPORTED, by the layer's name, for formats that TFLite's kernels do not know. */
Status tflite_check_formats(const Graph *g, const Node *n);
/* Weights in float32 or, for LiteRT, made so by a DEQUANTIZE, of float16, int8 or int4, and a bias: tensors input[1]
 * and input[2]. */
Status tflite_add_float_weights(TfliteBuild *b, const Node *n, int rank, const int32_t *shape, int axis,
                                int32_t input[3]);
/* Operators that compute the node's curve, of tensor x to tensor y.  STATUS_UNSUPPORTED where there are none. */
Status tflite_add_curve(TfliteBuild *b, const Node *n, int32_t x, int32_t y);
/* The version of an operator of node n, and what says that it makes codes of its input. */
void tflite_set_float_version(TfliteOperator *o, const Node *n);
/* The node's values have to be rounded to float16; the CASTs that do it, of tensor x to tensor y. */
bool tflite_rounds(const Graph *g, const Node *n);
void tflite_add_rounding(TfliteBuild *b, const Node *n, int x, int y);

/* The whole graph with names, signature and metadata; g has passed graph_check. */
Status tflite_build(Arena *arena, const Graph *g, const TfliteOptions *options, TfliteModel **model);

#endif
