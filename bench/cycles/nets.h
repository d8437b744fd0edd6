/* Small networks of a few layers each, in several formats, whose instructions are measured. */
#ifndef BITFOLD_BENCH_CYCLES_NETS_H
#define BITFOLD_BENCH_CYCLES_NETS_H

#include "graph/graph.h"

/* Of `net` in `format`, names of their own; the graph as C gets it.  NULL: layers that this format cannot hold. */
extern const int cycle_nets, cycle_formats;
const char *cycle_net_name(int net);
const char *cycle_format_name(int format);
const Graph *cycle_net_graph(Arena *arena, int net, int format);

#endif
