#include "train/batch_gradient.h"

#include <math.h>

#include "layers/model_finite.h"

/* The first layer whose output in the last forward pass, or parameter, is not finite. */
static Status not_finite(const Model *m, const char *what)
{
    const char *layer = "the loss itself", *values = "";
    if (!model_first_not_finite(m, true, &layer, &values)) values = "";
    return status_fail(STATUS_NUMERIC, "the %s; it began in layer \"%s\"%s%s", what, layer,
                       values[0] == '\0' ? "" : ": ", values);
}

Status batch_gradient(Tape *t, Model *m, const ForwardMode *mode, const Batch *batch, const Task *task,
                      BatchLoss *result)
{
    *result = (BatchLoss){0};
    tape_reset(t, true);
    param_set_zero_grad(&m->params);
    Tensor *logits = model_forward(m, t, mode, batch->pixels, batch->n);
    Tensor *loss = task_training_loss(t, task, logits, batch->targets, &result->running);
    if (tape_failed(t)) return status_fail(t->status, "%s", t->message);
    result->loss = (double)loss->x[0];
    if (!isfinite(result->loss)) return not_finite(m, isnan(result->loss) ? "loss is NaN" : "loss is infinite");
    return tape_backward(t, loss);
}

Status batch_not_finite(Tape *t, Model *m, const ForwardMode *mode, const Batch *batch, const char *what)
{
    ForwardMode looking = *mode;
    looking.observe = false;
    looking.keep_outputs = true;
    tape_reset(t, false);
    model_forward(m, t, &looking, batch->pixels, batch->n);
    return not_finite(m, what);
}
