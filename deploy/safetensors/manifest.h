/* NAME.json next to NAME.safetensors: what a person wants to know of the model without opening it. */
#ifndef BITFOLD_DEPLOY_SAFETENSORS_MANIFEST_H
#define BITFOLD_DEPLOY_SAFETENSORS_MANIFEST_H

#include "graph/graph.h"

/* path: of the .safetensors; crc32: its checksum, as in its metadata.  Atomic. */
Status manifest_write(Arena *arena, const Graph *g, const char *path, const char *crc32);

#endif
