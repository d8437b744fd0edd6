/* The training loop, float or quantization-aware. */
#ifndef BITFOLD_TRAIN_TRAINER_H
#define BITFOLD_TRAIN_TRAINER_H

#include <signal.h>

#include "datasets/loader.h"
#include "train/checkpoint.h"
#include "train/config.h"
#include "train/evaluate.h"
#include "train/teacher.h"

typedef struct {
    const char *phase; /* "float", "qat" */
    int epoch, epochs; /* 1-based */
    long step, steps;  /* done, in all */
    const Task *task;
    double loss, running; /* means of this epoch so far; running: task->type->running */
    double images_per_s, lr;
    int images_per_step;
    bool epoch_end;
    double validation; /* task->metric at an epoch's end; its `none`: no validation split */
} TrainProgress;

typedef struct {
    const Config *config;
    const DataSplits *data;
    Model *model;                 /* initialised, or with the weights to start from (and calibrated, for QAT) */
    ModelKind kind;               /* MODEL_FLOAT or MODEL_QAT */
    const Teacher *teacher;       /* whom the model learns from; NULL: nobody */
    bool from_scratch;            /* QAT without float training before it: train's epochs and learning rate */
    const char *folder;           /* run directory that exists; NULL: nothing is written */
    bool resume;                  /* go on from folder/last.safetensors */
    const Checkpoint *last;       /* that file, if it was read already; NULL: it is read */
    bool epochs_may_differ;       /* resume: from those it began with; the schedule is that of the new total */
    bool allow_changed;           /* also with another seed or number of steps than it says */
    const Provenance *provenance; /* for the checkpoints; NULL: they carry none */
    bool follows;                 /* of one that rank 0 shares with others (train/follow.h): one of these */
    /* non-zero: finish the step, write the checkpoint, return STATUS_INTERRUPTED; or NULL */
    const volatile sig_atomic_t *stop;
    void (*progress)(void *context, const TrainProgress *p); /* after every step; or NULL */
    void *progress_context;
} TrainJob;

typedef struct {
    long steps;
    bool stopped_early;     /* by train.early_stopping */
    double loss, running;   /* of the last epoch, on the training images */
    double best_validation; /* the metric's `none`: no validation split */
} TrainResult;

/* Trains, on all ranks of a cluster where it has a folder (base/cluster.h).  In `folder`: last.safetensors before the first step, every train.checkpoint_every steps or 5 seconds and at
 * each epoch's end; best.safetensors (best on the validation split, by the integer engine for QAT; without one, the
 * last); metrics.jsonl.  STATUS_NUMERIC names step and layer when the loss stops being finite. */
Status train_run(Arena *arena, const TrainJob *job, TrainResult *result);

/* Whether a job that resumes can go on from its checkpoint, which is read into the model as train_run does; writes
 * nothing.  *left: the steps that are still to be done. */
Status train_check(const TrainJob *job, long *left);

/* Epochs of the job, and its learning rate at the schedule's top. */
int train_epochs(const TrainJob *job);
double train_lr(const TrainJob *job);

/* Of quantization-aware training that begins with a float network, of which something gets so few bits. */
double qat_lr(const Config *config, int fewest_bits);

/* The job's optimizer, of job->model's parameters as they are placed; and its batches, which are the caller's to destroy. */
Status train_optimizer(Arena *arena, const TrainJob *job, Optimizer *optimizer);
Status train_loader(Arena *arena, const TrainJob *job, Loader **loader);

/* How step `step` of `steps` computes: in float, or in the QAT phase it belongs to. */
ForwardMode train_mode(const QuantConfig *quant, ModelKind kind, long step, long steps);

#endif
