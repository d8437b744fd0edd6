/* Losses of how far each output is from what it is to be: of tasks whose outputs are numbers (TaskType.learn). */
#include <math.h>

#include "base/batch_share.h"
#include "tasks/task.h"

/* What the outputs of a batch are to be. */
static const float *learned(Tape *t, const Task *task, Tensor *z, Targets targets, double *running)
{
    if (tape_failed(t)) return NULL;
    const int N = z->shape.dim[0];
    float *all = arena_alloc(t->arena, sizeof *all * (size_t)N * (size_t)task->outputs);
    const float *x = tensor_values(t, z);
    batch_in_turn_begin(running, sizeof *running);
    task->type->learn(task, x, targets, N, all, running);
    batch_in_turn_end(running, sizeof *running);
    tensor_values_release(t, z, x);
    return all;
}

static Tensor *run_mse(Tape *t, const Task *task, Tensor *z, Targets targets, double *running)
{
    const float *target = learned(t, task, z, targets, running);
    return target == NULL ? NULL : op_mse(t, z, target);
}

static double mse_of(const Task *task, double r)
{
    (void)task;
    return r * r;
}

Tensor *imitate_values(Tape *t, const Task *task, Tensor *z, const float *teacher)
{
    (void)task;
    return op_mse(t, z, teacher);
}

static Tensor *run_huber(Tape *t, const Task *task, Tensor *z, Targets targets, double *running)
{
    const float *target = learned(t, task, z, targets, running);
    return target == NULL ? NULL : op_huber(t, z, target, task->delta);
}

static double huber_of(const Task *task, double r)
{
    const double delta = (double)task->delta;
    return fabs(r) <= delta ? 0.5 * r * r : delta * (fabs(r) - 0.5 * delta);
}

static Tensor *run_wing(Tape *t, const Task *task, Tensor *z, Targets targets, double *running)
{
    const float *target = learned(t, task, z, targets, running);
    return target == NULL ? NULL : op_wing(t, z, target, task->wing_width, task->wing_curvature);
}

static double wing_of(const Task *task, double r)
{
    const double w = (double)task->wing_width, e = (double)task->wing_curvature;
    return fabs(r) < w ? w * log1p(fabs(r) / e) : fabs(r) - w + w * log1p(w / e);
}

const TaskLoss loss_mse = {"mse", "mean squared error", run_mse, mse_of};
const TaskLoss loss_huber = {"huber", "squares within task.delta, absolute errors outside", run_huber, huber_of};
const TaskLoss loss_wing = {"wing", "logarithms of errors within task.wing_width, absolute errors outside", run_wing,
                            wing_of};
