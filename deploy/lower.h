/* From a trained model to the integer graph, and the proof that both compute the same. */
#ifndef BITFOLD_DEPLOY_LOWER_H
#define BITFOLD_DEPLOY_LOWER_H

#include "layers/model.h"
#include "graph/graph.h"
#include "graph/engine.h"

/* Freezes the model as it is (its quantizers bring their scales up to date) into an integer graph of its own (memory in
 * `arena`).  STATUS_STATE when a range was never observed, STATUS_NUMERIC for scales that are not finite and biases
 * that overflow, each naming the layer. */
Status model_lower(Arena *arena, Model *m, Rounding rounding, Graph **graph);

/* The same before graph_check has seen the graph: it may hold scales that no arithmetic carries. */
Status model_lower_unchecked(Arena *arena, Model *m, Rounding rounding, Graph **graph);

typedef struct {
    long values, different; /* codes compared, codes that differ */
    const char *first;      /* where the first difference is, or NULL */
} VerifyResult;

/* Runs n images through the model's own forward pass and through the engine and compares the codes of every layer,
 * element by element.  Adds to *result. */
Status verify_batch(Model *m, Tape *t, Engine *engine, const Graph *graph, const uint8_t *pixels, int n,
                    VerifyResult *result);

#endif
