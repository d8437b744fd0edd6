#include "search/model_loss.h"

#include <string.h>

#include "train/batch_gradient.h"

static Status check_stop(const ModelLoss *l)
{
    return l->stop == NULL || *l->stop == 0 ? STATUS_OK : status_fail(STATUS_INTERRUPTED, "stopped");
}

static Status gradient(void *context, double *g)
{
    const ModelLoss *l = context;
    const ParamSet *p = &l->model->params;
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    memset(g, 0, sizeof *g * p->count);
    for (int first = 0; first < l->sample->n; first += SAMPLE_BATCH) {
        const Batch batch = sample_batch(l->sample, first);
        BatchLoss loss;
        TRY(check_stop(l));
        TRY(batch_gradient(l->tape, l->model, &mode, &batch, l->task, &loss));
        const double share = (double)batch.n / l->sample->n;
        for (size_t i = 0; i < p->count; i++) g[i] += share * (double)p->dx[i];
    }
    return STATUS_OK;
}

/* Forward only. */
static Status value(void *context, double *mean)
{
    const ModelLoss *l = context;
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    *mean = 0.0;
    for (int first = 0; first < l->sample->n; first += SAMPLE_BATCH) {
        const Batch batch = sample_batch(l->sample, first);
        double running = 0.0;
        TRY(check_stop(l));
        tape_reset(l->tape, false);
        Tensor *outputs = model_forward(l->model, l->tape, &mode, batch.pixels, batch.n);
        const Tensor *loss = l->task->loss->run(l->tape, l->task, outputs, batch.targets, &running);
        if (tape_failed(l->tape)) return status_fail(l->tape->status, "%s", l->tape->message);
        *mean += (double)loss->x[0] * batch.n / l->sample->n;
    }
    return STATUS_OK;
}

void model_loss_begin(ModelLoss *loss, Model *m, const Task *task, const Sample *sample,
                      const volatile sig_atomic_t *stop)
{
    *loss = (ModelLoss){.surface = {(long)m->params.count, m->params.x, gradient, value, loss},
                        .model = m,
                        .task = task,
                        .sample = sample,
                        .stop = stop,
                        .own = arena_create(),
                        .step = arena_create()};
    loss->tape = tape_create(loss->own, loss->step);
}

void model_loss_end(ModelLoss *loss)
{
    arena_destroy(loss->step);
    arena_destroy(loss->own);
}

ParamBlock weight_block(const Layer *l) { return (ParamBlock){(long)l->weight->offset, l->weight->count}; }
