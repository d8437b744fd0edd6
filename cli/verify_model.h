/* The proof that a model's exported integers are the trained ones. */
#ifndef BITFOLD_CLI_VERIFY_MODEL_H
#define BITFOLD_CLI_VERIFY_MODEL_H

#include "datasets/dataset.h"
#include "deploy/lower.h"

/* Writes the graph as a model file, reads it back, and compares on every image each layer's codes of the model's own
 * forward pass with those of the engine that runs the file. */
Status verify_model(Arena *arena, Model *m, const Graph *graph, const Dataset *images, VerifyResult *result);

#endif
