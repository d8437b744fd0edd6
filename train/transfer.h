/* Starting from another model: its parameters where they fit, its classes where the data has the same. */
#ifndef BITFOLD_TRAIN_TRANSFER_H
#define BITFOLD_TRAIN_TRANSFER_H

#include "train/experiment.h"

/* What became of the parameters, by name. */
typedef struct {
    int taken;
    StringList fresh;  /* of the new model: none of that name and shape, first values stay */
    StringList unused; /* of the old model */
} Transfer;

/* Copies weights, biases and batch norm with its statistics from `from` to `to`, matched by name and shape; those of
 * the layer `renewed` (-1: none) are left as they are.  Learned steps are part of no transfer.  transfer NULL: not
 * told. */
void model_transfer(Arena *arena, Model *to, const Model *from, int renewed, Transfer *transfer);

/* "starts from runs/a/best.safetensors: 12 parameters taken; new: logits.weight; unused: fc.weight". */
char *transfer_text(Arena *arena, const Transfer *transfer, const char *path);

/* The data for `to`, which is to start from `from`, the model in `path`.  Classes of one name are one class: the labels
 * are renumbered to the outputs.  *renewed: the head, if its outputs stand for other classes than before and must be
 * learned anew, else -1.  STATUS_SHAPE: the data has another number of classes than `to` has outputs; says what to set.
 * Sets the class names of `to`. */
Status transfer_data(Arena *arena, const Config *config, Model *to, const Model *from, const char *path,
                     DataSplits *data, int *renewed);

#endif
