/* The model file (docs/format.md) out; graph_read (graph/graph.h) reads it. */
#ifndef BITFOLD_DEPLOY_SAFETENSORS_EXPORT_SAFETENSORS_H
#define BITFOLD_DEPLOY_SAFETENSORS_EXPORT_SAFETENSORS_H

#include "graph/graph.h"

/* path: NAME.safetensors; a readable NAME.json manifest is written next to it.  Both atomic, reproducible byte for
 * byte.  Refuses a graph that graph_check refuses. */
Status export_safetensors(Arena *arena, const Graph *g, const char *path);

#endif
