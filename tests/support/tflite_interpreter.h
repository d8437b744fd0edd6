/* Runs the operators of a .tflite model with plain loops, from what the format says of them: what the integer graph
 * means by a padding, an order of channels or an option is not known here.  The rounding is that of a rounding. */
#ifndef BITFOLD_TESTS_SUPPORT_TFLITE_INTERPRETER_H
#define BITFOLD_TESTS_SUPPORT_TFLITE_INTERPRETER_H

#include "base/qparams.h"
#include "deploy/tflite/tflite_model.h"

/* Codes of every int8 tensor for one image of codes; value[t] is [elements of tensor t], NULL for constants and what no
 * operator writes.  QUANTIZE and DEQUANTIZE at the ends of a float model are passed: value[] of the float tensors are
 * the codes. */
int8_t **tflite_run(Arena *arena, const TfliteModel *m, Rounding rounding, const int8_t *image);

#endif
