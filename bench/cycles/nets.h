/* Small networks of a few layers each, in several formats, whose instructions are measured. */
#ifndef BITFOLD_BENCH_CYCLES_NETS_H
#define BITFOLD_BENCH_CYCLES_NETS_H

#include "graph/graph.h"

typedef struct {
    const char *name;   /* "conv2d-3,W4" */
    const Graph *graph; /* as C gets it */
} CycleNet;

/* Of network 0, 1, ... in format 0, 1, ...: whether it is measured; what it is, the graph NULL if it cannot be. */
bool cycle_net_wanted(int net, int format);
CycleNet cycle_net(Arena *arena, int net, int format);
int cycle_nets(void);
extern const int cycle_formats;

#endif
