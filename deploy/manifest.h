/* NAME.json beside NAME.safetensors: what a person wants to know of the model without opening it. */
#ifndef BITFOLD_DEPLOY_MANIFEST_H
#define BITFOLD_DEPLOY_MANIFEST_H

#include <cjson/cJSON.h>

#include "quant/qgraph.h"

/* A float for JSON: nine digits read back to the same float; the double nearest to them prints as just those digits. */
double manifest_decimal(float x);

/* The class names as a list, empty if there are none.  The caller frees it. */
cJSON *qgraph_classes_json(const QGraph *g);

/* path: of the .safetensors; crc32: its checksum, as in its metadata.  Atomic. */
Status manifest_write(Arena *arena, const QGraph *g, const char *path, const char *crc32);

#endif
