/* The loss of one batch and its gradient: what a training step is made of, for training and for code that looks at a
 * loss without training. */
#ifndef BITFOLD_TRAIN_BATCH_GRADIENT_H
#define BITFOLD_TRAIN_BATCH_GRADIENT_H

#include "datasets/loader.h"
#include "layers/model.h"
#include "tasks/task.h"

typedef struct {
    double loss;    /* mean over the batch's images */
    double running; /* the sum over them of what task->type->running is the mean of */
} BatchLoss;

/* One batch through the network and back:
 *     L = 1/n sum_i loss(z_i, y_i), z = outputs of the model, the loss the task's, towards a teacher's outputs as well where
 *     the targets have them (task_training_loss);  p.dx = dL/dp for each parameter p.
 * Gradients of an earlier batch are forgotten first; those of frozen parameters stay 0.  In fake and integer arithmetic
 * the gradient is the straight-through estimator of each quantizer.
 *
 * tape: the caller's, with memory of its own.  It is reset here, so that one tape serves any number of batches; layers'
 *   outputs are the tape's and, since backward gives them back, are gone afterwards unless mode->keep_outputs.
 * mode: the arithmetic, and whether batch statistics are taken and observers learn.  Parameters are never changed here;
 *   running statistics of batch norm and observers move as in training where the mode says so.
 * batch: n pixels and targets of the task's kind, read only.
 *
 * STATUS_NUMERIC: the loss is NaN or infinite; the message names the layer where that began, and there was no backward,
 * so that all gradients are 0.  Other failures are the tape's.  A step's cost: one forward and one backward pass. */
Status batch_gradient(Tape *tape, Model *m, const ForwardMode *mode, const Batch *batch, const Task *task,
                      BatchLoss *result);

/* After an update: where `what`, which is not finite, began ("the update is not finite; it began in layer ...").  The
 * same forward pass is made once more, without learning, to look at the layers' outputs.  Always STATUS_NUMERIC. */
Status batch_not_finite(Tape *tape, Model *m, const ForwardMode *mode, const Batch *batch, const char *what);

#endif
