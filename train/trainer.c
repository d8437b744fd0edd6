#include "train/trainer.h"

#include <math.h>
#include <stdio.h>

#include "base/batch_share.h"
#include "base/cluster.h"
#include "base/file.h"
#include "base/timing.h"
#include "datasets/batch_reader.h"
#include "deploy/grid_floor.h"
#include "deploy/lower.h"
#include "train/batch_gradient.h"
#include "train/metrics.h"
#include "train/model_task.h"
#include "train/oscillations.h"
#include "train/shared_job.h"

static const double CHECKPOINT_SECONDS = 5.0;
enum { METRICS_LINES = 100 }; /* per training, about, besides the epochs' */

typedef struct {
    const TrainJob *job;
    Arena *arena, *step_arena, *teacher_arena;
    Tape *tape, *teacher_tape;
    Optimizer optimizer;
    Loader *loader;
    Task task;
    Metrics metrics;
    Sparsity *sparsity;
    TrainState state;
    bool shared;         /* by the ranks of a cluster */
    int epochs, batches; /* per epoch */
    double lr, last_checkpoint;
    const char *last_path, *best_path;
} Trainer;

/* The average takes the network's place, or gives it back. */
static void swap_average(const Trainer *r)
{
    if (r->state.ema != NULL) ema_swap(r->state.ema);
}

static Status write_checkpoint(Trainer *r, const char *path)
{
    if (r->job->folder == NULL) return STATUS_OK;
    r->last_checkpoint = timing_seconds();
    swap_average(r);
    const Status status = checkpoint_write(path, r->job->model, &r->optimizer, &r->state);
    swap_average(r);
    return status;
}

/* A failure of the next step: which one it is, and what helps if numbers ran away. */
static Status step_failed(const Trainer *r, Status status, bool ran_away)
{
    if (status != STATUS_NUMERIC) return status;
    char reason[512];
    snprintf(reason, sizeof reason, "%s", status_message());
    const char *advice = ran_away ? "; a smaller train.optimizer.lr, or train.optimizer.clip_norm, is required" : "";
    return status_fail(status, "training: step %ld: %s%s", r->state.step + 1, reason, advice);
}

static bool params_finite(const ParamSet *p)
{
    /* inf - inf and nan - nan are nan: one pass without a branch per value. */
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < p->count; i++) sum += p->x[i] - p->x[i];
    return sum == 0.0f;
}

/* Of step `step`, 0-based. */
static double learning_rate(const Trainer *r, long step)
{
    const Config *c = r->job->config;
    return r->lr *
           schedule_factor(r->job->kind == MODEL_QAT ? &c->qat.schedule : &c->train.schedule, step, r->state.steps);
}

/* What each rank may fail at by itself, every rank fails at. */
static Status agree(const Trainer *r, Status status) { return r->shared ? shared_agree(status) : status; }

/* This rank's share of the batch, until batch_share_end. */
static Batch share_of(const Trainer *r, const Batch *whole, long *first)
{
    long n;
    *first = 0;
    if (!r->shared) return *whole;
    batch_share_begin(whole->n, first, &n);
    return (Batch){.n = (int)n,
                   .pixels = whole->pixels + (size_t)*first * dataset_image_bytes(&r->job->data->train),
                   .targets = targets_from(whole->targets, (int)*first)};
}

