/* Checkpoints: safetensors files with everything that training goes on from.
 *
 * Parameters, optimizer slots, batch-norm statistics, quantizers and counters; the order of images and their
 * augmentation need no state (base/rng.h).  No path, clock, host or thread count goes in, and of the kernels only whose
 * arithmetic they have: equal training, equal file.
 */
#ifndef BITFOLD_TRAIN_CHECKPOINT_H
#define BITFOLD_TRAIN_CHECKPOINT_H

#include "base/field.h"
#include "base/safetensors.h"
#include "layers/model.h"
#include "optim/optimizer.h"
#include "train/ema.h"

typedef enum { MODEL_FLOAT, MODEL_PTQ, MODEL_QAT } ModelKind;
extern const char *const model_kind_names[]; /* "float", "ptq", "qat" */

/* Sums of a stretch of training: since the epoch began, or since the last line of metrics. */
typedef struct {
    double loss;          /* sum over images */
    double running, seen; /* sum of what the task's running metric is the mean of; images */
} Tally;

/* What a training's result follows from, as text (train/provenance.h). */
typedef struct {
    const char *config, *data, *kernels;
    const char *changed; /* what of these was changed on the way, a line each; "" */
} Provenance;

typedef struct {
    ModelKind kind;
    uint64_t seed;
    long step, steps; /* done, in all; 0, 0 when nothing is being trained */
    Tally epoch, window;
    double best;                  /* of the task's metric, on the validation split; its `none`: none yet */
    int stale;                    /* epochs since it became better; not kept while it is 0 */
    Ema *ema;                     /* the averages, which are in the model; NULL: none */
    const Provenance *provenance; /* written if there is one; checkpoint_read leaves it alone */
} TrainState;

/* optimizer NULL: a model that is not being trained. */
Status checkpoint_write(const char *path, const Model *m, const Optimizer *optimizer, const TrainState *state);

/* A checkpoint that was read: whole, and checked, once.  It lives in the arena it was opened with. */
typedef struct {
    Arena *arena;
    const char *path;
    SafeFile file;
    ModelKind kind;
} Checkpoint;

/* Reads all of the file.  `path` must live as long as the checkpoint.  STATUS_FORMAT: damaged, or no checkpoint;
 * STATUS_STATE: a model of integers only. */
Status checkpoint_open(Arena *arena, const char *path, Checkpoint *checkpoint);

/* Fills the model (and the optimizer, unless NULL, and then state->ema, unless NULL, which the caller has set): the
 * checkpoint must hold exactly these.  STATUS_FORMAT / STATUS_STATE name what is missing, has another shape, or is too
 * much. */
Status checkpoint_load(const Checkpoint *checkpoint, Model *m, Optimizer *optimizer, TrainState *state);

/* The same of a file that nothing else is asked of. */
Status checkpoint_read(const char *path, Model *m, Optimizer *optimizer, TrainState *state);

/* The steps of its training: done, and in all. */
Status checkpoint_steps(const Checkpoint *checkpoint, long *done, long *all);

/* Whether weights of this post-training quantization are on sets of levels, which earlier versions never put them on. */
bool checkpoint_has_levels(const Checkpoint *checkpoint);

/* The class names that it carries. */
Status checkpoint_classes(const Checkpoint *checkpoint, StringList *classes);

/* What it says of its provenance; all NULL: it says nothing. */
Provenance checkpoint_provenance(const Checkpoint *checkpoint);

#endif
