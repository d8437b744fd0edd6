/* The images a model is evaluated on. */
#ifndef BITFOLD_TRAIN_TEST_DATA_H
#define BITFOLD_TRAIN_TEST_DATA_H

#include "train/experiment.h"

typedef struct {
    DataSplits data;    /* labels are the model's outputs; data.note: what the user should know */
    Dataset *set;       /* of it, what was asked for */
    const char *name;   /* "test", ...; "all" */
    const char *folder; /* NULL: the config's data */
    bool whole;         /* all pictures of it */
} TestData;
extern const char *const split_names[]; /* "train", "validation", "test", NULL */

/* Images for `open`, the model in the file `path`, their labels renumbered to its classes by name.
 *
 * folder NULL: a split of the config's data.  Otherwise the data in `folder`: all pictures of one that has subfolders,
 * each of which is a class; else files of the kind that the config's data are of, and a split of them.  Limits of the
 * config are for its own data.  split: NULL is "test", and all pictures of a folder of pictures, which has no splits.
 * STATUS_INVALID: a split that there is not; STATUS_STATE: it is empty; and what model_data refuses. */
Status test_data(Arena *arena, const OpenModel *open, const char *path, const char *folder, const char *split,
                 TestData *out);

#endif
