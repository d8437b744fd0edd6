/* Distillation: a network that another one learns from, and its answers to a batch. */
#ifndef BITFOLD_TRAIN_TEACHER_H
#define BITFOLD_TRAIN_TEACHER_H

#include "datasets/loader.h"
#include "train/checkpoint.h"
#include "train/config.h"

typedef struct {
    const char *path, *digest; /* the model as it was asked for; teacher_digest */
    Model *model;
    ForwardMode mode; /* as it is deployed: batch norm by its running statistics, a quantized model's arithmetic */
    const Model *student;
} Teacher;

/* The teacher that the config names for float training or quantization-aware training of `student`, which must outlive
 * it; NULL: it names none.  It may be of any architecture and kind.  A message names file and key: no model,
 * one of integers alone, one for another image, task, number of outputs or other classes, or with values that are not
 * finite. */
Status teacher_open(Arena *arena, const Config *config, ModelKind kind, const Model *student, const Teacher **teacher);

/* "model with CRC-32 01234567", of the bytes of the model's file; NULL: the config names no teacher, or the float
 * network that training starts from, or there is no such file. */
const char *teacher_digest(Arena *arena, const Config *config, ModelKind kind);

/* The teacher's outputs [n, outputs] for the images of a batch, as they are: augmented and mixed.  Of values in units of
 * the student's scale.  They are the tape's, which is reset and records nothing.  STATUS_NUMERIC: not all are finite. */
Status teacher_answer(const Teacher *teacher, Tape *tape, const Batch *batch, const float **outputs);

/* Puts these into the batch's targets where they count: there is a teacher, and a share of the loss for it. */
Status teacher_tell(const Teacher *teacher, Tape *tape, const Task *task, Batch *batch);

#endif
