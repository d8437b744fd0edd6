/* bitfold-int8 files as MODEL: they have no network to build, but an image, classes and perhaps, in a config.json next
 * to them, data. */
#ifndef BITFOLD_TRAIN_INTEGERS_H
#define BITFOLD_TRAIN_INTEGERS_H

#include "train/experiment.h"

/* STATUS_CONFIG, naming `path`, for an assignment that cannot matter to integers; import: when they are being made into
 * a file, which still takes a name and what it says about pixels. */
Status integers_settable(const char *path, const char *const *sets, bool import);

/* any_open of such a file.  Without a config.json next to it data.dataset is "" unless assigned. */
Status integers_open(Arena *arena, const char *path, const char *const *sets, OpenModel *open, Graph **graph);

#endif
