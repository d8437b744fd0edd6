/* What a run starts from: a config, a model, or, of a run that goes on, what lies in its own folder. */
#ifndef BITFOLD_TRAIN_RUN_SOURCE_H
#define BITFOLD_TRAIN_RUN_SOURCE_H

#include "train/run.h"

typedef struct {
    const char *suffix; /* the run's name has it at its end */
    bool model;         /* the request's path is a model, or the run directory of one */
    bool own;           /* ... which is that of the resumed run itself */
    OpenModel from;     /* model: once it has been read */
} RunSource;

bool run_source_is_model(const char *path);

RunSource run_source(Arena *arena, const RunRequest *r, ModelKind kind);

/* The config of a run from a config, or else from a model, whose assignments are for the new network: the model itself
 * is read without them. */
Status run_source_config(Arena *arena, const RunRequest *r, RunSource *source, Config **config);

/* How the run begins, or began, as its checkpoint tells (NULL: there is none); a config that is given tells it itself.
 * What a float run takes from a model is not known here: provenance_weights. */
Status run_source_start(Arena *arena, const RunSource *source, ModelKind kind, const Checkpoint *last, RunStart *start);

/* That a model which is given, but not read since the run in `folder` goes on, is there; says that it is not read. */
Status run_source_unread(Arena *arena, const RunRequest *r, const RunSource *source, const char *folder);

/* That a run whose folder has a config.json but no checkpoint can start again as it began: one that began with a model
 * must be given the model. */
Status run_source_again(const RunSource *source, ModelKind kind, const RunFolder *run);

#endif
