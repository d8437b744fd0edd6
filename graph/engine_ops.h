/* Inside the engine: one op on one image. */
#ifndef BITFOLD_GRAPH_ENGINE_OPS_H
#define BITFOLD_GRAPH_ENGINE_OPS_H

#include "graph/graph.h"
#include "kernels/requant.h"

/* A node made ready: everything that a run would otherwise compute again. */
typedef struct {
    const Node *node;
    Rounding rounding;
    const GraphTensor *x, *x2, *y; /* first input, second or NULL, output */
    const ConvS8 *conv;            /* conv2d, dwconv2d, dense: how */
    void *packed;                  /* and the weights for it */
    RequantRows requant;           /* conv2d, dwconv2d, dense */
    AddParams add;
    AverageRule average;
    int8_t *table;             /* [256] of requant, lut: by code + 128 */
    int part[NODE_MAX_INPUTS]; /* concat: channels of each input */
    size_t scratch_bytes;      /* working memory of a thread */
} EngineNode;

typedef struct {
    Status (*prepare)(Arena *arena, EngineNode *e); /* NULL: nothing to prepare */
    void (*run)(const EngineNode *e, const int8_t *const *in, int8_t *out, void *scratch);
} EngineOp;

extern const EngineOp *const engine_ops[]; /* by NodeType */

#endif
