/* The data of a model: read, held against its classes, and described. */
#ifndef BITFOLD_TRAIN_MODEL_DATA_H
#define BITFOLD_TRAIN_MODEL_DATA_H

#include "datasets/classes.h"
#include "train/experiment.h"

/* The classes of a model that is in the file `path`. */
ModelClasses model_classes(const char *path, const Model *m);

/* The data of `config`, its labels renumbered to the classes of a model (datasets/classes.h; NULL: experiment_data
 * alone).  `all`: the data must have every named class of the model, as training does.  What the user should know is
 * added to data->note. */
Status model_data(Arena *arena, const Config *config, const ModelClasses *classes, bool all, DataSplits *data);

/* "data: 3 classes; 96 training, 0 validation and 24 test images of 12 x 12 x 1". */
char *data_line(Arena *arena, const DataSplits *data);

/* Adds to data->note what makes training on it suspicious: one class, classes without images or with far fewer than
 * another, more outputs than classes, fewer images than a batch. */
void data_check_training(Arena *arena, const Config *config, int outputs, DataSplits *data);

#endif
