/* inspect --target: what a model costs on a kind of device. */
#ifndef BITFOLD_CLI_INSPECT_TARGET_H
#define BITFOLD_CLI_INSPECT_TARGET_H

#include "cli/cli.h"
#include "graph/graph.h"

/* target: "c", else STATUS_INVALID. */
Status inspect_target(Arena *arena, const Options *o, const Graph *g);

#endif
