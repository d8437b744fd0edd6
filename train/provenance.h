/* What a training's result follows from: its config, its data, the arithmetic of its kernels.  Checkpoints carry it,
 * and a run that goes on compares. */
#ifndef BITFOLD_TRAIN_PROVENANCE_H
#define BITFOLD_TRAIN_PROVENANCE_H

#include "train/checkpoint.h"
#include "train/config.h"

typedef struct {
    ModelKind kind;
    const char *start;   /* what the weights began with: "config" (drawn), "model", or a digest of them */
    const char *teacher; /* digest of what it learns from; NULL: not known, or nothing */
} RunStart;

/* Whether the run began with a config, not with a model. */
bool run_from_config(RunStart start);

/* What data are: of each split the count, and a CRC-32 of images and labels (which model_data has matched to the
 * classes of the model by name).  Reads all images: one that is damaged is told before training begins. */
Status provenance_data(Arena *arena, const DataSplits *data, const char **text);

/* As it is now, with data as provenance_data tells them.  Of the config all that a result of this kind depends on,
 * defaults filled in: no paths, no names, not how often checkpoints are written. */
Provenance provenance_now(Arena *arena, const Config *config, RunStart start, const char *data);

/* Compares with what the checkpoint carries.  STATUS_STATE says which of the three differs, a key of the
 * config with its old and new value.  `allow`: goes on instead; the differences are appended to now->changed.
 * *note: something the user should know, or NULL: what was let through, or that the file carries no provenance. */
Status provenance_check(Arena *arena, const Checkpoint *last, bool allow, Provenance *now, const char **note);

/* What of the config is other than in the checkpoint: "other config: seed is 9, was 3"; "": nothing, or the checkpoint
 * does not tell. */
Status provenance_config_changes(Arena *arena, const Checkpoint *last, const Provenance *now, const char **changes);

/* Its note on what was let through, of a training that is finished. */
const char *provenance_without_effect(Arena *arena, const char *note);

/* CRC-32 of all parameters and statistics, as text. */
const char *provenance_weights(Arena *arena, const Model *m);

#endif
