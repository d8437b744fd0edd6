/* bitfold-int8 files as MODEL: they have no network to build, but an image, classes and, beside them, maybe data. */
#ifndef BITFOLD_TRAIN_INTEGERS_H
#define BITFOLD_TRAIN_INTEGERS_H

#include "train/experiment.h"

/* any_open of such a file. */
Status integers_open(Arena *arena, const char *path, const char *const *sets, OpenModel *open, QGraph **graph);

#endif
