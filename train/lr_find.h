/* The learning-rate range test (Smith 2017): a short training whose rate rises until the loss explodes tells which rates
 * the network learns with. */
#ifndef BITFOLD_TRAIN_LR_FIND_H
#define BITFOLD_TRAIN_LR_FIND_H

#include "train/trainer.h"

typedef struct {
    double lr, loss;
    double smoothed; /* exponential average of the losses so far, corrected for its beginning */
} LrPoint;

typedef struct {
    int points;
    LrPoint *point;
    bool exploded;    /* it ended before the last rate, where the loss exploded */
    int lowest;       /* the point of the lowest smoothed loss after the first tenth of the rates */
    double suggested; /* a tenth of that point's rate; 0: the loss fell at no rate by 5 % below the first tenth's */
} LrFind;

/* One step at each of `steps` (2 or more) rates from 1e-7 to 10, each the same factor above the last, with the job's
 * batches and optimizer and without its schedule; float.  It ends early where the smoothed loss is above 4 times its
 * lowest value, or the loss or an update is not finite.  The model is trained meanwhile and of no use afterwards.
 * job->progress is called after every step, job->stop asked before: STATUS_INTERRUPTED.  Nothing is written.
 * STATUS_NUMERIC: the first loss already is not finite. */
Status lr_find(Arena *arena, const TrainJob *job, int steps, LrFind *find);

#endif