static Status one_step(Trainer *r, const Batch *whole)
{
    const TrainJob *job = r->job;
    TrainState *s = &r->state;
    long first;
    Batch told = share_of(r, whole, &first);
    const Batch *batch = &told;
    const Status asked = teacher_tell(job->teacher, r->teacher_tape, &r->task, &told);
    TRY(agree(r, asked == STATUS_OK ? asked : step_failed(r, asked, false)));
    const ForwardMode mode = train_mode(&job->config->quant, job->kind, s->step, s->steps);
    for (int i = 0; i < job->model->quantizers; i++) {
        Quantizer *q = job->model->quantizer[i];
        q->progress = (double)s->step / (double)s->steps;
        q->gradient.seed = job->config->seed, q->gradient.key = gradient_key(s->step, i) + (uint64_t)first;
    }
    const OscillationConfig *oscillation = &job->config->qat.oscillation;
    sparsity_before_step(r->sparsity, s->step, s->steps);
    oscillations_before_step(oscillation, job->model, s->step, s->steps);
    BatchLoss loss;
    const Status status = batch_gradient(r->tape, job->model, &mode, batch, &r->task, &loss);
    if (status != STATUS_OK) return step_failed(r, status, !tape_failed(r->tape));
    const double lr = learning_rate(r, s->step);
    const float norm = optimizer_step(&r->optimizer, (float)lr, s->step + 1);
    if (!isfinite(norm) || !params_finite(&job->model->params))
        return step_failed(r, batch_not_finite(r->tape, job->model, &mode, batch, "update is not finite"), true);
    oscillations_after_step(oscillation, job->model, s->step, s->steps);
    sparsity_after_step(r->sparsity);
    s->step++;
    if (s->ema != NULL) ema_update(s->ema, s->step);
    Tally *tallies[] = {&s->epoch, &s->window};
    for (int i = 0; i < 2; i++) {
        tallies[i]->loss += loss.loss * whole->n;
        tallies[i]->running += loss.running;
        tallies[i]->seen += whole->n;
    }
    return STATUS_OK;
}

static Status measure(const Trainer *r, double *value, double *loss)
{
    const TrainJob *job = r->job;
    Arena *arena = arena_create();
    Graph *graph = NULL;
    Status status = STATUS_OK;
    if (job->kind == MODEL_QAT) status = model_lower(arena, job->model, (Rounding)job->config->quant.rounding, &graph);
    EvalResult result;
    swap_average(r);
    if (status == STATUS_OK)
        status = evaluate(arena, &r->task, job->model, graph, &job->data->validation,
                          graph == NULL ? ENGINE_FLOAT : ENGINE_INT8, &result);
    swap_average(r);
    if (status == STATUS_OK) *value = result.value, *loss = result.loss;
    arena_destroy(arena);
    return status;
}

/* *value: of the task's metric; its `none` without a validation split. */
static Status validate(const Trainer *r, double *value, double *loss)
{
    const TrainJob *job = r->job;
    *value = r->task.metric->none, *loss = 0.0;
    if (job->data->validation.n == 0) return STATUS_OK;
    TRY(agree(r, job->follows ? STATUS_OK : measure(r, value, loss)));
    if (r->shared) shared_values(value, loss);
    return STATUS_OK;
}

static Status log_window(Trainer *r, int epoch, double lr, double validation, double validation_loss)
{
    Tally *w = &r->state.window;
    if (w->seen == 0) return STATUS_OK;
    const OscillationCount oscillation = oscillations_count(r->job->model);
    const MetricsLine line = {.phase = model_kind_names[r->job->kind],
                              .step = r->state.step,
                              .epoch = epoch,
                              .images = (int)w->seen,
                              .loss = w->loss / w->seen,
                              .task = &r->task,
                              .running = w->running / w->seen,
                              .lr = lr,
                              .validation = validation,
                              .validation_loss = validation_loss,
                              .sparsity = sparsity_measured(r->sparsity),
                              .oscillation = &oscillation};
    *w = (Tally){0};
    return metrics_line(&r->metrics, &line);
}

/* Whether step `step` is the first in integer simulation. */
static bool becomes_integer(const TrainJob *job, long step, long steps)
{
    const QuantConfig *quant = &job->config->quant;
    return train_mode(quant, job->kind, step, steps).arithmetic == ARITHMETIC_INT &&
           (step == 0 || train_mode(quant, job->kind, step - 1, steps).arithmetic != ARITHMETIC_INT);
}

static Status floor_grids(const TrainJob *job)
{
    if (job->kind != MODEL_QAT) return STATUS_OK;
    return model_floor_grids(job->model, (Rounding)job->config->quant.rounding);
}

/* Epochs without a better validation that end the training; 0: none do. */
static int early_stopping(const Trainer *r)
{
    return r->job->kind == MODEL_FLOAT ? r->job->config->train.early_stopping : 0;
}

static bool is_stale(const Trainer *r) { return early_stopping(r) > 0 && r->state.stale >= early_stopping(r); }

