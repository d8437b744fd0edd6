/* A training that ranks share (base/cluster.h): what rank 0 tells the others of it, and what all must agree on.
 *
 * Rank 0 does everything: reads the config, begins the run directory, calibrates, validates, writes.  The others get the
 * config and the checkpoint that the training goes on from, or begins with, and make the same steps in memory alone. */
#ifndef BITFOLD_TRAIN_SHARED_JOB_H
#define BITFOLD_TRAIN_SHARED_JOB_H

#include "train/trainer.h"

typedef struct {
    ModelKind kind;
    bool from_scratch;
    int threads;
    const char *config, *path;  /* its text, with absolute paths; where it was read, for messages */
    const char *data, *kernels; /* provenance_data and the arithmetic of rank 0; "": not known */
    const unsigned char *checkpoint;
    size_t checkpoint_bytes;
} SharedJob;

/* Rank 0: tells the others to begin; then that there is nothing more to do. */
Status shared_job_send(const TrainJob *job, const char *checkpoint);
void shared_job_end(void);
/* The others: waits for either.  False: the end. */
bool shared_job_receive(Arena *arena, SharedJob *job);

/* Called by all with how each fared: STATUS_OK only where all did well.  Else the lowest rank's failure; rank 0 has its
 * sentence, after "rank 3: " of another one. */
Status shared_agree(Status own);

/* All get rank 0's. */
void shared_values(double *a, double *b);

#endif
