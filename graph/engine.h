/* The engine: runs a graph on the CPU, integers exactly, floats in float32 by the kernels that layers are trained
 * with. */
#ifndef BITFOLD_GRAPH_ENGINE_H
#define BITFOLD_GRAPH_ENGINE_H

#include "base/arena.h"
#include "base/status.h"
#include "graph/graph.h"

typedef struct Engine Engine;
/* Packs the weights and makes the multipliers; keeps a reference to g, which has passed graph_check.  Everything a run
 * needs is allocated here, for the number of threads set at this time.  engine_create keeps every tensor of a batch;
 * engine_create_planned keeps none: each thread has one arena laid out by plan_make (faster, and memory does not grow
 * with the batch).  STATUS_NOMEM when the buffers do not fit. */
Status engine_create(Arena *arena, const Graph *g, int batch, Engine **engine);
Status engine_create_planned(Arena *arena, const Graph *g, Engine **engine);
/* input: n images of tensor[0] (n <= batch where tensors are kept), codes within its qmin..qmax.  logits: [n, classes],
 * codes or floats as the output tensor is (graph_tensor_bytes).  Threads over images; nothing allocates; the values do
 * not depend on the threads. */
void engine_run(Engine *engine, const int8_t *input, int n, void *logits);
/* One image by the calling thread; seconds[nodes]: what each node took of this run. */
void engine_run_timed(Engine *engine, const int8_t *input, void *logits, double *seconds);
/* engine_run from pixels [n,H,W,C] to the outputs as real numbers, reals[n, classes].  Takes memory of `scratch`. */
void engine_run_pixels(Engine *engine, Arena *scratch, const uint8_t *pixels, int n, float *reals);
/* The codes of a tensor, or the bytes of its floats, aligned for them, for all n images of the last run, [n,H,W,C].
 * Only of an engine_create. */
const int8_t *engine_tensor(const Engine *engine, int tensor);

#endif
