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
 * folder NULL: a split of the config's data.  Otherwise the data in `folder`, without the limits that the config sets
 * its own: all pictures of one that has subfolders, each of which is a class, or where the config's data are pictures
 * or synthetic; else files of the kind that the config's data are of, and a split of them.  split: one of split_names,
 * NULL for "test"; pictures that are taken whole have no splits, it must be NULL.
 * STATUS_IO: `folder` is none, or cannot be read; STATUS_INVALID: a split of pictures that are taken whole;
 * STATUS_STATE: an empty split; and what model_data refuses. */
Status test_data(Arena *arena, const OpenModel *open, const char *path, const char *folder, const char *split,
                 TestData *out);

#endif
