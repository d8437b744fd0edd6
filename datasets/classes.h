/* Class names: which classes of a data set are which of a model. */
#ifndef BITFOLD_DATASETS_CLASSES_H
#define BITFOLD_DATASETS_CLASSES_H

#include "datasets/dataset.h"

/* The classes of a model, in the order of its outputs. */
typedef struct {
    const char *where; /* names the model in messages */
    int n;
    const char *const *name; /* [n] */
} ModelClasses;

/* Makes the labels of all splits the model's outputs: by name where both sides have names, and the data then has the
 * model's classes and names.
 *
 * Data may hold some of the model's classes only: *note (NULL if there is nothing to say) then tells which it lacks;
 * with `all`, as training needs it, that is an error.  Outputs that are named by their own number stand for no class
 * that data must have.  Where one side has no names, labels stay, class k is output k: data without names takes the
 * model's classes and names, data with names keeps its own; *note tells where that is a guess.
 * STATUS_SHAPE: nothing is matched by name and there are more classes than outputs; STATUS_FORMAT: a class that is not
 * the model's, or with `all` one that is missing; the message lists both sides. */
Status classes_map(Arena *arena, const ModelClasses *model, bool all, DataSplits *data, const char **note);

/* Whether its classes have names other than their numbers. */
bool classes_named(const ModelClasses *model);

/* [set->classes]: which classes have an image in the set. */
bool *classes_seen(Arena *arena, const Dataset *set);

/* Names for a message: "a", "b", "c"; of a long list the first eight and how many more there are. */
char *classes_text(Arena *arena, const char *const *name, int n);

#endif
