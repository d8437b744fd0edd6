/* Where a model will run, which decides how its integers are rounded. */
#ifndef BITFOLD_QUANT_TARGET_H
#define BITFOLD_QUANT_TARGET_H

#include "base/rounding.h"

typedef struct {
    const char *name, *doc;
    Rounding rounding;
} TargetType;

extern const TargetType *const target_types[]; /* in the order of targets.def, NULL-ended */
extern const char *const target_names[];       /* the same */

/* The first target with that rounding: each has one. */
const TargetType *target_of(Rounding rounding);

#endif
