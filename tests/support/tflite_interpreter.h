/* Runs the operators of a .tflite model with plain loops, from what the format says of them: what the integer graph
 * means by a padding, an order of channels or an option is not known here.  The rounding is that of a rounding. */
#ifndef BITFOLD_TESTS_SUPPORT_TFLITE_INTERPRETER_H
#define BITFOLD_TESTS_SUPPORT_TFLITE_INTERPRETER_H

#include "base/qparams.h"
#include "deploy/tflite/tflite_model.h"

/* Every tensor for one image of codes; value[t] is [elements of tensor t], int8 codes or floats by its type (float16 as
 * floats), NULL for constants and what no operator writes.  The image of a model with a float input is the reals of the
 * codes. */
int8_t **tflite_run(Arena *arena, const TfliteModel *m, Rounding rounding, const int8_t *image);
/* The same; what reads a float tensor t sees known[t] where that is not NULL. */
int8_t **tflite_run_knowing(Arena *arena, const TfliteModel *m, Rounding rounding, const int8_t *image,
                            const float *const *known);

#endif
