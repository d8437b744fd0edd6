/* The mean loss of a float network over some images, as a function of its parameters. */
#ifndef BITFOLD_SEARCH_MODEL_LOSS_H
#define BITFOLD_SEARCH_MODEL_LOSS_H

#include <signal.h>

#include "layers/model.h"
#include "search/hessian.h"
#include "search/sample.h"
#include "tasks/task.h"

typedef struct {
    LossSurface surface;
    /* the rest is model_loss.c's own */
    Model *model;
    const Task *task;
    const Sample *sample;
    const volatile sig_atomic_t *stop;
    Arena *own, *step;
    Tape *tape;
} ModelLoss;

/* The loss at the parameters of m, a float model, in floats and with the running statistics of batch norm; gradients of
 * batches are summed in double, and fail as batch_gradient does.  Model, task and sample must outlive it, and it must not
 * be copied or moved.  Once *stop is set they are STATUS_INTERRUPTED; NULL: they go on. */
void model_loss_begin(ModelLoss *loss, Model *m, const Task *task, const Sample *sample,
                      const volatile sig_atomic_t *stop);
void model_loss_end(ModelLoss *loss);

/* The weights of a layer that has some, as a block of that surface. */
ParamBlock weight_block(const Layer *l);

#endif
