/* What the ranks of a cluster do that are not rank 0: their share of each training (train/shared_job.h). */
#ifndef BITFOLD_TRAIN_FOLLOW_H
#define BITFOLD_TRAIN_FOLLOW_H

/* Takes part in rank 0's trainings until it says that there are no more.  What fails is told by rank 0. */
void train_follow(void);

#endif
