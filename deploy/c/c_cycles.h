/* What a node takes as C on a microcontroller, known without running it: instructions of a Cortex-M4, counted as the
 * kernels' loops run.  Each kind of step of a kernel, a term, has a price that was measured (deploy/c/cycles.def,
 * bench/cycles.sh); a node's geometry, weight width and place in the plan say how often each is taken.  The emulator
 * that measured them counts instructions: a core's cycles are somewhat more, by its memory and its loads. */
#ifndef BITFOLD_DEPLOY_C_C_CYCLES_H
#define BITFOLD_DEPLOY_C_C_CYCLES_H

#include "deploy/c/c_plan.h"

/* CYCLES(term, price, what it counts) */
#define CYCLES(term, price, what) CYCLES_##term,
typedef enum {
#include "deploy/c/cycles.def"
    CYCLE_TERMS
} CycleTerm;
#undef CYCLES

typedef struct {
    const char *name;
    double price; /* instructions */
    const char *what;
} CycleTermInfo;
extern const CycleTermInfo c_cycle_terms[CYCLE_TERMS];

/* Instructions of one run of the node in exported C, whole and in memory of its own.  g has passed graph_check and C
 * carries the node's kind; a rounding that C does not have counts as tflite-single, which it is exported in.  0: nothing
 * is called.  Cost: O(rows + columns + output channels). */
double c_node_cycles(const Graph *g, const Node *node);
/* The same, run as the plan says: by rows, over its input, or not at all. */
double c_planned_cycles(const Graph *g, const Node *node, const PlanNode *planned);
/* How often it takes each term, added to count. */
void c_cycle_counts(const Graph *g, const Node *node, const PlanNode *planned, double count[CYCLE_TERMS]);

#endif
