/* Inside the counting of instructions: what is counted of a node, term by term. */
#ifndef BITFOLD_DEPLOY_C_C_COUNT_H
#define BITFOLD_DEPLOY_C_C_COUNT_H

#include "deploy/c/c_cycles.h"

typedef struct {
    const Graph *g;
    const Node *n;
    const PlanNode *planned;
    double *count; /* [CYCLE_TERMS] */
} CCount;
typedef void CCounter(const CCount *c);

static inline void c_count(const CCount *c, CycleTerm term, double times) { c->count[term] += times; }

/* By kind of node: on int8 codes, on int16 codes, in floats (the last two: deploy/c/c_count_wide.c).  NULL: nothing. */
extern CCounter *const c_counters[NODE_KINDS], *const c_wide_counters[NODE_KINDS], *const c_float_counters[NODE_KINDS];

/* Of output number `output` along an axis, the window cells inside 0 .. size-1. */
int c_cells_inside(int output, int stride, int padding, int kernel, int dilation, int size);
/* Along one axis, over all outputs: window cells inside the input, and outside. */
typedef struct {
    double inside, outside;
} CWindowCells;
CWindowCells c_window_rows(const ConvGeom *g);
CWindowCells c_window_columns(const ConvGeom *g);

/* `values` values are multiplied by a multiplier whose exponent is e. */
void c_count_rescale(const CCount *c, int e, double values);
/* The rounding that the graph is exported in. */
Rounding c_exported_rounding(const Graph *g);

/* How many values the node gives; a call, and a term for each of them; the same of a concat, with its cells. */
double c_outputs(const CCount *c);
void c_count_elements(const CCount *c, CycleTerm term);
void c_count_concat(const CCount *c, CycleTerm code);

/* A pool: its outputs, and of their windows rows and cells. */
void c_count_pool(const CCount *c, CycleTerm output, CycleTerm line, CycleTerm tap);

#endif