static Status end_epoch(Trainer *r, TrainProgress *p, TrainResult *result)
{
    TrainState *s = &r->state;
    double validation_loss;
    TRY(floor_grids(r->job));
    TRY(validate(r, &p->validation, &validation_loss));
    const Status logged = log_window(r, p->epoch, p->lr, p->validation, validation_loss);
    result->loss = s->epoch.loss / s->epoch.seen;
    result->running = s->epoch.running / s->epoch.seen;
    s->epoch = (Tally){0};
    const Metric *metric = r->task.metric;
    const bool best = metric_measured(metric, p->validation) &&
                      metric_as_good(metric, p->validation, s->best); /* of equals, the longer trained */
    s->stale = best && p->validation != s->best ? 0 : s->stale + (early_stopping(r) > 0);
    if (best) s->best = p->validation;
    p->epoch_end = true;
    Status status = logged;
    if (status == STATUS_OK && (best || (r->job->data->validation.n == 0 && s->step == s->steps)))
        status = write_checkpoint(r, r->best_path);
    return agree(r, status == STATUS_OK ? write_checkpoint(r, r->last_path) : status);
}

/* After a step that ends no epoch. */
static Status between_epochs(Trainer *r, const TrainProgress *p)
{
    const TrainState *s = &r->state;
    const long every = r->job->config->train.checkpoint_every, window = s->steps / METRICS_LINES + 1;
    if (s->step % window == 0) TRY(log_window(r, p->epoch, p->lr, p->validation, 0.0));
    if ((every > 0 && s->step % every == 0) || timing_seconds() - r->last_checkpoint > CHECKPOINT_SECONDS)
        return write_checkpoint(r, r->last_path);
    return STATUS_OK;
}

static Status stop_if_told(Trainer *r)
{
    const TrainState *s = &r->state;
    if (r->job->stop == NULL || *r->job->stop == 0 || s->step >= s->steps || is_stale(r)) return STATUS_OK;
    TRY(write_checkpoint(r, r->last_path));
    return status_fail(STATUS_INTERRUPTED, "stopped after step %ld of %ld", s->step, s->steps);
}

static Status train_loop(Trainer *r, TrainResult *result)
{
    const TrainJob *job = r->job;
    TrainState *s = &r->state;
    double rate = 0.0;
    while (s->step < s->steps && !is_stale(r)) {
        const double start = timing_seconds();
        const int epoch = (int)(s->step / r->batches), index = (int)(s->step % r->batches);
        const Batch *batch;
        TRY(agree(r, loader_get(r->loader, epoch, index, &batch)));
        const int images = batch->n;
        if (becomes_integer(job, s->step, s->steps)) TRY(floor_grids(job));
        const Status stepped = one_step(r, batch);
        batch_share_end();
        TRY(stepped);
        const double took = fmax(timing_seconds() - start, 1e-9), now = images / took;
        rate = rate == 0.0 ? now : rate + 0.05 * (now - rate);
        const double lr = learning_rate(r, s->step - 1);
        TrainProgress p = {.phase = model_kind_names[job->kind],
                           .epoch = epoch + 1,
                           .epochs = r->epochs,
                           .step = s->step,
                           .steps = s->steps,
                           .loss = s->epoch.loss / s->epoch.seen,
                           .task = &r->task,
                           .running = s->epoch.running / s->epoch.seen,
                           .images_per_s = rate,
                           .images_per_step = job->config->train.batch,
                           .lr = lr,
                           .validation = r->task.metric->none};
        TRY(index == r->batches - 1 ? end_epoch(r, &p, result) : agree(r, between_epochs(r, &p)));
        if (job->progress != NULL) job->progress(job->progress_context, &p);
        TRY(agree(r, stop_if_told(r)));
    }
    return STATUS_OK;
}

