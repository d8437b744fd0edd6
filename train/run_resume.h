/* What a run that goes on must agree with: the config in its folder, and what its checkpoint was made of. */
#ifndef BITFOLD_TRAIN_RUN_RESUME_H
#define BITFOLD_TRAIN_RUN_RESUME_H

#include "train/run.h"

/* Whether the config of a resumed run is the one it began with but for the epochs of this training (qat.epochs or
 * train.epochs): out->same_but_epochs; says that they are others. */
Status run_compare_config(Arena *arena, const RunRequest *r, const Config *config, bool qat, RunOutcome *out);

/* Fills out->provenance, what the result will follow from.  STATUS_STATE: the run began with something else, unless
 * that is allowed; then out->change tells it. */
Status run_trace(Arena *arena, const RunRequest *r, RunStart start, const DataSplits *data, RunOutcome *out);

/* Says what the run goes on with that is other (out->change), and where no step is `left` that this has no effect: of
 * data and kernels in a note.  STATUS_STATE of a config, which would be written next to a model that was not trained
 * with it. */
Status run_tell_changes(Arena *arena, const RunRequest *r, long left, const RunOutcome *out);

#endif
