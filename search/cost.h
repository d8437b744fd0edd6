/* What a network costs: on a microcontroller, as exported C, and on this machine. */
#ifndef BITFOLD_SEARCH_COST_H
#define BITFOLD_SEARCH_COST_H

#include "graph/graph.h"

typedef enum {
    COST_FLASH,  /* bytes of weights, biases, multipliers and tables */
    COST_RAM,    /* bytes of the arena */
    COST_CYCLES, /* instructions on a Cortex-M4 (deploy/c/c_cycles.h) */
    COST_BOPS,   /* bit operations: multiplications times bits of the weight times bits of what it meets */
    COST_LATENCY, /* microseconds of one image on this machine, where they are measured (search/space_latency.h); else 0 */
    COSTS
} CostKind;

typedef struct {
    const char *name;  /* as an option has it */
    const char *key;   /* in JSON and CSV */
    const char *label; /* in texts */
    bool binary;       /* K and M are 1024 and 1024^2 */
} CostType;

extern const CostType cost_types[COSTS];

typedef struct {
    double of[COSTS];
} Cost;

/* of_node[nodes], or NULL: what of it each of the graph's nodes takes.  RAM is no sum and stays 0 there. */
Cost network_cost(Arena *arena, const Graph *g, Cost *of_node);

/* "20000", "32K", "1.5M", of bytes also "32KB" and "32KiB", all 1024; a latency "500us", "0.5ms" or "1s", in microseconds:
 * a number above 0, finite.  STATUS_CONFIG names the option. */
Status cost_read(CostKind kind, const char *text, double *value);

/* The number as people read it: "31.4 KiB", "5.2M", "480 us". */
char *cost_text(Arena *arena, CostKind kind, double value);

#endif