/* All that training needs; of one that goes on, with what its checkpoint says.  Writes nothing. */
static Status prepare(Trainer *r)
{
    const TrainJob *job = r->job;
    r->task = model_task(job->config, job->model);
    r->task.distillation = config_teacher(job->config, job->kind == MODEL_QAT)->distillation;
    r->state.best = r->task.metric->none;
    if (job->kind == MODEL_FLOAT) TRY(model_freeze(job->model, &job->config->train.freeze, job->config->path));
    if (job->kind == MODEL_QAT) TRY(oscillations_watch(&job->config->qat.oscillation, job->model, job->config->path));
    const bool grows = job->kind == MODEL_FLOAT || job->from_scratch;
    TRY(sparsity_watch(r->arena, &job->config->train.sparsity, job->model, grows, job->config->path, &r->sparsity));
    TRY(train_optimizer(r->arena, job, &r->optimizer));
    TRY(train_loader(r->arena, job, &r->loader));
    r->batches = loader_batches(r->loader);
    r->epochs = train_epochs(job);
    r->lr = train_lr(job);
    r->state = (TrainState){.kind = job->kind,
                            .seed = job->config->seed,
                            .steps = (long)r->batches * r->epochs,
                            .best = r->task.metric->none,
                            .provenance = job->provenance};
    if (job->folder != NULL) {
        r->last_path = file_join(r->arena, job->folder, "last.safetensors");
        r->best_path = file_join(r->arena, job->folder, "best.safetensors");
    }
    if (job->kind == MODEL_FLOAT && job->config->train.ema > 0.0)
        r->state.ema = ema_make(r->arena, job->model, job->config->train.ema);
    if (job->resume) {
        const long steps = r->state.steps;
        if (job->last != NULL)
            TRY(checkpoint_load(job->last, job->model, &r->optimizer, &r->state));
        else
            TRY(checkpoint_read(r->last_path, job->model, &r->optimizer, &r->state));
        const bool epochs = job->epochs_may_differ && r->state.steps % r->batches == 0;
        const bool same = r->state.seed == job->config->seed && (r->state.steps == steps || epochs);
        if (r->state.kind != job->kind || !(same || job->allow_changed) || r->state.step > steps)
            return status_fail(STATUS_STATE,
                               "%s: %s training with seed %llu, step %ld of %ld; the config says %s, seed %llu, "
                               "%ld steps",
                               r->last_path, model_kind_names[r->state.kind], (unsigned long long)r->state.seed,
                               r->state.step, r->state.steps, model_kind_names[job->kind],
                               (unsigned long long)job->config->seed, steps);
        r->state.seed = job->config->seed;
        r->state.steps = steps;
        swap_average(r);
    }
    return STATUS_OK;
}

Status train_check(const TrainJob *job, long *left)
{
    Trainer r = {.job = job, .arena = arena_create()};
    const Status status = prepare(&r);
    *left = is_stale(&r) ? 0 : r.state.steps - r.state.step;
    loader_destroy(r.loader);
    arena_destroy(r.arena);
    return status;
}

static Status start(Trainer *r)
{
    const TrainJob *job = r->job;
    TRY(prepare(r));
    TRY(metrics_open(r->arena, job->folder, model_kind_names[job->kind], r->state.step, &r->metrics));
    if (!job->resume) TRY(write_checkpoint(r, r->last_path));
    r->last_checkpoint = timing_seconds();
    return STATUS_OK;
}

/* Of a training that ranks share, rank 0 tells the others what it goes on from, once it is there. */
static Status gather(const Trainer *r, Status status)
{
    if (!r->shared) return status;
    if (!r->job->follows) {
        TRY(status);
        TRY(shared_job_send(r->job, r->last_path));
    }
    return shared_agree(status);
}

Status train_run(Arena *arena, const TrainJob *job, TrainResult *result)
{
    Trainer r = {.job = job, .arena = arena, .step_arena = arena_create(), .teacher_arena = arena_create()};
    r.tape = tape_create(arena, r.step_arena);
    r.teacher_tape = tape_create(arena, r.teacher_arena);
    r.shared = cluster_ranks() > 1 && (job->follows || job->folder != NULL);
    *result = (TrainResult){0};
    Status status = gather(&r, start(&r));
    if (status == STATUS_OK) status = train_loop(&r, result);
    swap_average(&r); /* the model that is left is the average */
    result->steps = r.state.step;
    result->stopped_early = status == STATUS_OK && is_stale(&r) && r.state.step < r.state.steps;
    result->best_validation = r.state.best;
    metrics_close(&r.metrics);
    loader_destroy(r.loader);
    arena_destroy(r.teacher_arena);
    arena_destroy(r.step_arena);
    return status;
}
