/* The rounding rules that runtimes of integer models have; kernels/requant.h computes them. */
#ifndef BITFOLD_BASE_ROUNDING_H
#define BITFOLD_BASE_ROUNDING_H

#include <stdbool.h>

/* How integers are rescaled at run time; the targets differ in rounding (kernels/requant.h). */
typedef enum { ROUNDING_XNNPACK, ROUNDING_TFLITE_SINGLE, ROUNDING_TFLITE_DOUBLE, ROUNDING_ONNXRUNTIME } Rounding;
enum { ROUNDINGS = ROUNDING_ONNXRUNTIME + 1 };
extern const char *const rounding_names[]; /* "xnnpack", "tflite-single", ...: in this order, NULL-ended */

/* Multipliers are float32, rounding is half to even; else 31-bit fixed point. */
static inline bool rounding_is_float(Rounding rounding)
{
    return rounding == ROUNDING_XNNPACK || rounding == ROUNDING_ONNXRUNTIME;
}

/* What the rounding needs of the ratios s_i / s_y of an add, and of s_x / s_y of a requant: "ratios in ..." */
const char *rounding_add_needs(Rounding rounding);
const char *rounding_requant_needs(Rounding rounding);

#endif
