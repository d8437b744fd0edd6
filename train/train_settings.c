/* What of a config a training has: epochs, learning rate, optimizer, batches, and how each step computes. */
#include "deploy/lower.h"
#include "train/trainer.h"

int train_epochs(const TrainJob *job)
{
    return job->kind == MODEL_QAT && !job->from_scratch ? job->config->qat.epochs : job->config->train.epochs;
}

/* Of all weights and outputs, as overrides and the ends leave them. */
static int fewest_bits(const Model *m)
{
    int bits = 8;
    for (int i = 0; i < m->quantizers; i++)
        if (grid_bits(&m->quantizer[i]->qp) < bits) bits = grid_bits(&m->quantizer[i]->qp);
    return bits;
}

double qat_lr(const Config *c, int fewest_bits)
{
    return c->qat.lr > 0.0 ? c->qat.lr : c->train.optimizer.lr * (fewest_bits >= 8 ? 0.01 : 0.2);
}

double train_lr(const TrainJob *job)
{
    const Config *c = job->config;
    if (job->kind != MODEL_QAT) return c->train.optimizer.lr;
    if (job->from_scratch) return c->qat.lr > 0.0 ? c->qat.lr : c->train.optimizer.lr;
    return qat_lr(c, fewest_bits(job->model));
}

Status train_optimizer(Arena *arena, const TrainJob *job, Optimizer *optimizer)
{
    const QatConfig *qat = &job->config->qat;
    OptimizerConfig oc = job->config->train.optimizer;
    if (job->kind == MODEL_QAT && qat->weight_decay >= 0.0) oc.weight_decay = qat->weight_decay;
    if (job->kind == MODEL_QAT && !job->from_scratch && qat->clip_norm >= 0.0) oc.clip_norm = qat->clip_norm;
    return optimizer_make(arena, &oc, &job->model->params, optimizer);
}

Status train_loader(Arena *arena, const TrainJob *job, Loader **loader)
{
    const LoaderConfig lc = {.data = &job->data->train,
                             .batch = job->config->train.batch,
                             .seed = job->config->seed,
                             .shuffle = true,
                             .augment = &job->config->data.augment,
                             .prefetch = true};
    return loader_create(arena, &lc, loader);
}

ForwardMode train_mode(const QuantConfig *quant, ModelKind kind, long step, long steps)
{
    if (kind == MODEL_FLOAT) return (ForwardMode){.arithmetic = ARITHMETIC_FLOAT, .batch_statistics = true};
    const bool norm_frozen = step >= schedule_share(quant->freeze_bn_at, steps);
    const bool ranges_frozen = step >= schedule_share(quant->freeze_observers_at, steps);
    return (ForwardMode){.arithmetic = norm_frozen && ranges_frozen ? ARITHMETIC_INT : ARITHMETIC_FAKE,
                         .batch_statistics = !norm_frozen,
                         .observe = !ranges_frozen,
                         .rounding = (Rounding)quant->rounding};
}
