/* How good a model is on a data set, by one of three engines. */
#ifndef BITFOLD_TRAIN_EVALUATE_H
#define BITFOLD_TRAIN_EVALUATE_H

#include "datasets/dataset.h"
#include "layers/model.h"
#include "graph/graph.h"
#include "tasks/task.h"

typedef enum {
    ENGINE_FLOAT, /* the float network, whatever quantizers it has */
    ENGINE_SIM,   /* integer simulation: the layers' own forward pass */
    ENGINE_INT8,  /* the integer engine on the lowered graph */
} EngineKind;
extern const char *const engine_names[]; /* "float", "sim", "int8" */

typedef struct {
    int n;
    double value; /* of the task's metric */
    double loss;  /* mean over images */
    double images_per_s;
    Score score; /* all else; its task is a copy */
} EvalResult;

/* graph: for ENGINE_INT8, otherwise NULL.  Results live in `arena`.  STATUS_NUMERIC, of the float engine: a value or an
 * output is not finite; names the layer. */
Status evaluate(Arena *arena, const Task *task, Model *m, const Graph *graph, const Dataset *data, EngineKind engine,
                EvalResult *result);

/* What the model answers to the images, as targets of them (TaskType.as_target), in the arena: what another network may
 * be held against; and the outputs, [n,outputs], where `outputs` is not NULL.  STATUS_NOMEM, and as evaluate. */
Status evaluate_answers(Arena *arena, const Task *task, Model *m, const Graph *graph, const Dataset *data,
                        EngineKind engine, Targets *answers, float *outputs);

#endif
